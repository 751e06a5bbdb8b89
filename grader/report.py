"""Results as people and programs read them: the student's page, the class page, ``grades.csv``, ``results.jsonl``.

::

    SubmissionResult -> public_result -+-> results_line    one line of results.jsonl, schema()
                                       +-> student_page    templates/student.html.j2
                                       +-> class_page      templates/class.html.j2
                                       +-> write_grades_csv

Two rules hold for all of them, each kept in one place. What a hidden check may not tell leaves in `public_view`,
before anything is shown. What a student wrote is text: every string a template prints passes `legible`, then jinja2's
autoescape, and the pages' Content-Security-Policy allows no script, whoever wrote it. Wording lives in ``templates/``.
"""

from __future__ import annotations

import base64
import csv
import functools
import hashlib
import importlib.metadata
import importlib.resources
import io
import os
import re
import statistics
import urllib.parse
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from ipython_pygments_lexers import IPython3Lexer  # type: ignore[import-untyped]
from markdown_it import MarkdownIt
from markupsafe import Markup, escape
from pygments import highlight  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]

from grader.course import CHECK
from grader.model import (
    CheckResult,
    Exercise,
    ExerciseResult,
    ExerciseVerdict,
    Flag,
    Mark,
    Reason,
    Record,
    Status,
    SubmissionResult,
    Verdict,
)
from grader.store import write_whole

DISTRIBUTION = "ch17-grader"

# Characters a reader is ever given of one thing. A student can write megabytes; a page stays a page.
SOURCE_LIMIT = 20_000
LINE_LIMIT = 2_000
TEXT_LIMIT = 20_000

# What a page may load: its own style, by hash, and pictures that lie in it. No script, whoever wrote it.
POLICY = "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"

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

# ---------------------------------------------------------------------------------------------------------------------
# What may be told


def public_view(check: CheckResult) -> CheckResult:
    """The check as anyone may see it: of a hidden one, no call, inputs, output, values or frames.

    All of those can echo a hidden input, and so can the message of a check that broke down (not run). What stays is
    the verdict, the diagnosis in words and the next step.
    """
    if not check.hidden:
        return check
    message = check.message if check.verdict == "failed" else None
    return msgspec.structs.replace(check, message=message, call=None, got=None, expected=None, frames=())


def public_result(result: SubmissionResult) -> SubmissionResult:
    """The submission with each check as its `public_view`."""
    exercises = tuple(
        msgspec.structs.replace(exercise, checks=tuple(public_view(check) for check in exercise.checks))
        for exercise in result.exercises
    )
    return msgspec.structs.replace(result, exercises=exercises)


# ---------------------------------------------------------------------------------------------------------------------
# Text that somebody else wrote

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\^_]")
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{8,16}\b")
# Controls, bidi marks and overrides, zero-width and blank "letters", tags, lone surrogates, noncharacters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180b-\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)


def _name_unseen(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)  # Unicode's pictures of the control characters: ␀ ␛ ...
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"


def visible(text: str) -> str:
    """``text`` with every character that hides, reorders or cannot be encoded replaced by its name."""
    return _UNSEEN.sub(_name_unseen, text.replace("\r\n", "\n").replace("\r", "\n"))


def legible(text: str, limit: int = TEXT_LIMIT) -> str:
    """``text`` as a reader gets it: at most ``limit`` characters, no terminal colours, no addresses, nothing unseen."""
    head = text[:limit] + "…" if len(text) > limit else text
    return visible(_ADDRESS.sub("0x…", _ANSI.sub("", head)))


def ticked(text: str, limit: int = TEXT_LIMIT) -> Markup:
    """``text`` as `legible`, escaped, with `names in backticks` set as code."""
    return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(legible(text, limit)))))


def number(value: float) -> str:
    """Points without noise: ``2``, ``0.5``, ``0.3333``."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


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


def _line_text(text: str | None) -> str | None:
    return None if text is None else legible(text, LINE_LIMIT)


def _check_line(check: CheckResult) -> CheckLine:
    return CheckLine(
        id=legible(check.id, LINE_LIMIT),
        verdict=check.verdict,
        reason=check.reason,
        message=_line_text(check.message),
        diagnosis=_line_text(check.diagnosis),
        title=legible(check.title, LINE_LIMIT),
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


def write_grades_csv(results: Sequence[SubmissionResult], path: Path) -> None:
    """Write, whole or not at all, one row a student: student, status, score, max_score, then a column an exercise.

    A cell stays empty where nothing was run: a fault of ours is never a student's zero.
    """
    names = _exercise_names(results)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["student", "status", "score", "max_score", *map(csv_text, names)])
    for result in results:
        scores = {
            exercise.name: number(exercise.score) for exercise in result.exercises if not _unrun(result, exercise)
        }
        score = "" if result.status == "error" else number(result.score)
        row = [csv_text(result.student), result.status, score, number(result.max_score)]
        writer.writerow(row + [scores.get(name, "") for name in names])
    write_whole(path, out.getvalue().encode())


def _unrun(result: SubmissionResult, exercise: ExerciseResult) -> bool:
    return exercise.verdict == "not_run" and result.status != "ungradable"


def _exercise_names(results: Iterable[SubmissionResult]) -> list[str]:
    """Every exercise's name, in the order of the first submission that has it."""
    return list(dict.fromkeys(exercise.name for result in results for exercise in result.exercises))


