"""The class that is graded: copies of the reference solution, as a student would hand it in."""

from __future__ import annotations

from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
ASSIGNMENT = "ch17"


def reference_notebook() -> str:
    """The released notebook with the reference answers in its answer cells, as the text of a file."""
    source = nbformat.read(ROOT / "solutions" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", 4)
    released = nbformat.read(ROOT / "assignments" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", 4)
    answers = {_grade_id(cell): cell.source for cell in source.cells if _is_answer(cell)}
    for cell in released.cells:
        if _is_answer(cell):
            lines = answers[_grade_id(cell)].splitlines()
            cell.source = "\n".join(line for line in lines if "### BEGIN" not in line and "### END" not in line)
    return nbformat.writes(released)


def flat(folder: Path, size: int) -> Path:
    """``folder``, made, with ``size`` copies: ``s001.ipynb`` and so on."""
    folder.mkdir(parents=True)
    text = reference_notebook()
    for number in range(1, size + 1):
        (folder / f"s{number:03}.ipynb").write_text(text, encoding="utf-8")
    return folder


def _grade_id(cell: nbformat.NotebookNode) -> str | None:
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def _is_answer(cell: nbformat.NotebookNode) -> bool:
    return cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution") is True
