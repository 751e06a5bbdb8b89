"""What the names in a notebook's source stand for. Nothing is run.

A `Notebook` reads the cells once. An expression stands for a set of *values*: a library's function or module by its
full name (`Lib`), a function or class of the notebook (`Own`), a text (`Text`), or something the source does not tell
(`UNKNOWN`). A container, a call of `functools.partial` or of a factory carries whatever callables go into it.
Where reading would take too long, `TOO_DEEP` stands, which judges treat like a hidden call.
"""

from __future__ import annotations

import ast
import builtins
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import product

from grader.libraries import canonical, exported
from grader.reading import Reading
from grader.source import below
from grader.vocabulary import (
    CONVENTIONAL,
    HIDING,
    HIDING_ATTRIBUTES,
    HIDING_ROOTS,
    KNOWN,
    MARKS,
    NAMES,
    PARTS,
    SMUGGLED,
    WAITING,
)

MAX_STEPS = 100_000  # expressions looked at for one answer
MAX_NESTING = 60
MAX_TEXTS = 64
MAX_VALUES = 400
MAX_PASSES = 12
MAX_DOTS = 5  # of a library's name: `torch.nn.modules.linear.Linear.forward`
MAX_LENGTH = 200  # characters of a name that is put together: names grow by doubling

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_GROWS = frozenset({"append", "extend", "insert", "update", "setdefault", "add", "appendleft", "__setitem__"})
_NAMESPACES = frozenset({"builtins.globals", "builtins.locals", "builtins.vars"})
BY_NAME = frozenset({"builtins.getattr", "operator.attrgetter", "operator.methodcaller"})
_BUILTINS = frozenset(dir(builtins)) | {"get_ipython", "display", "__builtins__", "In", "Out", "_oh", "_ih"}
_HIDING_PARTS = max(path.count(".") for path in HIDING) + 1
_BIND_NOTHING = (ast.Name, ast.Constant)
_OUTPUT = re.compile(r"_{1,3}\Z|_i?\d+\Z")  # what IPython binds to earlier results


# ---------------------------------------------------------------- values


@dataclass(frozen=True)
class Lib:
    """Something of a library, by its full name: ``torch.nn.functional.relu``, or ``torch.nn.ReLU()``, an object."""

    path: str


@dataclass(frozen=True, eq=False)
class Own:
    """A function, lambda or class of the notebook, or an object made from that class."""

    node: Function | ast.ClassDef
    scope: Scope  # where it is defined
    order: int | None = None  # at which statement of the notebook; None inside functions

    @property
    def name(self) -> str:
        return getattr(self.node, "name", "lambda")


@dataclass(frozen=True)
class Text:
    """A string that the source tells."""

    text: str


@dataclass(frozen=True)
class Word:
    """`UNKNOWN`, `NONE` or `TOO_DEEP`."""

    word: str


UNKNOWN, NONE, TOO_DEEP = Word("unknown"), Word("None"), Word("too deep")
Value = Lib | Own | Text | Word
Values = frozenset[Value]
_NOTHING: Values = frozenset({UNKNOWN})


# ---------------------------------------------------------------- scopes


@dataclass(eq=False, slots=True)
class Binding:
    """One place that binds a name: to ``value`` (an expression, a definition) or to a library's ``path``."""

    order: int
    value: ast.AST | None = None
    path: str = ""
    sure: bool = True  # nothing earlier can be meant
    deleted: bool = False
    at: Scope | None = None  # where the value is read, when not in the scope of the name


@dataclass(eq=False, slots=True)
class Scope:
    """Names of a module, function, class or comprehension. ``cell`` is the index of the cell it stands in."""

    parent: Scope | None
    cell: int
    is_class: bool = False
    names: dict[str, list[Binding]] = field(default_factory=dict)
    outer: set[str] = field(default_factory=set)  # declared global
    order: int | None = None  # the statement that a class body or comprehension belongs to, outside functions
    imported: set[str] = field(default_factory=set)

    def bind(self, name: str, binding: Binding) -> None:
        self.names.setdefault(name, []).append(binding)
        if binding.path:
            self.imported.add(name)


@dataclass(frozen=True, eq=False, slots=True)
class Store:
    """``base.attr = value`` somewhere."""

    attr: str
    base: ast.expr
    value: ast.expr
    scope: Scope
    order: int | None


def notebook(cells: Sequence[tuple[str, str]], reading: Reading) -> Notebook:
    """The `Notebook` of these cells, made once. Raises `TooLarge`."""
    return reading.once(_notebook, tuple(cells), reading)


def _notebook(cells: tuple[tuple[str, str], ...], reading: Reading) -> Notebook:
    """Answers are judged one after the other, each with the cells up to it: only what is new is read anew."""

    def grow(latest: Notebook | None) -> Notebook:
        book = latest if latest and cells[: len(latest.cells)] == latest.cells else Notebook((), reading)
        book.add(cells[len(book.cells) :])
        return book

    return reading.grown(grow, "notebook").copy()


