"""``check("relu")`` in a real kernel, as a student runs it."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

from grader.course import Course
from grader.findings import StudentTimeout
from grader.inline import Local
from grader.sandbox.client import Limits
from tests.test_sandbox import ROOT
from tests.test_student import student_of

pytestmark = pytest.mark.filterwarnings("ignore")


def test_calls_together_that_never_end_are_late_in_a_kernel_too():
    def answer(x):
        while x:
            pass
        return x

    student = student_of("", lambda: Local({"answer": answer}), Limits(5.0, 0.2))
    results = student.each("answer", [(0,), (1,), (2,)])
    assert next(results)[1] == 0
    with pytest.raises(StudentTimeout):
        next(results)


CELLS = {
    "right": "def relu(x): return x.clamp_min(0.)\ncheck('relu')",
    "wrong": "def relu(x): return x * 2 - 100\ncheck('relu')",
    "partial": "def relu(x): return x * (x > 0)\ncheck('relu')",
    "loops": "def matmul_loops(a, b): return a @ b\ncheck('matmul_loops')",
    "state": "torch.manual_seed(1); a = torch.rand(1); torch.manual_seed(1); check('neuron') if 0 else None; "
    "check('relu'); bool(torch.rand(1) == a)",
    "unknown": "check('nonsense')",
}


@pytest.fixture(scope="module")
def outputs() -> dict[str, list[dict[str, object]]]:
    """What each cell shows, in a kernel started in a student's folder."""
    setup = next(cell.source for cell in Course(ROOT).assignment("ch17").released if cell.grade_id == "setup")
    cells = [nbformat.v4.new_code_cell(source) for source in (setup, *CELLS.values())]
    notebook = nbformat.v4.new_notebook(cells=cells)
    folder = str(ROOT / "assignments" / "ch17")
    NotebookClient(notebook, timeout=120, allow_errors=True, resources={"metadata": {"path": folder}}).execute()
    return dict(zip(CELLS, (cell.outputs for cell in cells[1:]), strict=True))


def test_a_right_answer_returns_its_points(outputs):
    shown, result = outputs["right"]
    assert shown["data"]["text/plain"] == "relu: 2 of 2 points"
    assert "2 of 2 points" in shown["data"]["text/html"]
    assert result["data"]["text/plain"] == "2.0"


def test_no_points_raises_our_message_alone(outputs):
    [error] = [output for output in outputs["wrong"] if output["output_type"] == "error"]
    assert error["ename"] == "NoPoints"
    assert "0 of 2 points" in "\n".join(error["traceback"])
    assert "grader/" not in "\n".join(error["traceback"])


def test_how_it_was_solved_is_seen_in_a_kernel_too(outputs):
    shown, result = outputs["loops"]
    assert 0 < float(result["data"]["text/plain"]) < 2
    assert "loops" in shown["data"]["text/plain"]


def test_partial_points(outputs):
    shown, result = outputs["partial"]
    assert 0 < float(result["data"]["text/plain"]) < 2
    assert "relu" in shown["data"]["text/plain"]


def test_the_notebooks_random_state_is_left_alone(outputs):
    assert outputs["state"][-1]["data"]["text/plain"] == "True"


def test_an_unknown_exercise_says_so(outputs):
    assert "no exercise 'nonsense'" in outputs["unknown"][0]["evalue"]
