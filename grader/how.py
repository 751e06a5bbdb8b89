"""How an answer computes: judged from its source, which is never run here, and from a hint of what ran.

::

    how = student.how("matmul_broadcast", seen)
    how.must_not("matrix product", "einsum")
    how.loops(at_most=1)

Each method raises `NotAsAsked` or returns None. The families are those of `grader.vocabulary`. Only code that the
answer reaches counts: its helpers, the classes it uses, aliases, other exercises' answers; not a cell's own try-outs.
A *must* holds when source or run shows it, a *must not* is broken when either does. Where the source does not tell,
the answer is the student's, except behind a construct that hides what is called (``eval``, a computed ``getattr``).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from functools import cached_property, reduce

from grader.findings import NotAsAsked
from grader.libraries import may_multiply
from grader.loops import Deepest, deepest
from grader.model import Finding, Frame
from grader.reach import Reach, Use, reach_of
from grader.reading import Reading, TooLarge
from grader.sandbox.wire import Seen
from grader.scopes import UNKNOWN, Lib, Own, hiding
from grader.sentences import N_, Sentence, Text, sentence
from grader.tampering import tampering as tampering
from grader.vocabulary import (
    ARITHMETIC,
    COMPUTING_NOTHING,
    FAMILIES,
    LOOP,
    MARKS,
    OPAQUE,
    REDUCTIONS,
    SHOWING,
    STANDARD,
    Family,
)

Cells = Sequence[tuple[str, str]]

_PHRASES = {
    "matrix product": N_("a matrix product"),
    "nn.Linear": "`nn.Linear`",
    "conv2d": N_("a ready-made convolution"),
    "numpy": "NumPy",
    "torch": "PyTorch",
    "autograd.Function": "a `torch.autograd.Function`",
    "elementwise product": N_("an elementwise product"),
    "none index": N_("indexing with `None`"),
    "copy": N_("a copy"),
    LOOP: N_("a loop"),
}
_PLAIN_WORDS = frozenset({N_("autograd"), N_("broadcasting")})
_SHOWN_MARKS = {
    "@": "`@`",
    "*": "`*`",
    "[None]": N_("indexing with `None`"),
    "requires_grad=": "`requires_grad`",
}
_WORK = (ast.Call, ast.BinOp, ast.Compare, ast.Subscript, ast.BoolOp)
_TOO_DEEP = "code nested too deep to follow"


class How:
    """How the answer ``exercise`` of these cells computes. ``cells`` are (label, plain Python), up to its place."""

    def __init__(self, exercise: str, cells: Cells, seen: Seen | None = None, reading: Reading | None = None) -> None:
        self._name = exercise
        self._cells = tuple((label, text) for label, text in cells)
        self._seen = seen
        self._reading = reading or Reading()

    # ------------------------------------------------------------ what a suite asks

    def must_not(self, *families: str) -> None:
        """The answer uses none of ``families``. Raises `NotAsAsked` (``must_not``, ``hidden_call``)."""
        for name in families:
            if name == LOOP:
                self.loops(at_most=0)
                continue
            if use := self._in_source(FAMILIES[name]):
                self._fail("must_not", use, used=_shown(use.path), asked=_without(name))
            if ran := self._in_run(name):
                self._fail("must_not", self._place(), used=f"`{ran}`", asked=_without(name))
        self._nothing_hidden()
        if "matrix product" in families and (use := self._unknown_product()):
            self._fail("must_not", use, used=_shown(use.path), asked=_without("matrix product"))

    def must(self, *families: str) -> None:
        """The answer uses one of ``families``, in any spelling. Raises `NotAsAsked` (``must``).

        What the source shows must run, too, where torch ran at all; and what runs must not be thrown away.
        """
        for name in families:
            if self._deepest.depth > 0 if name == LOOP else self._does(name):
                return
        asked = reduce(either, map(phrase, families))
        self._fail("must", self._place(), asked=asked)

    def nothing_beside(self, name: str) -> None:
        """All matrix products of the answer are of this family, those in an ``assert`` aside.

        Raises `NotAsAsked` (``must_not``, ``hidden_call``).
        """
        for use in self._uses:
            is_other = FAMILIES["matrix product"].has(use.path) and not FAMILIES[name].has(use.path)
            if is_other and id(use.node) not in self._reach.asserted and not self._is_own_attribute(use):
                self._fail("must_not", use, used=_shown(use.path), asked=_without("matrix product"))
        self._nothing_hidden()

    def must_call(self, name: str) -> None:
        """The answer uses another name of the notebook, itself or through helpers. Raises `NotAsAsked` (``must``)."""
        if not self._reach.reads(name):
            self._fail("must", self._place(), asked=f"`{name}`")

    def loops(self, at_least: int | None = None, at_most: int | None = None) -> None:
        """Loops nest so deep. Raises `NotAsAsked` (``too_few_loops``, ``too_many_loops``, ``hidden_call``).

        A comprehension is a loop, in helpers too; `itertools.product` of n things is n. No loop: over a shape, or
        over a written-out tuple. ``at_least`` also holds when the run shows arithmetic on single numbers only.
        """
        found = self._deepest
        place = Use("", found.cell, found.line)
        if at_least is not None and found.depth < at_least and not self._ran_on_numbers():
            self._fail("too_few_loops", self._place(), found=str(found.depth), asked=str(at_least))
        if at_most is not None:
            if found.depth > at_most:
                self._fail("too_many_loops", place, found=str(found.depth), allowed=str(at_most))
            self._nothing_hidden()

    def indexing_only(self) -> None:
        """Single numbers are multiplied and added, found by indexing. Raises `NotAsAsked` (``indexing_only``...)."""
        self.must_not("matrix product", "einsum")
        for op in self._seen.ops if self._seen else ():
            if op.largest > 1 and _op(op.name) in ARITHMETIC:
                many = sentence("`%(name)s` on %(size)s numbers at once", name=_op(op.name), size=op.largest)
                self._fail("indexing_only", self._place(), used=many)
        for use in self._uses:
            if _is_reduction(use) or _is_row_product(use):
                used = _shown(use.path) if use.path != "*" else sentence("a product of slices")
                self._fail("indexing_only", use, used=used)

    def only_builtins(self) -> None:
        """Built-ins and own helpers; of what is imported, what computes nothing. Raises (``not_builtin``...)."""
        self._only("not_builtin", COMPUTING_NOTHING)

    def only_numpy(self) -> None:
        """Plain Python, the standard library and NumPy. Raises `NotAsAsked` (``not_numpy``, ``hidden_call``)."""
        self._only("not_numpy", STANDARD | FAMILIES["numpy"].roots)

    def _only(self, code: str, libraries: frozenset[str]) -> None:
        for use in self._uses:
            root = use.path.partition(".")[0]
            plain = root in SHOWING | MARKS | libraries | {"?"} or use.path in libraries or hiding(use.path)
            if not plain and ("." in use.path or root in FAMILIES["torch"].roots | FAMILIES["numpy"].roots):
                self._fail(code, use, used=_shown(use.path))
        if ran := self._in_run("torch"):
            self._fail(code, self._place(), used=f"`{ran}`")
        self._nothing_hidden()

    @property
    def disagrees(self) -> bool:
        """Do source and run contradict each other? Only where both are plain: a sign that one was tampered with."""
        seen = self._seen
        if seen is None or self._reach.hidden:
            return False
        for name in ("matrix product", "einsum", "relu", "unfold", "conv2d"):
            plain = any(self._is_plain(use, FAMILIES[name]) for use in self._uses)
            if plain and not self._in_run(name):
                return True
        for name in ("matrix product", "conv2d"):
            ran = any(FAMILIES[name].ran(op.name) for op in seen.ops)
            if ran and self._source_is_told() and not self._in_source(FAMILIES[name], everything=True):
                return True
        return False

    # ------------------------------------------------------------ the source

    @cached_property
    def _reach(self) -> Reach:
        return reach_of(self._name, self._cells, self._reading)

    @cached_property
    def _deepest(self) -> Deepest:
        return deepest(self._reach)

    @property
    def _uses(self) -> list[Use]:
        """What the answer uses: each time that it is looked through counts."""
        self._reading.spend(len(self._reach.uses))
        return self._reach.uses

    def _in_source(self, family: Family, everything: bool = False) -> Use | None:
        """The first use of ``family`` that is not, or may not be, of the student's own making."""
        for use in self._uses:
            if family.has(use.path) and (everything or not self._may_be_own(use, family)):
                return use
        return None

    def _does(self, name: str) -> bool:
        """Does the answer use the family ``name``, so that its result may come from there?"""
        family, ran = FAMILIES[name], self._in_run(name, asked=True)
        shown = [use for use in self._uses if family.does(use.path) and not self._may_be_own(use, family)]
        used = [use for use in shown if id(use.node) not in self._reach.idle]
        if not used:
            return bool(ran) and not shown
        shows = self._torch_ran and bool(family.ops)  # of a `torch.autograd.Function`, say, no run tells
        must_run = shows and not self._touches_numpy and all(_is_torch(use.path) for use in used)
        return bool(ran) or not must_run

    @property
    def _torch_ran(self) -> bool:
        return self._seen is not None and bool(self._seen.ops)

    def _unknown_product(self) -> Use | None:
        """The first use of what may work a matrix product out by some detour (`torch.linalg.inv` of blocks)."""
        uses = (use for use in self._uses if not hiding(use.path) and may_multiply(use.path))
        return next((use for use in uses if not self._is_own_attribute(use)), None)

    def _is_own_attribute(self, use: Use) -> bool:
        return use.path.startswith("?.") and (
            self._reach.defines(use.path[2:]) or self._reach.book.defines(use.path[2:])
        )

    def _may_be_own(self, use: Use, family: Family) -> bool:
        """Could an object of a class of the notebook be what is used? The run tells, where it sees such a thing."""
        reach = self._reach
        if use.path == "@":
            return any(reach.defines(name) for name in ("__matmul__", "__rmatmul__", "__imatmul__")) and (
                self._operand_is_own(use) or not self._touches_numpy
            )
        if not use.path.startswith("?."):
            return False
        name = use.path[2:]
        if family is FAMILIES["autograd"]:
            return reach.defines(name) or reach.book.defines(name)
        return reach.defines(name) and not (self._touches_numpy and family is FAMILIES["matrix product"])

    def _operand_is_own(self, use: Use) -> bool:
        node, scope = use.node, use.scope
        if scope is None or not isinstance(node, (ast.BinOp, ast.AugAssign)):
            return False
        operands = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
        values = [self._reach.book.values(operand, scope) for operand in operands]
        return any(v != UNKNOWN and isinstance(v, Own) for found in values for v in found)

    @cached_property
    def _touches_numpy(self) -> bool:
        return any(FAMILIES["numpy"].has(use.path) or use.path == "numpy" for use in self._uses)

    def _is_plain(self, use: Use, family: Family) -> bool:
        """Does the answer run this torch operation each time, whatever its arguments?"""
        if not use.plain or not family.has(use.path) or self._touches_numpy or self._may_be_own(use, family):
            return False
        if use.path == "@":
            return True
        return use.path.startswith("torch.") and use.path.rpartition(".")[2].islower() and self._is_called(use)

    def _is_called(self, use: Use) -> bool:
        return id(use.node) in self._reach.called

    def _source_is_told(self) -> bool:
        """Does the source show all that may run: no layer, no object or function from elsewhere?"""
        reach = self._reach
        if reach.data or reach.stored or any(isinstance(value, Lib) for value in reach.values):
            return False
        lasts = [use.path.rpartition(".")[2] for use in reach.uses if "." in use.path]
        return not any(last[:1].isupper() or last in OPAQUE for last in lasts)

    def _nothing_hidden(self) -> None:
        if not self._reach.values:
            self._fail("hidden_call", self._place(), construct=sentence("a definition that the source does not show"))
        for use in self._reach.hidden:
            self._fail("hidden_call", use, construct=_construct(use.path))

    # ------------------------------------------------------------ the run

    def _in_run(self, name: str, asked: bool = False) -> str:
        """What of the family was seen to run, or "". What is as good as it does not count where it is ``asked`` for."""
        seen, family = self._seen, FAMILIES[name]
        if seen is None:
            return ""
        called = [path for path in map(_called, seen.functions) if path]
        for path in called:
            if family.does(path) if asked else family.has(path):
                return path.replace("torch.functional.", "torch.")
        for op in seen.ops:
            if family.ran(op.name) and not (asked and _op(op.name) in family.as_good.ops):
                return _op(op.name)
        if name == "torch" and seen.ops:
            return _op(seen.ops[0].name)
        if name == "autograd" and seen.autograd:
            return "backward"
        indexed = "torch.Tensor.__getitem__" in called and not any(FAMILIES["unsqueeze"].has(p) for p in called)
        if name == "none index" and indexed and any(_op(op.name) == "unsqueeze" for op in seen.ops):
            return "None"
        return ""

    def _ran_on_numbers(self) -> bool:
        """Does the run show arithmetic, and on single numbers only?"""
        ops = [op for op in (self._seen.ops if self._seen else ()) if _op(op.name) in ARITHMETIC]
        return any(_op(op.name) in ("mul", "addcmul") for op in ops) and all(op.largest <= 1 for op in ops)

    # ------------------------------------------------------------ what is told

    def _place(self) -> Use:
        line, cell = self._reach.place()
        return Use("", cell, line)

    def _fail(self, code: str, use: Use, **facts: Text) -> None:
        frames: tuple[Frame, ...] = ()
        if use.line and 0 <= use.cell < len(self._cells):
            label, text = self._cells[use.cell]
            lines = text.split("\n")
            code_line = lines[use.line - 1].strip() if use.line <= len(lines) else ""
            frames = (Frame(label, use.line, code_line[:200]),)
            facts["line"] = str(use.line)
        raise NotAsAsked(Finding("forbidden", code, facts, frames=frames))


