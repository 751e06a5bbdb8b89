"""The course in a table: each exercise's question, how it is answered and graded. Written by ``grader table``.

Everything is read from the released notebook, the suite's source and the known mistakes; no check is run.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import reduce
from pathlib import Path

import msgspec

from grader.course import Assignment, Course
from grader.how import either, phrase
from grader.languages import ENGLISH, Language
from grader.mistakes import mistakes
from grader.model import Exercise
from grader.sentences import N_, Text, counted, listed, sentence

_ROW = re.compile(r"(\w+)\.\s+(.*)")
_HEAD = (
    N_("row"),
    N_("question"),
    N_("answer"),
    N_("points"),
    N_("graded by"),
    N_("checks"),
    N_("mistakes known"),
)
_TEXT = (
    N_("# The questionnaire in a table"),
    N_("Written by `grader table > docs/questionnaire.md`; a test says when it is out of date."),
    N_(
        "Points are those of the checks; *why* is a written answer, read by a person, with points of its own. Of the "
        "checks,\nstudents get the first number, and the hidden ones run after they hand in. Each known mistake is a "
        "wrong answer that\n`grader verify` tries: at least one check of the exercise must catch it."
    ),
)


class _Check(msgspec.Struct, frozen=True):
    """A check as its source says it: ``asks`` are its demands on how the answer computes."""

    exercise: str
    hidden: bool
    asks: tuple[Text, ...]


def table(course: Course, language: Language = ENGLISH) -> str:
    """The page, in Markdown: a table for each assignment. Raises `CourseError`."""
    head = "\n\n".join(map(language.gettext, _TEXT)) + "\n"
    return "\n".join([head, *(_section(course.assignment(name), language) for name in course.names)])


def _section(assignment: Assignment, language: Language) -> str:
    checks = list(_checks(assignment))
    known = Counter(mistake.exercise for mistake in mistakes(assignment))
    rows = [_row(assignment, exercise, checks, known[exercise.name], language) for exercise in assignment.exercises]
    hidden = sum(check.hidden for check in checks)
    text = N_("%(exercises)s exercises, %(checks)s checks (%(hidden)s hidden), %(known)s known mistakes.")
    said = sentence(text, exercises=len(rows), checks=len(checks), hidden=hidden, known=known.total())
    counts = language.say(said)
    lines = [_line([language.gettext(word) for word in _HEAD]), _line(["---"] * len(_HEAD)), *map(_line, rows)]
    return "\n".join([f"## `{assignment.name}`", "", counts, "", *lines, ""])


def _line(cells: Sequence[str]) -> str:
    return " | ".join(["", *(cell.replace("|", r"\|") for cell in cells), ""]).strip()


def _row(
    assignment: Assignment, exercise: Exercise, checks: Sequence[_Check], known: int, language: Language
) -> list[str]:
    heading = _ROW.search(assignment.headings[exercise.name])
    row, signature = heading.groups() if heading else ("", f"`{exercise.name}`")
    own = [check for check in checks if check.exercise == exercise.name]
    asks = list(dict.fromkeys(language.say(ask) for check in own for ask in check.asks))
    written = any(cell.grade_id == f"why-{exercise.name}" for cell in assignment.released)
    kind, hidden, _ = _kind(exercise.stub), sum(check.hidden for check in own), language.gettext
    return [
        row,
        _question(language.part(exercise.prompt), kind),
        f"{language.gettext(kind)} {signature}",
        f"{exercise.points:g}",
        _("; ").join([_(_GRADED[kind]), *asks, *([_("*why*")] if written else [])]),
        language.say(sentence("%(public)s + %(hidden)s hidden", public=len(own) - hidden, hidden=hidden)),
        str(known),
    ]


_KINDS = (N_("value"), N_("function"), N_("class"))
_GRADED = {"value": N_("its form, then the value"), "function": N_("results"), "class": N_("objects at work")}


def _question(prompt: str, kind: str) -> str:
    """The first paragraph; of a question for a value, the first that asks something."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in prompt.split("\n\n")]
    asking = [paragraph for paragraph in paragraphs if re.search("[?？]", paragraph) and kind == "value"]
    return [*asking, *paragraphs][0]


def _kind(stub: str) -> str:
    body = ast.parse(stub).body
    if any(isinstance(node, ast.ClassDef) for node in body):
        return "class"
    return "function" if any(isinstance(node, ast.FunctionDef) for node in body) else "value"


# ---------------------------------------------------------------- the suite's source


def _checks(assignment: Assignment) -> Iterator[_Check]:
    for folder, hidden in ((assignment.suite, False), (assignment.suite / "hidden", True)):
        for path in sorted(folder.glob("test_*.py")):
            yield from _checks_in(path, hidden)


def _checks_in(path: Path, hidden: bool) -> Iterator[_Check]:
    tests = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]
    for test in tests:
        for mark in test.decorator_list:
            match mark:
                case ast.Call(func=ast.Attribute(attr="exercise"), args=[ast.Constant(value=str(name)), *_]):
                    yield _Check(name, hidden, tuple(_asks(test)))


def _asks(test: ast.FunctionDef) -> Iterator[Text]:
    """What a check demands of ``student.how(...)``, in words."""
    for node in ast.walk(test):
        match node:
            case ast.Call(func=ast.Attribute(attr="must"), args=args):
                yield sentence("must use %(what)s", what=reduce(either, _phrases(args)))
            case ast.Call(func=ast.Attribute(attr="must_not"), args=args):
                yield sentence("must not use %(what)s", what=listed(_phrases(args)))
            case ast.Call(func=ast.Attribute(attr="loops"), keywords=[ast.keyword("at_most", ast.Constant(0))]):
                yield sentence("no loop")
            case ast.Call(func=ast.Attribute(attr="loops"), keywords=[ast.keyword("at_most", ast.Constant(int(most)))]):
                yield counted("at most %(count)s loop", "at most %(count)s loops", most)
            case ast.Call(
                func=ast.Attribute(attr="loops"), keywords=[ast.keyword("at_least", ast.Constant(int(least)))]
            ):
                yield counted("at least %(count)s loop", "at least %(count)s loops", least)
            case ast.Call(func=ast.Attribute(attr="only_builtins")):
                yield sentence("built-ins only")
            case ast.Call(func=ast.Attribute(attr="only_numpy")):
                yield sentence("NumPy only")
            case ast.Call(func=ast.Attribute(attr="must_call"), args=[ast.Constant(value=str(name))]):
                yield sentence("must use %(what)s", what=f"`{name}`")
            case ast.Call(func=ast.Attribute(attr="indexing_only")):
                yield sentence("single numbers by indexing")


def _phrases(families: Sequence[ast.expr]) -> list[Text]:
    return [phrase(ast.literal_eval(family)) for family in families]
