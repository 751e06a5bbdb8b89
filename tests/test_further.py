"""The further research through two of the three doors: ``grader grade`` on a folder, and ``pytest`` in a student's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grader import verify
from grader.course import Course
from tests.test_batch import grader, results
from tests.test_sandbox import ROOT

ASSIGNMENT = Course(ROOT).assignment("ch17_further")


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stub, and the reference with three answers changed; `grader verify` grades the reference itself."""
    folder, out = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("out")
    answers = verify.reference_answers(ASSIGNMENT)
    by_torch = "def np_lin(x, w, b):\n    t = torch.from_numpy\n    return (t(x) @ t(w) + t(b)).numpy()"
    in_place = "def np_relu(x):\n    x[x < 0] = 0\n    return x"
    untrained = "def train_cnn(x, y, steps, lr, seed):\n    torch.manual_seed(seed)\n    return SmallCNN()"
    for student, changed in {
        "untouched": {},
        "slips": answers | {"np_lin": by_torch, "np_relu": in_place, "train_cnn": untrained},
    }.items():
        (folder / f"{student}.ipynb").write_bytes(verify.compose(ASSIGNMENT, changed))
    done = grader("grade", "ch17_further", folder, "--out", out, "--workers", 1)
    assert done.returncode == 0, done.stderr
    return out


def test_the_stub_gets_nothing(graded):
    found = results(graded)["untouched"]
    assert (found["score"], found["max_score"], found["flags"]) == (0, 35, [])


def test_a_report_says_what_is_wrong(graded):
    checks = {
        c["id"]: c for e in results(graded)["slips"]["exercises"] for c in e["checks"] if c["verdict"] != "passed"
    }
    assert checks.pop("test_np_lin_in_numpy_only")["diagnosis"] == "not_numpy"
    assert checks["test_np_relu"]["message"] == "Your code changes its input in place: x."
    told = checks["test_train_cnn"]["message"]
    assert told.startswith("The model reads ")
    assert told.endswith(" of the digits it has not seen; at least 90 % is asked.")
    assert checks["hidden:test_train_cnn_on_other_digits"]["message"].startswith("The model reads less than 90 %")
    page = (graded / "feedback" / "slips" / "ch17_further" / "ch17_further.html").read_text(encoding="utf-8")
    assert told in page
    assert "3b. train_cnn(x, y, steps, lr, seed)" in page


def test_pytest_in_a_students_folder(tmp_path):
    for name in ("assignments/ch17_further", "autotests/ch17_further"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("hidden", "__pycache__"))
    folder = tmp_path / "assignments" / "ch17_further"
    (folder / "ch17_further.ipynb").write_bytes(verify.compose(ASSIGNMENT, verify.reference_answers(ASSIGNMENT)))
    command = [sys.executable, "-m", "pytest", "-k", "train_cnn or np_conv2d"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout
    assert "✓ train_cnn  2.5 of 2.5 points (2.5 more after submission)" in done.stdout
    assert "✓ np_conv2d  2 of 2 points (2 more after submission)" in done.stdout
