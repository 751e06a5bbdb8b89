"""What a batch keeps on disk: one file a submission, whole or not there at all, with the key of what made it."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar, overload

import msgspec
import platformdirs

from grader.model import Flag, SubmissionResult
from grader.sandbox.client import Limits
from grader.submissions import SubmissionFile

T = TypeVar("T")


class Stored(msgspec.Struct, frozen=True):
    """A result as it lies on disk, with the key of what made it; ``parts`` has what each exercise has of its own."""

    key: str
    result: SubmissionResult
    parts: dict[str, str] = {}


class _About(msgspec.Struct, frozen=True):
    student: str
    flags: tuple[Flag, ...]


class Head(msgspec.Struct, frozen=True):
    """As much of a `Stored` as tells whether it still holds: a tenth of the work to read."""

    key: str
    result: _About
    parts: dict[str, str] = {}


@dataclass(frozen=True)
class Task:
    """A submission to grade, with the key that its result will have.

    ``again`` names the exercises of which checks changed since a result was written: all else of it still holds.
    """

    file: SubmissionFile
    key: str
    again: frozenset[str] | None = None


@dataclass(frozen=True)
class Job:
    """What every chunk of a batch has in common; plain data, so that it can go to another process or machine.

    ``naming`` says whether known mistakes are named: trying them out takes a while, and changes no point. Where
    ``pages`` names a folder, each student's page is written there, in the language of this code.
    """

    root: Path
    assignment: str
    results: Path
    protected: tuple[str, ...]
    only: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    unconfined: bool = False
    naming: bool = True
    pages: Path | None = None
    language: str = "en"


def cache_folder() -> Path:
    """Where what was worked out about the course itself is kept for the next batch; no student code reads it."""
    return Path(platformdirs.user_cache_dir("ch17-grader"))


def out_of_reach(secrets: Sequence[str], *places: Path) -> tuple[str, ...]:
    """What no worker may be able to read: the course's secrets, other places, and what is kept for the next batch."""
    return *secrets, *map(str, places), str(cache_folder())


def write_result(folder: Path, stored: Stored) -> None:
    """Write one result so that it is there whole, or not at all."""
    write_shared(folder / f"{stored.result.student}.json", msgspec.json.encode(stored))


def sweep(folder: Path) -> None:
    """Remove what writers of files in a folder left when they were killed."""
    for path in folder.glob(".*.new"):
        path.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole, or as it was before. Raises `OSError`."""
    with writing_whole(path) as file:
        file.write(data)


def write_shared(path: Path, data: bytes) -> None:
    """`write_whole` where others may write it, too: on a cluster, whoever was taken for lost. Raises `OSError`."""
    with writing_whole(path, f"{secrets.token_hex(4)}.") as file:
        file.write(data)


@contextlib.contextmanager
def writing_whole(path: Path, own: str = "") -> Iterator[BinaryIO]:
    """`write_whole`, piece by piece; ``own`` is in the name of the file that is written first. Raises `OSError`."""
    temporary = path.with_name(f".{path.name}.{own}new")
    try:
        with temporary.open("wb") as file:
            yield file
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_results(folder: Path) -> Iterator[Stored]:
    """The results that are on disk, by file name; what cannot be read is as if it were not there."""
    return _read_all(folder, Stored)


def read_heads(folder: Path) -> Iterator[Head]:
    """Of each result on disk, what tells whether it still holds."""
    return _read_all(folder, Head)


def read_result(folder: Path, student: str) -> Stored | None:
    """The result of a student, if it is there and can be read."""
    return _read(folder / f"{student}.json", Stored)


def _read_all(folder: Path, kind: type[T]) -> Iterator[T]:
    for path in sorted(folder.glob("*.json")):
        if (found := _read(path, kind)) is not None:
            yield found


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeError):
        return None


class Results(Sequence[SubmissionResult]):
    """A batch's results, sorted by student, read from disk one at a time: a large class's do not fit into memory.

    ``lost`` are those that are not on disk. Raises `OSError` for one that is gone since.
    """

    def __init__(self, folder: Path, students: Iterable[str], lost: Mapping[str, SubmissionResult]) -> None:
        self._folder, self._students, self._lost = folder, sorted(students), lost

    def __len__(self) -> int:
        return len(self._students)

    @overload
    def __getitem__(self, index: int) -> SubmissionResult: ...
    @overload
    def __getitem__(self, index: slice) -> list[SubmissionResult]: ...
    def __getitem__(self, index: int | slice) -> SubmissionResult | list[SubmissionResult]:
        if isinstance(index, slice):
            return [self._read(student) for student in self._students[index]]
        return self._read(self._students[index])

    def _read(self, student: str) -> SubmissionResult:
        if student in self._lost:
            return self._lost[student]
        stored = read_result(self._folder, student)
        if stored is None:
            raise FileNotFoundError(errno.ENOENT, "this result is gone; run the same command again", f"{student}.json")
        return stored.result
