"""Three doors, one suite, one score: ``grader grade``, ``pytest`` and ``check()`` in a real kernel."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.test_batch import CLASS, grader, results
from tests.test_sandbox import ROOT

STUDENTS = ("amara_okafor", "olivia_johansson")
LINE = re.compile(r"^[✓✗◐–] (\w+) +([\d.]+) of [\d.]+ points", re.MULTILINE)

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.whole]


@pytest.fixture(scope="module")
def by_batch(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """Points by student and exercise, from ``grader grade``."""
    folder, out = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("out")
    for student in STUDENTS:
        (folder / f"{student}.ipynb").write_bytes((CLASS / f"{student}.ipynb").read_bytes())
    done = grader("grade", "ch17", folder, "--out", out)
    assert done.returncode == 0, done.stderr
    return {
        student: {exercise["name"]: exercise["score"] for exercise in result["exercises"]}
        for student, result in results(out).items()
    }


@pytest.mark.parametrize("student", STUDENTS)
def test_pytest_gives_the_same_points(by_batch, student, tmp_path):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--submission",
        str(CLASS / f"{student}.ipynb"),
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(command, cwd=ROOT / "docs", capture_output=True, text=True, timeout=200, check=False)
    assert {name: float(score) for name, score in LINE.findall(done.stdout)} == by_batch[student]
    assert done.returncode == (0 if student == "amara_okafor" else 1)
    assert "grader/" not in done.stdout.replace("ch17-grader", "")  # no traceback of ours


@pytest.mark.parametrize("student", STUDENTS[1:])
def test_check_in_a_kernel_gives_the_same_points(by_batch, student):
    notebook = nbformat.reads((CLASS / f"{student}.ipynb").read_text(encoding="utf-8"), 4)
    folder = str(ROOT / "assignments" / "ch17")
    NotebookClient(notebook, timeout=200, allow_errors=True, resources={"metadata": {"path": folder}}).execute()
    points: dict[str, float] = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and (name := re.fullmatch(r'check\("(\w+)"\)', cell.source.strip())):
            [*_, last] = cell.outputs
            points[name[1]] = float(last["data"]["text/plain"]) if last["output_type"] == "execute_result" else 0.0
    assert points == by_batch[student]


def test_a_student_without_the_hidden_checks_sees_what_is_left(tmp_path):
    """A student's folder: the released notebook, the public checks, and no solutions."""
    checks = [f"autotests/ch17/{path.name}" for path in Path(ROOT, "autotests/ch17").glob("*.py")]
    for name in ("assignments/ch17/ch17.ipynb", *checks):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    work = tmp_path / "my work"
    work.mkdir()
    (work / "ch17.ipynb").write_bytes((CLASS / "amara_okafor.ipynb").read_bytes())
    command = [sys.executable, "-m", "pytest", "-k", "layer_classes"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout
    assert "✓ layer_classes  2 of 2 points (1 more after submission)" in done.stdout
    assert "2 of 2 public points, 1 more after submission" in done.stdout
    assert "mse" not in done.stdout  # -k knows exercises, whatever their checks are called
    (work / "ch17.ipynb").write_text(json.dumps({"cells": []}))
    command += ["--lang", "zh"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 4
    assert "笔记本中没有 ch17 的任何一道题" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
