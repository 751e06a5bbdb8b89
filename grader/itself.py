"""Whose attributes a namespace holds: an object's of the notebook's own, or anything's. Nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from grader.reading import Reading
from grader.scopes import Lib, Notebook, Own, Scope

_GIVES_BACK = frozenset({"dataclasses.dataclass", "functools.total_ordering", "typing.final"})
_BINDS_SELF = frozenset({"property", "cached_property", "classmethod", "no_grad"})


def is_own_object(book: Notebook, node: ast.expr, scope: Scope, before: int | None, written: bool = False) -> bool:
    """Is ``node`` a class of the notebook, an object made from one, or ``self``?

    Not where a class may give something else instead of itself, and not ``self`` where its method may be handed an
    object of any kind, as in ``Row.items(tensor)``, unless its attributes are only ``written``.
    """
    if isinstance(node, ast.Name) and (method := _method_of(book, node.id, scope)):
        return written or (book.reading.about(_taken, method) and not _is_handed_objects(book, method))
    values = book.values(node, scope, before)
    return bool(values) and all(isinstance(value, Own) and _is_plain(book, value) for value in values)


def _is_plain(book: Notebook, own: Own) -> bool:
    """A class without a metaclass, a decorator of another kind, or a say in what a call of it makes; or a function."""
    if not isinstance(own.node, ast.ClassDef):
        return True
    made = any(isinstance(value, Own) for value in book.member(own, "__new__"))
    return not (own.node.keywords or made) and all(_gives_it_back(book, d, own) for d in own.node.decorator_list)


def _gives_it_back(book: Notebook, decorator: ast.expr, own: Own) -> bool:
    """Is this a decorator that gives back the class itself?"""
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    values = book.values(named, own.scope, own.order)
    return bool(values) and all(isinstance(value, Lib) and value.path in _GIVES_BACK for value in values)


def _method_of(book: Notebook, name: str, scope: Scope) -> ast.FunctionDef | None:
    """The method whose first parameter ``name`` is, and stays."""
    place: Scope | None = book.home(name, scope)
    node = book.definition(place) if place else None
    if place is None or place.parent is None or not place.parent.is_class or not isinstance(node, ast.FunctionDef):
        return None
    first = [*node.args.posonlyargs, *node.args.args][:1]
    if [arg.arg for arg in first] != [name] or name in book.reading.about(_assigned, node):
        return None
    return node if sum(not isinstance(binding.value, ast.expr) for binding in place.names[name]) == 1 else None


def _assigned(node: ast.AST, reading: Reading) -> set[str]:
    names = (inner for inner in reading.walk(node) if isinstance(inner, ast.Name))
    return {name.id for name in names if not isinstance(name.ctx, ast.Load)}


def _taken(node: ast.AST, reading: Reading) -> bool:
    """Does the class hand the method its object? A ``staticmethod`` gets what it is called with."""
    assert isinstance(node, ast.FunctionDef)
    decorators = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
    names = {getattr(d, "attr", getattr(d, "id", "")) for d in decorators}
    return names <= _BINDS_SELF


def _is_handed_objects(book: Notebook, method: ast.FunctionDef) -> bool:
    """Does the notebook mention the method but for calling it with too few arguments to be handed its object?"""
    a = method.args
    needed = len(a.posonlyargs) + len(a.args) - len(a.defaults)
    mentioned = book.reading.once(_mentions, book).get(method.name, ())
    return any(given is None or given >= needed for given in mentioned)


def mentions(book: Notebook, name: str) -> bool:
    """Does the notebook name the attribute, or define a function of that name?"""
    found = book.reading.once(_mentions, book)
    return name in found or f"def {name}" in found


def _mentions(book: Notebook) -> dict[str, list[int | None]]:
    """For each attribute that the notebook names, with how many arguments it is called; None where it is not."""
    found: dict[str, list[int | None]] = {}
    for statement, _ in book.statements:
        for name, given in book.reading.about(_mentioned, statement):
            found.setdefault(name, []).append(given)
    return found


def _mentioned(statement: ast.AST, reading: Reading) -> list[tuple[str, int | None]]:
    found: list[tuple[str, int | None]] = []
    called: dict[int, int | None] = {}
    for node in reading.walk(statement):
        match node:
            case ast.Call(func=ast.Attribute() as func, args=args, keywords=keywords):
                stars = _has_star(args) or any(keyword.arg is None for keyword in keywords)
                called[id(func)] = None if stars else len(args) + len(keywords)
            case ast.FunctionDef(name=name):
                found.append((f"def {name}", None))
            case ast.Constant(value=str(text)) if text.isidentifier():
                found.append((text, None))
            case ast.Attribute(attr=attr, value=base) if not is_super(base):
                found.append((attr, called.get(id(node))))
    return found


def _has_star(args: Iterable[ast.expr]) -> bool:
    return any(isinstance(argument, ast.Starred) for argument in args)


def is_super(node: ast.expr) -> bool:
    """Is this a call of ``super``?"""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
