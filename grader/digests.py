"""What a result depends on, as digests: so that an edit has that graded again which it may change, and no more.

An exercise depends on its own checks and known mistakes, and on whatever stands in their files but is no other
exercise's check. All depend on the notebooks, on the grader itself, and on files of the suite that hold no checks.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import tomllib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import msgspec

from grader.course import Assignment


class Digests(msgspec.Struct, frozen=True):
    """Of what all exercises share, and of each one's own."""

    shared: str
    parts: dict[str, str]

    def among(self, only: Collection[str]) -> dict[str, str]:
        """Each one's own, of some exercises; of all when there are none."""
        return {name: part for name, part in self.parts.items() if not only or name in only}

    def of(self, exercise: str) -> str:
        """All that an exercise's results depend on."""
        return _hex((self.shared, self.parts[exercise]))


def digests(assignment: Assignment) -> Digests:
    """The digests of an assignment as it lies on disk now."""
    names = [exercise.name for exercise in assignment.exercises]
    shared: list[object] = [content(path) for path in _files(assignment) if path.exists()]
    above = [folder / "conftest.py" for folder in assignment.suite.parents]  # pytest loads these, too
    shared += [(number, content(path)) for number, path in enumerate(above) if path.is_file()]
    shared += [(path.relative_to(assignment.suite), content(path)) for path in _data(assignment.suite)]
    parts: dict[str, list[object]] = {name: [] for name in names}
    sources = {path: path.read_text(encoding="utf-8", errors="replace") for path in _sources(assignment.suite)}
    imported = frozenset[str]().union(*map(_imported, sources.values()))
    for path, source in sources.items():
        place = path.relative_to(assignment.suite)
        checks = {} if path.stem in imported else _checks(source)
        own = {name: digest for name, digest in checks.items() if name in parts}
        if not own:
            shared.append((place, content(path)))
        for name, digest in own.items():
            parts[name].append((place, digest))
    for path in sorted(assignment.suite.glob("**/mistakes/*.toml")):
        for name, digest in _mistakes(path.read_text(encoding="utf-8", errors="replace")).items():
            parts.get(name, shared).append((path.relative_to(assignment.suite), digest))
    return Digests(_hex(shared), {name: _hex(part) for name, part in parts.items()})


def _files(assignment: Assignment) -> Iterator[Path]:
    yield from sorted(Path(__file__).parent.rglob("*.py"))
    yield from assignment.notebooks


def _sources(suite: Path) -> list[Path]:
    return sorted(suite.rglob("*.py"))


def _data(suite: Path) -> Iterator[Path]:
    """What else lies in a suite, and may be read by its checks; variants are for `grader verify` alone."""
    for path in sorted(suite.rglob("*")):
        inside = path.relative_to(suite).parts
        aside = any(part.startswith((".", "__pycache__")) for part in inside) or path.suffix in (".py", ".pyc")
        own = path.suffix == ".toml" and path.parent.name in ("mistakes", "variants")
        if not aside and not own and path.is_file():
            yield path


def content(path: Path) -> tuple[str, str]:
    """A file's name, and the digest of what is in it."""
    return path.name, hashlib.sha256(path.read_bytes()).hexdigest()


def _hex(of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()


@functools.lru_cache(maxsize=256)
def _checks(source: str) -> dict[str, str]:
    """For each exercise that a file checks, what stands in it but is no other exercise's check.

    Nothing where that cannot be told: a file that does not parse, or with a check that does not say in plain text
    which exercise it is of.
    """
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return {}
    whose = [_exercise(statement) for statement in body]
    if "" in whose or _mixed(body):
        return {}
    texts = list(zip(whose, _texts(source, body), strict=True))
    return {name: _hex([text for other, text in texts if other in (None, name)]) for name in whose if name is not None}


def _texts(source: str, body: Sequence[ast.stmt]) -> Iterator[list[str]]:
    """The lines of each statement, decorators included."""
    lines = source.split("\n")
    for statement in body:
        marks: list[ast.expr] = getattr(statement, "decorator_list", [])
        yield lines[min([statement.lineno, *(mark.lineno for mark in marks)]) - 1 : statement.end_lineno]


def _exercise(statement: ast.stmt) -> str | None:
    """The exercise that a statement of a suite is a check of; None when it is no check, "" when that is not told."""
    match statement:
        case ast.FunctionDef(name=name, decorator_list=marks) if name.startswith("test"):
            found = [name for mark in marks if (name := _marked(mark))]
            return found[0] if len(found) == 1 else ""
        case ast.ClassDef(name=name) if name.startswith("Test"):
            return ""
    return "" if any(map(_may_check, ast.walk(statement))) else None


def _may_check(node: ast.AST) -> bool:
    """Could this make a check in another way than at the top of its file: under an ``if``, by a call, by an import?"""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
            return name.startswith("test")
        case ast.alias(name=name, asname=other):
            return name == "*" or (other or name).startswith("test")
        case ast.Attribute(attr="exercise"):
            return True
    return False


def _mixed(body: Sequence[ast.stmt]) -> bool:
    """Does a check use another one, take its name, or leave something behind for others?"""
    names = [one.name for one in body if isinstance(one, ast.FunctionDef) and one.name.startswith("test")]
    nodes = [node for statement in body for node in ast.walk(statement)]
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    return len(set(names)) < len(names) or bool(used & {*names}) or any(isinstance(n, ast.Global) for n in nodes)


@functools.lru_cache(maxsize=256)
def _imported(source: str) -> frozenset[str]:
    """The names of modules, and of what they hold, that a file imports: a file of checks may be among them."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        return frozenset()
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    paths = [alias.name for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names]
    return frozenset(part for path in [*paths, *(node.module or "" for node in froms)] for part in path.split("."))


def _marked(mark: ast.expr) -> str:
    match mark:
        case ast.Call(func=ast.Attribute(attr="exercise"), args=[ast.Constant(value=str(name)), *_]):
            return name
    return ""


@functools.lru_cache(maxsize=64)
def _mistakes(source: str) -> dict[str, str]:
    """The known mistakes of each exercise; a file that cannot be read is everybody's."""
    try:
        entries = tomllib.loads(source)["mistake"]
        found: dict[str, list[object]] = {}
        for entry in entries:
            found.setdefault(entry["exercise"], []).append(entry)
    except (tomllib.TOMLDecodeError, KeyError, TypeError):
        return {"": _hex(source)}
    return {name: _hex(own) for name, own in found.items()}
