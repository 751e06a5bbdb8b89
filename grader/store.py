"""What a batch keeps on disk: one file a submission, whole or not there at all, with the key of what made it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import platformdirs

from grader.model import SubmissionResult
from grader.sandbox.client import Limits


class Stored(msgspec.Struct, frozen=True):
    """A result as it lies on disk, with the key of what made it."""

    key: str
    result: SubmissionResult


@dataclass(frozen=True)
class Job:
    """What every chunk of a batch has in common; plain data, so that it can go to another process or machine.

    ``naming`` says whether known mistakes are named: trying them out takes a while, and changes no point.
    """

    root: Path
    assignment: str
    results: Path
    protected: tuple[str, ...]
    only: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    unconfined: bool = False
    naming: bool = True


def cache_folder() -> Path:
    """Where what was worked out about the course itself is kept for the next batch; no student code reads it."""
    return Path(platformdirs.user_cache_dir("ch17-grader"))


def out_of_reach(secrets: Sequence[str], *places: Path) -> tuple[str, ...]:
    """What no worker may be able to read: the course's secrets, other places, and what is kept for the next batch."""
    return *secrets, *map(str, places), str(cache_folder())


def write_result(folder: Path, stored: Stored) -> None:
    """Write one result so that it is there whole, or not at all."""
    own = f"{secrets.token_hex(4)}."  # on a cluster, whoever was taken for lost may write the same result
    write_whole(folder / f"{stored.result.student}.json", msgspec.json.encode(stored), own)


def sweep(folder: Path) -> None:
    """Remove what writers of results left when they were killed."""
    for path in folder.glob(".*.new"):
        path.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes, own: str = "") -> None:
    """Write a file so that it is there whole, or as it was before. Raises `OSError`.

    ``own`` is in the name of the file it is written to first: who else writes at the same time has another.
    """
    temporary = path.with_name(f".{path.name}.{own}new")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def read_results(folder: Path) -> dict[str, Stored]:
    """The results that are on disk, by student; what cannot be read is as if it were not there."""
    found = {}
    for path in folder.glob("*.json"):
        try:
            stored = msgspec.json.decode(path.read_bytes(), type=Stored)
        except (OSError, msgspec.DecodeError, UnicodeError):
            continue
        found[stored.result.student] = stored
    return found
