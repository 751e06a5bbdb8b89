"""The source of one cell, read as plain Python the way IPython reads it.

Nothing of it is ever run here, and no text makes it raise or take long: the work is bounded by the text's size,
never by a clock, so the same notebook is read the same way everywhere.
"""

from __future__ import annotations

import ast
import re
import symtable
import textwrap
import warnings
from collections.abc import Iterator
from functools import lru_cache

import msgspec
from IPython.core.inputtransformer2 import TransformerManager

MAX_CELL = 200_000
MAX_WORK = 1_000_000  # a microsecond or two each
MAX_WORDS = 100_000  # words, marks and line ends of all cells: a syntax tree has about as many nodes
MAX_WORD = 300
MAX_DEPTH = 200

_CANNOT_PARSE = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)
_LINE_BREAKS = r"\v\f\x1c-\x1e\x85\u2028\u2029"  # to str.splitlines, and so to IPython; not to Python
# Where IPython may change even valid Python: it strips prompts, and splits lines at more characters.
_NOT_ONLY_PYTHON = re.compile(rf"[{_LINE_BREAKS}]|^[ \t]*(>>>|\.\.\.|In \[)", re.MULTILINE)
_ESCAPE = re.compile(rf"(^|[{_LINE_BREAKS}])[ \t]*[%!?,;/]|=[ \t]*[%!]|\?[ \t]*$", re.MULTILINE)
_WORD = re.compile(r"\w+|[^\w\s]|\r\n?|\n")
# Python's own parser keeps each beginning of a dotted name: 90 kB of them take it 2 GB.
_LONG_NAME = re.compile(rf"(?:\.[\s\\]*\w+[\s\\]*){{{MAX_DEPTH}}}")
_LONG_WORD = re.compile(rf"[\w.*\[\]]{{{MAX_WORD}}}")
_COMMANDS = (
    "pip3?|conda|mamba|uv|ls|ll|cd|pwd|mkdir|rmdir|rm|cp|mv|cat|git|wget|curl|sudo|apt(-get)?|unzip|tar|python3?"
)
_COMMAND = re.compile(rf"({_COMMANDS})(?=\s|$)(?![ \t]*[=(,:\[])")
_KINDS_OF_MARKS = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)
_MARKS = frozenset(mark for kind in _KINDS_OF_MARKS for mark in kind.__subclasses__())
_PYTHON_MAGICS = frozenset({"time", "timeit", "capture", "prun"})


class Code(msgspec.Struct, frozen=True):
    """One cell's code.

    ``text`` is what to run: the student's own, or a repaired version of it. ``python`` is the same as plain Python,
    for readers of syntax trees, and empty when it does not parse: then nothing of it may run. ``names`` are those
    it binds outside functions and classes. ``large``: nobody tried to parse it.
    """

    text: str
    python: str = ""
    names: frozenset[str] = frozenset()
    large: bool = False


class Reader:
    """Reads the cells of one notebook, within one budget of work: a cell beyond it counts as not parsing."""

    def __init__(self, budget: int = MAX_WORK, words: int = MAX_WORDS) -> None:
        self._left = budget
        self._words = words

    def read(self, text: str) -> Code:
        """The cell ``text`` as code: as it stands, else dedented, else with its shell commands marked as such."""
        if len(text) > MAX_CELL or (words := sum(1 for _ in _WORD.finditer(text))) > self._words:
            return Code(text, large=True)
        self._words -= words
        for candidate in _candidates(text):
            cost = work(candidate)
            if cost > self._left:
                return Code(text, large=True)
            self._left -= cost
            python = to_python(candidate)
            if python:
                return Code(candidate, python, names(python))
        return Code(text)


def _candidates(text: str) -> Iterator[str]:
    yield text
    dedented = textwrap.dedent(text)
    if dedented != text:
        yield dedented
    marked = "".join(mark_command(line) for line in dedented.splitlines(keepends=True))
    if marked != dedented:
        yield marked


def mark_command(line: str) -> str:
    """``pip install x`` as ``!pip install x``: IPython itself takes it for a command in a cell of one line only."""
    return "!" + line if _COMMAND.match(line) and parsed(line) is None else line


def work(text: str) -> int:
    """What reading ``text`` may cost: IPython tokenizes all of it anew for each escape that it replaces."""
    return len(text) * (1 + 2 * sum(1 for _ in _ESCAPE.finditer(text)))


def to_python(text: str) -> str:
    """``text`` without magics, prompts and shell escapes, or "" when that is not Python.

    What ``%time`` and ``%%time`` run stands in the magic's place, so that readers see it. Lines keep their numbers.
    """
    if not text.strip():
        return ""
    text = text.replace("\r\n", "\n").replace("\r", "\n")  # line ends to Python, each of them
    if not _NOT_ONLY_PYTHON.search(text) and parsed(text) is not None:
        return text
    return _unwrapped(_transformed(text))


