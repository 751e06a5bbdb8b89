"""Constructs anywhere in a notebook that reach for the program that grades it. Nothing is run."""

from __future__ import annotations

import ast
import builtins
import io
import math
import operator
import os
import random
import sys
import warnings
from collections.abc import Iterator, Sequence

import numpy
import torch

from grader.reach import everything_of
from grader.reading import Reading, TooLarge
from grader.scopes import Lib, Notebook, Store, notebook
from grader.vocabulary import (
    GUARDED,
    HONEST_SETTINGS,
    TAMPERING,
    TAMPERING_ATTRIBUTES,
    TAMPERING_ROOTS,
    TAMPERING_SHELL,
)

_LIBRARIES = {module.__name__: module for module in (builtins, io, math, numpy, operator, os, random, sys, torch)}
_PARTS = max(path.count(".") for path in TAMPERING) + 1
_SHELL = "builtins.get_ipython."
_HONEST_SHELL_SETTINGS = frozenset({"ast_node_interactivity"})


def tampering(cells: Sequence[tuple[str, str]], reading: Reading | None = None) -> list[str]:
    """The names of such constructs, sorted: library functions replaced, ``gc``, frames, ``ctypes``, signals..."""
    reading = reading or Reading()
    try:
        return sorted(reading.once(_found, notebook(cells, reading)))
    except TooLarge:
        return ["code that takes too long to read"]


def _found(book: Notebook) -> set[str]:
    reach = everything_of(book)
    found = {name for use in reach.uses if (name := _reaches_for(use.path))}
    found.update(name for stores in list(book.stores.values()) for store in stores if (name := _replaces(store, book)))
    for statement, _ in book.statements:
        found.update(_in_text(statement, book.reading))
    return found


def _reaches_for(path: str) -> str:
    """The construct in a name that code uses, or ""."""
    parts = path.split(".")
    if parts[0] in TAMPERING_ROOTS:
        return parts[0]
    for length in range(2, min(len(parts), _PARTS) + 1):
        if (start := ".".join(parts[:length])) in TAMPERING:
            return start.removeprefix("builtins.")
    if path.startswith(_SHELL) and parts[2] in TAMPERING_SHELL:
        return f"get_ipython().{parts[2]}"
    if parts[0] == "grader" and path not in ("grader", "grader.check"):
        return path
    if parts[-1] == "__dict__" and parts[0] in GUARDED:
        return path
    return next((part for part in parts[1:] if part in TAMPERING_ATTRIBUTES), "")


def _replaces(store: Store, book: Notebook) -> str:
    """The library's attribute that an assignment replaces, or "": one that the library does not have is an addition."""
    for value in book.values(store.base, store.scope, store.order):
        if isinstance(value, Lib) and f"{value.path}." == _SHELL and store.attr not in _HONEST_SHELL_SETTINGS:
            return f"get_ipython().{store.attr} = ..."
        if isinstance(value, Lib) and "()" not in value.path:
            path = f"{value.path}.{store.attr}"
            root = path.partition(".")[0]
            if root in GUARDED and not path.startswith(HONEST_SETTINGS) and _exists(path):
                return f"{path.removeprefix('builtins.')} = ..."
    return ""


def _exists(path: str) -> bool:
    """Is there such a thing already? Of a library that is not known here, and of a name not told, yes."""
    root, *rest = path.split(".")
    if root not in _LIBRARIES or rest[-1] == "*":
        return True
    found: object = _LIBRARIES[root]
    missing = object()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part in rest:
            found = getattr(found, part, missing)
            if found is missing:
                return False
    return True


def _in_text(statement: ast.stmt, reading: Reading) -> Iterator[str]:
    for node in reading.walk(statement):
        match node:
            case ast.Constant(value=str(text)) if text.startswith("/proc/"):
                yield "/proc"
            case ast.ClassDef(body=body):
                names = {n.name for n in body if isinstance(n, ast.FunctionDef)}
                yield from names & TAMPERING_ATTRIBUTES
            case ast.Import(names=aliases):
                yield from (a.name for a in aliases if a.name.partition(".")[0] in TAMPERING_ROOTS)
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in TAMPERING_ROOTS:
                yield module
