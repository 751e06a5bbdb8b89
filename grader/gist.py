"""A class's results as far as its table and its page need them: what is equal in many is held once.

Ten thousand results as they are take gigabytes; most students passed most checks in the same words.
"""

from __future__ import annotations

import msgspec

from grader.model import CheckResult, ExerciseResult, SubmissionResult
from grader.public import public_view


class Gist:
    """Makes results small, one after the other; those that it made share what is equal in them."""

    def __init__(self) -> None:
        self._checks: dict[bytes, CheckResult] = {}
        self._exercises: dict[tuple[object, ...], ExerciseResult] = {}

    def of(self, result: SubmissionResult) -> SubmissionResult:
        """A result without sources, values, calls and what was printed."""
        exercises = tuple(map(self._exercise, result.exercises))
        return msgspec.structs.replace(result, exercises=exercises, notes=(), printed="", written=())

    def _exercise(self, result: ExerciseResult) -> ExerciseResult:
        checks = tuple(map(self._check, result.checks))
        small = msgspec.structs.replace(result, checks=checks, source="")
        key = small.name, str(small.title), small.score, small.max_score, small.verdict, *map(id, checks)
        return self._exercises.setdefault(key, small)

    def _check(self, result: CheckResult) -> CheckResult:
        small = msgspec.structs.replace(
            public_view(result), got=None, expected=None, call=None, frames=(), contrast=None
        )
        return self._checks.setdefault(msgspec.msgpack.encode(small), small)
