"""What a person reads in a terminal: the summary by exercise and the class's table. Student text is plain there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grader import traced
from grader.model import CheckResult, ExerciseResult, SubmissionResult
from grader.names import printable

_SYMBOLS = {"passed": "✓", "failed": "✗", "partial": "◐", "not_run": "–"}


def summary(result: SubmissionResult, totals: Mapping[str, float], missing: Sequence[str]) -> Iterator[str]:
    """The lines a student reads after ``pytest``: points by exercise, and the reason for each miss."""
    ran = [exercise for exercise in result.exercises if any(check.verdict != "not_run" for check in exercise.checks)]
    width = max((len(exercise.name) for exercise in ran), default=0)
    for exercise in ran:
        yield f"{_SYMBOLS[exercise.verdict]} {exercise.name:<{width}}  {points(exercise, totals.get(exercise.name))}"
        yield from reasons(exercise)
    score, most = sum(e.score for e in ran), sum(e.max_score for e in ran)
    later = sum(totals.get(e.name, e.max_score) - e.max_score for e in ran)
    yield ""
    yield f"{score:g} of {most:g} " + (f"public points, {later:g} more after submission" if later > 0 else "points")
    for note in result.notes:
        yield f"note: {printable(note)}"
    if missing:
        yield "note: run without the whole sandbox (fine for your own notebook): " + "; ".join(missing)


def points(exercise: ExerciseResult, total: float | None) -> str:
    """``1 of 1.5 points (0.5 more after submission)``."""
    text = f"{exercise.score:g} of {exercise.max_score:g} points"
    later = (total or 0) - exercise.max_score
    return text + (f" ({later:g} more after submission)" if later > 0 else "")


def reasons(exercise: ExerciseResult) -> Iterator[str]:
    """Two lines for each failed check: what went wrong, what to do next. The same finding is told once."""
    told: set[str] = set()
    for check in exercise.checks:
        if check.verdict == "failed" and check.message not in told:
            told.add(check.message or "")
            yield f"    {printable(check.title)}"
            yield from (f"      {line}" for line in finding_lines(check))
        elif check.verdict == "not_run" and check.reason == "engine":
            yield f"    {printable(check.title)}: not run, and not your fault: {printable(check.message or '')}"


def finding_lines(check: CheckResult) -> Iterator[str]:
    """A failed check's message, call and next step."""
    yield printable(check.message or "")
    if check.call is not None:
        yield f"the call was {printable(check.call.text)}"
    yield from traced.lines(check)
    if check.next_step:
        yield printable(check.next_step)


def class_table(console: Console, results: Sequence[SubmissionResult], limit: int = 60) -> None:
    """The table of a class: student, score, flags."""
    table = Table(title=f"{len(results)} submissions", title_justify="left")
    table.add_column("student")
    table.add_column("score", justify="right")
    table.add_column("exercises", justify="right")
    table.add_column("flags and problems")
    for result in results[:limit]:
        passed = sum(exercise.verdict == "passed" for exercise in result.exercises)
        remark = printable("; ".join([*([result.problem] if result.problem else []), *result.flags]))
        table.add_row(
            Text(printable(result.student)),
            f"{result.score:g} / {result.max_score:g}",
            f"{passed} / {len(result.exercises)}",
            Text(remark[:120]),
        )
    console.print(table)
    if len(results) > limit:
        console.print(f"... and {len(results) - limit} more: see the class page", markup=False)
