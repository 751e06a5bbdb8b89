"""How deep the loops of an answer nest, those of its helpers included. Nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from grader.itself import is_super
from grader.reach import Reach
from grader.reading import Reading
from grader.scopes import COMPREHENSIONS, Lib, Own, Scope
from grader.source import below
from grader.vocabulary import (
    ASKING_FOR_ALL,
    FUNCTION_FIRST,
    HANDLING,
    LOOPING,
    LOOPING_METHODS,
    LOOPING_PAIRS,
    PASSED_ON,
    RUNNING_MANY,
    STANDARD,
    STEPPING,
)

_DEEPEST_HANDING = 20  # a function to a function to a function
_MAY_BE_FUNCTION = (ast.Lambda, ast.Name, ast.Attribute, ast.Call, ast.IfExp)


@dataclass(frozen=True)
class Deepest:
    """The number of loops, one inside another, and where the innermost begins."""

    depth: int
    cell: int
    line: int

    @property
    def rank(self) -> tuple[int, int, int]:
        """By depth, then by what comes first in the notebook: sets are in no order that is the same tomorrow."""
        return self.depth, -self.cell, -self.line


@dataclass
class _Body:
    """One function's own loops, and the functions it calls, each with the loops around the call."""

    depth: int = 0
    line: int = 0
    calls: list[tuple[Own, int, int]] = field(default_factory=list)
    reads: dict[str, int] = field(default_factory=dict)  # names, each with the most loops around it


def deepest(reach: Reach) -> Deepest:
    """The deepest nest of loops in what an answer reaches; a loop over a shape or a written-out tuple is none.

    `for`, `while`, each `for` of a comprehension, `map` and its like are loops; `itertools.product` of n things is
    n; so is a function that calls itself, once. A function handed to a library's is in a loop there, as the key of a
    sort is; handed to one of the notebook's own, it is in the loops that it is called in.
    """
    counter = _Counter(reach)
    bodies = {id(own.node): counter.body(own) for own in counter.functions()}
    depths: dict[int, Deepest] = {}
    for ring in _rings(bodies):
        best = max((_deepest_of(key, ring, bodies, reach, depths) for key in ring), key=lambda d: d.rank)
        recursive = any(id(callee.node) in ring for key in ring for callee, _, _ in bodies[key].calls)
        for key in ring:
            depths[key] = Deepest(best.depth + recursive, best.cell, best.line)
    found = [depths[id(own.node)] for own in counter.entries() if id(own.node) in depths]
    return max(found, key=lambda d: d.rank) if found else Deepest(0, *reversed(reach.place()))


def _deepest_of(
    key: int, ring: set[int], bodies: dict[int, _Body], reach: Reach, depths: dict[int, Deepest]
) -> Deepest:
    """One function's own loops, or those of a function it calls with the loops around the call."""
    body, cell = bodies[key], reach.book.inside(reach.owns[key]).cell
    own, found = Deepest(body.depth, cell, body.line), []
    for callee, around, line in body.calls:
        inner = depths.get(id(callee.node))
        if inner is not None and id(callee.node) not in ring and around + inner.depth > own.depth:
            place = inner if inner.depth else Deepest(0, cell, line)
            found.append(Deepest(around + inner.depth, place.cell, place.line))
    return max(found, key=lambda d: d.rank, default=own)


def _rings(bodies: dict[int, _Body]) -> Iterator[set[int]]:
    """The functions that call one another in rings, mostly rings of one; what a ring calls comes before it (Tarjan)."""
    calls = {key: [id(c.node) for c, _, _ in body.calls if id(c.node) in bodies] for key, body in bodies.items()}
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    open_: dict[int, None] = {}
    for start in bodies:
        stack = [(start, iter(calls[start]))] if start not in number else []
        while stack:
            key, rest = stack[-1]
            if key not in number:
                number[key] = low[key] = len(number)
                open_[key] = None
            for other in rest:
                if other not in number:
                    stack.append((other, iter(calls[other])))
                    break
                if other in open_:
                    low[key] = min(low[key], number[other])
            else:
                stack.pop()
                if stack:
                    low[stack[-1][0]] = min(low[stack[-1][0]], low[key])
                if low[key] == number[key]:
                    ring: set[int] = set()
                    while key not in ring:
                        ring.add(open_.popitem()[0])
                    yield ring


