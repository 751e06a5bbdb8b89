"""docs/instructors.md, typed line for line: a term of a small course, with two students."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from sqlalchemy import create_engine, text

from grader.course import Assignment
from grader.release import made
from tests.shell import Shell
from tests.test_sandbox import ROOT
from tests.tiny import marks, renamed, tiny

BLOCK = re.compile(r"^```sh(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGE = (ROOT / "docs" / "instructors.md").read_text(encoding="utf-8")
RIGHT = "def double(x):\n    return [2 * number for number in x]"


def commands() -> list[tuple[bool, str]]:
    """Every command of the page, and whether it is a student's."""
    return [(who == "student", line) for who, lines in BLOCK.findall(PAGE) for line in lines.splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course of the page's name, an exchange, a student's folder, and a notebook that came by mail."""
    place = tmp_path_factory.mktemp("term")
    course = place / "course"
    course.mkdir()
    shutil.copy(ROOT / "nbgrader_config.py", course)
    tiny(course)
    with_check(renamed(course, "ch17"))
    (place / "exchange").mkdir()
    (place / "exchange").chmod(0o777)
    (place / "jupyter").mkdir()
    settings = f"c.Exchange.root = {str(place / 'exchange')!r}\nc.Exchange.cache = {str(place / 'cache')!r}\n"
    (place / "jupyter" / "nbgrader_config.py").write_text(settings + "c.CourseDirectory.course_id = 'fastbook'\n")
    archive = course / "downloaded" / "ch17" / "archive"
    archive.mkdir(parents=True)
    with zipfile.ZipFile(archive / "all.zip", "w") as mailed:
        mailed.writestr("bob_ch17.ipynb", "this is no notebook")
    return place


def with_check(assignment: Assignment) -> None:
    """Give the notebook the cell that makes ``check`` known."""
    released, source = assignment.notebooks
    notebook = nbformat.read(source, as_version=4)
    notebook.cells.insert(
        0, new_code_cell("from grader import check", id="setup", metadata=marks("setup", locked=True))
    )
    nbformat.write(notebook, source)
    nbformat.write(made(assignment), released)


def answer(notebook: Path) -> None:
    """What the student on the same machine writes."""
    found = nbformat.read(notebook, as_version=4)
    by_name = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in found.cells}
    by_name["double"].source = RIGHT
    by_name["why-double"].source += "\nIt stays empty."
    nbformat.write(found, notebook)


def grade_by_hand(course: Path) -> None:
    engine = create_engine(f"sqlite:///{course / 'gradebook.db'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE grade SET manual_score = 0.5, needs_manual_grade = 0 WHERE auto_score IS NULL"))
        connection.execute(text("UPDATE comment SET manual_comment = 'Well said.' WHERE auto_comment IS NULL"))
    engine.dispose()


@pytest.mark.whole
@pytest.mark.filterwarnings("ignore")
def test_a_term_goes_as_the_page_says(place):
    course, student = place / "course", place / "ch17" / "assignments"
    environment = {
        "HOME": str(place),
        "JUPYTER_CONFIG_DIR": str(place / "jupyter"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),  # as in an activated .venv
    }
    with Shell(place / "log", **environment) as shell:
        for is_student, line in commands():
            words = shlex.split(line)
            if words[:2] == ["nbgrader", "generate_feedback"]:
                grade_by_hand(course)
            if words[:2] == ["nbgrader", "submit"]:
                answer(student / "ch17" / "ch17.ipynb")
            if is_student and not student.exists():
                with zipfile.ZipFile(course / "ch17-kit.zip") as kit:
                    kit.extractall(place)
            code, said = shell.run(words, student if is_student else course)
            assert code == 0, (line, said)
            assert "checksum" not in said
            if words[:2] == ["nbgrader", "validate"]:
                assert "`double` is not written yet" in said
                assert "grader/" not in said
    with (course / "grades.csv").open(encoding="utf-8", newline="") as file:
        grades = {row["student"]: row for row in csv.DictReader(file)}
    [name] = set(grades) - {"bob"}
    assert (grades[name]["score"], grades[name]["double"], grades[name]["why-double"]) == ("1.5", "1", "0.5")
    assert grades["bob"]["score"] == "0"
    [page] = (student / "ch17" / "feedback").rglob("ch17.html")
    report = page.read_text(encoding="utf-8")
    assert "Well said." in report
    assert "<strong>1.5</strong> of 2 points" in report
    assert "Model answer" not in report
    assert (course / "out" / "index.html").exists()
    with (course / "grades.csv").open(encoding="utf-8") as ours, (course / "automatic.csv").open() as automatic:
        assert len(ours.readlines()) == len(automatic.readlines()) == 3


def test_every_command_of_the_page_is_one_line():
    assert len(commands()) >= 15
    assert all(line.startswith(("grader ", "nbgrader ")) for _, line in commands())
