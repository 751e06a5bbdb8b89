"""Seconds to write a large class into nbgrader's gradebook, and every row checked: ``python -m benchmarks.gradebook``.

1,000 submissions of ``ch17`` into SQLite and into a PostgreSQL server of its own: written, killed half way and written
again, and written once more with nothing changed. Then each row is compared with what it should hold.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from sqlalchemy import Engine, event

from benchmarks.sample import ASSIGNMENT, ROOT
from grader.course import CHECK, Assignment, Course
from grader.gradebook import Gradebook
from grader.model import CheckResult, ExerciseResult, SubmissionResult, Written
from grader.written import questions
from tests import postgres


def results(assignment: Assignment, students: int) -> list[SubmissionResult]:
    """A class in which each exercise is right, half right or wrong, each differently for each student."""
    return [_result(assignment, number) for number in range(students)]


def _result(assignment: Assignment, number: int) -> SubmissionResult:
    scores = itertools.cycle([1.0, 0.5, 0.0] if number % 2 else [0.0, 1.0])
    exercises = tuple(_exercise(e.name, e.points, next(scores)) for e in assignment.exercises)
    written = tuple(
        Written(cell.grade_id or "", cell.points, "Because.", bool((at + number) % 2))
        for at, cell in enumerate(questions(assignment.released))
    )
    return SubmissionResult(
        ASSIGNMENT, f"student{number:04}", f"{ASSIGNMENT}.ipynb", "graded",
        sum(e.score for e in exercises), sum(e.max_score for e in exercises), (), None, exercises, written=written,
    )  # fmt: skip


def _exercise(name: str, points: float, share: float) -> ExerciseResult:
    check = CheckResult("check", "passed" if share == 1 else "failed", message="Row 0 of the result is row 1.")
    return ExerciseResult(name, points * share, points, "passed" if share == 1 else "failed", (check,))


def wrong_rows(gradebook: Gradebook, expected: Sequence[SubmissionResult]) -> Iterator[str]:
    """Every row that is missing, doubled or not what it should be."""
    records = gradebook.read(ASSIGNMENT)
    if set(records) != {result.student for result in expected}:
        yield f"{len(records)} submissions in place of {len(expected)}"
    for result in expected:
        scores: dict[str, float | None] = {CHECK + e.name: e.score for e in result.exercises}
        scores |= {w.name: None if w.answered else 0.0 for w in result.written}
        found = [(mark.name, mark.score) for mark in records[result.student].marks]
        if sorted(found, key=str) != sorted(scores.items(), key=str):
            yield result.student


def _killed(url: str, expected: Sequence[SubmissionResult]) -> None:
    """Write, and die when half of the statements are through."""
    sent = itertools.count()

    def die(*_: object) -> None:
        if next(sent) == 12:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "after_cursor_execute", die)
    Gradebook(url, "fastbook").write(Course(ROOT).assignment(ASSIGNMENT), expected, add_students=True)


def write(assignment: Assignment, url: str, students: int) -> tuple[float, float]:
    """Seconds to write a class into the gradebook at ``url``, and to write it again with nothing changed."""
    expected, gradebook, seconds = results(assignment, students), Gradebook(url, "fastbook"), []
    for _ in range(2):
        began = time.perf_counter()
        gradebook.write(assignment, expected, add_students=True)
        seconds.append(time.perf_counter() - began)
    gradebook.close()
    return seconds[0], seconds[1]


def measure(console: Console, name: str, url: str, students: int) -> bool:
    """One database; were all rows right?"""
    assignment = Course(ROOT).assignment(ASSIGNMENT)
    expected = results(assignment, students)
    gradebook = Gradebook(url, "fastbook")
    process = multiprocessing.get_context("spawn").Process(target=_killed, args=(url, expected))
    process.start()
    process.join()
    left = len(gradebook.read(ASSIGNMENT))
    first, again = write(assignment, url, students)
    wrong = list(wrong_rows(gradebook, expected))
    rows = students * (len(assignment.exercises) + len(questions(assignment.released)))
    console.print(
        f"{name}: {students} submissions, {rows} grades and as many comments: {first:.1f} s; "
        f"again, unchanged: {again:.1f} s; "
        f"killed half way (exit {process.exitcode}): {left} left behind, then complete; {len(wrong)} rows wrong"
    )
    gradebook.close()
    return not wrong and left == 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; exit code 1 when a row was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gradebook", description=__doc__)
    parser.add_argument("--students", type=int, default=1000)
    options = parser.parse_args(arguments)
    console = Console()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="grader-bench-"))
        right = measure(console, "SQLite", f"sqlite:///{Path(folder) / 'gradebook.db'}", options.students)
        if reason := postgres.missing():
            console.print(f"PostgreSQL: left out: {reason}")
        else:
            right &= measure(console, "PostgreSQL", stack.enter_context(postgres.server()), options.students)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
