"""The student's report: what was asked, what they wrote, what is right and why the rest is wrong.

::

    SubmissionResult -> public_result -> student_page    templates/student.html.j2
    ExerciseResult -> public_exercise -> inline          templates/inline.html.j2, for check("name") in a notebook
"""

from __future__ import annotations

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

import msgspec
from markupsafe import Markup

from grader.course import CHECK, REREAD
from grader.highlighter import highlighted
from grader.languages import ENGLISH, Language
from grader.legible import visible
from grader.model import CheckResult, Exercise, ExerciseResult, Mark, Record, SubmissionResult
from grader.pages import page, rendered
from grader.pictures import Map, Sheet, picture, sheets
from grader.public import public_exercise, public_result

SOURCE_LIMIT = 20_000  # characters of one answer
MAX_LINES = 1_000  # of one answer: a line's number takes more room than an empty line
MAX_COLOURED = 200_000  # characters of all answers of a page; what follows is plain
_FIRST = 5  # exercises named under "where to go on"


class Evidence(msgspec.Struct, frozen=True):
    """What a failed check has to show: small tensors as ``sheets``, a large one as a ``map``."""

    check: CheckResult
    sheets: tuple[Sheet, ...] = ()
    map: Map | None = None


class Card(msgspec.Struct, frozen=True):
    """Failed checks of an exercise that say the same, told once. ``checks`` holds at least one."""

    checks: tuple[CheckResult, ...]

    @property
    def first(self) -> CheckResult:
        return self.checks[0]

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """Of the checks that have any; the first is told in full, element by element."""
        shown = [check for check in self.checks if _has_evidence(check)]
        return tuple(map(_whole, shown[:1])) + tuple(map(Evidence, shown[1:]))


class Section(msgspec.Struct, frozen=True):
    """One exercise on the student's page; ``reread`` names the part of the book that it is about."""

    result: ExerciseResult
    anchor: str
    title: str
    prompt: Markup
    reread: str
    code: Markup
    source_left_out: int
    cards: tuple[Card, ...]
    passed: tuple[CheckResult, ...]
    not_run: tuple[CheckResult, ...]

    @property
    def short(self) -> str:
        """The title without a signature, or further names: ``2. relu``."""
        return re.split(r"[(,]", self.title)[0]

    @property
    def lost(self) -> float:
        return self.result.max_score - self.result.score


class HandMarked(msgspec.Struct, frozen=True):
    """What a person said of one cell: a written answer, or an exercise whose points or comment they gave."""

    title: str
    mark: Mark
    answer: str  # of a written question; "" for an exercise


def _by_hand(result: SubmissionResult, record: Record | None, by_name: Mapping[str, Exercise]) -> list[HandMarked]:
    marks = {mark.name: mark for mark in record.marks} if record else {}
    written = [
        HandMarked(_first_line(answer.answer), marks.pop(answer.name), answer.answer)
        for answer in result.written
        if answer.name in marks
    ]
    said = {mark.name.removeprefix(CHECK): mark for mark in marks.values() if mark.by_hand or mark.comment}
    return [HandMarked(title(name, by_name.get(name)), mark, "") for name, mark in said.items()] + written


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].replace("*", "")


def student_page(
    result: SubmissionResult,
    exercises: Sequence[Exercise],
    language: Language = ENGLISH,
    record: Record | None = None,
) -> str:
    """The student's report, a whole HTML page: scores, each failed check and why, their own code.

    Prompts and titles come from ``exercises``; scores and order from ``result``; what a person graded, and the total
    with it, from the gradebook's ``record``.
    """
    result = language.result(public_result(result))
    by_name = {exercise.name: exercise for exercise in exercises}
    codes = [_shown(answer.source) for answer in result.exercises]
    ends = accumulate(map(len, codes))
    sections = [
        _section(answer, anchor(number), by_name.get(answer.name), language, code, plain=end > MAX_COLOURED)
        for number, (answer, code, end) in enumerate(zip(result.exercises, codes, ends, strict=True))
    ]
    wanting = sorted((section for section in sections if section.cards), key=_distance)
    return page(
        "student.html.j2",
        language,
        result=result,
        sections=sections,
        first=wanting[:_FIRST],
        counts=Counter(exercise.verdict for exercise in result.exercises),
        our_fault="engine" in result.flags or result.status == "error",
        record=record,
        by_hand=_by_hand(result, record, by_name),
    )


