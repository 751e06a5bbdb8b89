"""Which statements at a notebook's top level make what its names stand for. Nothing is run."""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Iterator

from grader.reading import Reading
from grader.scopes import Notebook
from grader.source import below

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# Calls that only look at what they are given.
_LOOKING = frozenset({"print", "display", "plt", "pprint", "repr", "len", "type", "help", "show_image"})


def makers(book: Notebook, name: str, before: int | None) -> set[int]:
    """The statements that bind ``name``, or change what it holds in place, as far as that lasts until ``before``."""
    bindings = book.visible(name, before)
    first = next((b.order for b in bindings if b.sure), 0)
    orders = book.reading.once(_changes, book).get(name, [])
    changes = orders[bisect_left(orders, first) : bisect_left(orders, before) if before else len(orders)]
    book.spend(len(changes))
    return {binding.order for binding in bindings if binding.order}.union(changes)


def _changes(book: Notebook) -> dict[str, list[int]]:
    """The statements, in order, that may change in place what a name holds: by a method, or by a function that does."""
    setters = _setters(book)
    found: dict[str, list[int]] = {}
    for order, (statement, _) in enumerate(book.statements, 1):
        changed, read = book.reading.about(_touched, statement)
        called = [setters[name] for name in read if name in setters]
        book.reading.spend(len(read) + sum(map(len, called)))
        for name in changed.union(*called) - book.module.imported:
            found.setdefault(name, []).append(order)
    return found


def _touched(statement: ast.AST, reading: Reading) -> tuple[frozenset[str], frozenset[str]]:
    """The names that a statement may itself change in place, and those that it reads."""
    nodes = list(_run_at_once(statement, reading))
    read = frozenset(node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
    return frozenset(name for node in nodes for name in _changed(node)), read


def _changed(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Expr(value=ast.Call(func=func, args=args, keywords=keywords)) if root_of(func) not in _LOOKING:
            yield from map(root_of, [func, *args, *(keyword.value for keyword in keywords)])
        case ast.Delete(targets=targets):
            yield from map(root_of, targets)
        case ast.ClassDef(bases=bases):
            yield from map(root_of, bases)


def _run_at_once(statement: ast.AST, reading: Reading) -> Iterator[ast.AST]:
    """The nodes of ``statement`` that run when it does: of functions, their decorators and defaults alone."""
    stack: list[ast.AST] = [statement]
    while stack:
        reading.spend()
        node = stack.pop()
        yield node
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                stack += [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
            case ast.Lambda():
                pass
            case _:
                stack += below(node)


def _setters(book: Notebook) -> dict[str, set[str]]:
    """For each function or class of the top level, the names that a call of it may bind or change."""
    inside: dict[str, set[str]] = {}
    mentions: dict[str, set[str]] = {}
    definitions = (found for statement, _ in book.statements for found in book.reading.about(_definitions, statement))
    for name, changes, used in definitions:
        book.reading.spend(len(changes) + len(used))
        inside.setdefault(name, set()).update(changes)
        mentions.setdefault(name, set()).update(used)
    calls = {name: sorted(used & inside.keys()) for name, used in mentions.items()}
    size = -1
    while size != (size := sum(map(len, inside.values()))):  # through helpers of helpers
        for name, others in calls.items():
            for other in others:
                book.reading.spend(1 + len(inside[other]))
                inside[name] |= inside[other]
    return inside


def _definitions(statement: ast.AST, reading: Reading) -> list[tuple[str, frozenset[str], frozenset[str]]]:
    """The functions and classes that a statement defines, with the names that each may change and those it mentions."""
    found = []
    for definition in _run_at_once(statement, reading):
        if isinstance(definition, _DEFINITIONS):
            nodes = list(reading.walk(definition))
            used = frozenset(node.id for node in nodes if isinstance(node, ast.Name))
            found.append((definition.name, frozenset(name for node in nodes for name in _set_by(node)), used))
    return found


def _set_by(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Global(names=names):
            yield from names
        case ast.Subscript(ctx=ast.Store() | ast.Del()) | ast.Attribute(ctx=ast.Store() | ast.Del()):
            yield root_of(node)
        case ast.Call(func=ast.Attribute() as func):
            yield root_of(func)


def root_of(node: ast.AST) -> str:
    """The name that an expression begins with: ``d`` of ``d["x"].append``; "" when it begins with none."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Starred)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
