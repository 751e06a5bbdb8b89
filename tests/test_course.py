"""The course on disk."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from grader.course import Course, CourseError
from grader.entry import _assignment
from tests.tiny import tiny

ROOT = Path(__file__).parents[1]


def answer(name, stub=None):
    marks = {"grade": False, "solution": True, "locked": False, "grade_id": name}
    return v4.new_code_cell(stub or f"def {name}(x):\n    raise NotImplementedError", metadata={"nbgrader": marks})


def check(name, points=1):
    marks = {"grade": True, "solution": False, "locked": True, "grade_id": f"check-{name}", "points": points}
    return v4.new_code_cell(f'check("{name}")', metadata={"nbgrader": marks})


def make(root, *cells, name="hw", tree="assignments"):
    path = root / tree / name / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    (root / "autotests" / name).mkdir(parents=True, exist_ok=True)
    nbformat.write(v4.new_notebook(cells=list(cells)), path)
    return path


def test_the_course_is_found_from_any_place_inside(tmp_path):
    path = make(tmp_path, answer("f"), check("f"))
    for start in (tmp_path, tmp_path / "autotests" / "hw", path, tmp_path / "not" / "there"):
        assert Course.find(start).root == tmp_path
    assert Course.find(tmp_path).names == ("hw",)


def test_a_folder_without_a_course(tmp_path):
    (tmp_path / "autotests").mkdir()
    with pytest.raises(CourseError, match=r"no course here or above; go to the folder that holds autotests/"):
        Course.find(tmp_path)


def test_exercises_come_from_the_released_notebook(tmp_path):
    make(
        tmp_path,
        v4.new_markdown_cell("# Homework\n\nHow to."),
        v4.new_markdown_cell("### 2. `f(x)`\n\nDoubles.\n\n翻倍。"),
        v4.new_markdown_cell("More of it."),
        answer("f"),
        check("f", 2.5),
        v4.new_code_cell("scratch = 1"),
        answer("g", "g = ..."),
        check("g"),
    )
    assignment = Course.find(tmp_path).assignment("hw")
    f, g = assignment.exercises
    assert (f.name, f.title, f.points) == ("f", "2. f(x)", 2.5)
    assert f.prompt == "Doubles.\n\n翻倍。\n\nMore of it."
    assert f.stub == "def f(x):\n    raise NotImplementedError"
    assert (g.title, g.prompt) == ("g", "")
    assert assignment.headings == {"f": "### 2. `f(x)`", "g": ""}
    assert len(assignment.released) == 8
    assert assignment.exercise("g") is g
    with pytest.raises(CourseError, match=r"^no exercise 'h' in hw; there are f, g$"):
        assignment.exercise("h")


def test_folders(tmp_path):
    make(tmp_path, answer("f"), check("f"))
    assignment = Course.find(tmp_path).assignment("hw")
    assert assignment.suite == tmp_path / "autotests" / "hw"
    assert assignment.hidden is None
    assert assignment.reference_source() is None
    assert assignment.secrets == (str(tmp_path / "autotests"), str(tmp_path / "assignments"))
    (assignment.suite / "hidden").mkdir()
    assert assignment.hidden == assignment.suite / "hidden"


def test_the_reference_is_the_source_notebook_without_its_checks(tmp_path):
    make(tmp_path, answer("f"), check("f"))
    cells = (
        v4.new_markdown_cell("text"),
        v4.new_code_cell("import math"),
        answer("f", "def f(x): return x"),
        check("f"),
    )
    make(tmp_path, *cells, tree="solutions")
    assert Course.find(tmp_path).assignment("hw").reference_source() == ("import math", "def f(x): return x")
    (tmp_path / "solutions" / "hw" / "hw.ipynb").unlink()
    with pytest.raises(CourseError, match=r"hw\.ipynb"):
        Course.find(tmp_path).assignment("hw").reference_source()


@pytest.mark.parametrize("name", ["ch99", "", ".", "..", "../hw", "hw/hw", "a\0b"])
def test_an_unknown_assignment_names_the_known_ones(tmp_path, name):
    make(tmp_path, answer("f"), check("f"))
    with pytest.raises(CourseError, match=r"^no assignment .*; the known ones: hw$"):
        Course.find(tmp_path).assignment(name)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([], "no answer cells"),
        ([answer("f")], "no cell check-f for exercise f"),
        ([check("f")], "cell check-f checks no answer"),
        ([answer("f"), answer("f"), check("f")], "two answer cells for exercise f"),
    ],
)
def test_faults_of_the_released_notebook(tmp_path, cells, message):
    path = make(tmp_path, *cells)
    with pytest.raises(CourseError) as caught:
        Course.find(tmp_path).assignment("hw")
    assert str(caught.value) == f"{path}: {message}; correct the source notebook and release it again"


def test_a_notebook_that_is_not_one(tmp_path):
    path = make(tmp_path)
    path.write_text("{")
    with pytest.raises(CourseError, match="not a notebook"):
        Course.find(tmp_path).assignment("hw")


def test_not_released_yet(tmp_path):
    make(tmp_path, answer("f"), check("f"), tree="solutions")
    with pytest.raises(CourseError, match="not released yet; run: nbgrader generate_assignment hw"):
        Course.find(tmp_path).assignment("hw")


def test_no_suite(tmp_path):
    make(tmp_path, answer("f"), check("f"))
    make(tmp_path, answer("g"), check("g"), name="other")
    (tmp_path / "autotests" / "hw").rmdir()
    with pytest.raises(CourseError, match="the checks of hw belong there"):
        Course.find(tmp_path).assignment("hw")


@pytest.mark.parametrize("name", Course(ROOT).names)
def test_the_courses_own_assignments(name):
    assignment = Course(ROOT).assignment(name)
    for exercise in assignment.exercises:
        assert exercise.points > 0
        assert exercise.title != exercise.name
        assert exercise.prompt
    assert len(assignment.reference_source()) >= len(assignment.exercises)
    assert not any(source.startswith("check(") for source in assignment.reference_source())


@pytest.mark.parametrize("name", ["ch17", "ch17_further"])
def test_a_notebook_under_another_name_tells_its_assignment(tmp_path, name):
    released = Course.find(ROOT).assignment(name).notebooks[0]
    renamed = tmp_path / "my answers (2).ipynb"
    renamed.write_bytes(released.read_bytes())
    assignment, known = _assignment(Course.find(ROOT), renamed)
    assert known
    assert assignment.name == name
    renamed.write_text("{}", encoding="utf-8")
    assert not _assignment(Course.find(ROOT), renamed)[1]


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("import matplotlib.pyplot as plt", "matplotlib.pyplot"),
        ("from torch.testing import assert_close", "torch.distributed.tensor"),
        ("out.backward( torch.ones(2))", "torch.fx.experimental.symbolic_shapes"),
        ("opt = torch.optim.SGD(model.parameters(), 0.1)", "torch._dynamo"),
        ("loss.backward()\nself.l.backward( )\ndef backward(self): pass\nthe optimal one", None),
    ],
)
def test_what_a_notebook_uses_is_loaded_before_it_runs(text, module, tmp_path):
    assert tiny(tmp_path).modules_for(text) == ((module,) if module else ())


def test_of_a_part_only_what_cells_load_whoever_calls_their_answers_is_loaded_at_once(tmp_path):
    text = "import matplotlib.pyplot as plt\ndef f(): torch.testing.assert_close(a, b)\nopt = optim.SGD(p, 0.1)"
    assert tiny(tmp_path).modules_of_cells(text) == ("matplotlib.pyplot", "torch._dynamo")


def test_what_a_check_asks_for_is_loaded_before_too(tmp_path):
    assignment = tiny(tmp_path)
    check = tmp_path / "autotests/tiny/hidden/test_double.py"
    check.write_text("def test_it(student, d):\n    student.grad(out, (x,), d)\n", encoding="utf-8")
    assert assignment.modules_for("") == ("torch.fx.experimental.symbolic_shapes",)
    assert assignment.modules_for("", [check.parents[1] / "test_double.py"]) == ()
