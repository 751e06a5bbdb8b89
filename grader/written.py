"""Written answers: the questions that a person grades, and what a student wrote below each.

A question is a Markdown cell that is graded and a solution at once. The student's text is found by grade id; where ids
are lost, by the question's first line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grader.model import Written
from grader.nbfile import Cell

MAX_TEXT = 20_000


def questions(released: Sequence[Cell]) -> tuple[Cell, ...]:
    """The cells of a notebook that ask for a written answer."""
    return tuple(cell for cell in released if cell.type == "markdown" and cell.grade and cell.solution)


def answers(cells: Sequence[Cell], released: Sequence[Cell]) -> tuple[Written, ...]:
    """What a notebook's ``cells`` answer to each question, in the order of the released notebook."""
    return tuple(_answer(question, cells) for question in questions(released))


def _answer(question: Cell, cells: Sequence[Cell]) -> Written:
    texts = list(dict.fromkeys(_texts(question, cells)))
    text = "\n\n".join(texts)[:MAX_TEXT]
    return Written(question.grade_id or "", question.points, text or question.source, bool(texts))


def _texts(question: Cell, cells: Sequence[Cell]) -> Iterator[str]:
    """The texts that differ from the question as it was released; of doubled cells, each."""
    first = _line(question.source)
    marked = [cell for cell in cells if cell.grade_id == question.grade_id]
    for cell in marked or [cell for cell in cells if cell.grade_id is None and first and first in cell.source]:
        if cell.source.strip() and cell.source.split() != question.source.split():
            yield cell.source.strip()


def _line(text: str) -> str:
    return text.strip().partition("\n")[0].strip()
