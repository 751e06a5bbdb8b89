"""Grading some exercises of a submission again, where only their checks changed, and keeping what is known of the rest.

What comes out is what grading all of it would have given, but for answers that keep state from one exercise's calls to
another's in names of their own. Where a library may hold some, or one answer's code replace another's, all is graded.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain

import msgspec

from grader.apart import is_calm
from grader.grading import answers, calls
from grader.how import Cells
from grader.model import Exercise, ExerciseResult, Flag, SubmissionResult
from grader.notebook import Submission
from grader.reading import Reading, TooLarge
from grader.scopes import Lib, notebook

# What a notebook is flagged for whatever its exercises are asked.
_OF_THE_NOTEBOOK: frozenset[Flag] = frozenset({"tampering", "cell_failed", "unconfined"})


def still_known(
    result: SubmissionResult, again: Collection[str], submission: Submission, exercises: Sequence[Exercise]
) -> dict[str, ExerciseResult]:
    """What a ``result`` tells of the exercises that need not be graded ``again``; nothing where all must be.

    One that fails is graded again together with those that it calls, or that call it: each is told whose fault it is.
    """
    if result.status != "graded" or not set(result.flags) <= {*submission.flags, *_OF_THE_NOTEBOOK}:
        return {}
    if any(check.diagnosis == "too_large" for exercise in result.exercises for check in exercise.checks):
        return {}  # what is left to read of a source depends on all that was read of it before
    failing = {exercise.name for exercise in result.exercises if exercise.verdict != "passed"}
    cells, reading = [(cell.label, cell.python) for cell in submission.cells if cell.python], Reading()
    try:
        if not is_calm(cells, reading) or _marks_libraries(cells, reading):
            return {}
        todo = _with_related(again, failing, cells, exercises)
    except TooLarge:
        return {}
    return {exercise.name: exercise for exercise in result.exercises if exercise.name not in todo}


def _marks_libraries(cells: Cells, reading: Reading) -> bool:
    """Does code put attributes on a library, where another exercise's code may find them? Raises `TooLarge`."""
    book = notebook(cells, reading)
    return any(
        isinstance(value, Lib) and "()" not in value.path
        for store in chain.from_iterable(list(book.stores.values()))
        for value in book.values(store.base, store.scope, store.order)
    )


def _with_related(
    again: Collection[str], failing: Collection[str], cells: Cells, exercises: Sequence[Exercise]
) -> set[str]:
    answered_by, reading = answers(exercises), Reading()
    called = {name: calls(name, answered_by, cells, reading) for name in {*again, *failing}}
    todo, fresh = set[str](), set(again)
    while fresh:
        todo |= fresh
        fresh = {
            name
            for name in set(failing) - todo
            if called[name] & todo or any(name in called.get(other, ()) for other in todo)
        }
    return todo


def put_together(before: SubmissionResult, now: SubmissionResult) -> SubmissionResult | None:
    """A result of which some exercises were graded ``now``; None where the notebook did not behave as it had."""
    if now.status != "graded" or any(flag not in before.flags for flag in now.flags):
        return None
    if any(note not in before.notes for note in now.notes):
        return None
    if any(exercise.verdict == "not_run" for exercise in now.exercises):
        return None
    return msgspec.structs.replace(now, flags=before.flags, notes=before.notes, printed=before.printed)
