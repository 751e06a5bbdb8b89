"""What a class gets back: a page for each student, written anew only where it would be another.

A page ends in the digest of what it was made of. Whoever graded a submission writes its page, many at a time; a later
command finds it up to date.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from grader.digests import content
from grader.languages import Language
from grader.model import Exercise, SubmissionResult
from grader.pages import templates_dir
from grader.report import student_page
from grader.store import sweep, write_shared

_MARK = b"<!-- made of %s -->\n"
_LENGTH = len(_MARK % b"") + 64


class Handback:
    """The pages of one assignment in one language, in a folder ``feedback/``."""

    def __init__(self, folder: Path, assignment: str, exercises: Sequence[Exercise], language: Language) -> None:
        self._folder, self._assignment = folder, assignment
        self._exercises, self._language = exercises, language
        ours = Path(__file__).parent
        files = sorted(path for place in (ours, templates_dir()) for path in place.rglob("*.*") if path.is_file())
        made_by = [content(path) for path in files if "__pycache__" not in path.parts]
        self._state = hashlib.sha256(repr((made_by, language.code)).encode() + msgspec.json.encode(exercises)).digest()

    def path(self, student: str) -> Path:
        """Where a student's page is."""
        return self._folder / student / self._assignment / f"{self._assignment}.html"

    def write(self, result: SubmissionResult) -> None:
        """Write the page of a result, unless it is there. Raises `OSError`."""
        page = self.path(result.student)
        mark = _MARK % hashlib.sha256(self._state + msgspec.json.encode(result)).hexdigest().encode()
        if _end(page) == mark:
            return
        page.parent.mkdir(parents=True, exist_ok=True)
        write_shared(page, student_page(result, self._exercises, self._language).encode() + b"\n" + mark)

    def sweep(self, student: str) -> None:
        """Remove what writers of a page left when they were killed; when nobody writes any more."""
        sweep(self.path(student).parent)


def _end(page: Path) -> bytes:
    """The last line of a page; nothing where there is none."""
    try:
        with page.open("rb") as file:
            file.seek(-_LENGTH, os.SEEK_END)
            return file.read()
    except OSError:
        return b""