def inline(result: ExerciseResult, total: float, language: Language = ENGLISH) -> str:
    """One exercise as ``check("name")`` shows it in a notebook; ``total`` counts the points of hidden checks too."""
    public = language.exercise(public_exercise(result))
    later = max(total - result.max_score, 0.0)
    return page("inline.html.j2", language, result=public, later=later, cards=_cards(public.checks))


def anchor(number: int) -> str:
    """Where on a student's page the exercise of this number stands, counted from 0."""
    return f"exercise-{number + 1}"


def title(name: str, exercise: Exercise | None, otherwise: str = "") -> str:
    """What a page calls an exercise."""
    return (exercise.title if exercise else otherwise).lstrip("# ") or name


def _distance(section: Section) -> tuple[int, float]:
    """What to take up first: what is written and wrong, what waits for that, what is missing; each by its points."""
    return {"blocked": 1, "missing": 2}.get(section.cards[0].first.reason or "", 0), -section.lost


def _section(
    result: ExerciseResult, anchor: str, exercise: Exercise | None, language: Language, code: str, plain: bool
) -> Section:
    frames = [(frame.line, frame.code) for check in result.checks for frame in check.frames]
    prompt, reread = _prompt(exercise.prompt, language) if exercise else (Markup(), "")
    return Section(
        result=result,
        anchor=anchor,
        title=title(result.name, exercise, result.title),
        prompt=prompt,
        reread=reread,
        code=_code(code, frames, plain) if result.source.strip() else Markup(),
        source_left_out=len(result.source) - len(code),
        cards=_cards(result.checks),
        passed=tuple(check for check in result.checks if check.verdict == "passed"),
        not_run=tuple(check for check in result.checks if check.verdict == "not_run"),
    )


@functools.lru_cache(maxsize=1024)
def _prompt(markdown: str, language: Language) -> tuple[Markup, str]:
    """An exercise's prompt in one language as HTML, and what it says to read again.

    The heading that it opens with is left out: the section has it already.
    """
    first, _, rest = markdown.strip().partition("\n")
    text = language.part(rest if first.startswith("#") else markdown)
    reread = REREAD.search(text)
    return rendered(REREAD.sub("", text)), reread[1] if reread else ""


def _shown(source: str) -> str:
    """As much of a source as a page shows."""
    return "".join(source[:SOURCE_LIMIT].splitlines(keepends=True)[:MAX_LINES])


def _code(source: str, frames: Iterable[tuple[int, str]], plain: bool) -> Markup:
    """The source as HTML with line numbers; a line is marked when a traceback names both it and its text."""
    source = visible(source)
    lines = source.split("\n")
    marked = [line for line, code in frames if 0 < line <= len(lines) and lines[line - 1].strip() == code.strip() != ""]
    return highlighted(source, tuple(marked), plain)


def _cards(checks: Iterable[CheckResult]) -> tuple[Card, ...]:
    alike: defaultdict[tuple[object, ...], list[CheckResult]] = defaultdict(list)
    for check in checks:
        if check.verdict == "failed":
            alike[check.hidden, check.reason, check.message, check.next_step].append(check)
    return tuple(Card(tuple(group)) for group in alike.values())


def _has_evidence(check: CheckResult) -> bool:
    return bool(check.call or check.frames) or check.got is not None or check.expected is not None


def _whole(check: CheckResult) -> Evidence:
    if check.contrast is None:
        return Evidence(check)
    return Evidence(check, sheets(check.contrast), picture(check.contrast))
