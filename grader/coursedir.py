"""nbgrader's folders of a course, and what ``nbgrader_config.py`` says of them.

A student's name comes from outside: no path made here leaves its folder.
"""

from __future__ import annotations

import functools
import secrets
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what nbgrader's libraries will do away with some day says nothing of ours
    from nbgrader.coursedir import CourseDirectory
    from nbgrader.preprocessors import AssignLatePenalties
    from nbgrader.utils import parse_utc

from traitlets.config.loader import Config, PyFileConfigLoader

from grader.nbfile import load
from grader.store import write_whole
from grader.submissions import SubmissionFile

MAX_NOTE = 500  # bytes of a timestamp or a secret


@dataclass(frozen=True)
class Handin:
    """What nbgrader's exchange left beside a submission: when it was handed in, and what its student fetches by."""

    timestamp: str = ""
    secret: str = ""

    @property
    def time(self) -> datetime | None:
        """The time in UTC; None when there is none, or none that can be read."""
        try:
            found = parse_utc(self.timestamp) if self.timestamp else None
        except (ValueError, OverflowError, TypeError):
            return None
        return found if isinstance(found, datetime) else None


NOTHING = Handin()


def handin(file: SubmissionFile, assignment: str) -> Handin:
    """What lies beside a submission in nbgrader's tree; nothing for one from elsewhere."""
    if file.path is None or file.path.parent.name != assignment:
        return NOTHING
    return Handin(_note(file.path.parent / "timestamp.txt"), _note(file.path.parent / "submission_secret.txt"))


def _note(path: Path) -> str:
    data = load(path)
    return data[:MAX_NOTE].decode("utf-8", "replace").strip() if isinstance(data, bytes) else ""


class Folders:
    """A course's folders as nbgrader is configured, and its other settings."""

    def __init__(self, root: Path) -> None:
        self.root = root
        file = root / "nbgrader_config.py"
        loaded = PyFileConfigLoader(file.name, str(file.parent)).load_config() if file.is_file() else Config()
        self.config: Any = loaded
        self._directory = CourseDirectory(config=loaded, root=str(root))

    @property
    def url(self) -> str:
        """The URL of the configured gradebook."""
        return str(self._directory.db_url)

    @property
    def course_id(self) -> str:
        """The course's name."""
        return str(self._directory.course_id) or "default_course"

    def penalty(self, student: str, score: float, seconds: float) -> float | None:
        """What being late costs, by the configured plugin."""
        found = self._late.late_submission_penalty(student, score, seconds)
        return None if found is None else float(found)

    @functools.cached_property
    def _late(self) -> Any:
        step = AssignLatePenalties(config=self.config)
        step.init_plugin()
        return step.plugin_inst

    def autograded(self, student: str, assignment: str) -> Path | None:
        """Where the notebook of record lies; None for a name that would lead elsewhere."""
        return self._place(self._directory.autograded_directory, student, assignment)

    def feedback(self, student: str, assignment: str) -> Path | None:
        """Where a student's report lies; None for a name that would lead elsewhere."""
        return self._place(self._directory.feedback_directory, student, assignment)

    def submitted(self, student: str, assignment: str) -> Path | None:
        """Where a submission lies; None for a name that would lead elsewhere."""
        return self._place(self._directory.submitted_directory, student, assignment)

    def _place(self, step: str, student: str, assignment: str) -> Path | None:
        top = self.root / step
        place = Path(self._directory.format_path(step, student, assignment))
        if student in ("", ".", "..") or any(mark in student for mark in ("/", "\\", "\0")):
            return None
        try:
            return place if place.resolve().is_relative_to(top.resolve()) else None
        except OSError:
            return None


def fill(folder: Path, name: str, data: bytes, handed_in: Handin) -> None:
    """Write a file into a student's folder, and its `notes`. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / name, data)
    notes(folder, handed_in)


def notes(folder: Path, handed_in: Handin = NOTHING) -> None:
    """Write the notes by which nbgrader releases what lies in a folder.

    A submission from elsewhere has neither time nor secret; nbgrader must find both all the same. Raises `OSError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    time, secret = folder / "timestamp.txt", folder / "submission_secret.txt"
    write_whole(time, (handed_in.timestamp or _note(time) or f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC").encode())
    write_whole(secret, (handed_in.secret or _note(secret) or secrets.token_hex(16)).encode())
