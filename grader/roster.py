"""The class page: flags first, then how scores are spread, where the class went wrong, and every student.

::

    SubmissionResult... -> public_result -> class_page    templates/class.html.j2, with templates/class.js
"""

from __future__ import annotations

import os
import statistics
import urllib.parse
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

import msgspec
from markupsafe import Markup

from grader import charts, wording
from grader.exports import exercise_names
from grader.languages import ENGLISH, Language
from grader.legible import legible
from grader.model import CheckResult, Exercise, ExerciseResult, Finding, Flag, SubmissionResult
from grader.pages import page
from grader.public import public_exercise
from grader.report import anchor, title
from grader.sentences import N_

# The flags an instructor should look at first, most urgent first; the others stand at the end of the class page.
URGENT: tuple[Flag, ...] = (
    "engine",
    "tampering",
    "protocol",
    "trace_disagrees",
    "ungradable",
    "wrong_assignment",
    "timeout",
    "cell_timeout",
    "memory",
    "died",
)

_MISTAKES = 3  # of an exercise
_NAMED = 40  # students of one mistake


class Person(msgspec.Struct, frozen=True):
    """One student on the class page. ``href`` is None where there is no report to link to."""

    result: SubmissionResult
    href: str | None
    passed: int

    @property
    def share(self) -> float:
        return self.result.score / self.result.max_score if self.result.max_score else 0.0


class Answer(msgspec.Struct, frozen=True):
    """One person's answer to an exercise, the ``number``-th of theirs; ``href`` leads to it in their report."""

    person: Person
    result: ExerciseResult
    number: int

    @property
    def href(self) -> str | None:
        return self.person.href and f"{self.person.href}#{anchor(self.number)}"


class Mistake(msgspec.Struct, frozen=True):
    """What ``count`` students share, and the first of them. A known mistake has a ``name``; ``said`` is its hint."""

    name: str
    said: str
    count: int
    answers: tuple[Answer, ...]


class Row(msgspec.Struct, frozen=True):
    """One exercise on the class page. ``counts`` are submissions by verdict, ``graded`` their sum without not run."""

    title: str
    counts: Counter[str]
    graded: int
    mean: float
    max_score: float
    mistakes: tuple[Mistake, ...]

    @property
    def short(self) -> str:
        """What a chart calls it: its number, or as much of its title."""
        return self.title.partition(".")[0][:4]


def class_page(
    results: Sequence[SubmissionResult],
    exercises: Sequence[Exercise],
    links: Mapping[str, str],
    language: Language = ENGLISH,
) -> str:
    """The instructor's page over the whole class, sorted by student.

    ``links`` maps a student to the path of their report, relative to this page and not yet percent-encoded.
    """
    told = _Told(language)
    people = [
        Person(
            result=told.result(result),
            href=_href(links[result.student]) if result.student in links else None,
            passed=sum(exercise.verdict == "passed" for exercise in result.exercises),
        )
        for result in sorted(results, key=lambda result: result.student)
    ]
    graded = [person for person in people if person.result.status == "graded"]
    shares = [person.share for person in graded]
    flagged = {flag: [person for person in people if flag in person.result.flags] for flag in _flags(results)}
    rows = _rows(graded, exercises, language)
    spread = _spread(shares)
    return page(
        "class.html.j2",
        language,
        "class.js",
        assignment=results[0].assignment if results else "",
        people=people,
        statuses=Counter(result.status for result in results),
        flagged=flagged,
        urgent=[flag for flag in URGENT if flag in flagged],
        oddities=[flag for flag in flagged if flag not in URGENT and flag != "unconfined"],
        mean=statistics.fmean(shares) if graded else None,
        median=statistics.median(shares) if graded else None,
        full=sum(person.result.score >= person.result.max_score for person in graded),
        spread=spread,
        scores=charts.histogram(spread, language.gettext(_SCORES)),
        rows=rows,
        answers=_chart(rows, language),
    )


