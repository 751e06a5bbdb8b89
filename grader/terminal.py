"""What a person reads in a terminal: the summary by exercise and the class's table. Student text is plain there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grader import traced
from grader.languages import ENGLISH, Language
from grader.model import CheckResult, ExerciseResult, SubmissionResult
from grader.names import printable
from grader.sentences import N_, counted, sentence

_SYMBOLS = {"passed": "✓", "failed": "✗", "partial": "◐", "not_run": "–"}


def summary(
    result: SubmissionResult, totals: Mapping[str, float], missing: Sequence[str], language: Language = ENGLISH
) -> Iterator[str]:
    """The lines a student reads after ``pytest``: points by exercise, and the reason for each miss."""
    ran = [exercise for exercise in result.exercises if any(check.verdict != "not_run" for check in exercise.checks)]
    width = max((len(exercise.name) for exercise in ran), default=0)
    for exercise in ran:
        standing = points(exercise, totals.get(exercise.name), language)
        yield f"{_SYMBOLS[exercise.verdict]} {exercise.name:<{width}}  {standing}"
        yield from reasons(exercise, language)
    score, most = f"{sum(e.score for e in ran):g}", f"{sum(e.max_score for e in ran):g}"
    later = sum(totals.get(e.name, e.max_score) - e.max_score for e in ran)
    yield ""
    total = sentence("%(score)s of %(most)s points", score=score, most=most)
    if later > 0:
        text = N_("%(score)s of %(most)s public points, %(later)s more after submission")
        total = sentence(text, score=score, most=most, later=f"{later:g}")
    yield language.say(total)
    for note in result.notes:
        yield language.say(sentence("note: %(text)s", text=printable(language.say(note))))
    if missing:
        text = N_("note: run without the whole sandbox (fine for your own notebook): %(missing)s")
        yield language.say(sentence(text, missing="; ".join(missing)))


def points(exercise: ExerciseResult, total: float | None, language: Language = ENGLISH) -> str:
    """``1 of 1.5 points (0.5 more after submission)``."""
    score, most = f"{exercise.score:g}", f"{exercise.max_score:g}"
    later = (total or 0) - exercise.max_score
    if later > 0:
        text = N_("%(score)s of %(most)s points (%(later)s more after submission)")
        return language.say(sentence(text, score=score, most=most, later=f"{later:g}"))
    return language.say(sentence("%(score)s of %(most)s points", score=score, most=most))


def reasons(result: ExerciseResult, language: Language = ENGLISH) -> Iterator[str]:
    """Two lines for each failed check: what went wrong, what to do next. The same finding is told once."""
    told: set[str] = set()
    for check in language.exercise(result).checks:
        message = str(check.message or "")
        if check.verdict == "failed" and message not in told:
            told.add(message)
            yield f"    {printable(str(check.title))}"
            yield from (f"      {line}" for line in finding_lines(check, language))
        elif check.verdict == "not_run" and check.reason == "engine":
            text = N_("%(check)s: not run, and not your fault: %(why)s")
            yield "    " + language.say(sentence(text, check=printable(str(check.title)), why=printable(message)))


def finding_lines(check: CheckResult, language: Language = ENGLISH) -> Iterator[str]:
    """A failed check's message, call and next step."""
    yield printable(language.say(check.message or ""))
    if check.call is not None:
        yield language.say(sentence("the call was %(call)s", call=printable(check.call.text)))
    yield from traced.lines(check, language)
    if check.next_step:
        yield printable(language.say(check.next_step))


def class_table(
    console: Console, results: Sequence[SubmissionResult], language: Language = ENGLISH, limit: int = 60
) -> None:
    """The table of a class: student, score, flags."""
    _ = language.gettext
    title = counted("%(count)s submission", "%(count)s submissions", len(results))
    table = Table(title=language.say(title), title_justify="left")
    table.add_column(_("student"))
    table.add_column(_("score"), justify="right")
    table.add_column(_("exercises"), justify="right")
    table.add_column(_("flags and problems"))
    for result in results[:limit]:
        passed = sum(exercise.verdict == "passed" for exercise in result.exercises)
        problem = [language.say(result.problem)] if result.problem else []
        remark = printable("; ".join([*problem, *result.flags]))
        table.add_row(
            Text(printable(result.student)),
            f"{result.score:g} / {result.max_score:g}",
            f"{passed} / {len(result.exercises)}",
            Text(remark[:120]),
        )
    console.print(table)
    if (left := len(results) - limit) > 0:
        text = counted("... and %(count)s more: see the class page", "... and %(count)s more: see the class page", left)
        console.print(language.say(text), markup=False)
