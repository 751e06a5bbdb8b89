"""The suite against the reference, the stub, every known mistake and every right variant; and verify against faults."""

from __future__ import annotations

import re
import shutil

import pytest

from grader.cli import main
from grader.composed import compose, reference_answers
from grader.course import Course, CourseError
from grader.mistakes import Mistake, mistakes
from grader.verify import grade, hollow, rounds, variants
from tests.test_mistakes import Local
from tests.test_sandbox import ROOT
from tests.tiny import edit, exercise, tiny


@pytest.mark.whole
@pytest.mark.parametrize("name", Course(ROOT).names)
def test_the_course_is_in_order(name, capsys):
    assert main(["verify", name, "--course", str(ROOT), "--workers", "2"]) == 0, capsys.readouterr().out
    counts, last = capsys.readouterr().out.splitlines()
    assert last == "all in order"
    caught, known, passed, right = map(int, re.findall(r"(\d+) of (\d+).* (\d+) of (\d+)", counts)[0])
    assert caught == known > 0
    assert passed == right > 0


@pytest.mark.parametrize("name", Course(ROOT).names)
def test_five_styles(name):
    assignment = Course(ROOT).assignment(name)
    found = variants(assignment)
    for answer in (one.name for one in assignment.exercises):
        assert len({variant.source for variant in found if variant.exercise == answer}) >= 5, answer


def test_the_chapters_own_code():
    found = variants(Course(ROOT).assignment("ch17"))
    assert {variant.exercise for variant in found if variant.book} >= {
        "relu", "matmul_loops", "matmul_elementwise", "matmul_broadcast", "matmul_einsum", "mse", "mse_grad",
        "relu_grad", "lin_grad", "forward_and_backward", "LinearLayer",
        "add_to_columns_none", "Relu", "layer_classes", "layer_function",
    }  # fmt: skip


def graded(name, source):
    """The result of one exercise of `ch17`, where this is its answer."""
    assignment = Course(ROOT).assignment("ch17")
    answers = {**reference_answers(assignment), name: source}
    result = grade(assignment, {"n": compose(assignment, answers)}, Local, 1, [name])["n"]
    return next(exercise for exercise in result.exercises if exercise.name == name)


def test_a_test_that_goes_by_the_turn_earns_nothing():
    [source] = [m.source for m in mistakes(Course(ROOT).assignment("ch17")) if m.code == "by_turn"]
    assert graded("check_linear", source).score == 0


ZEROED = """
class Lin:
    def __init__(self, w, b): self.w, self.b = w, b
    def __call__(self, inp):
        self.inp, self.out = inp, inp @ self.w + self.b
        return self.out
    def backward(self):
        for t in (self.out, self.inp, self.w, self.b): t.g = torch.zeros_like(t)
class Mse:
    def __call__(self, inp, targ):
        self.inp = inp
        return mse(inp, targ)
    def backward(self): self.inp.g = torch.zeros_like(self.inp)
class Model:
    def __init__(self, *weights): self.weights = weights
    def __call__(self, x, targ):
        self.x = x
        l1 = x @ self.weights[0] + self.weights[1]
        return mse(relu(l1) @ self.weights[2] + self.weights[3], targ)
    def backward(self):
        for t in (self.x, *self.weights): t.g = torch.zeros_like(t)
"""


def test_what_is_expected_does_not_come_from_what_the_answer_left_behind():
    """Gradients of 0 follow from an output's gradient that the answer itself set to 0."""
    passed = [check.id for check in graded("layer_classes", ZEROED).checks if check.verdict == "passed"]
    assert passed == ["test_model_loss"]