# ---------------------------------------------------------------- questions about a notebook


def reachable_names(name: str, cells: Cells, reading: Reading | None = None) -> set[str]:
    """The top-level names that the answer ``name`` reads, itself or through helpers; none when it is `TooLarge`."""
    try:
        return set(reach_of(name, tuple(cells), reading).names)
    except TooLarge:
        return set()


def globals_read(name: str, cells: Cells, reading: Reading | None = None) -> set[str]:
    """The top-level names among them that are plain data: no function, class or module."""
    try:
        return set(reach_of(name, tuple(cells), reading).data)
    except TooLarge:
        return set()


def source_of(name: str, cells: Cells) -> str:
    """The source of what ``name`` is at the end, as the student wrote it; "" when no cell binds it."""
    book = reach_of(name, tuple(cells)).book
    parts = []
    lines = [text.split("\n") for _, text in book.cells]
    for number in dict.fromkeys(binding.order for binding in book.visible(name, None) if binding.order):
        statement, cell = book.statements[number - 1]
        first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))])
        parts.append("\n".join(lines[cell][first - 1 : statement.end_lineno]))
    return "\n\n".join(parts)


def computes(names: Iterable[str], cells: Cells, reading: Reading) -> bool:
    """Does any of these answers work anything out, or are they empty functions?"""
    try:
        books = [(name, reach_of(name, tuple(cells), reading).book) for name in names]
        orders = [(book, one.order) for name, book in books for one in book.visible(name, None) if one.order]
        return any(_works(book.statements[order - 1][0], reading) for book, order in orders)
    except TooLarge:
        return False


