"""A course of one small assignment, to be broken in tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grader.course import Assignment, Course
from grader.release import made

PROMPT = """### {row}. `{signature}`

Every number of the list `x`, twice as large, in a new list of the same length.

Read again: “Twice Two”.

把列表 `x` 里的每个数都乘以二，放进一个长度相同的新列表。

重读：“Twice Two”（二的两倍）。"""
WHY = """**Why?** What becomes of an empty list, and why is that right? Answer in one sentence.

**为什么？** 空列表会变成什么？为什么这样是对的？请用一句话回答。

### BEGIN SOLUTION
**Rubric (1 point).** The empty list, since it has no numbers.

**Model answer.** It stays empty: there is no number to double.

**参考答案。** 仍然是空列表，因为里面没有数可以加倍。
### END SOLUTION"""
DOUBLE = "def double(x):\n    ### BEGIN SOLUTION\n    return [2 * number for number in x]\n    ### END SOLUTION"
CHECK = """import pytest

@pytest.mark.exercise("double", points=0.5)
def test_double(student):
    assert student.double([1, 2]) == [2, 4]
"""
HIDDEN = """import pytest

pytestmark = pytest.mark.hidden

@pytest.mark.exercise("double", points=0.5)
def test_double_of_others(student):
    assert student.double([7, 0, -3]) == [14, 0, -6]
"""


def marks(grade_id: str, **more: Any) -> dict[str, Any]:
    """The metadata by which nbgrader knows a cell."""
    plain = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    return {"nbgrader": {**plain, "grade_id": grade_id, **more}}


def exercise(row: str, name: str, source: str, signature: str = "") -> list[Any]:
    """Prompt, answer and check of one exercise, worth a point."""
    check = marks(f"check-{name}", grade=True, locked=True, points=1)
    return [
        new_markdown_cell(PROMPT.format(row=row, signature=signature or name), id=f"prompt-{name}"),
        new_code_cell(source, id=name, metadata=marks(name, solution=True)),
        new_code_cell(f'check("{name}")', id=f"check-{name}", metadata=check),
    ]


def tiny(root: Path, *more: Sequence[Any]) -> Assignment:
    """A course in order, of one exercise and a written question, and of ``more`` exercises."""
    why = new_markdown_cell(WHY, id="why-double", metadata=marks("why-double", grade=True, solution=True, points=1))
    cells = [*exercise("1", "double", DOUBLE, "double(x)"), why, *(cell for part in more for cell in part)]
    for tree in ("solutions", "assignments"):
        write(root, tree, new_notebook(cells=cells))
    for name, text in (("test_double.py", CHECK), ("hidden/test_double.py", HIDDEN)):
        path = root / "autotests" / "tiny" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    write(root, "assignments", made(load(root)))
    return load(root)


def renamed(root: Path, name: str) -> Assignment:
    """The same assignment under another name."""
    for tree in ("solutions", "assignments", "autotests"):
        (root / tree / "tiny").rename(root / tree / name)
        notebook = root / tree / name / "tiny.ipynb"
        if notebook.exists():
            notebook.rename(notebook.with_name(f"{name}.ipynb"))
    return Course(root).assignment(name)


def load(root: Path) -> Assignment:
    """The assignment as it lies there now."""
    return Course(root).assignment("tiny")


def write(root: Path, tree: str, notebook: Any) -> None:
    """Put a notebook into ``solutions`` or ``assignments``."""
    (root / tree / "tiny").mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, root / tree / "tiny" / "tiny.ipynb")


def edit(root: Path, tree: str, old: str, new: str) -> None:
    """Change the text of a notebook's file, as JSON spells it."""
    path = root / tree / "tiny" / "tiny.ipynb"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