# ---------------------------------------------------------------------------------------------------------------------
# Pages


def templates_dir() -> Path:
    """Where the templates are: packed into ``grader`` in an installed wheel, beside it in a checkout."""
    packed = Path(str(importlib.resources.files("grader"))) / "templates"
    return packed if packed.is_dir() else packed.parent.parent / "templates"


def _finalize(value: object) -> object:
    """What jinja2 calls on every value a template prints, before it escapes it."""
    return legible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir()),
        autoescape=True,
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "legible": legible, "ticked": ticked}
    style = (templates_dir() / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment.globals |= {
        "style": Markup(style),
        "policy": POLICY.format(digest=digest),
        "version": _version(),
    }
    return environment


def _version() -> str:
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "from a checkout"


# The instructor's Markdown, and no way out of the page: no raw HTML, no links, no images.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
_MARKDOWN.disable(["link", "image", "autolink", "reference", "html_inline", "html_block"])


@functools.lru_cache(maxsize=1024)
def _prompt(markdown: str) -> Markup:
    """An exercise's prompt as HTML, without the heading it opens with: the section has it already."""
    first, _, rest = markdown.strip().partition("\n")
    return Markup(_MARKDOWN.render(legible(rest if first.startswith("#") else markdown)))


def _code(source: str, frames: Iterable[tuple[int, str]]) -> Markup:
    """The source as HTML with line numbers; a line is marked when a traceback names both it and its text."""
    source = visible(source[:SOURCE_LIMIT])
    lines = source.split("\n")
    marked = [line for line, code in frames if 0 < line <= len(lines) and lines[line - 1].strip() == code.strip() != ""]
    formatter = HtmlFormatter(cssclass="code", linenos="inline", hl_lines=marked)
    return Markup(highlight(source, IPython3Lexer(stripnl=False), formatter))


class Card(msgspec.Struct, frozen=True):
    """Failed checks of an exercise that say the same, told once. ``checks`` holds at least one."""

    checks: tuple[CheckResult, ...]

    @property
    def first(self) -> CheckResult:
        return self.checks[0]


class Section(msgspec.Struct, frozen=True):
    """One exercise on the student's page."""

    result: ExerciseResult
    title: str
    prompt: Markup
    code: Markup
    source_left_out: int
    cards: tuple[Card, ...]
    passed: tuple[CheckResult, ...]
    not_run: tuple[CheckResult, ...]


def _cards(checks: Iterable[CheckResult]) -> tuple[Card, ...]:
    alike: defaultdict[tuple[object, ...], list[CheckResult]] = defaultdict(list)
    for check in checks:
        if check.verdict == "failed":
            alike[check.hidden, check.reason, check.message, check.next_step].append(check)
    return tuple(Card(tuple(group)) for group in alike.values())


def _section(result: ExerciseResult, exercise: Exercise | None) -> Section:
    frames = [(frame.line, frame.code) for check in result.checks for frame in check.frames]
    return Section(
        result=result,
        title=_title(result.name, exercise, result.title),
        prompt=_prompt(exercise.prompt) if exercise else Markup(),
        code=_code(result.source, frames) if result.source.strip() else Markup(),
        source_left_out=max(0, len(result.source) - SOURCE_LIMIT),
        cards=_cards(result.checks),
        passed=tuple(check for check in result.checks if check.verdict == "passed"),
        not_run=tuple(check for check in result.checks if check.verdict == "not_run"),
    )


def _title(name: str, exercise: Exercise | None, otherwise: str = "") -> str:
    return (exercise.title if exercise else otherwise).lstrip("# ") or name


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
    said = [mark for mark in marks.values() if mark.by_hand or mark.comment]
    names = {mark.name: mark.name.removeprefix(CHECK) for mark in said}
    return [
        HandMarked(_title(name, by_name.get(name)), mark, "") for mark in said if (name := names[mark.name])
    ] + written


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].replace("*", "")


def student_page(result: SubmissionResult, exercises: Sequence[Exercise], record: Record | None = None) -> str:
    """The student's report, a whole HTML page: scores, each failed check and why, their own code.

    Prompts and titles come from ``exercises``; scores and order from ``result``; what a person graded, and the total
    with it, from the gradebook's ``record``.
    """
    result = public_result(result)
    by_name = {exercise.name: exercise for exercise in exercises}
    return _page(
        "student.html.j2",
        result=result,
        sections=[_section(exercise, by_name.get(exercise.name)) for exercise in result.exercises],
        counts=Counter(exercise.verdict for exercise in result.exercises),
        our_fault="engine" in result.flags or result.status == "error",
        record=record,
        by_hand=_by_hand(result, record, by_name),
    )


def inline(result: ExerciseResult, total: float) -> str:
    """One exercise as ``check("name")`` shows it in a notebook; ``total`` counts the points of hidden checks too."""
    public = msgspec.structs.replace(result, checks=tuple(public_view(check) for check in result.checks))
    later = max(total - result.max_score, 0.0)
    return _page("inline.html.j2", result=public, later=later, cards=_cards(public.checks))


