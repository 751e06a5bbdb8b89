"""The code that an answer reaches, and what it uses. Nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from grader.idle import idle_nodes, working
from grader.itself import is_own_object, mentions
from grader.made import makers
from grader.reading import Reading
from grader.scopes import (
    BY_NAME,
    COMPREHENSIONS,
    NONE,
    UNKNOWN,
    Lib,
    Notebook,
    Own,
    Scope,
    Text,
    Value,
    Values,
    Word,
    hiding,
    notebook,
)
from grader.source import below
from grader.vocabulary import EVALUATING, HIDING_ATTRIBUTES

_COST_OF_USE = 6  # steps: as much in memory as in time
_TOO_DEEP = "builtins.code too deep to follow"
_NAMESPACE = "builtins.a namespace with a computed name"
_BY_TEXT = "builtins.getattr with a computed name"
_ATTRIBUTE_OF = frozenset({"__getattribute__", "__getattr__"})
_SAYS_WHAT_IS_ONE = ("__instancecheck__", "__subclasscheck__", "__subclasshook__", "register")
_WRITES = frozenset({"update", "setdefault"})
_ANY: Values = frozenset({UNKNOWN})


@dataclass(frozen=True, slots=True)
class Use:
    """Something that reachable code names: a library path, ``?.name`` on an unknown object, or a mark like ``@``."""

    path: str
    cell: int
    line: int
    plain: bool = False  # at the top of the answer's own body: runs whenever the answer does
    node: ast.AST | None = field(default=None, compare=False)
    scope: Scope | None = field(default=None, compare=False)


def reach_of(name: str, cells: tuple[tuple[str, str], ...], reading: Reading | None = None) -> Reach:
    """What ``name`` reaches in these cells, worked out once. Raises `TooLarge`."""
    reading = reading or Reading()
    return reading.once(Reach, notebook(cells, reading), name)


def everything_of(book: Notebook) -> Reach:
    """What all code of the notebook uses, called or not, worked out once. Raises `TooLarge`."""
    return book.reading.once(Reach.everything, book)


class Reach:
    """The code that the top-level ``name`` reaches: itself, its helpers, their classes, what was patched in.

    ``uses`` are the library names and marks in that code, ``names`` the top-level names it reads, ``data`` those
    that are no function, class or module, ``owns`` the functions and classes, ``stored`` the attributes that it or
    its classes define, ``hidden`` the constructs that hide what is called.

    ``idle`` are the ids of nodes whose values nobody gets: dead code, and what is worked out and thrown away.

    ``statements`` are those of the notebook's top level that make what the code reads: with these alone it runs as it
    is read here. Of what they work out only the outcome counts (``w = a @ b`` is data), but each function that they
    hand on counts as used.
    """

    def __init__(self, book: Notebook, name: str) -> None:
        book.begin()
        self.book = book
        self.name = name
        self.values = book.named(name)
        self.owns: dict[int, Own] = {}
        self.uses: list[Use] = []
        self.hidden: list[Use] = []
        self.names: set[str] = set()
        self.data: set[str] = set()
        self.stored: set[str] = set()
        self.called: set[int] = set()  # ids of the expressions that are called
        self.idle: set[int] = set()  # ids of what cannot have to do with a result
        self.asserted: set[int] = set()  # ids of what an `assert` looks at
        self._told: set[int] = set()  # ids of what looks attributes up by their names, where the call tells these
        self._writes: set[int] = set()  # ids of namespaces that are only written to
        self._named: set[int] = set()  # ... and to which only names are written that the source tells
        self._todo: list[Own] = []
        self._seen: set[tuple[str, int, int]] = set()
        self._plain: set[int] = set()
        self._patched: set[str] = set()
        self._followed: list[str] = []
        self._written: set[str] = set()  # declared global: a counter, say
        self._attributes: dict[int, set[str]] = {}
        self.statements: set[int] = set()
        self._needed: set[tuple[str, int | None]] = set()
        self._kept: list[int] = []
        self._making: set[int] = set()  # ids of the functions that a statement calls
        self._need(name, None)
        line, cell = self.place()
        for value in sorted(self.values, key=_order):
            self._value(value, cell, line)
        definitions = {id(binding.value) for binding in book.module.names.get(name, [])}
        for own in self._todo:
            if id(own.node) in definitions:
                self._plain |= _plain_nodes(own.node)
                book.spend(len(self._plain))
        book.spend(len(book.stores))
        for attr in [attr for attr in book.stores if attr.startswith("__")]:
            self._follow_patches(attr)
        self._finish()

    @classmethod
    def everything(cls, book: Notebook) -> Reach:
        """All code of the notebook, called or not."""
        reach = cls(book, "")
        for number, (statement, cell) in enumerate(book.statements, 1):
            reach._goes_on()
            reach._walk(statement, Scope(book.module, cell, order=number), number)
        reach._finish()
        return reach

    def defines(self, attr: str) -> bool:
        """Does a class of the code, or an assignment in it, give objects this attribute?"""
        return attr in self.stored

    def reads(self, name: str) -> bool:
        """Does the code read the top-level ``name``, or another that is made of it (``relu = MyRelu.apply``)?"""
        found, todo = set(self.names), list(self.names)
        while todo:
            for binding in self.book.module.names.get(todo.pop(), []):
                if isinstance(binding.value, ast.expr):
                    new = {node.id for node in self.book.walk(binding.value) if isinstance(node, ast.Name)} - found
                    found |= new
                    todo += new
        return name in found

    def place(self) -> tuple[int, int]:
        """Line and cell of the answer's last definition."""
        bindings = self.book.module.names.get(self.name, [])
        if not bindings:
            return 0, -1
        statement, cell = self.book.statements[bindings[-1].order - 1]
        return statement.lineno, cell

    # ------------------------------------------------------------ what is found

    def _use(self, path: str, node: ast.AST | None, scope: Scope, line: int = 0) -> None:
        self.book.spend(_COST_OF_USE)
        line = getattr(node, "lineno", line)
        key = (path, scope.cell, line)
        if key in self._seen and id(node) not in self._plain:
            return
        self._seen.add(key)
        use = Use(path, scope.cell, line, id(node) in self._plain, node, scope)
        self.uses.append(use)
        if hiding(path):
            self.hidden.append(use)

    def _value(self, value: Value, cell: int, line: int, node: ast.AST | None = None) -> None:
        scope = Scope(None, cell)
        match value:
            case Own():
                if id(value.node) not in self.owns:
                    self.owns[id(value.node)] = value
                    self._todo.append(value)
            case Lib(path):
                self._follow_patches(path.rpartition(".")[2])
                if node is None:
                    self._use(path, None, scope, line)
                else:
                    self._use(path, node, scope)
            case Word("too deep"):
                self.hidden.append(Use(_TOO_DEEP, cell, line))

    def _values(self, values: Values, scope: Scope, node: ast.AST) -> None:
        self.book.spend(2 * len(values))
        for value in sorted(values, key=_order):
            self._value(value, scope.cell, getattr(node, "lineno", 0), node)

    # ------------------------------------------------------------ the walk

    def _finish(self) -> None:
        while self._goes_on() and (self._todo or self._followed or self._kept):
            if self._followed:
                self._follow(self._followed.pop())
            elif self._kept:
                self._make(self._kept.pop())
            else:
                self._enter(self._todo.pop())
        self.data -= self._written

    def _goes_on(self) -> bool:
        """Are steps left for one answer? All code is read in parts: what is hard to follow hides nothing elsewhere."""
        if self.book.is_spent:
            self.hidden.append(Use(_TOO_DEEP, -1, 0))
        if not self.name:
            self.book.begin()
        return not self.book.is_spent

    def _enter(self, own: Own) -> None:
        node, inner = own.node, self.book.inside(own)
        self.idle |= self.book.reading.about(idle_nodes, node)
        self._annotated(_annotations(node), own.scope, own.order)
        for expression in getattr(node, "decorator_list", []):
            self._walk(expression, Scope(own.scope, inner.cell), own.order)
        if isinstance(node, ast.ClassDef):
            bases = [*node.bases, *(keyword.value for keyword in node.keywords)]
            self._need_all(bases, own.scope, own.order)
            for expression in bases:
                self._values(self.book.values(expression, own.scope, own.order), inner, expression)
                self._work_out(expression, own)
            self.stored.update(inner.names)
        else:
            self._need_all(_defaults(node.args), own.scope, own.order)
            for default in _defaults(node.args):
                self._values(self.book.values(default, own.scope, own.order), inner, default)
                if own.scope is not self.book.module:
                    self._work_out(default, own)
        for statement in [node.body] if isinstance(node, ast.Lambda) else node.body:
            self._walk(statement, inner, inner.order)

    def _work_out(self, expression: ast.expr, own: Own) -> None:
        """What a definition works out as it is made: at the top level, only what it hands on counts."""
        if isinstance(expression, ast.Constant) or _is_type(expression):
            return
        if own.order is None:
            self._walk(expression, own.scope, None)
        else:
            self._walk_making([expression], own.scope, own.order)

    def _walk(self, start: ast.AST, scope: Scope, before: int | None) -> None:
        stack = [(start, scope)]
        while stack:
            self.book.spend()
            node, where = stack.pop()
            stack.extend(reversed(self._visit(node, where, before)))

    def _visit(self, node: ast.AST, scope: Scope, before: int | None) -> list[tuple[ast.AST, Scope]]:
        """Note what ``node`` uses; give what is to be visited inside it."""
        book = self.book
        skip: set[int] = set()
        if isinstance(node, ast.AugAssign):  # `calls += 1` reads what it binds
            self._need_all([node.target], scope, before)
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
                self._value(book.own(node, scope, before), scope.cell, node.lineno)
                return []
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                inner = book.comprehension(node, scope, before)
                return [(child, inner) for child in below(node)]
            case ast.Name(id=name, ctx=ast.Load()):
                self._name(name, node, scope, before)
            case ast.Attribute(ctx=ast.Load()):
                self._attribute(node, scope, before)
            case ast.Attribute(attr=attr):
                self.stored.add(attr)
            case ast.Assign(targets=targets, value=value):
                if isinstance(targets[0], ast.Name):  # `look = getattr`: where it is called, it is known
                    self._told.add(id(value))
                if not _is_false(value) and any(_is_attribute(target, "requires_grad") for target in targets):
                    self._use("requires_grad=", node, scope)
            case ast.Assert():
                self.asserted.update(id(inner) for inner in book.walk(node))
            case ast.Global(names=names):
                self._written.update(names)
            case ast.AnnAssign(annotation=annotation):
                self._annotated([annotation], scope, before)
                skip.add(id(annotation))
            case ast.arg():
                return []
            case ast.BinOp(op=ast.MatMult()) | ast.AugAssign(op=ast.MatMult()):
                self._use("@", node, scope)
            case ast.BinOp(op=ast.Mult()) | ast.AugAssign(op=ast.Mult()):
                self._use("*", node, scope)
            case ast.Subscript(slice=key):
                self._index(node, key, scope, before)
                match node.value:
                    case ast.Call(func=ast.Name(id=("globals" | "locals" | "vars")), args=owners):
                        return [(child, scope) for child in (*owners, key)]
                    case ast.Attribute(attr="__dict__", value=owner):
                        return [(owner, scope), (key, scope)]
            case ast.MatchClass(cls=cls, kwd_attrs=attrs):
                self._need_all([cls], scope, before)
                skip.add(id(cls))
                for attr in attrs:
                    self._use(f"?.{attr}", node, scope)
                if node.patterns:
                    self._pattern(node, scope, before)
            case ast.Call(keywords=keywords):
                if any(keyword.arg == "requires_grad" and not _is_false(keyword.value) for keyword in keywords):
                    self._use("requires_grad=", node, scope)
                skip |= self._call(node, scope, before)
            case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[ast.Call(func=ast.Name(id="globals"))]):
                skip.add(id(node.comparators[0]))
        return [(child, scope) for child in below(node) if id(child) not in skip]

    def _annotated(self, annotations: Iterable[ast.expr], scope: Scope, before: int | None) -> None:
        """Types run nothing, and what else is written in their place does, but gives no result."""
        annotations = list(annotations)
        self._need_all(annotations, scope, before)
        for part in working(annotations, self.book.reading):
            self.idle.update(id(node) for node in self.book.walk(part))
            self._walk(part, scope, before)

    def _name(self, name: str, node: ast.Name, scope: Scope, before: int | None) -> None:
        values = self.book.values(node, scope, before)
        self._values(values, scope, node)
        self._passed_on(values, node, scope)
        if not self.book.is_local(name, scope) and name in self.book.module.names:
            self.names.add(name)
            self._need(name, before)
            if not any(isinstance(value, (Own, Lib)) for value in values):
                self.data.add(name)

    def _passed_on(self, values: Values, node: ast.expr, scope: Scope) -> None:
        """Whoever gets ``getattr`` may call it with any text."""
        if id(node) not in self.called | self._told:
            for value in values:
                if isinstance(value, Lib) and value.path in BY_NAME | {"builtins.vars"}:
                    self._use(f"{value.path} passed on", node, scope)

    def _attribute(self, node: ast.Attribute, scope: Scope, before: int | None) -> None:
        bases = self.book.values(node.value, scope, before)
        values = self.book.values(node, scope, before)
        self._passed_on(values, node, scope)
        own = [base for base in bases if isinstance(base, Own)]
        self._values(frozenset(v for v in values if v is not UNKNOWN), scope, node)
        if UNKNOWN in values and not (own and UNKNOWN not in bases and self._have(own, node.attr)):
            self._use(f"?.{node.attr}", node, scope)
        if node.attr == "__dict__":
            self._all_of(node, node.value, scope, before)
        if node.attr in _ATTRIBUTE_OF and id(node) not in self._told:
            self._use(_BY_TEXT, node, scope)
        self._follow_patches(node.attr)

    def _follow_patches(self, attr: str) -> None:
        """Reach what the notebook's top level put in this attribute of anything."""
        if attr not in self._patched:
            self._patched.add(attr)
            if attr in self.book.stores:
                self._followed.append(attr)

    def _follow(self, attr: str) -> None:
        for store in self.book.stores.get(attr, []):
            if store.order is not None:
                self._keep(store.order)
                _, cell = self.book.statements[store.order - 1]
                where = Scope(store.scope, cell)
                self._values(self.book.values(store.value, store.scope, store.order), where, store.value)
                if attr in HIDING_ATTRIBUTES:
                    self._use(f"?.{attr}", store.base, where)

    # ------------------------------------------------------------ what makes it

    def _need(self, name: str, before: int | None) -> None:
        """The code reads the top-level ``name``: keep the statements that make it."""
        if not self.name or not name or (name, before) in self._needed:
            return
        self._needed.add((name, before))
        for order in sorted(makers(self.book, name, before) - self.statements):
            self._keep(order)

    def _need_all(self, nodes: Iterable[ast.AST], scope: Scope, before: int | None) -> None:
        for node in (inner for outer in nodes for inner in self.book.walk(outer)):
            if isinstance(node, ast.Name) and not self.book.is_local(node.id, scope):
                self._need(node.id, before)

    def _keep(self, order: int) -> None:
        """Keep a statement, and with it all that stands in the same text: ``exec("a = 1; b = 2")``."""
        if order in self.statements:
            return
        book = self.book
        place = book.statements[order - 1][1], book.numbers[order - 1]
        while order > 1 and (book.statements[order - 2][1], book.numbers[order - 2]) == place:
            order -= 1
        for other in range(order, len(book.statements) + 1):
            if (book.statements[other - 1][1], book.numbers[other - 1]) != place:
                break
            book.spend()
            self.statements.add(other)
            self._kept.append(other)

    def _make(self, order: int) -> None:
        statement, cell = self.book.statements[order - 1]
        scope = Scope(self.book.module, cell, order=order)
        self._walk_making([statement], scope, order)

    def _walk_making(self, nodes: Iterable[ast.AST], scope: Scope, before: int | None) -> None:
        stack = [(node, scope) for node in nodes]
        while stack:
            self.book.spend()
            node, where = stack.pop()
            stack.extend(reversed(self._visit_making(node, where, before)))

    def _visit_making(self, node: ast.AST, scope: Scope, before: int | None) -> list[tuple[ast.AST, Scope]]:
        """Note which functions a statement hands on, and what it needs; give what is to be visited inside it."""
        book, children = self.book, list(below(node))
        if isinstance(node, ast.AugAssign):
            self._need_all([node.target], scope, before)
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._need_all(_annotations(node), scope, before)
                if node.decorator_list:
                    self._value(book.own(node, scope, before), scope.cell, node.lineno)
                children = [*node.decorator_list, *_defaults(node.args)]
            case ast.ClassDef() | ast.Lambda():
                self._value(book.own(node, scope, before), scope.cell, node.lineno)
                return []
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                return [(child, book.comprehension(node, scope, before)) for child in children]
            case ast.Name(ctx=ast.Load()):
                self._values(book.values(node, scope, before), scope, node)
                self._need_all([node], scope, before)
            case ast.Attribute(value=base, ctx=ast.Load()):
                self._attribute(node, scope, before)
                return self._base(base, scope, before)
            case ast.Subscript(value=ast.Call(func=ast.Name(id=("globals" | "locals" | "vars")), args=of), slice=key):
                self._namespace(node, of[0] if of else None, key, scope, before)
                return [(key, scope)]
            case ast.AnnAssign(annotation=annotation):
                self._need_all([annotation], scope, before)
                children.remove(annotation)
            case ast.Call(func=func, args=args, keywords=keywords):
                self._call(node, scope, before)
                inner = self._base(func.value, scope, before) if isinstance(func, ast.Attribute) else []
                self._run(func, scope, before)
                if not isinstance(func, (ast.Name, ast.Attribute)):
                    inner = [(func, scope)]
                return [*inner, *((part, scope) for part in [*args, *(keyword.value for keyword in keywords)])]
        return [(child, scope) for child in children]

    def _base(self, base: ast.expr, scope: Scope, before: int | None) -> list[tuple[ast.AST, Scope]]:
        """What is to be visited of ``base`` in ``base.attr``: a name, or names with dots, is not handed on."""
        if _is_type(base):
            self._need_all([base], scope, before)
            return []
        return [(base, scope)]

    def _run(self, func: ast.expr, scope: Scope, before: int | None) -> None:
        """A statement calls ``func``: what it works out is data, what it hands on may be called."""
        if isinstance(func, ast.Name):
            self._need_all([func], scope, before)
        for value in sorted(self.book.values(func, scope, before), key=_order):
            match value:
                case Own(node=ast.FunctionDef() | ast.AsyncFunctionDef() as node):
                    if id(node) not in self._making:
                        self._making.add(id(node))
                        inner = self.book.inside(value)
                        self._walk_making(node.body, inner, inner.order)
                case Lib(path) if not hiding(path):
                    self._follow_patches(path.rpartition(".")[2])
                case Word("unknown") if isinstance(func, ast.Attribute):
                    self._follow_patches(func.attr)
                    if hiding(f"?.{func.attr}"):
                        self._use(f"?.{func.attr}", func, scope)
                case _:
                    self._value(value, scope.cell, func.lineno, func)

    def _have(self, owns: list[Own], attr: str) -> bool:
        """Does one of the classes define ``attr``, on itself or through ``self``?"""
        for own in owns:
            key = id(own.node)
            if key not in self._attributes:
                nodes = (node for node in self.book.walk(own.node) if isinstance(node, ast.Attribute))
                stored = {node.attr for node in nodes if isinstance(node.ctx, ast.Store)}
                self._attributes[key] = stored | set(self.book.inside(own).names)
        return any(attr in self._attributes[id(own.node)] for own in owns)

    def _index(self, node: ast.Subscript, key: ast.expr, scope: Scope, before: int | None) -> None:
        for part in key.elts if isinstance(key, ast.Tuple) else [key]:
            if isinstance(part, (ast.Slice, ast.BinOp, ast.Call)):
                continue
            values = self.book.values(part, scope, before)
            if NONE in values or any(isinstance(v, Lib) and v.path.endswith(".newaxis") for v in values):
                self._use("[None]", node, scope)
        match node.value:
            case ast.Call(func=ast.Name(id=("globals" | "locals" | "vars")), args=args):
                self._namespace(node, args[0] if args else None, key, scope, before)
            case ast.Attribute(attr="__dict__", value=of):
                self._namespace(node, of, key, scope, before)

    def _namespace(
        self, node: ast.Subscript, of: ast.expr | None, key: ast.expr, scope: Scope, before: int | None
    ) -> None:
        """``globals()["x"]``, ``vars(torch)["mm"]``, ``torch.__dict__["mm"]``: as good as the names they spell."""
        texts = self.book.values(key, scope, before)
        told = all(isinstance(text, Text) for text in texts)
        owners = self.book.values(of, scope, before) if of else frozenset()
        libraries = [owner.path for owner in owners if isinstance(owner, Lib)]
        written = isinstance(node.ctx, ast.Store)
        if not told and not (of and is_own_object(self.book, of, scope, before, written)):
            self._use(_NAMESPACE, node, scope)
        if written:
            for path in libraries:
                self._use(f"{path}.__dict__", node, scope)
        self._values(self.book.values(node, scope, before), scope, node)
        for text in texts:
            if isinstance(text, Text) and UNKNOWN in owners:
                self._use(f"?.{text.text}", node, scope)
            if isinstance(text, Text) and of is None:
                self._global(text.text, node, scope, before)

    def _global(self, name: str, node: ast.AST, scope: Scope, before: int | None) -> None:
        if name in self.book.module.names:
            self.names.add(name)
            self._need(name, before)
            if not any(isinstance(v, (Own, Lib)) for v in self.book.values(node, scope, before)):
                self.data.add(name)

    def _call(self, node: ast.Call, scope: Scope, before: int | None) -> set[int]:
        """What a call hides or asks for; gives the parts that are not to be visited."""
        self.called.add(id(node.func))
        callees = {v.path for v in self.book.values(node.func, scope, before) if isinstance(v, Lib)}
        if isinstance(node.func, ast.Attribute):
            self._call_of_attribute(node, node.func, scope, before)
        if callees & BY_NAME or any(c.endswith((".__getattribute__", ".__getattr__")) for c in callees):
            found = self.book.values(node, scope, before)
            self._values(frozenset(v for v in found if isinstance(v, (Own, Lib))), scope, node)
            if UNKNOWN in found and len(node.args) > 1:
                for name in self.book.values(node.args[1], scope, before):
                    if isinstance(name, Text):
                        self._use(f"?.{name.text}", node, scope)
        if callees & {"builtins.isinstance", "builtins.issubclass"}:
            types = [argument for argument in node.args[1:] if _is_type(argument)]
            self._need_all(types, scope, before)
            return {id(argument) for argument in types}
        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
            for value in self.book.values(argument, scope, before):
                if isinstance(value, Lib) and value.path in BY_NAME:
                    self._use(f"{value.path} passed on", argument, scope)
        given = {keyword.arg for keyword in node.keywords}
        if "eval_str" in given or (None in given and callees & EVALUATING):
            self._use("builtins.inspect.signature with eval_str", node, scope)
        if "builtins.globals" in callees:
            self._use(_NAMESPACE, node, scope)
        if callees & {"builtins.locals", "builtins.vars"} and not node.args and scope.parent is None:
            self._use(_NAMESPACE, node, scope)
        if callees & {"functools.wraps", "functools.update_wrapper"} and (
            node.keywords or len(node.args) > 1 + ("functools.update_wrapper" in callees)
        ):  # with these they set any attribute that a text names
            self._use("builtins.functools.wraps of named attributes", node, scope)
        if "builtins.vars" in callees and node.args:
            self._all_of(node, node.args[0], scope, before)
        return set()

    def _all_of(self, node: ast.expr, of: ast.expr, scope: Scope, before: int | None) -> None:
        """``x.__dict__`` or ``vars(x)``: who has it may take anything from it by a text, but from an object's own."""
        own = is_own_object(self.book, of, scope, before, id(node) in self._writes)
        if not own and id(node) not in self._named:
            self._use(_NAMESPACE, node, scope)

    def _call_of_attribute(self, node: ast.Call, func: ast.Attribute, scope: Scope, before: int | None) -> None:
        """``x.__getattribute__("mm")``, which is as good as ``x.mm``, and ``self.__dict__.update(...)``."""
        if func.attr in _WRITES:
            self._writes.add(id(func.value))
            if _sets_own(node, func.value):
                self._named.add(id(func.value))
        if func.attr not in _ATTRIBUTE_OF or not node.args:
            return
        texts = self.book.values(node.args[-1], scope, before)
        if all(isinstance(text, Text) for text in texts):
            self._told.add(id(func))
            for text in texts:
                if isinstance(text, Text):
                    self._use(f"?.{text.text}", node, scope)
                    self._follow_patches(text.text)
        elif func.attr == "__getattr__" and isinstance(func.value, ast.Call):  # super().__getattr__(name)
            self._told.add(id(func))

    def _pattern(self, node: ast.MatchClass, scope: Scope, before: int | None) -> None:
        """``case Row(x)`` reads the attributes that ``Row.__match_args__`` names, of whatever is said to be a Row."""
        for value in self.book.values(node.cls, scope, before):
            if isinstance(value, Own) and isinstance(value.node, ast.ClassDef):
                names = self.book.member(value, "__match_args__") or self._fields(value)
            elif isinstance(value, Lib) and value.path.startswith("builtins."):
                continue
            else:  # a named tuple, say
                names = _ANY if any(mentions(self.book, name) for name in _SAYS_WHAT_IS_ONE) else frozenset()
            for store in (*self.book.stores.get("__match_args__", ()), *self.book.stores.get("*", ())):
                names |= self.book.values(store.value, store.scope, store.order)
            for name in sorted(names, key=_order):
                path = f"?.{name.text}" if isinstance(name, Text) else _NAMESPACE
                self._use(path, node, scope)

    def _fields(self, own: Own) -> Values:
        """What a data class is matched by."""
        body = own.node.body if isinstance(own.node, ast.ClassDef) else []
        fields = [s.target.id for s in body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)]
        self.book.spend(len(body))
        return frozenset(map(Text, fields))


