"""How well wrong answers are diagnosed: ``python -m tests.diagnosed [ASSIGNMENT ...] [--unseen]`` prints it as a table.

A known mistake is *named* when the diagnosis is its own code, *generic* when no mistake is named and the findings say
what was seen, and any other mistake's name is *false*. Of the wrong answers that are not in the library (tests/unseen)
it stands written what is wrong with each: there *named* is a finding or a mistake that says so, *generic* one that
states no more than what is plain to see, and anything else is *false*.
"""

from __future__ import annotations

import argparse
import os
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import msgspec

from grader.composed import compose, reference_answers
from grader.course import Assignment, Course
from grader.mistakes import Mistake, mistakes
from grader.model import ExerciseResult
from grader.verify import calls, grade, rounds

HERE = Path(__file__).parent
NAMED, GENERIC, FALSE = "named", "generic", "false"
# Findings that state what is plain to see, and explain nothing that could be wrong.
PLAIN = frozenset(
    {
        "values", "values_all", "value", "answer_wrong", "answer_none", "none", "not_set", "missing", "wrong_type",
        "shape", "same_count", "size", "axis_gone", "axis_left", "all_reduced", "not_reduced", "length", "dtype",
        "raised", "name_error", "shape_error", "g_not_set", "no_attribute", "must", "must_not", "did_not_raise",
        "no_member", "tensor_for_bool",
    }
)  # fmt: skip


class Unseen(msgspec.Struct, frozen=True):
    """A wrong answer that the library does not hold, and what a true diagnosis of it would be."""

    exercise: str
    truth: str
    source: str
    codes: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    two: bool = False


class Told(msgspec.Struct, frozen=True):
    """What became of one wrong answer: ``codes`` are the diagnoses of its failed checks."""

    exercise: str
    name: str
    kind: str
    codes: tuple[str, ...]


def unseen(assignment: Assignment) -> list[Unseen]:
    """The wrong answers of ``tests/unseen`` for an assignment."""
    path = HERE / "unseen" / f"{assignment.name}.toml"
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8"))["answer"], list[Unseen])


def of_known(assignment: Assignment, executor: Callable[[], Executor], workers: int) -> Iterator[Told]:
    """Every known mistake."""
    known = mistakes(assignment)
    for mistake, exercise in zip(known, graded(assignment, known, executor, workers), strict=True):
        yield judged(exercise, mistake)


def graded(
    assignment: Assignment, wrong: Sequence[Mistake], executor: Callable[[], Executor], workers: int
) -> list[ExerciseResult]:
    """What came of each wrong answer, through the batch's door; dealt out so that none hides another."""
    exercises = [exercise.name for exercise in assignment.exercises]
    dealt, answers = rounds(wrong, exercises, calls(assignment)), reference_answers(assignment)
    notebooks = {
        f"n{number:04}": compose(assignment, answers | {name: one.source for name, one in some.items()})
        for number, some in enumerate(dealt)
    }
    only = sorted({one.exercise for one in wrong})
    results = grade(assignment, notebooks, executor, workers, only, naming=True)
    found = {
        id(some[exercise.name]): exercise
        for some, name in zip(dealt, notebooks, strict=True)
        for exercise in results[name].exercises
        if exercise.name in some
    }
    return [found[id(one)] for one in wrong]


def judged(exercise: ExerciseResult, mistake: Mistake) -> Told:
    """What a known mistake was told."""
    failed = [check for check in exercise.checks if check.verdict == "failed"]
    codes = tuple(sorted({check.diagnosis or "" for check in failed}))
    named = {check.diagnosis for check in failed if check.seen}
    kind = GENERIC if not named else NAMED if named == {mistake.code} else FALSE
    return Told(exercise.name, mistake.code, kind, codes)


def of_unseen(
    assignment: Assignment, executor: Callable[[], Executor], workers: int, only: Sequence[str] = ()
) -> Iterator[Told]:
    """Every wrong answer that is not in the library, or those to some exercises."""
    wrong = [one for one in unseen(assignment) if one.exercise in only or not only]
    entries = [Mistake(one.exercise, "", "", "", one.source) for one in wrong]
    for one, exercise in zip(wrong, graded(assignment, entries, executor, workers), strict=True):
        found = {check.diagnosis or "" for check in exercise.checks if check.verdict == "failed"}
        true = {*one.known, *one.codes}
        kind = FALSE if found - true - PLAIN else NAMED if found & true else GENERIC
        yield Told(one.exercise, one.truth, kind, tuple(sorted(found)))


def table(told: Sequence[Told], most: int = 12) -> Iterator[str]:
    """The three shares, the exercises that do worst, and each answer that was told something false."""
    kinds = Counter(one.kind for one in told)
    total = len(told) or 1
    yield f"{len(told)} wrong answers: " + ", ".join(
        f"{kinds[kind]} {kind} ({kinds[kind] / total:.1%})" for kind in (NAMED, GENERIC, FALSE)
    )
    by_exercise: dict[str, Counter[str]] = {}
    for one in told:
        by_exercise.setdefault(one.exercise, Counter())[one.kind] += 1
    worst = sorted(by_exercise.items(), key=lambda item: (-item[1][FALSE], -item[1][GENERIC], item[0]))
    for name, counts in worst[:most]:
        if counts[FALSE] or counts[GENERIC]:
            yield f"  {name:<24} named {counts[NAMED]:>3}  generic {counts[GENERIC]:>3}  false {counts[FALSE]:>3}"
    for one in told:
        if one.kind != NAMED:
            yield f"  {one.kind}: {one.exercise}: {one.name}: {', '.join(one.codes)}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.diagnosed", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("assignments", nargs="*", help="all of the course when left out")
    parser.add_argument("--unseen", action="store_true", help="only the answers that are not in the library")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    course = Course(HERE.parent)
    pool = partial(ProcessPoolExecutor, options.workers, mp_context=get_context("spawn"))
    for name in options.assignments or course.names:
        assignment = course.assignment(name)
        if not options.unseen:
            print(f"{name}, known mistakes:")
            print("\n".join(table(list(of_known(assignment, pool, options.workers)))))
        if (HERE / "unseen" / f"{name}.toml").is_file():
            print(f"{name}, not in the library:")
            print("\n".join(table(list(of_unseen(assignment, pool, options.workers)))))


if __name__ == "__main__":
    main()