class Bar(msgspec.Struct, frozen=True):
    """One bar of the distribution: ``count`` submissions between ``low`` and ``high`` percent."""

    low: int
    high: int
    count: int
    share: float  # of the highest bar


class Common(msgspec.Struct, frozen=True):
    """A finding that ``students`` submissions share: its code and its commonest message."""

    code: str
    students: int
    example: str


class Row(msgspec.Struct, frozen=True):
    """One exercise on the class page. ``counts`` are submissions by verdict, ``graded`` their sum without not run."""

    name: str
    title: str
    counts: Counter[str]
    graded: int
    mean: float
    max_score: float
    common: tuple[Common, ...]


class Person(msgspec.Struct, frozen=True):
    """One student on the class page. ``href`` is None where there is no report to link to."""

    result: SubmissionResult
    href: str | None
    passed: int


def class_page(results: Sequence[SubmissionResult], exercises: Sequence[Exercise], links: Mapping[str, str]) -> str:
    """The instructor's page over the whole class, sorted by student.

    ``links`` maps a student to the path of their report, relative to this page and not yet percent-encoded.
    """
    people = [
        Person(
            result=public_result(result),
            href=_href(links[result.student]) if result.student in links else None,
            passed=sum(exercise.verdict == "passed" for exercise in result.exercises),
        )
        for result in sorted(results, key=lambda result: result.student)
    ]
    graded = [person.result for person in people if person.result.status == "graded"]
    flagged = {flag: [person for person in people if flag in person.result.flags] for flag in _flags(results)}
    return _page(
        "class.html.j2",
        assignment=results[0].assignment if results else "",
        people=people,
        statuses=Counter(result.status for result in results),
        flagged=flagged,
        urgent=[flag for flag in URGENT if flag in flagged],
        oddities=[flag for flag in flagged if flag not in URGENT and flag != "unconfined"],
        mean=statistics.fmean(map(_ratio, graded)) if graded else None,
        median=statistics.median(map(_ratio, graded)) if graded else None,
        full=sum(result.score >= result.max_score for result in graded),
        bars=_bars(graded),
        rows=_rows(graded, exercises),
    )


def _flags(results: Iterable[SubmissionResult]) -> list[Flag]:
    return sorted({flag for result in results for flag in result.flags})


def _href(path: str) -> str:
    """A relative link to ``path``, whatever its name holds: never another scheme, never another host."""
    try:
        raw = os.fsencode(path)
    except UnicodeEncodeError:
        raw = path.encode("utf-8", "replace")
    return "./" + urllib.parse.quote(raw)


def _ratio(result: SubmissionResult) -> float:
    return result.score / result.max_score if result.max_score else 0.0


def _bars(graded: Iterable[SubmissionResult], bins: int = 10) -> list[Bar]:
    """Ten bars of ten percent; full marks stand in the last."""
    counts = Counter(max(0, min(bins - 1, int(_ratio(result) * bins + 1e-9))) for result in graded)
    highest = max(counts.values(), default=1)
    width = 100 // bins
    return [Bar(i * width, (i + 1) * width, counts[i], counts[i] / highest) for i in range(bins)]


def _rows(graded: Sequence[SubmissionResult], exercises: Sequence[Exercise]) -> list[Row]:
    by_name = {exercise.name: exercise for exercise in exercises}
    answers: defaultdict[str, list[ExerciseResult]] = defaultdict(list)
    for result in graded:
        for exercise in result.exercises:
            answers[exercise.name].append(exercise)
    return [_row(name, by_name.get(name), answers[name]) for name in _exercise_names(graded)]


def _row(name: str, exercise: Exercise | None, answers: Sequence[ExerciseResult]) -> Row:
    run = [answer for answer in answers if answer.verdict != "not_run"]
    return Row(
        name=name,
        title=_title(name, exercise, answers[0].title),
        counts=Counter(answer.verdict for answer in answers),
        graded=len(run),
        mean=statistics.fmean(answer.score for answer in run) if run else 0.0,
        max_score=answers[0].max_score,
        common=_common(run),
    )


def _common(answers: Iterable[ExerciseResult], most: int = 3) -> tuple[Common, ...]:
    """The findings most submissions share, each counted once a submission; ties in alphabetical order."""
    students: Counter[str] = Counter()
    messages: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for answer in answers:
        failed = [check for check in answer.checks if check.verdict == "failed"]
        students.update({_finding_code(check) for check in failed})
        for check in failed:
            messages[_finding_code(check)][check.message or ""] += 1
    ranked = sorted(students, key=lambda code: (-students[code], code))[:most]
    return tuple(Common(code, students[code], _commonest(messages[code])) for code in ranked)


def _finding_code(check: CheckResult) -> str:
    return check.diagnosis or check.reason or "wrong"


def _commonest(messages: Counter[str]) -> str:
    return min(messages, key=lambda message: (-messages[message], message))


def _page(template: str, **facts: object) -> str:
    return _environment().get_template(template).render(**facts)
