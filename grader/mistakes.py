"""The course's known mistakes, and which of them an answer makes.

A mistake is known by its behaviour: its source stands in the place of the reference's answer and is put through the
exercise's own checks, in a worker like any other. An answer that passes and fails the same checks, and gives the same
back in those that fail, makes that mistake, whatever its code looks like. Two mistakes that the checks cannot tell
apart explain nothing, and neither does one that agrees with most of what was seen, or where little was.

Students have no such library: for them every function here finds nothing.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from grader.composed import compose, reference_answers
from grader.course import Assignment, CourseError
from grader.digests import Digests, digests
from grader.notebook import Problem, RunCell, Submission, read
from grader.observed import Behaviour, evidence, same_behaviour, same_means
from grader.remembered import Kept
from grader.source import Reader, names

T = TypeVar("T")

_WORD = re.compile(r"\w+")

TryOut = Callable[[str, Sequence[Submission]], list[Behaviour]]
"""Puts an exercise's answer, in each of some submissions, through the exercise's checks."""


class Mistake(msgspec.Struct, frozen=True):
    """A known wrong answer. Those that behave alike on every input share one ``code`` and one hint."""

    exercise: str
    code: str
    hint_en: str
    hint_zh: str
    source: str


class _Mistakes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mistake: list[Mistake]


def mistakes(assignment: Assignment) -> list[Mistake]:
    """The known mistakes, in the order of their files. Raises `CourseError` naming a file that cannot be read."""
    return [entry for body in entries(assignment, "mistakes", _Mistakes) for entry in body.mistake]


def entries(assignment: Assignment, folder: str, kind: type[T]) -> Iterator[T]:
    """The TOML files of a folder beside the hidden checks, sorted, each as a ``kind``. Raises `CourseError`."""
    for path in _files(assignment, folder):
        try:
            yield msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), kind)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeError) as error:
            raise CourseError(f"{path}: {error}") from None


def _files(assignment: Assignment, folder: str) -> list[Path]:
    return sorted(((assignment.hidden or assignment.suite) / folder).glob("*.toml"))


# ---------------------------------------------------------------- which one it is


class Library:
    """The known mistakes of one assignment. How those of an exercise behave is tried out when it is first asked.

    ``tried`` has each of them with its behaviour, by exercise, as far as somebody asked.
    """

    def __init__(self, assignment: Assignment, state: Digests) -> None:
        self._assignment, self._state = assignment, state
        self._known = mistakes(assignment)
        self.tried: dict[str, list[tuple[Mistake, Behaviour]]] = {}

    def named(self, exercise: str, seen: Behaviour, try_out: TryOut, keep: Path | None = None) -> Mistake | None:
        """The mistake that explains all that was ``seen`` of an exercise's answer, if it is the only one.

        ``keep`` is a folder for what was tried out: another process, or another day, then need not do so.
        """
        if exercise not in self.tried:
            known = [mistake for mistake in self._known if mistake.exercise == exercise]
            shown = self._kept(exercise, known, try_out, keep) if keep else self._shown(exercise, known, try_out)
            self.tried[exercise] = list(zip(known, shown, strict=True))
        found = [(one, shown) for one, shown in self.tried[exercise] if same_behaviour(seen, shown)]
        several, told = len({one.code for one, _ in found}) > 1, evidence(seen)
        if several and told == "little":  # what ran would choose one of them, for no good reason
            return None
        if several or told != "values":
            found = [(one, shown) for one, shown in found if same_means(seen, shown)]
        return found[0][0] if len({one.code for one, _ in found}) == 1 else None

    def _shown(self, exercise: str, known: Sequence[Mistake], try_out: TryOut) -> list[Behaviour]:
        return try_out(exercise, [self._submission(one) for one in known])

    def _kept(self, exercise: str, known: Sequence[Mistake], try_out: TryOut, folder: Path) -> list[Behaviour]:
        with Kept(folder, f"{self._assignment.name}-{exercise}-{self._state.of(exercise)[:16]}") as kept:
            found = kept.read()
            if found is None or len(found) != len(known):
                found = self._shown(exercise, known, try_out)
                kept.write(found)
            return found

    def _submission(self, mistake: Mistake) -> Submission:
        """The reference's notebook with the mistake in the place of its answer, and no more of it than it needs."""
        place = self._reference.places[mistake.exercise]
        assert place is not None
        code = Reader().read(mistake.source)
        old = self._reference.cells[place - 1]
        cell = RunCell(old.label, code.text, code.python, "answer", mistake.exercise)
        cells = (*_needed(self._reference.cells[: place - 1], code.python), cell)
        return Submission(cells, {mistake.exercise: len(cells)}, {mistake.exercise: mistake.source})

    @functools.cached_property
    def _reference(self) -> Submission:
        found = read(compose(self._assignment, reference_answers(self._assignment)), self._assignment)
        assert not isinstance(found, Problem), found.text
        return found


def _needed(cells: Sequence[RunCell], source: str) -> list[RunCell]:
    """The cells that answer nothing, and those of the answers that ``source`` names, itself or through these."""
    words = set(_WORD.findall(source))
    needed: list[RunCell] = []
    for cell in reversed(cells):
        if cell.exercise is None or names(cell.python) & words:
            needed.insert(0, cell)
            words |= set(_WORD.findall(cell.python))
    return needed


_libraries: dict[tuple[Path, str], tuple[Digests, Library]] = {}


def library(assignment: Assignment) -> Library | None:
    """The library of an assignment, the same object as long as its files stay; None where students work."""
    if assignment.source_cells() is None or not _files(assignment, "mistakes"):
        return None
    key, state = (assignment.root, assignment.name), digests(assignment)
    if key not in _libraries or _libraries[key][0] != state:
        _libraries[key] = state, Library(assignment, state)
    return _libraries[key][1]