class _Counter:
    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self.book = reach.book
        self._methods: dict[str, list[Own]] = {}
        self._weights: dict[tuple[int, int, int], int] = {}
        self._fixed: dict[int, bool] = {}
        self._own_loops: dict[int, int] = {}
        self._bodies: dict[int, _Body] = {}
        self._named: dict[tuple[int, str, bool], bool] = {}
        self._nesting = 0
        for own in list(reach.owns.values()):
            if isinstance(own.node, ast.ClassDef):
                for name in self.book.inside(own).names:
                    for method in self._members(own, name):
                        self._methods.setdefault(name, []).append(method)

    def functions(self) -> list[Own]:
        """Everything reached that has a body to run."""
        return [own for own in self.reach.owns.values() if not isinstance(own.node, ast.ClassDef)]

    def entries(self) -> list[Own]:
        """Where a call of the answer begins: the functions that its name stands for, or all methods of the class."""
        found: list[Own] = []
        for value in self.reach.values:
            if isinstance(value, Own):
                found += self._called(value, everything=True)
        return found

    def _members(self, own: Own, name: str) -> list[Own]:
        return [v for v in self.book.member(own, name) if isinstance(v, Own)]

    def _called(self, own: Own, everything: bool = False) -> list[Own]:
        """What runs when ``own`` is called: for a class, what its objects run without being asked by name."""
        if not isinstance(own.node, ast.ClassDef):
            return [own]
        self.book.spend(len(self.book.inside(own).names))
        names = [n for n in self.book.inside(own).names if everything or _is_special(n)]
        return [method for name in names for method in self._members(own, name)]

    # ------------------------------------------------------------ one body

    def body(self, own: Own) -> _Body:
        """The loops of one function, worked out once; of those that call one another, the one begun last sees less."""
        if id(own.node) in self._bodies:
            return self._bodies[id(own.node)]
        body = self._bodies[id(own.node)] = _Body(line=getattr(own.node, "lineno", 0))
        inner = self.book.inside(own)
        start = [own.node.body] if isinstance(own.node, ast.Lambda) else getattr(own.node, "body", [])
        stack: list[tuple[ast.AST, int, Scope]] = [(node, 0, inner) for node in start]
        while stack:
            self.book.spend()
            node, depth, scope = stack.pop()
            if depth > body.depth:
                body.depth, body.line = depth, getattr(node, "lineno", body.line)
            stack.extend(self._inside(node, depth, scope, body))
        return body

    def _inside(self, node: ast.AST, depth: int, scope: Scope, body: _Body) -> list[tuple[ast.AST, int, Scope]]:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return []
            case ast.Lambda():
                body.calls.append((self.book.own(node, scope), depth, node.lineno))
                for name in self.book.reading.about(_names_in, node):
                    self._read(name, depth, body)
                return []
            case ast.For() | ast.AsyncFor():
                deeper = depth + (
                    0 if self.book.reading.about(_ends_at_once, node) else self._weight(node.iter, node.target, scope)
                )
                return [
                    (node.iter, deeper if self._is_stepping(node.iter, scope) else depth, scope),
                    *((child, deeper, scope) for child in node.body),
                    *((child, depth, scope) for child in node.orelse),
                ]
            case ast.While():
                deeper = depth + (not self.book.reading.about(_ends_at_once, node))
                return [(child, deeper, scope) for child in (node.test, *node.body)] + [
                    (child, depth, scope) for child in node.orelse
                ]
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                return self._comprehension(node, depth, scope)
            case ast.Call():
                if self._is_looping(node, scope):
                    return self._looping(node, depth, scope)
                return [(node.func, depth, scope), *self._handed(node, depth, scope, body)]
            case ast.Name(ctx=ast.Load()):
                self._read(node.id, depth, body)
                self._note(node, depth, scope, body)
            case ast.Attribute(ctx=ast.Load(), attr=attr):
                if not self._note(node, depth, scope, body):
                    mine = scope.parent if is_super(node.value) else None
                    self.book.spend(len(self._methods.get(attr, [])))
                    methods = [m for m in self._methods.get(attr, []) if m.scope is not mine]
                    body.calls.extend((method, depth, node.lineno) for method in methods)
            case ast.arg():
                return []
        return [(child, depth, scope) for child in below(node)]

    def _note(self, node: ast.expr, depth: int, scope: Scope, body: _Body) -> bool:
        found = [v for v in self.book.values(node, scope) if isinstance(v, Own)]
        for own in found:
            body.calls.extend((called, depth, node.lineno) for called in self._called(own))
        return bool(found)

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, depth: int, scope: Scope
    ) -> list[tuple[ast.AST, int, Scope]]:
        inner = self.book.comprehension(node, scope)
        found: list[tuple[ast.AST, int, Scope]] = []
        for generator in node.generators:
            found.append((generator.iter, depth, inner))
            depth += self._weight(generator.iter, generator.target, inner)
            found += [(condition, depth, inner) for condition in generator.ifs]
        elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        return found + [(element, depth, inner) for element in elements]

    def _paths(self, node: ast.AST, scope: Scope) -> set[str]:
        return {v.path for v in self.book.values(node, scope) if isinstance(v, Lib)}

    def _is_looping(self, node: ast.Call, scope: Scope) -> bool:
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("apply_", "map_"):
            return True
        return bool(self._paths(node.func, scope) & LOOPING)

    def _looping(self, node: ast.Call, depth: int, scope: Scope) -> list[tuple[ast.AST, int, Scope]]:
        """What is called in a loop: in `map` and its like the function alone, as often as there is something for it."""
        paths = self._paths(node.func, scope)
        if not paths or not paths <= FUNCTION_FIRST or len(node.args) < 2:
            return [(child, depth + 1, scope) for child in below(node)]
        function, *iterables = node.args
        weights = [self._weight(iterable, None, scope) for iterable in iterables]
        others = [*iterables, *(keyword.value for keyword in node.keywords)]
        return [(function, depth + max(weights), scope), *((other, depth, scope) for other in others)]

    # ------------------------------------------------------------ functions that are handed on

    def _read(self, name: str, depth: int, body: _Body) -> None:
        body.reads[name] = max(depth, body.reads.get(name, 0))

    def _handed(self, node: ast.Call, depth: int, scope: Scope, body: _Body) -> list[tuple[ast.AST, int, Scope]]:
        """The arguments of a call, each with the loops around it: those in which a function among them is called."""
        given: list[tuple[int | str | None, ast.expr]] = [*enumerate(node.args)]
        given += [(keyword.arg, keyword.value) for keyword in node.keywords]
        found: list[tuple[ast.AST, int, Scope]] = []
        for place, argument in given:
            inside = 0
            if self._is_stepping(argument, scope):
                inside = self._loops_around(node, place, scope, ASKING_FOR_ALL)
            elif self._is_function(argument, scope, place == "key"):
                inside = self._loops_around(node, place, scope, RUNNING_MANY)
            elif isinstance(argument, ast.Name):  # a function's parameter, perhaps
                self._read(argument.id, depth + self._loops_around(node, place, scope, ASKING_FOR_ALL), body)
            found.append((argument, depth + inside, scope))
        return found

    def _loops_around(self, node: ast.Call, place: int | str | None, scope: Scope, builtin: frozenset[str]) -> int:
        """The loops in which a call runs what it gets in this place, or asks it for its elements."""
        values = self.book.values(node.func, scope)
        own = [v for v in values if isinstance(v, Own) and not isinstance(v.node, ast.ClassDef)]
        if own:
            return max(self._loops_of_parameter(one, place, node) for one in own)
        paths = [v.path for v in values if isinstance(v, Lib)]
        if any(_runs_many(path) or path.removeprefix("builtins.") in builtin for path in paths):
            return 1
        return int(isinstance(node.func, ast.Attribute) and node.func.attr in LOOPING_METHODS)

    def _loops_of_parameter(self, own: Own, place: int | str | None, node: ast.Call) -> int:
        a = getattr(own.node, "args", None)
        if a is None or id(own.node) not in self.reach.owns:
            return 0
        names = [arg.arg for arg in (*a.posonlyargs, *a.args)]
        if isinstance(place, int):
            bound = int(isinstance(node.func, ast.Attribute) and names[:1] == ["self"])
            name = names[place + bound] if place + bound < len(names) else getattr(a.vararg, "arg", "")
        else:
            name = place or ""
        if self._nesting > _DEEPEST_HANDING:
            return 1
        self._nesting += 1
        loops = self.body(own).reads.get(name, 0)
        self._nesting -= 1
        return loops

    def _is_function(self, node: ast.expr, scope: Scope, may_be: bool = False) -> bool:
        """Is this a function of the notebook, and not what one gave? What ``may_be`` nothing else is, is."""
        self.book.spend()
        match node:
            case ast.Lambda():
                return True
            case ast.Name(id=name):
                return self._names_function(name, scope, may_be)
            case ast.IfExp(body=body, orelse=orelse):
                return any(self._is_function(part, scope, may_be) for part in (body, orelse))
            case ast.Call(func=function, args=[first, *_]) if self._paths(function, scope) & {"functools.partial"}:
                return self._is_function(first, scope, may_be)
            case ast.Attribute(attr=attr):
                return any(
                    isinstance(method.node, ast.FunctionDef) and not method.node.decorator_list
                    for method in self._methods.get(attr, [])
                )
        return may_be and any(isinstance(v, Own) for v in self.book.values(node, scope))

    def _names_function(self, name: str, scope: Scope, may_be: bool) -> bool:
        place = self.book.home(name, scope)
        key = id(place), name, may_be
        if key not in self._named:
            self._named[key] = False  # while it is looked at
            values = [binding.value for binding in place.names.get(name, [])]
            self.book.spend(len(values))
            self._named[key] = any(
                isinstance(value, ast.FunctionDef)
                or (isinstance(value, _MAY_BE_FUNCTION) and self._is_function(value, place, may_be))
                for value in values
            )
        return self._named[key]

    def _is_stepping(self, node: ast.expr, scope: Scope) -> bool:
        """Is this an object of the notebook's that is asked for one element after the other?"""
        return not STEPPING.isdisjoint(self._methods) and any(
            isinstance(value, Own)
            and isinstance(value.node, ast.ClassDef)
            and not STEPPING.isdisjoint(self.book.inside(value).names)
            for value in self.book.values(node, scope)
        )

    # ------------------------------------------------------------ what is looped over

    def _weight(self, node: ast.expr, target: ast.expr | None, scope: Scope, nested: int = 0) -> int:
        """How many loops a `for` over ``node`` is worth: none for a shape, n for a product of n.

        Comprehensions over comprehensions make a tower of which each floor is looked at once, not once for each above.
        """
        self.book.spend()
        if id(node) not in self._fixed:
            self._fixed[id(node)] = _is_fixed(node) or self._is_once(node, scope)
        if self._fixed[id(node)] or nested > 8:
            return 0 if self._fixed[id(node)] else 1
        if isinstance(node, COMPREHENSIONS):
            target = None  # it makes no difference
        key = id(node), id(target), nested
        if key not in self._weights:
            self._weights[key] = self._weighed(node, target, scope, nested)
        return self._weights[key]

    def _is_once(self, node: ast.expr, scope: Scope) -> bool:
        """Is it ``range(1)``, or another range of at most one number?"""
        match node:
            case ast.Call(func=function, args=[_, *_] as args, keywords=[]) if len(args) < 4:
                numbers = [self._number(argument, scope) for argument in args]
                known = [number for number in numbers if number is not None]
                if len(known) < len(args) or self._paths(function, scope) != {"builtins.range"} or known[2:] == [0]:
                    return False
                return len(range(*known)) < 2
        return False

    def _number(self, node: ast.expr, scope: Scope) -> int | None:
        """A whole number that is written out, here or where a name gets it."""
        if isinstance(node, ast.Name):
            bindings = self.book.home(node.id, scope).names.get(node.id, [])
            value = bindings[0].value if len(bindings) == 1 else None
            node = value if isinstance(value, ast.Constant) else node
        number = node.value if isinstance(node, ast.Constant) else None
        return number if isinstance(number, int) else None

    def _weighed(self, node: ast.expr, target: ast.expr | None, scope: Scope, nested: int) -> int:
        match node:
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                inner = self.book.comprehension(node, scope)
                return sum(self._weight(g.iter, g.target, inner, nested + 1) for g in node.generators)
            case ast.Name(id=name):
                return self._weight_of_name(name, target, scope, nested + 1)
            case ast.Call(func=function, args=args):
                paths = self._paths(function, scope)
                lasts = {path.rpartition(".")[2] for path in paths}
                if paths & LOOPING_PAIRS:
                    return self._weight_of_product(node, target, scope, nested + 1)
                if lasts & {"ndindex", "cartesian_prod", "ndenumerate", "combinations", "permutations"}:
                    return max(1, _targets(target), len(args) if "ndindex" in lasts else 1)
                if lasts & PASSED_ON:
                    inner_target = None if "zip" in lasts and len(args) > 1 else _second(target, lasts)
                    return max((self._weight(a, inner_target, scope, nested + 1) for a in args), default=1)
                return self._weight_of_generator(function, scope)
        return 1

    def _weight_of_product(self, node: ast.Call, target: ast.expr | None, scope: Scope, nested: int) -> int:
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            return max(2, _targets(target))
        times = 1
        for keyword in node.keywords:
            known = isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, int)
            times = keyword.value.value if known else max(2, _targets(target))  # type: ignore[attr-defined]
        return sum(self._weight(a, None, scope, nested) for a in node.args) * min(times, 10)

    def _weight_of_name(self, name: str, target: ast.expr | None, scope: Scope, nested: int) -> int:
        place = self.book.home(name, scope)
        bindings = place.names.get(name, [])
        if len(bindings) == 1 and isinstance(bindings[0].value, ast.expr) and bindings[0].sure:
            where = bindings[0].at or place
            return self._weight(bindings[0].value, target, where, nested)
        return 1

    def _weight_of_generator(self, function: ast.expr, scope: Scope) -> int:
        """A generator of the notebook's own is worth its own loops: its ``yield`` stands inside them."""
        depth = 1
        for value in self.book.values(function, scope):
            if isinstance(value, Own) and isinstance(value.node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                depth = max(depth, self._loops_of(value.node))
        return depth

    def _loops_of(self, function: ast.AST) -> int:
        if id(function) not in self._own_loops:
            self._own_loops[id(function)] = _own_loops(function)
        return self._own_loops[id(function)]


def _runs_many(path: str) -> bool:
    """Is this a function of the standard library that runs what it gets, mostly once an element?"""
    return path.partition(".")[0] in STANDARD - HANDLING


def _names_in(node: ast.AST, reading: Reading) -> frozenset[str]:
    names = (inner for inner in reading.walk(node) if isinstance(inner, ast.Name))
    return frozenset(name.id for name in names if isinstance(name.ctx, ast.Load))


def _ends_at_once(loop: ast.AST, reading: Reading) -> bool:
    """Does the first turn of a loop end it, whatever happens?"""
    body: list[ast.stmt] = getattr(loop, "body", [])
    if not any(isinstance(s, ast.Break) or reading.about(_returns, s) for s in body):
        return False
    return not any(isinstance(node, ast.Continue) for node in reading.walk(loop))


def _returns(statement: ast.AST, reading: Reading) -> bool:
    """Is it a ``return``, or a loop around one, and no condition in between?"""
    if isinstance(statement, (ast.For, ast.While, ast.With)):
        return any(reading.about(_returns, inner) for inner in statement.body)
    return isinstance(statement, ast.Return)


def _own_loops(function: ast.AST) -> int:
    deepest, stack = 0, [(function, 0)]
    while stack:
        node, depth = stack.pop()
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            deepest = max(deepest, depth)
        depth += isinstance(node, (ast.For, ast.While))
        stack.extend((child, depth) for child in below(node))
    return deepest


def _is_special(name: str) -> bool:
    return name == "forward" or (name.startswith("__") and name not in ("__repr__", "__str__", "__format__"))


def _is_fixed(node: ast.expr) -> bool:
    """A shape, or something written out: as long as it was when the student wrote it."""
    match node:
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            return all(not isinstance(e, ast.Starred) or _is_fixed(e.value) for e in elements)
        case ast.Constant() | ast.Dict() | ast.Attribute(attr="shape"):
            return True
        case ast.Call(func=ast.Attribute(attr="size"), args=[]):
            return True
        case ast.Call(func=ast.Attribute(attr=("items" | "values" | "keys"), value=value)):
            return isinstance(value, ast.Dict)
        case ast.Call(func=ast.Name(id=("enumerate" | "zip" | "reversed" | "list" | "tuple")), args=[_, *_] as args):
            return all(_is_fixed(a.value if isinstance(a, ast.Starred) else a) for a in args)
        case ast.Subscript(value=value):
            return _is_fixed(value)
        case ast.BinOp(left=left, right=right):
            return _is_fixed(left) and _is_fixed(right)
    return False


def _targets(target: ast.expr | None) -> int:
    if isinstance(target, (ast.Tuple, ast.List)):
        first = target.elts[0] if target.elts else None
        return max(len(first.elts), 2) if isinstance(first, (ast.Tuple, ast.List)) else len(target.elts)
    return 2


def _second(target: ast.expr | None, lasts: set[str]) -> ast.expr | None:
    if "enumerate" in lasts and isinstance(target, (ast.Tuple, ast.List)) and len(target.elts) == 2:
        return target.elts[1]
    return target