def _sets_own(call: ast.Call, namespace: ast.expr) -> bool:
    """``vars(self).update(w=w, b=b)``, also where it becomes a method only later: as good as ``self.w = w``."""
    match namespace:
        case ast.Call(args=[ast.Name(id="self")]) | ast.Attribute(value=ast.Name(id="self")):
            return not call.args and all(keyword.arg for keyword in call.keywords)
    return False


def _defaults(a: ast.arguments) -> list[ast.expr]:
    return [*a.defaults, *(default for default in a.kw_defaults if default)]


def _annotations(node: ast.AST) -> list[ast.expr]:
    """What a function says of its parameters' and result's types: it is worked out when the function is defined."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return []
    a = node.args
    parameters = [*a.posonlyargs, *a.args, *a.kwonlyargs, *(extra for extra in (a.vararg, a.kwarg) if extra)]
    return [found for found in [*(p.annotation for p in parameters), node.returns] if found]


def _order(value: Value) -> tuple[int | str, ...]:
    """To sort by, no two the same: many functions may have one name, and stand in one line."""
    match value:
        case Lib(path):
            return 0, path
        case Own(node=node, scope=scope, order=order):
            return 1, value.name, node.lineno, node.col_offset, order or 0, scope.cell
        case Text(text):
            return 2, text
    return 3, value.word


def _is_attribute(node: ast.expr, attr: str) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == attr


def _is_type(node: ast.expr) -> bool:
    """A name, or names: nothing that runs."""
    if isinstance(node, ast.Tuple):
        return all(_is_type(element) for element in node.elts)
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def _plain_nodes(node: ast.AST) -> set[int]:
    """Ids of the nodes that run whenever the function does."""
    if isinstance(node, ast.Lambda):
        statements: list[ast.AST] = [node.body]
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        statements = []
        for statement in node.body:
            if not isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return)):
                break
            statements.append(statement)
    else:
        return set()
    found: set[int] = set()
    stack = statements
    while stack:
        child = stack.pop()
        if isinstance(child, (ast.IfExp, ast.BoolOp, ast.Lambda, *COMPREHENSIONS)):
            continue
        found.add(id(child))
        stack.extend(below(child))
    return found
