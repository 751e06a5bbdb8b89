"""What a result may tell: the one place where hidden checks keep what they withhold."""

from __future__ import annotations

import msgspec

from grader.model import CheckResult, ExerciseResult, SubmissionResult


def public_view(check: CheckResult) -> CheckResult:
    """The check as anyone may see it: of a hidden one, no call, inputs, output, values or frames.

    All of those can echo a hidden input, and so can the message of a check that broke down (not run). What stays is
    the verdict, the diagnosis in words and the next step.
    """
    if not check.hidden:
        return check
    message = check.message if check.verdict == "failed" else None
    return msgspec.structs.replace(check, message=message, call=None, got=None, expected=None, frames=(), contrast=None)


def public_result(result: SubmissionResult) -> SubmissionResult:
    """The submission with each check as its `public_view`."""
    return msgspec.structs.replace(result, exercises=tuple(map(public_exercise, result.exercises)))


def public_exercise(result: ExerciseResult) -> ExerciseResult:
    """The exercise with each check as its `public_view`."""
    return msgspec.structs.replace(result, checks=tuple(map(public_view, result.checks)))
