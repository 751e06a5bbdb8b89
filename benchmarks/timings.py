"""What a person waits for: a student for a check, an instructor for a batch, its pages and the gradebook.

Processes are cold: nothing of them is loaded yet, while the disk's files are in memory, as they are for whoever has
worked for a minute. A student has the public checks alone, an instructor all of them.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from benchmarks import gradebook
from benchmarks.figures import Figure, ratio
from benchmarks.meter import Failed, measure
from benchmarks.processes import Watched, watched
from benchmarks.sample import ASSIGNMENT, GRADE, ROOT, Sample, copy_course, students
from grader.course import Course
from grader.gist import Gist
from grader.report import student_page
from grader.roster import class_page
from grader.store import read_results
from tests.watching import save, start, until_waiting

STUDENT, INSTRUCTOR, MEMORY = "What a student waits for", "What an instructor waits for", "Memory at most"
SECONDS, MB = "seconds", "MB"
_TORCH, _SUITE = "python -c 'import torch'", "pytest, the whole suite"
_GRADE, _AGAIN = "grade, {} students, 2 workers", "the same again, nothing changed"
_ANSWER = "relu"
_PART = f"pytest -k {_ANSWER}"
_SAVES = 4
_ROWS = 200
_CORES = os.cpu_count() or 1


class Timings:
    """Takes all of them, a value each turn, or several."""

    def __init__(self, folder: Path, size: int, say: Callable[[str], None]) -> None:
        self._folder, self._size, self._say = folder, size, say
        self._sample = Sample()
        copy_course(folder / "released", released=True)
        self._own = folder / "released" / "mine" / f"{ASSIGNMENT}.ipynb"
        self._own.parent.mkdir()
        self._values: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
        self._turns = 0
        self.failed = 0

    def take(self) -> None:
        """A turn. What fails is said, and left out."""
        self._turns += 1
        for part in (self._cold, self._saves, self._batch, self._pages, self._gradebook):
            self._say(f"timings, turn {self._turns}: {part.__name__.strip('_')}")
            try:
                part()
            except Failed as failed:
                self._say(f"left out: {failed}")
                self.failed += 1

    def figures(self) -> list[Figure]:
        """All that was measured, and what it is in terms of something that everybody knows."""
        found = [Figure(*key, tuple(values)) for key, values in self._values.items()]
        compared = [
            *(self._ratio(STUDENT, name, _TORCH, "times import torch") for name in (_SUITE, _PART)),
            self._ratio(INSTRUCTOR, _AGAIN, _GRADE.format(self._size), "of grading them"),
        ]
        return found + [figure for figure in compared if figure is not None]

    def _ratio(self, section: str, name: str, other: str, measure: str) -> Figure | None:
        above, below = (self._values[section, row, SECONDS] for row in (name, other))
        return ratio(section, name, measure, above, below)

    def _note(self, section: str, name: str, *values: float, unit: str = SECONDS) -> None:
        self._values[section, name, unit] += values

    def _cold(self) -> None:
        """Commands that begin from nothing."""
        self._own.write_text(self._sample.text("s000"), encoding="utf-8")
        check = [sys.executable, "-m", "pytest", "-q"]
        commands = {
            _TORCH: [sys.executable, "-c", "import torch"],
            _SUITE: check,
            _PART: [*check, "-k", _ANSWER],
        }
        for name, command in commands.items():
            self._note(STUDENT, name, measure(command, _CORES, self._own.parent).wall)

    def _saves(self) -> None:
        """From a save until ``grader check --watch`` waits for the next one."""
        process = start(self._own, self._own.name, "-k", _ANSWER, "--watch", "--lang", "en")
        try:
            until_waiting(process)
            for student in students(_SAVES):
                began = time.perf_counter()
                save(self._own, self._sample.text(student).encode())
                until_waiting(process)
                self._note(STUDENT, f"from a save to the end of grader check -k {_ANSWER}", time.perf_counter() - began)
        except AssertionError as error:
            raise Failed(f"grader check --watch ended early: {error}") from None
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)

    def _batch(self) -> None:
        """A class, watched; and once more."""
        class_, out = self._folder / f"watched{self._turns}", self._folder / f"watched-out{self._turns}"
        self._sample.flat(class_, self._size)
        command = [*GRADE, class_, "--out", out, "--workers", "2"]
        graded, again = (_well(watched(command)) for _ in range(2))
        first = min(path.stat().st_mtime for path in (out / "results").glob("*.json"))
        self._note(INSTRUCTOR, "to the first result", first - graded.began)
        self._note(INSTRUCTOR, _GRADE.format(self._size), graded.seconds)
        self._note(INSTRUCTOR, _AGAIN, again.seconds)
        for role, size in graded.watcher.highest.items():
            self._note(MEMORY, role, size / 2**20, unit=MB)

    def _pages(self) -> None:
        """Pages of the sample class, in which there is much to explain."""
        assignment = Course(ROOT).assignment(ASSIGNMENT)
        results = [stored.result for stored in read_results(self._sample_class() / "results")]
        student_page(results[0], assignment.exercises)  # templates are read once
        began = time.perf_counter()
        for result in results:
            student_page(result, assignment.exercises)
        self._note(INSTRUCTOR, "to write a student's page", (time.perf_counter() - began) / len(results))
        began = time.perf_counter()
        small = list(map(Gist().of, results))
        class_page(small, assignment.exercises, {result.student: "page.html" for result in results})
        self._note(INSTRUCTOR, f"to write the class page of {len(results)}", time.perf_counter() - began)

    def _sample_class(self) -> Path:
        """What came of it; graded once, as many of them as the class has students."""
        class_, out = self._folder / "sample", self._folder / "sample-out"
        if not out.exists():
            class_.mkdir()
            for path in sorted((ROOT / "tests" / "sample_class").glob("*.ipynb"))[: self._size]:
                shutil.copy(path, class_)
            measure([*GRADE, class_, "--out", out], _CORES, ROOT)
        return out

    def _gradebook(self) -> None:
        """A submission's grades and comments."""
        url = f"sqlite:///{self._folder / f'gradebook{self._turns}.db'}"
        written = gradebook.write(Course(ROOT).assignment(ASSIGNMENT), url, _ROWS)
        self._note(INSTRUCTOR, "to write a submission into the gradebook", written[0] / _ROWS)


def _well(outcome: Watched) -> Watched:
    if outcome.code:
        raise Failed(f"grader grade ended with exit code {outcome.code}")
    return outcome