def _unwrapped(python: str, deepest: int = 3) -> str:
    body = _magic_body(python)
    if body is None:
        return _without_time(python)
    inner = _unwrapped(_transformed(body) if body.strip() else "pass\n", deepest - 1) if deepest else ""
    return "\n" * (1 + _leading_lines(python)) + inner if inner else ""


def _transformed(text: str) -> str:
    if _LONG_WORD.search(text):  # IPython's search for `name?` is quadratic in it
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            python: str = TransformerManager().transform_cell(text)
    except Exception:  # a library at work on any text at all: whatever it raises, the cell is not Python
        return ""
    return "\n" * _leading_lines(text) + python if parsed(python) is not None else ""


def _leading_lines(text: str) -> int:
    return text[: len(text) - len(text.lstrip())].count("\n")


def _magic_body(python: str) -> str | None:
    """The source under a ``%%magic`` that runs it as Python, or None."""
    tree = parsed(python) if "run_cell_magic(" in python else None
    match tree.body if tree else []:
        case [
            ast.Expr(
                value=ast.Call(
                    func=ast.Attribute(attr="run_cell_magic"),
                    args=[ast.Constant(value=str(magic)), ast.Constant(), ast.Constant(value=str(body))],
                )
            )
        ] if magic in _PYTHON_MAGICS:
            return body
    return None


def _without_time(python: str) -> str:
    """``python`` with each ``%time statement`` replaced by its statement."""
    tree = parsed(python) if "run_line_magic('time'" in python else None
    lines = python.split("\n")
    for node in tree.body if tree else []:
        match node:
            case ast.Expr(
                value=ast.Call(
                    func=ast.Attribute(attr="run_line_magic"),
                    args=[ast.Constant(value="time"), ast.Constant(value=str(statement))],
                )
            ) if node.lineno == node.end_lineno and parsed(statement) is not None:
                lines[node.lineno - 1] = statement
    return "\n".join(lines)


def parsed(python: str) -> ast.Module | None:
    """The syntax tree of ``python``; None when it does not parse, or nests too deep for those who walk it."""
    if _LONG_NAME.search(python):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(python)
    except _CANNOT_PARSE:
        return None
    return tree if _depth_within(tree, MAX_DEPTH) else None


def below(node: ast.AST) -> tuple[ast.AST, ...]:
    """What `ast.iter_child_nodes` gives, but for operators and contexts, which say nothing without what they are in.

    It is kept with the node: trees are walked again and again, and never changed.
    """
    kept: tuple[ast.AST, ...] | None = getattr(node, "_children", None)
    if kept is None:
        kept = tuple(_children(node))
        node._children = kept  # type: ignore[attr-defined]
    return kept


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for name in node._fields:
        value = getattr(node, name, None)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, ast.AST) and type(item) not in _MARKS:
                yield item


def _depth_within(tree: ast.AST, limit: int) -> bool:
    layer = [tree]
    for _ in range(limit):
        layer = [child for node in layer for child in below(node)]
        if not layer:
            return True
    return False


def names(python: str, *, imported: bool = True) -> frozenset[str]:
    """The names that ``python`` binds at its top level, inside ``if``, ``try``, ``with`` and loops too."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = symtable.symtable(python, "cell", "exec")
    except _CANNOT_PARSE:
        return frozenset()
    symbols = table.get_symbols()
    return frozenset(s.get_name() for s in symbols if s.is_assigned() or (imported and s.is_imported()))


def shape(python: str) -> str:
    """What is left of ``python`` without layout, comments and docstrings: equal for equal code; "" for none."""
    tree = parsed(python)
    return "\n".join(statements(tree)) if tree else ""


def statements(tree: ast.Module) -> list[str]:
    """The top-level statements of ``tree`` in a form to compare; docstrings are dropped."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str())), _, *_]:
                    del node.body[0]
    return [ast.dump(statement) for statement in tree.body]


@lru_cache(maxsize=128)
def _known(released: str) -> frozenset[str] | None:
    """The statements of a released cell, of which a notebook may hold thousands of copies."""
    tree = parsed(released)
    return frozenset(statements(tree)) if tree else None


def added(python: str, original: str) -> str:
    """The lines of those top-level statements of ``python`` that ``original`` does not hold."""
    tree, known = parsed(python), _known(original)
    if tree is None or known is None:
        return ""
    lines = python.split("\n")
    # The spans first: comparing drops docstrings from the tree.
    spans = [lines[node.lineno - 1 : node.end_lineno] for node in tree.body]
    return "\n".join("\n".join(span) for span, text in zip(spans, statements(tree), strict=True) if text not in known)
