"""What is run when it is asked how an answer computes: the statements that were read for it, and no others.

Whatever else a notebook does, to its own names or to the libraries, then does not reach what is judged.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec

from grader.how import Cells
from grader.reach import everything_of, reach_of
from grader.reading import Reading, TooLarge
from grader.scopes import Notebook, hiding, notebook
from grader.tampering import tampering
from grader.vocabulary import KNOWN, words

Kept = Mapping[int, Sequence[int]]  # for each cell, the numbers of its statements

# Names and attributes by which code reaches names that the source does not show.
_REACHING = words(
    "globals locals vars exec eval compile setattr delattr getattr get_ipython __import__ __builtins__ builtins "
    "importlib update_wrapper"
)
_HARMLESS_SPECIAL = words(
    "__init__ __call__ __name__ __class__ __doc__ __version__ __file__ __len__ __getitem__ __iter__ __next__ __repr__ "
    "__str__ __enter__ __exit__ __eq__ __add__ __mul__ __matmul__ __sub__ __neg__ __truediv__ __pow__ "
    "__new__ __init_subclass__ __setitem__ __post_init__ __radd__ __rmul__ __rmatmul__ __contains__ __all__ "
    "__qualname__ __module__ __hash__ __bool__ __float__ __int__ __lt__ __gt__ __abs__"
)
_SHELL = words("run_line_magic run_cell_magic system getoutput")
# Magics that run none of a cell's code.
_MAGICS = words(
    "matplotlib pylab autoreload reload_ext load_ext pip conda config precision env pwd who whos cd ls bash sh html "
    "HTML javascript markdown latex writefile pinfo pinfo2 psearch xmode pdb debug sx system"
)
_COST_OF_SEARCH = 50  # steps: folders are looked through
_OPTIONS = re.compile(r"^(\s*-\w+(\s+\d+|\b))*\s*")


def kept(
    names: Iterable[str], cells: Cells, numbers: Sequence[int], reading: Reading | None = None
) -> dict[int, list[int]]:
    """The statements that make what these answers are; ``numbers`` are the cells' own.

    An answer that no cell binds needs none. A star import may bind whatever an answer reads, and ``import torch.x``,
    which may fail, binds what ``import torch`` did before. Raises `TooLarge`.
    """
    found: dict[int, set[int]] = {}
    reading = reading or Reading()
    book = notebook(cells, reading)
    reading.spend(len(book.statements))
    orders = {order for name in names for order in reach_of(name, tuple(cells), reading).statements}
    used = {root for order in orders for root in _imported(book.statements[order - 1][0])}
    for order, (statement, _) in enumerate(book.statements, 1):
        if _is_star(statement) or not used.isdisjoint(_imported(statement)):
            orders.add(order)
    for order in orders:
        cell = book.statements[order - 1][1]
        found.setdefault(numbers[cell], set()).add(book.numbers[order - 1])
    return {cell: sorted(statements) for cell, statements in found.items()}


def merged(parts: Iterable[Kept]) -> dict[int, list[int]]:
    """All that any of them keeps."""
    found: dict[int, set[int]] = {}
    for part in parts:
        for cell, statements in part.items():
            found.setdefault(cell, set()).update(statements)
    return {cell: sorted(statements) for cell, statements in found.items()}


def is_calm(cells: Cells, reading: Reading | None = None) -> bool:
    """Is there nothing by which one answer's code could put something else in the place of another's?"""
    reading = reading or Reading()
    try:
        return not tampering(cells, reading) and _is_calm(notebook(cells, reading))
    except TooLarge:
        return False


def _is_calm(book: Notebook) -> bool:
    if any(_reaches(statement, book.reading) for statement, _ in book.statements):
        return False
    return all(hiding(use.path) == "get_ipython" for use in everything_of(book).hidden)


def _reaches(statement: ast.stmt, reading: Reading) -> bool:
    nodes = list(reading.walk(statement))
    plain = {id(name) for node in nodes for name in _harmless(node, reading)}
    return any(id(node) not in plain and _is_reaching(node, reading) for node in nodes)


def _is_reaching(node: ast.AST, reading: Reading) -> bool:
    match node:
        case ast.Name(id=name):
            return name in _REACHING
        case ast.Attribute(attr=attr, ctx=ast.Store() | ast.Del()) if attr.startswith("__"):
            return True
        case ast.Attribute(attr=attr, value=base):
            return attr in _REACHING or _is_special(attr) or (attr == "path" and _is_name(base, "sys"))
        case ast.MatchClass(kwd_attrs=attrs):
            return any(map(_is_special, attrs))
        case ast.Import(names=aliases):
            return any(_is_strange(alias.name, reading) for alias in aliases)
        case ast.ImportFrom(module=module, level=level, names=aliases):
            return bool(level) or _is_strange(module or "", reading) or any(a.name in _REACHING for a in aliases)
    return False


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and name not in _HARMLESS_SPECIAL


def _is_strange(module: str, reading: Reading) -> bool:
    """Is this a module that is there, and of which nothing is known?"""
    reading.spend(_COST_OF_SEARCH)
    root = module.partition(".")[0]
    return root in _REACHING or (root not in KNOWN and find_spec(root) is not None)


def _harmless(node: ast.AST, reading: Reading) -> Iterator[ast.AST]:
    """The name in ``getattr(x, "shape")``, and in ``%matplotlib inline`` and its like, which run no other code."""
    match node:
        case ast.Call(func=ast.Name(id=("getattr" | "setattr")) as name, args=[_, ast.Constant(value=str(attr)), *_]):
            if not _is_special(attr):
                yield name
        case ast.Call(
            func=ast.Attribute(attr=attr, value=ast.Call(func=ast.Name(id="get_ipython") as name, args=[])), args=args
        ) if attr in _SHELL:
            texts = [str(arg.value) for arg in args if isinstance(arg, ast.Constant)]
            if len(texts) == len(args) and (attr in ("system", "getoutput") or _is_harmless_magic(reading, *texts)):
                yield name


def _is_harmless_magic(reading: Reading, magic: str = "", line: str = "", cell: str = "") -> bool:
    tree = reading.tree(_OPTIONS.sub("", line)) if magic == "timeit" and not cell else None
    return magic in _MAGICS or (tree is not None and not any(_reaches(statement, reading) for statement in tree.body))


def _imported(statement: ast.stmt) -> set[str]:
    """The libraries that a plain import binds under their own names."""
    aliases = statement.names if isinstance(statement, ast.Import) else []
    return {alias.name.partition(".")[0] for alias in aliases if alias.asname is None} & KNOWN


def _is_star(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.ImportFrom)
        and any(alias.name == "*" for alias in statement.names)
        and (statement.module or "").partition(".")[0] in KNOWN
    )
