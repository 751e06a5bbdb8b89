"""The released notebook with answers of ours in it: the reference, a known mistake, a right variant."""

from __future__ import annotations

import json
from collections.abc import Mapping

from grader.course import Assignment, CourseError
from grader.sentences import N_, sentence


def reference_answers(assignment: Assignment) -> dict[str, str]:
    """The reference solution of each exercise, by name. Raises `CourseError` where there is no source notebook."""
    cells = assignment.source_cells()
    if cells is None:
        text = N_("%(path)s: no source notebook; verify needs the instructor's course")
        raise CourseError(sentence(text, path=assignment.notebooks[1]))
    return {cell.grade_id: cell.source for cell in cells if cell.grade_id and cell.solution and cell.type == "code"}


def compose(assignment: Assignment, answers: Mapping[str, str]) -> bytes:
    """The released notebook with these answers in their cells."""
    cells = []
    for cell in assignment.released:
        source = answers.get(cell.grade_id or "", cell.source) if cell.solution else cell.source
        marks = {"grade_id": cell.grade_id, "grade": cell.grade, "solution": cell.solution, "locked": cell.locked}
        metadata = {"nbgrader": {**marks, "points": cell.points, "schema_version": 3}} if cell.grade_id else {}
        body: dict[str, object] = {"cell_type": cell.type, "metadata": metadata, "source": source}
        cells.append({**body, "outputs": [], "execution_count": None} if cell.type == "code" else body)
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells}).encode()