class Notebook:
    """The cells of a notebook as one program."""

    def __init__(self, cells: Sequence[tuple[str, str]], reading: Reading | None = None) -> None:
        self.cells: tuple[tuple[str, str], ...] = ()
        self.reading = reading or Reading()
        self.module = Scope(None, -1)
        self.stores: dict[str, list[Store]] = {}
        self.stars: list[str] = []
        self.dynamic = False  # the notebook's top level runs text, or binds names that the source does not show
        self._owns: dict[int, Own] = {}
        self._scopes: dict[int, Scope] = {}
        self._cells: dict[int, int] = {}
        self._attributes: set[str] | None = None
        self._steps = 0
        self._known: dict[object, dict[str, Values]] = {}  # what the names of a scope stand for
        self._open: dict[object, dict[str, Values]] = {}  # the same, while being worked out
        self._touched: set[object] = set()  # the open ones that were looked at
        self.statements: list[tuple[ast.stmt, int]] = []  # each with its cell; their numbers count from 1
        self.numbers: list[int] = []  # which statement of its cell each is, or is the text of
        self.add(cells)

    def add(self, cells: Sequence[tuple[str, str]]) -> None:
        """Read more cells. Only as long as nothing has been asked."""
        for index, (_, text) in enumerate(cells, len(self.cells)):
            tree = self.reading.tree(text)
            for number, statement in _with_magics(tree.body, self.reading) if tree else []:
                self.statements.append((statement, index))
                self.numbers.append(number)
                self._read([statement], self.module, len(self.statements), index)
        self.cells += tuple(cells)

    def copy(self) -> Notebook:
        """The same program, to be asked, while this one grows on."""
        module, book = self.module, Notebook((), self.reading)
        self.spend(2 * len(self.statements) + len(module.names))
        book.cells, book.dynamic, book.stars = self.cells, self.dynamic, list(self.stars)
        book.statements, book.numbers, book._cells = list(self.statements), list(self.numbers), dict(self._cells)
        book.module.names = {name: list(bindings) for name, bindings in module.names.items()}
        book.module.outer, book.module.imported = set(module.outer), set(module.imported)
        book.stores = {
            attr: [replace(store, scope=book.module) for store in stores] for attr, stores in self.stores.items()
        }
        return book

    # ------------------------------------------------------------ binding

    def _read(self, body: Iterable[ast.AST], scope: Scope, order: int | None, cell: int) -> None:
        """Bind in ``scope`` what the statements of ``body`` bind; not what functions and classes inside them do."""
        at = order or 0
        stack: list[tuple[ast.AST, bool]] = [(node, True) for node in reversed(list(body))]
        while stack:
            node, sure = stack.pop()
            inner = sure
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    self._registers(node, scope, at)
                    scope.bind(name, Binding(at, node, sure=sure))
                    self._cells[id(node)] = cell
                    if scope is self.module:
                        self._globals_in(node, at)
                    continue
                case ast.Lambda():
                    self._cells[id(node)] = cell
                    continue
                case ast.ImportFrom(names=[ast.alias(name="*")]):
                    self.stars.append(_module(node))
                    self._replace(_module(node), at)
                case ast.Import() | ast.ImportFrom():
                    for name, path in _imported(node):
                        scope.bind(name, Binding(at, path=path, sure=sure))
                case ast.Global(names=names):
                    scope.outer.update(names)
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        self._bind(target, value, scope, order, sure)
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    self._bind(target, value, scope, order, sure)
                case ast.AugAssign(target=target, value=value):
                    self._bind(target, value, scope, order, False)
                    self._bind(target, None, scope, order, False)
                case ast.NamedExpr(target=target, value=value):
                    self._bind(target, value, scope, order, False)
                case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
                    self._bind_elements(target, value, scope, order)
                    inner = False
                case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                    self._bind(target, value, scope, order, sure)
                case ast.ExceptHandler(name=str(name)):
                    scope.bind(name, Binding(at, sure=False))
                    inner = False
                case ast.If() | ast.While() | ast.Try() | ast.Match() | ast.IfExp() | ast.BoolOp():
                    inner = False
                case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                    scope.bind(name, Binding(at, sure=False))
                case ast.Delete(targets=targets):
                    for target in targets:
                        if isinstance(target, ast.Name):
                            scope.bind(target.id, Binding(at, sure=sure, deleted=True))
                case ast.Call():
                    self._grow(node, scope, order)
                case _ if type(node).__name__ == "TypeAlias":  # Python 3.12
                    scope.bind(node.name.id, Binding(at, sure=sure))  # type: ignore[attr-defined]
            children = below(node)
            self.spend(1 + len(children))
            stack.extend((child, inner) for child in reversed(children) if not isinstance(child, _BIND_NOTHING))

    def _replace(self, module: str, order: int) -> None:
        """``from module import *`` takes the place of what had the same names."""
        there = exported(module)
        self.spend(len(there) // 4)
        for name in there & self.module.names.keys():
            self.spend()
            self.module.bind(name, Binding(order, path=canonical(f"{module}.{name}"), sure=False))

    def _bind_elements(self, target: ast.expr, value: ast.expr, scope: Scope, order: int | None) -> None:
        """Bind the target of a loop. Texts count as known only where they are written out in the loop itself."""
        elements = value.elts if isinstance(value, (ast.Tuple, ast.List, ast.Set)) else []
        rows = isinstance(target, ast.Name) or all(isinstance(e, (ast.Tuple, ast.List)) for e in elements)
        self._bind(target, value, scope, order, False)
        if not elements or not rows:
            self._bind(target, None, scope, order, False)

    def _bind(self, target: ast.expr, value: ast.expr | None, scope: Scope, order: int | None, sure: bool) -> None:
        match target:
            case ast.Name(id=name) if name not in scope.outer:
                scope.bind(name, Binding(order or 0, value, sure=sure))
            case ast.Starred(value=inner):
                self._bind(inner, value, scope, order, sure)
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                parts = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
                self.spend(len(parts))
                starred = any(isinstance(part, ast.Starred) for part in [*parts, *targets])
                paired = len(parts) == len(targets) and not starred
                for index, inner in enumerate(targets):
                    self._bind(inner, parts[index] if paired else value, scope, order, sure)
                    if not paired and sure:
                        self._bind(inner, None, scope, order, False)
            case ast.Attribute(attr=attr, value=base) if value is not None:
                self._store(Store(attr, base, value, scope, order))
            case ast.Subscript(value=base, slice=ast.Constant(value=str(key))) if (
                value is not None and scope is self.module and _is_call(base, "globals")
            ):
                self.module.bind(key, Binding(order or 0, value, sure=False))
            case ast.Subscript(value=base) if value is not None:
                if scope is self.module and _is_call(base, "globals", "vars", "locals"):
                    self.dynamic = True
                if root := _root(base):
                    self._weak(root, value, scope, order)

    def _weak(self, name: str, value: ast.expr, scope: Scope, order: int | None) -> None:
        """``name`` also holds ``value`` from here on. What code inside functions puts elsewhere is seen there."""
        if scope is self.module or name in scope.names:
            scope.bind(name, Binding(order or 0, value, sure=False))

    def _store(self, store: Store) -> None:
        self.stores.setdefault(store.attr, []).append(store)
        if (root := _root(store.base)) and not self._is_import(root, store.scope):
            self._weak(root, store.value, store.scope, store.order)

    def _is_import(self, name: str, scope: Scope) -> bool:
        return name in scope.imported

    def _registers(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, scope: Scope, order: int) -> None:
        """``@table.register`` puts what it decorates into ``table``."""
        for decorator in node.decorator_list:
            maker = decorator.func if isinstance(decorator, ast.Call) else decorator
            root = _root(maker) if isinstance(maker, ast.Attribute) else ""
            if root in scope.names and not self._is_import(root, scope):
                scope.bind(root, Binding(order, node, sure=False))

    def _grow(self, call: ast.Call, scope: Scope, order: int | None) -> None:
        """Bind what ``xs.append(f)`` and ``setattr(x, "f", f)`` put somewhere."""
        match call.func:
            case ast.Attribute(attr=attr, value=base) if attr in _GROWS:
                if scope is self.module and _is_call(base, "globals", "vars", "locals"):
                    self.dynamic = True
                if (root := _root(base)) and not _is_path(base, scope):
                    for value in _arguments(call):
                        self._weak(root, value, scope, order)
            case ast.Name(id="setattr") if len(call.args) == 3:
                match call.args[1]:
                    case ast.Constant(value=str(attr)):
                        self._store(Store(attr, call.args[0], call.args[2], scope, order))
                    case _:
                        self._store(Store("*", call.args[0], call.args[2], scope, order))
            case ast.Name(id=name) if scope is self.module and name in ("exec", "eval", "__import__"):
                self.dynamic = True
            case ast.Attribute(attr=attr) if scope is self.module and attr in ("run_cell", "push", "ex", "ev"):
                self.dynamic = True

    def _globals_in(self, node: ast.AST, order: int) -> None:
        """A function or class that declares names global may bind them later, in whatever form."""
        declared: set[str] = set()
        by_text = False
        for child in self.walk(node):
            match child:
                case ast.Global(names=names):
                    declared.update(names)
                case ast.Subscript(value=base, ctx=ast.Store()) if _is_call(base, "globals"):
                    self.dynamic = by_text = True
        for stored, value, path in self._bound_in(node) if declared or by_text else ():
            if isinstance(stored, ast.Subscript) and _is_call(stored.value, "globals"):
                key = stored.slice.value if isinstance(stored.slice, ast.Constant) else None
                if isinstance(key, str):
                    self.module.bind(key, Binding(order, value, sure=False))
            elif (name := stored if isinstance(stored, str) else getattr(stored, "id", "")) in declared:
                self.module.bind(name, Binding(order, value, path, sure=False))
                if not path and not isinstance(value, (*FUNCTIONS, ast.ClassDef)):
                    self.module.bind(name, Binding(order, sure=False))

    def _bound_in(self, node: ast.AST) -> Iterator[tuple[ast.expr | str, ast.AST | None, str]]:
        """Every name or target that code inside ``node`` binds, with the value, or the library's path, that it gets."""
        for child in self.walk(node):
            match child:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    if child is not node:
                        yield name, child, ""
                case ast.Import() | ast.ImportFrom():
                    yield from ((name, None, path) for name, path in _imported(child))
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        yield from self._targets(target, value)
                case ast.AnnAssign(target=target, value=value) | ast.AugAssign(target=target, value=value):
                    yield target, value, ""
                case ast.NamedExpr(target=target, value=value):
                    yield target, value, ""
                case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
                    yield from self._targets(target, value)
                case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                    yield from self._targets(target, value)
                case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                    yield name, None, ""
                case ast.MatchMapping(rest=str(name)):
                    yield name, None, ""
                case ast.Delete(targets=targets):
                    yield from ((target, None, "") for target in targets)
                case _ if type(child).__name__ == "TypeAlias":  # Python 3.12
                    yield child.name, None, ""  # type: ignore[attr-defined]

    def _targets(self, target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr, str]]:
        """The single targets of an assignment, each with all that it may get."""
        parts = target.elts if isinstance(target, (ast.Tuple, ast.List)) else []
        values = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
        self.spend(len(parts) + len(values))
        paired = len(parts) == len(values) and not any(isinstance(part, ast.Starred) for part in [*parts, *values])
        for number, part in enumerate(parts):
            inner = part.value if isinstance(part, ast.Starred) else part
            yield from self._targets(inner, values[number] if paired else value)
        if not parts:
            yield target, value, ""

    def own(self, node: Function | ast.ClassDef, scope: Scope, order: int | None = None) -> Own:
        """The one `Own` of a definition."""
        if id(node) not in self._owns:
            self._owns[id(node)] = Own(node, scope, order)
        return self._owns[id(node)]

    def inside(self, own: Own) -> Scope:
        """The scope inside a function or class."""
        node = own.node
        if id(node) not in self._scopes:
            cell = self._cells.get(id(node), own.scope.cell)
            is_class = isinstance(node, ast.ClassDef)
            scope = Scope(own.scope, cell, is_class, order=own.order if is_class else None)
            self._scopes[id(node)] = scope
            if not isinstance(node, ast.ClassDef):
                self._parameters(own, node.args, scope)
            self._read([node.body] if isinstance(node, ast.Lambda) else node.body, scope, None, cell)
        return self._scopes[id(node)]

    def _parameters(self, own: Own, a: ast.arguments, scope: Scope) -> None:
        positional = [*a.posonlyargs, *a.args]
        for arg in [*positional, *a.kwonlyargs, *([a.vararg] if a.vararg else []), *([a.kwarg] if a.kwarg else [])]:
            scope.bind(arg.arg, Binding(0))
        pairs = list(zip(reversed(positional), reversed(a.defaults), strict=False))
        pairs += [(arg, value) for arg, value in zip(a.kwonlyargs, a.kw_defaults, strict=True) if value]
        for arg, value in pairs:
            scope.bind(arg.arg, Binding(own.order or 0, value, sure=False, at=own.scope))

    def comprehension(self, node: ast.AST, scope: Scope, order: int | None = None) -> Scope:
        """The scope inside a comprehension."""
        if id(node) not in self._scopes:
            inner = Scope(scope, scope.cell, order=order)
            self._scopes[id(node)] = inner
            for generator in getattr(node, "generators", []):
                self._bind_elements(generator.target, generator.iter, inner, None)
        return self._scopes[id(node)]

    def definition(self, scope: Scope) -> ast.AST | None:
        """The function whose inside ``scope`` is, where it stands in a class, by its name."""
        around = scope.parent.names.values() if scope.parent else ()
        self.spend(len(around))
        nodes = (binding.value for bindings in around for binding in bindings)
        return next((node for node in nodes if self._scopes.get(id(node)) is scope), None)

    def is_local(self, name: str, scope: Scope) -> bool:
        """Does a function, class or comprehension around ``scope`` bind ``name``?"""
        return self.home(name, scope) is not self.module

    def home(self, name: str, scope: Scope) -> Scope:
        place = scope
        while place.parent is not None and name not in place.outer:
            self.spend()
            if name in place.names and (place is scope or not place.is_class):
                return place
            place = place.parent
        return self.module

    # ------------------------------------------------------------ values

    def defines(self, attr: str) -> bool:
        """Does any class of the notebook, or any assignment in it, give objects this attribute?"""
        if self._attributes is None:
            self._attributes = set()
            for node in (node for statement, _ in self.statements for node in self.walk(statement)):
                match node:
                    case ast.Attribute(attr=stored, ctx=ast.Store()):
                        self._attributes.add(stored)
                    case ast.ClassDef(body=body):
                        self._attributes.update(n.name for n in body if isinstance(n, ast.FunctionDef))
        return attr in self._attributes

    def begin(self) -> None:
        """Start counting the work anew: for the next answer."""
        self._steps = 0

    @property
    def is_spent(self) -> bool:
        """Has reading for one answer cost all that it may?"""
        return self._steps > MAX_STEPS

    def spend(self, steps: int = 1) -> None:
        """Count some work, before it is done. Raises `TooLarge` when the submission has taken too much."""
        self._steps += steps
        self.reading.spend(steps)

    def walk(self, node: ast.AST) -> Iterator[ast.AST]:
        """What `Reading.walk` gives, counted for one answer too."""
        for child in self.reading.walk(node):
            self._steps += 1
            yield child

    def values(self, node: ast.AST | None, scope: Scope, before: int | None = None) -> Values:
        """What the expression ``node`` may stand for; at the module's level, before its statement ``before``."""
        return self._values(node, scope, before, 0)

    def named(self, name: str) -> Values:
        """What the top-level ``name`` stands for at the end; empty when no cell binds it."""
        return self._lookup(name, self.module, None, 0) if name in self.module.names else frozenset()

    def _values(self, node: ast.AST | None, scope: Scope, before: int | None, depth: int) -> Values:
        self.spend()
        if depth > MAX_NESTING or self.is_spent:
            return frozenset({TOO_DEEP})
        found = self._meant(node, scope, before, depth + 1)
        self.spend(len(found) // 4)
        return found if len(found) <= MAX_VALUES else frozenset({TOO_DEEP})

    def _meant(self, node: ast.AST | None, scope: Scope, before: int | None, deeper: int) -> Values:
        match node:
            case ast.Constant(value=str(text)):
                return frozenset({Text(text)}) if len(text) <= MAX_LENGTH else _NOTHING
            case ast.Constant(value=None):
                return frozenset({NONE})
            case ast.Name(id=name):
                return self._lookup(name, scope, before, deeper)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return self._definition(node, scope, before, deeper)
            case ast.Lambda():
                return frozenset({self.own(node, scope, before)})
            case ast.Attribute(value=base, attr=attr):
                return self._attribute(self._values(base, scope, before, deeper), attr, deeper)
            case ast.Call():
                return self._call(node, scope, before, deeper)
            case ast.Subscript(value=base, slice=key):
                return self._item(base, key, scope, before, deeper)
            case ast.BinOp(op=ast.Add()):
                return self._sum(node, scope, before, deeper)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self._union((left, right), scope, before, deeper)
            case ast.JoinedStr(values=parts):
                return self._joined([self._values(part, scope, before, deeper) for part in parts])
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                return self._values(value, scope, before, deeper)
            case ast.Starred(value=value) | ast.Await(value=value) | ast.NamedExpr(value=value):
                return self._values(value, scope, before, deeper)
            case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
                return self._union(elements, scope, before, deeper)
            case ast.Dict(values=elements):
                return self._union(elements, scope, before, deeper)
            case ast.IfExp(body=body, orelse=orelse):
                return self._union((body, orelse), scope, before, deeper)
            case ast.BoolOp(values=elements):
                return self._union(elements, scope, before, deeper)
            case ast.ListComp(elt=element) | ast.SetComp(elt=element) | ast.GeneratorExp(elt=element):
                return self._values(element, self.comprehension(node, scope, before), before, deeper)
            case ast.DictComp(value=element):
                return self._values(element, self.comprehension(node, scope, before), before, deeper)
        return _NOTHING

    def _union(self, nodes: Iterable[ast.AST | None], scope: Scope, before: int | None, depth: int) -> Values:
        found: set[Value] = set()
        for node in nodes:
            if not isinstance(node, ast.Constant) or isinstance(node.value, str) or node.value is None:
                found |= self._values(node, scope, before, depth)
                if len(found) > MAX_TEXTS:
                    found = set(_cut(found))
        return frozenset(found) or _NOTHING

    def _sum(self, node: ast.BinOp, scope: Scope, before: int | None, depth: int) -> Values:
        parts: list[ast.expr] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and isinstance(left.op, ast.Add):
            parts.append(left.right)
            left = left.left
        parts.append(left)
        values = [self._values(part, scope, before, depth) for part in reversed(parts)]
        if any(isinstance(value, Text) for part in values for value in part):
            return self._joined(values)
        return frozenset().union(*values)

    def _joined(self, parts: list[Values]) -> Values:
        """The texts that the parts make together; whatever else they carry stays."""
        size = 1
        for part in parts:
            size *= len(part)
        length = sum(max((len(v.text) for v in part if isinstance(v, Text)), default=0) for part in parts)
        if (
            size > MAX_TEXTS
            or length > MAX_LENGTH
            or any(not isinstance(value, Text) for part in parts for value in part)
        ):
            return frozenset(v for part in parts for v in part if not isinstance(v, Text)) | _NOTHING
        return frozenset(Text("".join(v.text for v in row if isinstance(v, Text))) for row in product(*parts))

    def _definition(self, node: ast.AST, scope: Scope, before: int | None, depth: int) -> Values:
        assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        found: set[Value] = {self.own(node, scope, before)}
        for decorator in node.decorator_list:
            found |= {v for v in self._values(decorator, scope, before, depth) if isinstance(v, (Own, Lib))}
        return frozenset(found)

    def _call(self, node: ast.Call, scope: Scope, before: int | None, depth: int) -> Values:
        found: set[Value] = set()
        for value in self._values(node.func, scope, before, depth):
            match value:
                case Lib(path) if path in BY_NAME or path.endswith((".__getattribute__", ".__getattr__")):
                    found |= self._by_name(path, node, scope, before, depth)
                case Lib(path) if hiding(path):
                    found.add(value)
                    if path.endswith((".__import__", ".import_module")):
                        names = self._argument(node, scope, before, depth)
                        found |= {Lib(name.text) for name in names if isinstance(name, Text)}
                case Lib("builtins.type"):
                    pass
                case Lib(path):
                    if path.rpartition(".")[2][:1].isupper() and len(path) < MAX_LENGTH:
                        found.add(Lib(f"{path}()"))
                    found |= self._carried(node, scope, before, depth)
                case Own(node=ast.ClassDef()):
                    found |= {value} | self._carried(node, scope, before, depth)
                case Own():
                    found |= self._returned(value, depth) | self._carried(node, scope, before, depth)
                case Word("unknown"):
                    found |= self._carried(node, scope, before, depth)
                case Word():
                    found.add(value)
        if isinstance(node.func, ast.Attribute):  # d.get("f"), fs.pop(), "".join(...)
            base = self._values(node.func.value, scope, before, depth)
            found |= {v for v in base if isinstance(v, Own) or (isinstance(v, Lib) and _is_leaf(v.path))}
            if node.func.attr == "join" and node.args:
                found |= self._join(node, base, scope, before, depth)
        return frozenset(found) or _NOTHING

    def _join(self, node: ast.Call, base: Values, scope: Scope, before: int | None, depth: int) -> Values:
        match node.args[0]:
            case ast.Tuple(elts=parts) | ast.List(elts=parts) if parts and len(base) == 1:
                (glue,) = base
                values = [self._values(part, scope, before, depth) for part in parts]
                return self._joined([v for part in values for v in (frozenset({glue}), part)][1:])
        return _NOTHING

    def _carried(self, node: ast.Call, scope: Scope, before: int | None, depth: int) -> Values:
        """The callables among a call's arguments: whatever comes back may call them."""
        found = self._union(_arguments(node), scope, before, depth) if node.args or node.keywords else _NOTHING
        return frozenset(v for v in found if isinstance(v, (Own, Lib)) or v is TOO_DEEP)

    def _argument(self, node: ast.Call, scope: Scope, before: int | None, depth: int, index: int = 0) -> Values:
        if len(node.args) <= index or any(isinstance(a, ast.Starred) for a in node.args[: index + 1]):
            return _NOTHING
        return self._values(node.args[index], scope, before, depth)

    def _by_name(self, path: str, node: ast.Call, scope: Scope, before: int | None, depth: int) -> Values:
        """``getattr(torch, "mm")`` and its like; the call itself when the name is not told."""
        first = 0 if path.startswith("operator.") else 1
        if path.endswith((".__getattribute__", ".__getattr__")):
            first = len(node.args) - 1
        names = self._argument(node, scope, before, depth, first) if first >= 0 else _NOTHING
        if any(not isinstance(name, Text) for name in names):
            return frozenset({Lib("builtins.getattr with a computed name")})
        base = _NOTHING
        if path == "builtins.getattr":
            base = self._argument(node, scope, before, depth)
        elif path.startswith("operator."):
            base = frozenset({Lib("?")})
        elif path.count(".") and first == 0:
            base = frozenset({Lib(path.rpartition(".")[0])})
        elif first > 0:
            base = self._argument(node, scope, before, depth) | {Lib("?")}
        found: Values = frozenset()
        for name in names:
            value = base
            for part in name.text.split(".") if isinstance(name, Text) else []:
                value = self._attribute(value, part, depth)
            found |= value
        if path == "builtins.getattr" and len(node.args) > 2:
            found |= self._argument(node, scope, before, depth, 2)
        return found

    def _returned(self, own: Own, depth: int) -> Values:
        """What a call of a function of the notebook may give."""
        if isinstance(own.node, ast.ClassDef):
            return frozenset({own})
        if (memo := self._memo(own)) is None:
            inner = self.inside(own)
            results = [own.node.body] if isinstance(own.node, ast.Lambda) else list(_returns(own.node))
            with self._working(own) as memo:
                memo[""] = self._union(results, inner, None, depth)
        return memo.get("", frozenset())

    def _memo(self, key: object) -> dict[str, Values] | None:
        if key in self._open:
            self._touched.add(key)
            return self._open[key]
        return self._known.get(key)

    @contextmanager
    def _working(self, key: object) -> Iterator[dict[str, Values]]:
        """Work ``key`` out; remember it unless it hangs on something that is still being worked out."""
        before, self._touched = self._touched, set()
        memo: dict[str, Values] = {}
        self._open[key] = memo
        try:
            yield memo
        finally:
            del self._open[key]
        self._touched.discard(key)
        if not self._touched and not self.is_spent:
            self._known[key] = memo
        self._touched |= before

    def _item(self, base: ast.expr, key: ast.expr, scope: Scope, before: int | None, depth: int) -> Values:
        names = [v.text for v in self._values(key, scope, before, depth) if isinstance(v, Text)]
        match base:
            case ast.Call(func=ast.Name(id=("globals" | "locals" | "vars")), args=[]):
                return frozenset().union(*(self._lookup(n, scope, before, depth) for n in names)) or _NOTHING
            case ast.Call(func=ast.Name(id="vars"), args=[of]):
                owner = self._values(of, scope, before, depth)
                return frozenset().union(*(self._attribute(owner, n, depth) for n in names)) or _NOTHING
            case ast.Attribute(value=of, attr="__dict__"):
                owner = self._values(of, scope, before, depth)
                return frozenset().union(*(self._attribute(owner, n, depth) for n in names)) or _NOTHING
        found = self._values(base, scope, before, depth)
        if any(isinstance(v, Lib) and v.path == "sys.modules" for v in found):
            return frozenset(Lib(n) for n in names) | found
        if not isinstance(base, (ast.Tuple, ast.List, ast.Dict)) or isinstance(key, ast.Slice):
            found = frozenset(v for v in found if not isinstance(v, Text)) | _NOTHING
        return found

    def _attribute(self, bases: Values, attr: str, depth: int) -> Values:
        found: set[Value] = set()
        self.spend(len(bases))
        for base in bases:
            match base:
                case Lib(path):
                    found.add(_dotted(path, attr))
                    if _is_leaf(path):  # a bound method, or an element of a container
                        found.add(base)
                case Own():
                    found |= self.member(base, attr, depth) or _NOTHING
                    if any(isinstance(v, Text) for v in found) and self.defines(attr):
                        found.add(UNKNOWN)
                case Word("too deep"):
                    found.add(base)
                case _:
                    found.add(UNKNOWN)
        return frozenset(found)

    def member(self, own: Own, attr: str, depth: int = 0) -> Values:
        """What ``attr`` is on a class of the notebook, its bases included; empty when it has none."""
        if depth > MAX_NESTING:
            return frozenset({TOO_DEEP})
        if not isinstance(own.node, ast.ClassDef):
            return frozenset()
        inner = self.inside(own)
        if attr in inner.names:
            return self._lookup(attr, inner, None, depth + 1)
        found: Values = frozenset()
        for base in own.node.bases:
            for value in self._values(base, own.scope, own.order, depth + 1):
                if isinstance(value, Own) and value is not own:
                    found |= self.member(value, attr, depth + 1)
                elif isinstance(value, Lib):
                    found |= {_dotted(value.path, attr)}
        return found

    def _lookup(self, name: str, scope: Scope, before: int | None, depth: int) -> Values:
        place = self.home(name, scope)
        if place is not self.module:
            return self._names(place, depth).get(name, _NOTHING)
        key = (name, self._count(name, before))
        if (memo := self._memo(key)) is None:
            if self.is_spent:
                return frozenset({TOO_DEEP})
            with self._working(key) as memo:
                memo[""] = self._after(*key, depth)
        return memo.get("", frozenset())

    def _count(self, name: str, before: int | None) -> int:
        """How many of the module's bindings of ``name``, which are in order, come before the statement ``before``."""
        bindings = self.module.names.get(name, [])
        return len(bindings) if before is None else bisect_left(bindings, before, key=lambda b: b.order)

    def _after(self, name: str, end: int, depth: int) -> Values:
        """What ``name`` stands for after the module's first ``end`` bindings of it.

        What it stood for earlier is not worked out again: else reading it after each of many would take their square.
        """
        bindings = self.module.names.get(name, [])
        start, sure, earlier = end, False, None
        while start > 0 and not sure and earlier is None:
            self.spend()
            start -= 1
            sure = bindings[start].sure
            earlier = None if sure else self._known.get((name, start))
        found = self._union_of(bindings[start:end], self.module, depth, earlier[""] if earlier else frozenset())
        if earlier is None and not (sure and not bindings[start].deleted):
            found |= self._unbound(name, depth)
        return found

    def visible(self, name: str, before: int | None) -> list[Binding]:
        """The module's bindings of ``name`` that may hold before the statement ``before``."""
        start = end = self._count(name, before)
        bindings = self.module.names.get(name, [])
        while start > 0:
            self.spend()
            start -= 1
            if bindings[start].sure:
                break
        return bindings[start:end]

    def _names(self, scope: Scope, depth: int) -> dict[str, Values]:
        """What the names of a function's, class's or comprehension's scope stand for: all at once, in no order."""
        if (memo := self._memo(scope)) is None:
            with self._working(scope) as memo:
                for _ in range(MAX_PASSES):
                    earlier = dict(memo)
                    for name, bindings in list(scope.names.items()):
                        memo[name] = memo.get(name, frozenset()) | self._union_of(bindings, scope, depth)
                    if memo == earlier:
                        break
        return memo

    def _union_of(self, bindings: list[Binding], place: Scope, depth: int, earlier: Values = frozenset()) -> Values:
        found = set(earlier)
        for binding in bindings:
            self.spend()
            if binding.path:
                found.add(Lib(binding.path))
            elif binding.value is None:
                found.add(UNKNOWN)
            else:
                where = binding.at or place
                at = (binding.order or None) if where is self.module else where.order
                found |= self._values(binding.value, where, at, depth + 1)
        return _cut(found)

    def _unbound(self, name: str, depth: int) -> Values:
        """A name that no cell binds: patched in, a builtin, or from a wildcard import."""
        found: set[Value] = set()
        for store in self.stores.get(name, []):
            base = self._values(store.base, store.scope, store.order, depth + 1)
            if base & {Lib("builtins"), Lib("__main__"), Lib("builtins.__builtins__")}:
                found |= self._values(store.value, store.scope, store.order, depth + 1)
        if _OUTPUT.match(name):
            return frozenset({Lib("builtins.Out")})
        if name in _BUILTINS:
            return frozenset(found | {Lib(f"builtins.{name}")})
        if name in CONVENTIONAL:
            return frozenset(found | {Lib(CONVENTIONAL[name])})
        self.spend(len(self.stars))
        stars = [star for star in self.stars if star.partition(".")[0] in KNOWN] or self.stars
        found |= {Lib(f"{star}.{name}") for star in stars[-4:]}
        if not found and self.dynamic:
            return frozenset({Lib(f"builtins.exec, which defines {name}")})
        return frozenset(found) or _NOTHING


def _cut(found: set[Value]) -> Values:
    """Not more values than can be followed: many texts are like none."""
    if len(found) > MAX_TEXTS:
        found = {UNKNOWN, *(v for v in found if not isinstance(v, Text))}
    return frozenset(found) if len(found) <= MAX_VALUES else frozenset({TOO_DEEP})


def _dotted(path: str, attr: str) -> Value:
    """A library's attribute; an object's own is not told, and a loop could go on without end."""
    if path.count(".") >= MAX_DOTS or len(path) + len(attr) > MAX_LENGTH:
        return UNKNOWN
    return Lib(canonical(f"{path}.{attr}"))


def hiding(path: str) -> str:
    """The construct in ``path`` that hides what is called, or ""."""
    if " " in path:
        return path.removeprefix("builtins.")
    root = path.partition(".")[0]
    if path in MARKS:
        return ""
    path = path.replace("()", "")
    if path in WAITING:
        return ""
    if root in HIDING_ROOTS or (root not in KNOWN and root != "?"):
        return path if root in HIDING_ROOTS else f"module {root or path}"
    parts = path.split(".")
    for length in range(2, min(len(parts), _HIDING_PARTS) + 1):
        if ".".join(parts[:length]) in HIDING:
            return ".".join(parts[:length]).removeprefix("builtins.")
    for part in parts[1:]:
        if part in HIDING_ATTRIBUTES:
            return part
    if root == "?":
        return ""
    other = any(
        part not in PARTS.get(".".join(parts[:length]), parts) and not _is_special(part)
        for length, part in enumerate(parts[1:3], 1)
    )
    return path if other or _is_private(parts) or SMUGGLED & {*parts[1:-1]} else ""


def _is_private(parts: list[str]) -> bool:
    """Does a name of a module begin with an underscore? What a class has so named is its own business."""
    for part in parts[1:]:
        if part[:1].isupper():
            return False
        if part.startswith("_") and not _is_special(part):
            return True
    return False


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """The names that an import binds, each with its path in the library."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, canonical(f"{_module(node)}.{alias.name}"[: 2 * MAX_LENGTH])
        else:
            name = alias.name if alias.asname else alias.name.partition(".")[0]
            yield alias.asname or name, canonical(name[:MAX_LENGTH])


def _module(node: ast.ImportFrom) -> str:
    return ("." * node.level + (node.module or ""))[:MAX_LENGTH]


def _is_leaf(path: str) -> bool:
    return path.rpartition(".")[2] in NAMES


def _is_call(node: ast.AST, *names: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _root(node: ast.AST) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_path(node: ast.expr, scope: Scope) -> bool:
    """Is it `sys.path`? Where modules are looked for is no part of `sys` to those who only read that."""
    match node:
        case ast.Attribute(attr="path", value=ast.Name(id=name)):
            return any(binding.path == "sys" for binding in scope.names.get(name, ()))
        case ast.Name(id=name):
            return any(binding.path == "sys.path" for binding in scope.names.get(name, ()))
    return False


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _returns(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    stack: list[ast.AST] = list(reversed(function.body))
    while stack:
        node = stack.pop()
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            continue
        if isinstance(node, (ast.Return, ast.Yield, ast.YieldFrom)) and node.value is not None:
            yield node.value
        stack.extend(reversed(below(node)))


def _with_magics(body: list[ast.stmt], reading: Reading) -> Iterator[tuple[int, ast.stmt]]:
    """The statements of a cell; what a ``%time`` line or ``exec`` runs, when it is told, stands in their place."""
    for number, statement in enumerate(body):
        text = _run_by(statement)
        tree = None if text is None else reading.tree(text, statement.lineno)
        yield from ((number, inner) for inner in (tree.body if tree else [statement]))


def _run_by(statement: ast.stmt) -> str | None:
    """The text that a ``%time`` line or ``exec`` runs."""
    match statement:
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(attr="run_line_magic"),
                args=[ast.Constant(value="time"), ast.Constant(value=str(text))],
            )
        ):
            return text
        case ast.Expr(value=ast.Call(func=ast.Name(id="exec"), args=[ast.Constant(value=str(text))])):
            return text
    return None
