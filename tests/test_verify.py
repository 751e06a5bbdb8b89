"""The suite against the reference, the stub, every known mistake and every right variant; and verify against faults."""

from __future__ import annotations

import functools
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from grader.course import Course, CourseError
from grader.verify import Mistake, compose, mistakes, reference_answers, rounds, variants, verify
from tests.test_sandbox import ROOT

POOL = functools.partial(ProcessPoolExecutor, 2, mp_context=get_context("spawn"))


@pytest.mark.parametrize("name", Course(ROOT).names)
def test_the_course_is_in_order(name):
    counts, problems = verify(Course(ROOT).assignment(name), POOL, 2)
    assert problems == []
    assert counts.caught == counts.mistakes > 0
    assert counts.passed == counts.variants > 0


@pytest.mark.parametrize("name", Course(ROOT).names)
def test_five_styles(name):
    assignment = Course(ROOT).assignment(name)
    for exercise in assignment.exercises:
        styles = {variant.source for variant in variants(assignment) if variant.exercise == exercise.name}
        assert len(styles) >= 5, exercise.name


def test_the_chapters_own_code():
    found = variants(Course(ROOT).assignment("ch17"))
    assert {variant.exercise for variant in found if variant.book} >= {
        "relu", "matmul_loops", "matmul_elementwise", "matmul_broadcast", "matmul_einsum", "mse", "mse_grad",
        "relu_grad", "lin_grad", "forward_and_backward", "LinearLayer",
    }  # fmt: skip


def test_faults_of_a_course_are_named(tmp_path):
    """A weak suite, a wrong variant and a hint without Chinese, each in one line."""
    for tree in ("assignments", "solutions"):
        shutil.copytree(ROOT / tree / "ch17", tmp_path / tree / "ch17")
    suite = tmp_path / "autotests" / "ch17"
    (suite / "hidden" / "mistakes").mkdir(parents=True)
    (suite / "hidden" / "variants").mkdir()
    (suite / "test_all.py").write_text(
        "import pytest\n@pytest.mark.exercise('relu', points=1)\n"
        "def test_runs(student, randn):\n    student.relu(randn(3))\n"
    )
    (suite / "hidden" / "mistakes" / "a.toml").write_text(
        "[[mistake]]\nexercise = 'relu'\ncode = 'none'\nhint_en = 'x'\nhint_zh = 'x'\n"
        "source = 'def relu(x): return x'\n"
    )
    (suite / "hidden" / "variants" / "a.toml").write_text(
        "[[variant]]\nexercise = 'relu'\nname = 'bad'\nsource = 'def relu(x): 1 / 0'\n"
    )
    _, problems = verify(Course(tmp_path).assignment("ch17"), POOL, 1)
    told = "\n".join(problems)
    assert "relu: the notebook gives 2 points, its checks 1" in told
    assert "relu: no check catches the mistake 'none'" in told
    assert "relu: the right variant 'bad' fails test_runs" in told
    assert "mistake 'none' of relu: needs a hint in English and one in Chinese" in told
    assert "mse: no check; write one in" in told


def test_a_broken_file_is_named(tmp_path):
    shutil.copytree(ROOT / "assignments" / "ch17", tmp_path / "assignments" / "ch17")
    (tmp_path / "autotests" / "ch17" / "mistakes").mkdir(parents=True)
    (tmp_path / "autotests" / "ch17" / "mistakes" / "x.toml").write_text("[[mistake]]\nexercise = 3\n")
    assignment = Course(tmp_path).assignment("ch17")
    with pytest.raises(CourseError, match=r"x\.toml"):
        mistakes(assignment)
    with pytest.raises(CourseError, match="no source notebook"):
        reference_answers(assignment)


def test_no_mistake_hides_another():
    entries = [Mistake(name, f"{name}{n}", "h", "h", "") for name in "abcd" for n in range(3)]
    depends = {"a": set(), "b": {"a"}, "c": set(), "d": {"a", "b"}}
    dealt = rounds(entries, list("abcd"), depends)
    assert sorted(entry.code for wrong in dealt for entry in wrong.values()) == sorted(e.code for e in entries)
    for wrong in dealt:
        assert not any(depends[name] & set(wrong) for name in wrong)


def test_the_composed_notebook_is_read_back():
    from grader.notebook import Submission, read

    assignment = Course(ROOT).assignment("ch17")
    submission = read(compose(assignment, {"relu": "def relu(x): return x.clamp_min(0)"}), assignment)
    assert isinstance(submission, Submission)
    assert submission.flags == ()
    assert submission.sources["relu"] == "def relu(x): return x.clamp_min(0)"
