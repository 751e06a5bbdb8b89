"""The notebook of record: what nbgrader's formgrader shows of a submission, whatever was handed in.

It is the released notebook with the student's answers in it, so every cell that a grader looks for is there once, with
its marks. What else the student wrote stands where it stood. Each check cell says what came of it, and below each
written answer are its rubric and model answer. The result itself goes along, so that a report can be made again.

The formgrader renders Markdown with whatever HTML is in it, on a page that may give points: what a student wrote is
made inert before.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from grader.course import CHECK, Assignment
from grader.inert import fenced, inert, squeezed
from grader.languages import ENGLISH, Language
from grader.legible import legible
from grader.model import ExerciseResult, SubmissionResult
from grader.nbfile import Cell
from grader.public import public_result
from grader.terminal import points, reasons

KEY = "grader"
MAX_CELL = 20_000
MAX_EXTRA = 300

_SOLUTION = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.DOTALL)


def notebook(
    assignment: Assignment, cells: Sequence[Cell], result: SubmissionResult, language: Language = ENGLISH
) -> Any:
    """The notebook of record of one submission, whose own ``cells`` may be anything at all, or none."""
    result = public_result(result)
    record: Any = nbformat.read(assignment.notebooks[0], as_version=4)
    extra = _extra(cells, record.cells, result)
    answers = {exercise.name: exercise.source for exercise in result.exercises if exercise.source.strip()}
    answers |= {written.name: written.answer for written in result.written if written.answered}
    checked = {CHECK + exercise.name: exercise for exercise in result.exercises}
    rubrics = _rubrics(assignment)
    made: list[Any] = []
    if extra[""]:
        made += [_own(cell, f"own-{cell.number}") for cell in extra[""]]
    for cell in record.cells:
        name = _grade_id(cell)
        if name in answers:
            cell.source = _text(answers[name], cell.cell_type)
        if name in checked:
            cell.outputs = [_said(checked[name], language)]
        made.append(cell)
        if name in rubrics:
            made.append(new_markdown_cell(rubrics[name], id=f"rubric-{name}"[:64], metadata={KEY: {"rubric": name}}))
        made += [_own(cell, f"own-{cell.number}") for cell in extra[name]]
    record.cells = made
    record.metadata[KEY] = {"result": msgspec.to_builtins(result)}
    return record


def result_of(record: Any) -> SubmissionResult | None:
    """The result that a notebook of record holds; None when it is none of ours."""
    try:
        return msgspec.convert(record.metadata[KEY]["result"], SubmissionResult, strict=True)
    except (KeyError, TypeError, AttributeError, msgspec.ValidationError):
        return None


def _grade_id(cell: Any) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", "")) or str(cell.get("id", ""))


def _extra(cells: Iterable[Cell], released: Sequence[Any], result: SubmissionResult) -> defaultdict[str, list[Cell]]:
    """The student's own cells, by the released cell that they stand below ("" above all of them)."""
    marked = {name for cell in released if (name := cell.metadata.get("nbgrader", {}).get("grade_id"))}
    by_text = {cell.source.strip(): _grade_id(cell) for cell in released}
    shown = "\n\n".join([*(e.source for e in result.exercises), *(w.answer for w in result.written)])
    extra: defaultdict[str, list[Cell]] = defaultdict(list)
    below, count = "", 0
    for cell in cells:
        text = cell.source.strip()
        if cell.grade_id in marked:
            below = str(cell.grade_id)
        elif text in by_text:
            below = by_text[text]
        elif text and text not in shown and count < MAX_EXTRA:
            extra[below].append(cell)
            count += 1
    return extra


def _own(cell: Cell, name: str) -> Any:
    """A cell of the student's, without anything that it claimed to be."""
    make: Any = new_code_cell if cell.type == "code" else new_markdown_cell
    return make(_text(cell.source, cell.type), id=name, metadata={KEY: {"own": True}})


def _text(source: str, kind: str) -> str:
    """What a student wrote, for a page that renders it: code it escapes itself, Markdown it trusts."""
    text = squeezed(legible(source, MAX_CELL))
    if kind == "code":
        return text
    return inert(text) if kind == "markdown" else fenced(text)


def _said(exercise: ExerciseResult, language: Language) -> Any:
    """What came of an exercise, as a check cell's output."""
    text = "\n".join([f"{exercise.name}: {points(exercise, None, language)}", *reasons(exercise, language)])
    return new_output("display_data", data={"text/plain": legible(text)})


def _rubrics(assignment: Assignment) -> dict[str, str]:
    """The rubric and model answer of each written question; none where there are no solutions."""
    return dict(_rubric_cells(assignment))


def _rubric_cells(assignment: Assignment) -> Iterator[tuple[str, str]]:
    for cell in assignment.source_cells() or ():
        if cell.type == "markdown" and cell.grade and cell.solution and cell.grade_id:
            found = "\n\n".join(text.strip() for text in _SOLUTION.findall(cell.source))
            if found:
                quoted = "\n".join(f"> {line}".rstrip() for line in found.splitlines())
                yield cell.grade_id, f"> *For graders; not in the student's report.*\n>\n{quoted}"