FAULTY = """import pytest

@pytest.mark.exercise("runs", points=1)
def test_runs(student):
    student.runs([1])

@pytest.mark.exercise("refuses", points=1)
def test_refuses(student):
    student.raises("refuses", [1])

@pytest.mark.exercise("stays", points=0.5)
def test_stays(student):
    pass

@pytest.mark.exercise("q2", points=1)
def test_q2(student):
    assert student.value("q2") != 3
"""
MISTAKES = """
[[mistake]]
exercise = "runs"
code = "one"
hint_en = "Double it."
hint_zh = "x"
source = "def runs(x): return x"

[[mistake]]
exercise = "runs"
code = "one"
hint_en = "Double it."
hint_zh = "加倍。"
source = "def runs(x): return x + x"

[[mistake]]
exercise = "gone"
code = "two"
hint_en = " "
hint_zh = "加倍。"
source = "gone = 1"
"""
VARIANTS = """
[[variant]]
exercise = "runs"
name = "fails"
source = "def runs(x): return [1 / 0]"

[[variant]]
exercise = "gone"
name = "gone"
source = ""
"""


def test_faults_of_a_course_are_named(tmp_path, capsys):
    """A weak suite, wrong texts, a leak, a stale release and a stray file: each in one line, and exit code 1."""
    body = "(x):\n    ### BEGIN SOLUTION\n    return list(x) * 2\n    ### END SOLUTION"
    functions = [exercise("2", name, f"def {name}{body}") for name in ("runs", "refuses", "stays", "lonely")]
    tiny(tmp_path, *functions, exercise("3", "q2", "q2 = None\n### BEGIN SOLUTION\nq2 = 4\n### END SOLUTION"))
    (tmp_path / "autotests/tiny/test_faulty.py").write_text(FAULTY)
    for kind, text in (("mistakes", MISTAKES), ("variants", VARIANTS)):
        path = tmp_path / "autotests/tiny/hidden" / kind / "faulty.toml"
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
    stub = 'raise NotImplementedError()"'
    edit(tmp_path, "assignments", stub, stub.replace('"', '  # return list(x) * 2"'))
    (tmp_path / "autotests/tiny/notes.txt").touch()
    assert main(["verify", "tiny", "--course", str(tmp_path), "--workers", "1"]) == 1
    told = capsys.readouterr().out.replace(f"{tmp_path}/", "")
    lines = {line.strip() for line in told.splitlines()}
    assert {
        "autotests/tiny/notes.txt: does not belong here; move it away or delete it",
        "tiny: 6 exercises, 6 checks (1 hidden), mistakes caught 0 of 2, right variants passed 0 of 1",
        "mistake 'one' of runs: needs a hint in English and one in Chinese",
        "mistake 'one' of runs: the same code with another hint",
        "mistake 'two' of gone: no such exercise",
        "mistake 'two' of gone: needs a hint in English and one in Chinese",
        "variant 'gone' of gone: no such exercise",
        "runs: no check catches the mistake 'one'",
        "stays: the notebook gives 1 points, its checks 0.5",
        "stays: the released stub earns 0.5 points; it passes test_stays",
        "runs: the answer that returns None earns 1 points; it passes test_runs",
        "q2: the answer that returns None earns 1 points; it passes test_q2",
        "refuses: the answer that always raises earns 1 points; it passes test_refuses",
        "lonely: no check; write one in autotests/tiny",
    } <= lines
    for start in (
        "refuses: the reference fails test_refuses: ",
        "runs: the right variant 'fails' fails test_runs: ",
        "runs: the release holds a line of its solution: return list(x) * 2",
        "assignments/tiny/tiny.ipynb: cell ",
    ):
        assert any(line.startswith(start) for line in lines), start
    assert told.endswith(" things are off\n")


def test_an_answer_that_does_nothing():
    source = "@decorated\ndef f(x, y=1):\n    return x\nclass A(B):\n    def __call__(self, x): return x\nq = {1, 2}"
    assert hollow(source, "return None") == (
        "def f(*args, **kwargs):\n    return None\n\n"
        "class A(B):\n\n    def __call__(*args, **kwargs):\n        return None\nq = None"
    )


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
