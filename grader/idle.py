"""What a function's source shows and its result cannot come from: code that never runs, values nobody reads."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from grader.reading import Reading
from grader.scopes import FUNCTIONS
from grader.source import below
from grader.vocabulary import FAMILIES, NAMES

_ENDS = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_ONLY_VALUES = (
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Subscript, ast.Attribute, ast.Starred),
    *(ast.Tuple, ast.List, ast.IfExp, ast.Slice, ast.Name, ast.Constant, ast.keyword),
)
_WORK = (ast.Call, ast.Lambda, ast.NamedExpr, ast.Await, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)
_GIVING = NAMES - FAMILIES["autograd"].names  # `loss.backward()` changes what it goes through
_PASSES = 4  # of values that only such values read


def idle_nodes(function: ast.AST, reading: Reading) -> frozenset[int]:
    """Ids of the nodes in a function that cannot have to do with what it gives."""
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return frozenset()
    found = {id(inner) for node in _dead(function.body, reading) for inner in reading.walk(node)}
    for _ in range(_PASSES):
        read = _names_read(function, found, reading)
        dropped = {id(n) for v in _dropped(function, read, reading) for n in _worked_out(v, reading)}
        if dropped <= found:
            break
        found |= dropped
    return frozenset(found)


def _dead(body: list[ast.stmt], reading: Reading) -> Iterator[ast.AST]:
    """The statements that never run: after a ``return``, or under ``if False``."""
    blocks = [body]
    while blocks:
        ended = False
        for statement in blocks.pop():
            reading.spend()
            if ended:
                yield statement
                continue
            ended = isinstance(statement, _ENDS)
            if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
                continue
            lists = {name: value for name, value in ast.iter_fields(statement) if _is_block(value)}
            if isinstance(statement, (ast.If, ast.While)) and isinstance(statement.test, ast.Constant):
                dead = "orelse" if statement.test.value else "body"
                yield from lists.pop(dead, [])
            blocks += lists.values()
            blocks += [part.body for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ()))]


def _is_block(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], ast.stmt)


def _names_read(function: ast.AST, idle: set[int], reading: Reading) -> set[str]:
    names: set[str] = set()
    for node in reading.walk(function):
        match node:
            case ast.Name(id=name, ctx=ast.Load()) if id(node) not in idle:
                names.add(name)
            case ast.AugAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Global(names=declared) | ast.Nonlocal(names=declared):
                names.update(declared)
    return names


def _dropped(function: ast.AST, read: set[str], reading: Reading) -> Iterator[ast.expr]:
    """The expressions whose values nobody reads."""
    for node in reading.walk(function):
        match node:
            case ast.Expr(value=value):
                yield value
            case ast.Assign(targets=targets, value=value):
                if all(isinstance(target, ast.Name) and target.id not in read for target in targets):
                    yield value


def _worked_out(value: ast.expr, reading: Reading) -> Iterator[ast.AST]:
    """``value`` and what goes into it, as far as nothing is changed on the way."""
    stack: list[ast.AST] = [value]
    while stack:
        reading.spend()
        node = stack.pop()
        if isinstance(node, _ONLY_VALUES) or (isinstance(node, ast.Call) and _changes_nothing(node)):
            yield node
            stack += below(node)


def _changes_nothing(call: ast.Call) -> bool:
    """A known operation that gives a new value: neither ``c.unsqueeze_(1)`` nor ``torch.mm(a, b, out=c)``."""
    if isinstance(call.func, ast.Call):  # nn.Unfold(2)(x)
        return _changes_nothing(call.func)
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    return name in _GIVING and not name.endswith("_") and all(k.arg != "out" for k in call.keywords)


def working(annotations: Iterable[ast.AST], reading: Reading) -> list[ast.AST]:
    """Those annotations that do more than name a type, texts read as the code that they are to whom evaluates them."""
    found: list[ast.AST] = []
    for annotation in annotations:
        parts: list[ast.AST] = [annotation]
        for node in reading.walk(annotation):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                tree = reading.tree(node.value.strip(), node.lineno)
                parts += tree.body if tree else []
        found += [part for part in parts if any(isinstance(node, _WORK) for node in reading.walk(part))]
    return found
