"""The class that is graded: copies of the reference solution, each handed in by another student; and by what."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
ASSIGNMENT = "ch17"
GRADE = (sys.executable, "-m", "grader.cli", "grade", ASSIGNMENT)
_NAME = "name-of-the-student"


class Sample:
    """The released notebook with the reference answers in it.

    Each copy has its student's name in a comment at the end of every answer: no two are the same text, as in life, so
    nothing that was worked out for one can serve for the next.
    """

    def __init__(self, assignment: str = ASSIGNMENT) -> None:
        self._assignment = assignment
        source, notebook = (
            nbformat.read(ROOT / tree / assignment / f"{assignment}.ipynb", 4) for tree in ("solutions", "assignments")
        )
        answers = {_grade_id(cell): _without_marks(cell.source) for cell in source.cells if _is_answer(cell)}
        for cell in notebook.cells:
            if _is_answer(cell):
                cell.source = f"{answers[_grade_id(cell)]}\n# {_NAME}"
        self._text = nbformat.writes(notebook)

    def text(self, student: str) -> str:
        """The text of ``student``'s notebook file."""
        return self._text.replace(_NAME, student)

    def flat(self, folder: Path, size: int) -> Path:
        """``folder``, made, with ``size`` copies: ``s001.ipynb`` and so on."""
        folder.mkdir(parents=True)
        for student in students(size):
            (folder / f"{student}.ipynb").write_text(self.text(student), encoding="utf-8")
        return folder

    def tree(self, folder: Path, size: int) -> None:
        """As nbgrader has it: ``folder/<student>/<assignment>/<assignment>.ipynb``."""
        for student in students(size):
            place = folder / student / self._assignment
            place.mkdir(parents=True)
            (place / f"{self._assignment}.ipynb").write_text(self.text(student), encoding="utf-8")


def students(size: int) -> list[str]:
    """Their names: ``s001`` and so on."""
    return [f"s{number:03}" for number in range(1, size + 1)]


def copy_course(folder: Path, *, released: bool = False) -> None:
    """``folder``, made, with all that grading needs; ``released``: with what students have of it."""
    left_out = shutil.ignore_patterns("__pycache__", *(["hidden"] if released else []))
    for name in ("assignments", "autotests", *([] if released else ["solutions"])):
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)


def _grade_id(cell: nbformat.NotebookNode) -> str | None:
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def _is_answer(cell: nbformat.NotebookNode) -> bool:
    return cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution") is True


def _without_marks(source: str) -> str:
    return "\n".join(line for line in source.splitlines() if "### BEGIN" not in line and "### END" not in line)