class _Told:
    """Results as anyone may see them, in one language; what is the same in many is translated once."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._exercises: dict[int, tuple[ExerciseResult, ExerciseResult]] = {}  # by id, beside whose it is

    def result(self, result: SubmissionResult) -> SubmissionResult:
        exercises = tuple(map(self._exercise, result.exercises))
        return msgspec.structs.replace(
            self._language.result(msgspec.structs.replace(result, exercises=())), exercises=exercises
        )

    def _exercise(self, result: ExerciseResult) -> ExerciseResult:
        if id(result) not in self._exercises:
            self._exercises[id(result)] = result, self._language.exercise(public_exercise(result))
        return self._exercises[id(result)][1]


_SCORES = N_("Bar chart of the scores; the figures below say the same.")
_ANSWERS = N_("Columns of passed, partly right and failed answers; the table below says the same.")


def _chart(rows: Sequence[Row], language: Language) -> Markup:
    parts = {verdict: [row.counts[verdict] for row in rows] for verdict in ("passed", "partial", "failed")}
    return charts.stacked([legible(row.short) for row in rows], parts, language.gettext(_ANSWERS))


def _flags(results: Iterable[SubmissionResult]) -> list[Flag]:
    return sorted({flag for result in results for flag in result.flags})


def _href(path: str) -> str:
    """A relative link to ``path``, whatever its name holds: never another scheme, never another host."""
    try:
        raw = os.fsencode(path)
    except UnicodeEncodeError:
        raw = path.encode("utf-8", "replace")
    return "./" + urllib.parse.quote(raw)


def _spread(shares: Iterable[float], bins: int = 10) -> dict[str, int]:
    """How many scores lie in each ten percent; full marks in the last."""
    counts = Counter(max(0, min(bins - 1, int(share * bins + 1e-9))) for share in shares)
    width = 100 // bins
    return {f"{i * width}–{(i + 1) * width}": counts[i] for i in range(bins)}


def _rows(graded: Sequence[Person], exercises: Sequence[Exercise], language: Language) -> list[Row]:
    by_name = {exercise.name: exercise for exercise in exercises}
    answers: defaultdict[str, list[Answer]] = defaultdict(list)
    for person in graded:
        for number, exercise in enumerate(person.result.exercises):
            answers[exercise.name].append(Answer(person, exercise, number))
    names = exercise_names(person.result for person in graded)
    return [_row(name, by_name.get(name), answers[name], language) for name in names]


def _row(name: str, exercise: Exercise | None, answers: Sequence[Answer], language: Language) -> Row:
    run = [answer for answer in answers if answer.result.verdict != "not_run"]
    return Row(
        title=title(name, exercise, answers[0].result.title),
        counts=Counter(answer.result.verdict for answer in answers),
        graded=len(run),
        mean=statistics.fmean(answer.result.score for answer in run) if run else 0.0,
        max_score=answers[0].result.max_score,
        mistakes=_mistakes(run, language),
    )


def _mistakes(answers: Iterable[Answer], language: Language) -> tuple[Mistake, ...]:
    """What most students share, each counted once a student; ties in alphabetical order."""
    made: defaultdict[str, dict[str, Answer]] = defaultdict(dict)
    checks: defaultdict[str, list[CheckResult]] = defaultdict(list)
    for answer in answers:
        for check in answer.result.checks:
            if check.verdict == "failed":
                code = check.diagnosis or check.reason or "wrong"
                made[code][answer.person.result.student] = answer
                checks[code].append(check)
    ranked = sorted(made, key=lambda code: (-len(made[code]), code))[:_MISTAKES]
    return tuple(
        Mistake(*_said(code, checks[code], language), len(made[code]), tuple(islice(made[code].values(), _NAMED)))
        for code in ranked
    )


def _said(code: str, checks: Sequence[CheckResult], language: Language) -> tuple[str, str]:
    """The name and the hint of a known mistake; of anything else the message that most of these checks have.

    Where messages differ too much, it is what can be said for any input.
    """
    if checks[0].seen:
        return code.replace("_", " "), str(checks[0].next_step or "")
    messages = Counter(str(check.message or "") for check in checks)
    commonest = min(messages, key=lambda message: (-messages[message], message))
    if 2 * messages[commonest] > len(checks) or code not in wording.CODES:
        return "", commonest
    return "", language.say(wording.message(Finding(checks[0].reason or "wrong", code), hidden=True))
