"""The class that is graded: copies of the reference solution, each handed in by another student."""

from __future__ import annotations

from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
ASSIGNMENT = "ch17"


class Sample:
    """The released notebook with the reference answers in it.

    Each copy has its student's name in a comment at the end of every answer: no two are the same text, as in life, so
    nothing that was worked out for one can serve for the next.
    """

    def __init__(self, assignment: str = ASSIGNMENT) -> None:
        self._assignment = assignment
        source, self._notebook = (
            nbformat.read(ROOT / tree / assignment / f"{assignment}.ipynb", 4) for tree in ("solutions", "assignments")
        )
        self._answers = {_grade_id(cell): _without_marks(cell.source) for cell in source.cells if _is_answer(cell)}

    def text(self, student: str) -> str:
        """The text of ``student``'s notebook file."""
        for cell in self._notebook.cells:
            if _is_answer(cell):
                cell.source = f"{self._answers[_grade_id(cell)]}\n# {student}"
        return nbformat.writes(self._notebook)

    def flat(self, folder: Path, size: int) -> Path:
        """``folder``, made, with ``size`` copies: ``s001.ipynb`` and so on."""
        folder.mkdir(parents=True)
        for number in range(1, size + 1):
            (folder / f"s{number:03}.ipynb").write_text(self.text(f"s{number:03}"), encoding="utf-8")
        return folder

    def tree(self, folder: Path, prefix: str, size: int) -> None:
        """As nbgrader has it: ``folder/<student>/<assignment>/<assignment>.ipynb``; names begin with ``prefix``."""
        for number in range(1, size + 1):
            student = f"{prefix}{number:03}"
            place = folder / student / self._assignment
            place.mkdir(parents=True)
            (place / f"{self._assignment}.ipynb").write_text(self.text(student), encoding="utf-8")


def _grade_id(cell: nbformat.NotebookNode) -> str | None:
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def _is_answer(cell: nbformat.NotebookNode) -> bool:
    return cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution") is True


def _without_marks(source: str) -> str:
    return "\n".join(line for line in source.splitlines() if "### BEGIN" not in line and "### END" not in line)
