"""Which statements at a notebook's top level make what its names stand for. Nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache

from grader.scopes import Notebook

_PASSES = 20  # through helpers of helpers
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# Calls that only look at what they are given.
_LOOKING = frozenset({"print", "display", "plt", "pprint", "repr", "len", "type", "help", "show_image"})


def makers(book: Notebook, name: str, before: int | None) -> set[int]:
    """The statements that bind ``name``, or change what it holds in place, as far as that lasts until ``before``."""
    bindings = book.visible(name, before)
    first = next((b.order for b in bindings if b.sure), 0)
    changes = (order for order in _changes(book).get(name, []) if first <= order < (before or order + 1))
    return {binding.order for binding in bindings if binding.order}.union(changes)


@lru_cache(maxsize=64)
def _changes(book: Notebook) -> dict[str, list[int]]:
    """The statements that may change in place what a name holds: by a method, or by a function that does."""
    setters = _setters(book)
    found: dict[str, list[int]] = {}
    for order, (statement, _) in enumerate(book.statements, 1):
        for name in set(_changed(statement, setters)):
            if not any(binding.path for binding in book.module.names.get(name, [])):
                found.setdefault(name, []).append(order)
    return found


def _changed(statement: ast.stmt, setters: dict[str, set[str]]) -> Iterator[str]:
    for node in _run_at_once(statement):
        match node:
            case ast.Expr(value=ast.Call(func=func, args=args, keywords=keywords)) if root_of(func) not in _LOOKING:
                yield from map(root_of, [func, *args, *(keyword.value for keyword in keywords)])
            case ast.Delete(targets=targets):
                yield from map(root_of, targets)
            case ast.ClassDef(bases=bases):
                yield from map(root_of, bases)
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                yield from setters.get(name, ())


def _run_at_once(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of ``statement`` that run when it does: of functions, their decorators and defaults alone."""
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        yield node
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                stack += [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
            case ast.Lambda():
                pass
            case _:
                stack += ast.iter_child_nodes(node)


def _setters(book: Notebook) -> dict[str, set[str]]:
    """For each function or class of the top level, the names that a call of it may bind or change."""
    inside: dict[str, set[str]] = {}
    mentions: dict[str, set[str]] = {}
    for name, changes, used in (found for statement, _ in book.statements for found in _definitions(statement)):
        inside.setdefault(name, set()).update(changes)
        mentions.setdefault(name, set()).update(used)
    for _ in range(_PASSES):
        grown = False
        for name, others in mentions.items():
            more = set().union(*(inside[other] for other in others & inside.keys())) - inside[name]
            inside[name] |= more
            grown = grown or bool(more)
        if not grown:
            break
    return inside


@lru_cache(maxsize=2048)
def _definitions(statement: ast.stmt) -> tuple[tuple[str, frozenset[str], frozenset[str]], ...]:
    """The functions and classes that a statement defines, with the names that each may change and those it mentions."""
    found = []
    for definition in _run_at_once(statement):
        if isinstance(definition, _DEFINITIONS):
            used = frozenset(node.id for node in ast.walk(definition) if isinstance(node, ast.Name))
            found.append((definition.name, frozenset(_set_in(definition)), used))
    return tuple(found)


def _set_in(definition: ast.AST) -> Iterator[str]:
    for node in ast.walk(definition):
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
