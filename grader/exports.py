"""Results as programs read them: a line of ``results.jsonl`` for each submission, and ``grades.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from grader.legible import legible, number, visible
from grader.model import CheckResult, ExerciseResult, ExerciseVerdict, Flag, Reason, Status, SubmissionResult, Verdict
from grader.public import public_result
from grader.sentences import Text
from grader.store import write_whole

LINE_LIMIT = 2_000  # characters of one text in results.jsonl

# ---------------------------------------------------------------------------------------------------------------------
# results.jsonl


class CheckLine(msgspec.Struct, frozen=True):
    """One check in ``results.jsonl``."""

    id: str
    verdict: Verdict
    reason: Reason | None
    message: str | None
    diagnosis: str | None
    title: str
    hidden: bool
    points: float
    max_points: float
    next_step: str | None


class ExerciseLine(msgspec.Struct, frozen=True):
    """One exercise in ``results.jsonl``."""

    name: str
    score: float
    max_score: float
    verdict: ExerciseVerdict
    checks: tuple[CheckLine, ...]


class ResultLine(msgspec.Struct, frozen=True):
    """One submission, one line of ``results.jsonl``: no times, nothing printed, no source, no addresses."""

    schema: int
    assignment: str
    student: str
    notebook: str
    status: Status
    score: float
    max_score: float
    flags: tuple[Flag, ...]
    problem: str | None
    exercises: tuple[ExerciseLine, ...]


def _line_text(text: Text | None) -> str | None:
    return None if text is None else legible(str(text), LINE_LIMIT)


def _check_line(check: CheckResult) -> CheckLine:
    return CheckLine(
        id=legible(check.id, LINE_LIMIT),
        verdict=check.verdict,
        reason=check.reason,
        message=_line_text(check.message),
        diagnosis=_line_text(check.diagnosis),
        title=legible(str(check.title), LINE_LIMIT),
        hidden=check.hidden,
        points=check.points,
        max_points=check.max_points,
        next_step=_line_text(check.next_step),
    )


def _exercise_line(exercise: ExerciseResult) -> ExerciseLine:
    return ExerciseLine(
        name=visible(exercise.name),
        score=exercise.score,
        max_score=exercise.max_score,
        verdict=exercise.verdict,
        checks=tuple(_check_line(check) for check in exercise.checks),
    )


def results_line(result: SubmissionResult) -> bytes:
    """One line of ``results.jsonl`` as `schema` describes it, with its newline; the same bytes in every run."""
    result = public_result(result)
    line = ResultLine(
        schema=result.schema,
        assignment=visible(result.assignment),
        student=visible(result.student),  # whole: two students must never become one
        notebook=visible(result.notebook),
        status=result.status,
        score=result.score,
        max_score=result.max_score,
        flags=result.flags,
        problem=_line_text(result.problem),
        exercises=tuple(_exercise_line(exercise) for exercise in result.exercises),
    )
    return msgspec.json.encode(line) + b"\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of one line of ``results.jsonl``; `schema_text` of it is kept in ``docs/``."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(ResultLine)}


def schema_text() -> str:
    """`schema` as the file ``docs/results.schema.json`` holds it."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n"


# ---------------------------------------------------------------------------------------------------------------------
# grades.csv


_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def csv_text(text: str) -> str:
    """A text cell no spreadsheet takes for a formula: a quote goes before =, +, -, @, wide ones too, tab and return."""
    return "'" + visible(text) if text.lstrip(" ").startswith(_FORMULA) else visible(text)


def csv_table(rows: Iterable[Sequence[str]]) -> str:
    """Rows as CSV, each cell as `csv_text` gives it."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(map(csv_text, row) for row in rows)
    return out.getvalue()


def write_grades_csv(results: Sequence[SubmissionResult], path: Path) -> None:
    """Write, whole or not at all, one row a student: student, status, score, max_score, then a column an exercise.

    A cell stays empty where nothing was run: a fault of ours is never a student's zero.
    """
    names = exercise_names(results)
    rows = [["student", "status", "score", "max_score", *names]]
    for result in results:
        scores = {
            exercise.name: number(exercise.score) for exercise in result.exercises if not _unrun(result, exercise)
        }
        score = "" if result.status == "error" else number(result.score)
        row = [result.student, result.status, score, number(result.max_score)]
        rows.append(row + [scores.get(name, "") for name in names])
    write_whole(path, csv_table(rows).encode())


def _unrun(result: SubmissionResult, exercise: ExerciseResult) -> bool:
    return exercise.verdict == "not_run" and result.status != "ungradable"


def exercise_names(results: Iterable[SubmissionResult]) -> list[str]:
    """Every exercise's name, in the order of the first submission that has it."""
    return list(dict.fromkeys(exercise.name for result in results for exercise in result.exercises))