def _works(statement: ast.stmt, reading: Reading) -> bool:
    return any(isinstance(node, _WORK) for node in reading.walk(statement))


def phrase(family: str) -> Text:
    """The family's name within a sentence."""
    if family in _PHRASES or family in _PLAIN_WORDS:
        return Sentence(_PHRASES.get(family, family))
    return f"`{family}`"


def either(one: Text, other: Text) -> Text:
    """One phrase or the other, within a sentence."""
    return sentence("%(one)s or %(other)s", one=one, other=other)


def _without(family: str) -> Text:
    return sentence("an answer without %(what)s", what=phrase(family))


def _is_torch(path: str) -> bool:
    """Would torch's record show it? What has a name alone may be another library's."""
    return path in MARKS or path.partition(".")[0] in FAMILIES["torch"].roots | {"?"}


def _op(name: str) -> str:
    return name.removeprefix("aten::").removesuffix("_")


def _called(function: str) -> str:
    """The Python-level name of a call that was seen, or "" for what computes nothing."""
    if function.endswith(".__get__"):
        return function.removesuffix(".__get__")
    if function.endswith(".__set__"):
        return "requires_grad=" if function.endswith(".requires_grad.__set__") else ""
    return "" if function.startswith("aten.") else function


def _shown(path: str) -> str:
    if path in _SHOWN_MARKS:
        return _SHOWN_MARKS[path]
    short = path.replace("()", "").removeprefix("?").removeprefix("builtins.").replace("torch.nn.functional.", "F.")
    return f"`{short.replace('torch.nn.', 'nn.')}`"


_CONSTRUCTS = (
    N_("getattr with a computed name"),
    N_("a namespace with a computed name"),
    N_("code too deep to follow"),
)


def _construct(path: str) -> Text:
    found = hiding(path) or path
    if found in _CONSTRUCTS:
        return Sentence(found)
    kind, _, name = found.rpartition(" ")
    return sentence("module %(name)s", name=name) if kind == "module" else f"`{found}`"


def _is_reduction(use: Use) -> bool:
    root, _, rest = use.path.partition(".")
    return bool(rest) and root not in STANDARD and use.path.rpartition(".")[2] in REDUCTIONS


def _is_row_product(use: Use) -> bool:
    if use.path != "*" or not isinstance(use.node, (ast.BinOp, ast.AugAssign)):
        return False
    operands = (use.node.left, use.node.right) if isinstance(use.node, ast.BinOp) else (use.node.value,)
    return any(_is_slice(operand) for operand in operands)


def _is_slice(node: ast.AST) -> bool:
    if not isinstance(node, ast.Subscript):
        return False
    key = node.slice
    return any(isinstance(part, ast.Slice) for part in (key.elts if isinstance(key, ast.Tuple) else [key]))
