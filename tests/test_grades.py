"""Grades for other systems: no formula, nobody lost, and Gradescope's own layout."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from grader import gradescope
from grader.cli import main
from grader.grades import as_canvas, as_csv, as_moodle, from_records, from_results
from grader.model import CheckResult, ExerciseResult, Mark, Record, SubmissionResult
from grader.store import Stored, write_result
from tests.test_sandbox import ROOT
from tests.tiny import DOUBLE, tiny


def result(student: str, score: float = 1.0, **more: object) -> SubmissionResult:
    exercise = ExerciseResult("double", score, 1.0, "passed" if score else "failed", ())
    values = {"status": "graded", "flags": (), "problem": None, "exercises": (exercise,)} | more
    return SubmissionResult("tiny", student, "tiny.ipynb", score=score, max_score=1.0, **values)


def table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_csv_has_every_exercise_and_nothing_where_nothing_was_run():
    grades = from_results([result("ada"), result("bob", 0.0, status="error", problem="killed")])
    assert table(as_csv(grades, "tiny")[0]) == [
        ["student", "score", "max_score", "remark", "double"],
        ["ada", "1", "1", "", "1"],
        ["bob", "", "1", "killed", ""],
    ]


def test_the_gradebook_counts_what_a_person_gave():
    marks = (Mark("check-double", 0.5, 1.0, 0.5, False), Mark("why-double", 1.0, 1.0, None, True))
    [_, row] = table(as_csv(from_records([Record("ada", 1.25, 2.0, 0.25, False, marks)]), "tiny")[0])
    assert row == ["ada", "1.25", "2", "", "0.5", "1"]


FORMULAS = ("=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "＝1", " =1")


@pytest.mark.parametrize("make", [as_csv, as_canvas, as_moodle])
def test_no_cell_is_a_formula(make):
    text, _ = make(from_results([result(name) for name in FORMULAS]), "=tiny", None)
    cells = [cell for row in table(text) for cell in row]
    assert not [cell for cell in cells if cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "＝"))]
    assert sum(cell.startswith("'") for cell in cells) >= len(FORMULAS)


def test_canvas_without_a_roster():
    assert table(as_canvas(from_results([result("ada")]), "tiny")[0]) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "tiny"],
        ["    Points Possible", "", "", "", "", "1"],
        ["ada", "", "", "ada", "", "1"],
    ]


def test_canvas_with_the_roster_it_exported(tmp_path):
    roster = tmp_path / "canvas.csv"
    roster.write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section,Old (1)\n"
        "    Points Possible,,,,,10\n"
        '"Lovelace, Ada",17,s1,ADA@example.org,A,3\n'
        '"Nobody, N.",18,s2,nobody,A,\n',
        encoding="utf-8-sig",
    )
    text, unknown = as_canvas(from_results([result("ada"), result("zoe")]), "tiny (99)", roster)
    assert table(text) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "tiny (99)"],
        ["    Points Possible", "", "", "", "", "1"],
        ["Lovelace, Ada", "17", "s1", "ADA@example.org", "A", "1"],
    ]
    assert unknown == ["zoe"]


def test_moodle_with_the_roster_it_exported(tmp_path):
    roster = tmp_path / "moodle.csv"
    roster.write_text("First name,Last name,ID number,Email address,tiny\nAda,Lovelace,17,ada@example.org,-\n")
    text, unknown = as_moodle(from_results([result("ada", problem="half")]), "tiny", roster)
    assert table(text) == [
        ["First name", "Last name", "ID number", "Email address", "tiny", "tiny (feedback)"],
        ["Ada", "Lovelace", "17", "ada@example.org", "1", "half"],
    ]
    assert unknown == []


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    """A course, and what a batch left of one student."""
    tiny(tmp_path)
    (tmp_path / "out" / "results").mkdir(parents=True)
    write_result(tmp_path / "out" / "results", Stored("key", result("ada")))
    return tmp_path


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (["--from", "out"], 0, "canvas.csv: 1 student"),
        (["--from", "elsewhere"], 2, "elsewhere: no grades of tiny"),
        (["--from", "out", "--roster", "roster.csv"], 1, "not in roster.csv: ada"),
        (["--from", "out", "--roster", "empty.csv"], 2, "empty.csv: has none of the columns Student"),
        (["--from", "out", "--roster", "nowhere.csv"], 2, "nowhere.csv: No such file"),
    ],
)
def test_the_command_says_who_is_missing(batch, capsys, monkeypatch, more, code, says):
    monkeypatch.chdir(batch)
    Path("roster.csv").write_text("Student,ID\nBob,1\n")
    Path("empty.csv").write_text("a,b\n1,2\n")
    assert main(["export", "canvas", "tiny", "--out", "canvas.csv", *more]) == code
    said = capsys.readouterr()
    assert says in said.out + said.err
    assert Path("canvas.csv").exists() == (code != 2)


def test_gradescope_is_told_what_may_be_seen_and_when():
    shown = CheckResult("t", "failed", "wrong", "It is 3.", title="Adds", points=0.0, max_points=0.5, next_step="Look.")
    hidden = CheckResult("hidden:t", "passed", title="Big", hidden=True, points=0.5, max_points=0.5)
    exercise = ExerciseResult("double", 0.5, 1.0, "partial", (shown, hidden), title="1. double(x)")
    first, second = gradescope.results_json(result("ada", 0.5, exercises=(exercise,)))["tests"]
    assert (first["score"], first["max_score"], first["visibility"], first["status"]) == (0, 0.5, "visible", "failed")
    assert "It is 3." in first["output"]
    assert (second["score"], second["visibility"], second["status"]) == (0.5, "after_published", "passed")


def test_gradescope_runs_the_zip_in_its_own_folders(tmp_path):
    """/autograder with source, submission and results; the grader is the one that the zip brings along."""
    course = tiny(tmp_path / "course")
    command = ["export", "gradescope", "tiny", "--out", str(tmp_path / "autograder.zip"), "--course", str(course.root)]
    assert main(command) == 0
    root = tmp_path / "autograder"
    with zipfile.ZipFile(tmp_path / "autograder.zip") as archive:
        archive.extractall(root / "source")
    [wheel] = (root / "source").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (root / "results").mkdir()
    (root / "submission").mkdir()
    right = DOUBLE.replace("### BEGIN SOLUTION\n    ", "").replace("\n    ### END SOLUTION", "")
    answer = {"cell_type": "code", "source": right, "metadata": {}, "outputs": [], "execution_count": None}
    notebook = {"cells": [answer], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (root / "submission" / "my work.ipynb").write_text(json.dumps(notebook))
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = keep | {
        "AUTOGRADER_ROOT": str(root), "GRADER_PYTHON": sys.executable, "PYTHONPATH": str(tmp_path / "site"),
    }  # fmt: skip
    done = subprocess.run(
        ["bash", root / "source" / "run_autograder"],
        env=environment, cwd="/", capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((root / "results" / "results.json").read_text())
    scores = [(test["score"], test["max_score"], test["visibility"]) for test in found["tests"]]
    assert scores == [(0.5, 0.5, "visible"), (0.5, 0.5, "after_published")]
    assert "the notebook is named my work.ipynb, not tiny.ipynb" in found["output"]


def test_gradescope_gives_nobody_a_zero_for_our_fault(tmp_path, capsys):
    (tmp_path / "source" / "course" / "autotests").mkdir(parents=True)
    (tmp_path / "source" / "course" / "assignments").mkdir()
    assert gradescope.main(["tiny", str(tmp_path)]) == 1
    assert "through no fault of the student" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_the_workflow_for_a_classroom_is_an_action():
    import yaml

    workflow = yaml.safe_load((ROOT / "docs" / "classroom.yml").read_text(encoding="utf-8"))
    [job] = workflow["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert any("requirements.txt" in command for command in commands)
    assert any("pytest" in command for command in commands)
