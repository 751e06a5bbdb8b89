"""The course in a table: each exercise's question, how it is answered and graded. Written by ``grader table``.

Everything is read from the released notebook, the suite's source and the known mistakes; no check is run.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from grader.course import Assignment, Course
from grader.how import phrase
from grader.mistakes import mistakes
from grader.model import Exercise

_ROW = re.compile(r"(\w+)\.\s+(.*)")
_HEAD = ("row", "question", "answer", "points", "graded by", "checks", "mistakes known")
_TEXT = """\
# The questionnaire in a table

Written by `grader table > docs/questionnaire.md`; a test says when it is out of date.

Points are those of the checks; *why* is a written answer, read by a person, with points of its own. Of the checks,
students get the first number, and the hidden ones run after they hand in. Each known mistake is a wrong answer that
`grader verify` tries: at least one check of the exercise must catch it.
"""


class _Check(msgspec.Struct, frozen=True):
    """A check as its source says it: ``asks`` are its demands on how the answer computes."""

    exercise: str
    hidden: bool
    asks: tuple[str, ...]


def table(course: Course) -> str:
    """The page, in Markdown: a table for each assignment. Raises `CourseError`."""
    return "\n".join([_TEXT, *(_section(course.assignment(name)) for name in course.names)])


def _section(assignment: Assignment) -> str:
    checks = list(_checks(assignment))
    known = Counter(mistake.exercise for mistake in mistakes(assignment))
    rows = [_row(assignment, exercise, checks, known[exercise.name]) for exercise in assignment.exercises]
    hidden = sum(check.hidden for check in checks)
    counts = f"{len(rows)} exercises, {len(checks)} checks ({hidden} hidden), {known.total()} known mistakes."
    lines = [_line(_HEAD), _line(["---"] * len(_HEAD)), *map(_line, rows)]
    return "\n".join([f"## `{assignment.name}`", "", counts, "", *lines, ""])


def _line(cells: Sequence[str]) -> str:
    return " | ".join(["", *(cell.replace("|", r"\|") for cell in cells), ""]).strip()


def _row(assignment: Assignment, exercise: Exercise, checks: Sequence[_Check], known: int) -> list[str]:
    heading = _ROW.search(assignment.headings[exercise.name])
    row, signature = heading.groups() if heading else ("", f"`{exercise.name}`")
    own = [check for check in checks if check.exercise == exercise.name]
    asks = list(dict.fromkeys(ask for check in own for ask in check.asks))
    written = any(cell.grade_id == f"why-{exercise.name}" for cell in assignment.released)
    kind = _kind(exercise.stub)
    return [
        row,
        _question(exercise.prompt, kind),
        f"{kind} {signature}",
        f"{exercise.points:g}",
        "; ".join([_GRADED[kind], *asks, *(["*why*"] if written else [])]),
        f"{sum(not check.hidden for check in own)} + {sum(check.hidden for check in own)} hidden",
        str(known),
    ]


_GRADED = {"value": "its form, then the value", "function": "results", "class": "objects at work"}


def _question(prompt: str, kind: str) -> str:
    """The first paragraph; of a question for a value, the first that asks something."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in prompt.split("\n\n")]
    asking = [paragraph for paragraph in paragraphs if "?" in paragraph and kind == "value"]
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


def _asks(test: ast.FunctionDef) -> Iterator[str]:
    """What a check demands of ``student.how(...)``, in words."""
    for node in ast.walk(test):
        match node:
            case ast.Call(func=ast.Attribute(attr="must"), args=args):
                yield f"must use {_phrases(args, ' or ')}"
            case ast.Call(func=ast.Attribute(attr="must_not"), args=args):
                yield f"must not use {_phrases(args, ', ')}"
            case ast.Call(func=ast.Attribute(attr="loops"), keywords=[ast.keyword(str(arg), ast.Constant(int(most)))]):
                yield "no loop" if most == 0 else f"{arg.replace('_', ' ')} {most} loop{'s' * (most > 1)}"
            case ast.Call(func=ast.Attribute(attr="only_builtins")):
                yield "built-ins only"
            case ast.Call(func=ast.Attribute(attr="only_numpy")):
                yield "NumPy only"
            case ast.Call(func=ast.Attribute(attr="must_call"), args=[ast.Constant(value=str(name))]):
                yield f"must use `{name}`"
            case ast.Call(func=ast.Attribute(attr="indexing_only")):
                yield "single numbers by indexing"


def _phrases(families: Sequence[ast.expr], joint: str) -> str:
    return joint.join(phrase(ast.literal_eval(family)) for family in families)
