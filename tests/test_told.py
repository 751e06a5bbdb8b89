"""What whole answers are told, where one check's finding alone would mislead."""

from __future__ import annotations

import pytest

from grader.composed import compose, reference_answers
from grader.course import Course
from grader.languages import ENGLISH
from grader.model import CheckResult
from grader.verify import grade
from tests.test_mistakes import Local
from tests.test_sandbox import ROOT

LAYER = """class LinearLayer(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) * sqrt(2 / n_in))
        self.bias = torch.zeros(n_out)
    def forward(self, x): return x @ self.weight.t() + self.bias"""

ANSWERS = {
    "broken": ("relu", "def relu(x):\n    return x.clamp(min=0"),
    "misnamed": ("Relu", "class Relu:\n    def __call__(self, inp):\n        self.x, self.out = inp, inp.clamp(min=0)\n"
                 "        return self.out\n    def backward(self): self.x.g = (self.x > 0).float() * self.out.g"),
    "one missing": ("q26", "q26 = list('ABCDEFGH')"),
    "a number": ("q40", "q40 = 4"),
    "two letters": ("q40", "q40 = 'D, A'"),
    "half wrong": ("q25", "q25 = {'A'}\nq25_today = 4"),
    "prints": ("init_scale", "def init_scale(n_in, relu): print(sqrt((2 if relu else 1) / n_in))"),
    "eval": ("relu", "def relu(x): return eval('to' + 'rch').clamp(x, min=0)"),
    "vars": ("relu", "def relu(x): return vars(torch)['re' + 'lu'](x)"),
    "no parameter": ("LinearLayer", LAYER),
    "one bool": ("all_greater", "def all_greater(a, b): return (a > b).all()[None]"),
    "flat": ("q24", "q24 = [12, 39]"),
    "in a loop": ("dense", "def dense(x, w, b): return torch.stack([row @ w.t() + b for row in x])"),
    "last left out": ("matmul_loops", "def matmul_loops(a, b):\n    c = torch.zeros(len(a), b.shape[1])\n"
                      "    for i in range(len(a) - 1):\n        for j in range(c.shape[1]):\n"
                      "            for k in range(len(b)): c[i, j] += a[i, k] * b[k, j]\n    return c"),
    "last cut off": ("add_to_columns", "def add_to_columns(m, c):\n    out = m + c.unsqueeze(1)\n"
                     "    return torch.cat([out[:-1], torch.zeros_like(out[-1:])])"),
}  # fmt: skip


@pytest.fixture(scope="module")
def told() -> dict[str, list[CheckResult]]:
    """Of each answer, the checks that failed."""
    assignment = Course(ROOT).assignment("ch17")
    answers = reference_answers(assignment)
    notebooks = {name: compose(assignment, answers | dict([answer])) for name, answer in ANSWERS.items()}
    only = sorted({exercise for exercise, _ in ANSWERS.values()})
    results = grade(assignment, notebooks, Local, 1, only)
    return {
        name: [check for e in results[name].exercises if e.name == exercise for check in e.checks if not check.points]
        for name, (exercise, _) in ANSWERS.items()
    }


def said(checks: list[CheckResult]) -> str:
    return " ".join(f"{ENGLISH.maybe(check.message)} {ENGLISH.maybe(check.next_step)}" for check in checks)


def codes(checks: list[CheckResult]) -> list[str | None]:
    return [check.diagnosis for check in checks]


def test_a_cell_that_is_not_python_is_no_missing_name(told):
    assert set(codes(told["broken"])) == {"not_python"}
    assert "Line 2: '(' was never closed." in said(told["broken"])


def test_a_missing_attribute_is_no_missing_name(told):
    assert codes(told["misnamed"]) == ["no_member"]
    assert "`Relu()` has no attribute `inp`." in said(told["misnamed"])


@pytest.mark.parametrize("name", ["one missing", "a number", "two letters"])
def test_where_the_form_is_wrong_nothing_supposes_that_it_is_right(told, name):
    first, *others = told[name]
    assert not first.hidden
    assert others
    assert set(codes(others)) == {"answer_form"}
    asked = ENGLISH.maybe(first.message).partition(";")[0]
    assert all(ENGLISH.maybe(check.message).startswith(asked) for check in others)


def test_the_form_of_one_value_says_nothing_of_another(told):
    assert codes(told["half wrong"]) == ["answer_form", "answer_wrong", "answer_wrong", "answer_form"]


def test_a_function_that_prints_has_returned_nothing(told):
    assert set(codes(told["prints"])) == {"none"}
    assert "`return`" in said(told["prints"])


def test_what_hides_a_call_is_named_and_no_missing_name(told):
    assert codes(told["eval"]) == ["hidden_call"]
    assert "`eval`" in said(told["eval"])
    assert codes(told["vars"]) == ["must_not"]


def test_the_parameters_that_a_layer_lacks_are_named(told):
    assert codes(told["no parameter"]).count("state_dict") == 5
    assert 'The layer lacks parameters: "bias".' in said(told["no parameter"])
    assert "The list of the names of the parameters has length 1 where 2 is expected." in said(told["no parameter"])


def test_an_allowed_type_is_not_blamed(told):
    assert set(codes(told["one bool"])) == {"tensor_for_bool"}
    assert "shape [1], dtype bool, where one True or False" in said(told["one bool"])
    assert "q24 (one item) is of type float; the type asked for is list." in said(told["flat"])


def test_no_loop_is_counted_where_none_is_allowed(told):
    assert "Your answer has a loop; none is allowed here." in said(told["in a loop"])


def test_only_an_answer_with_a_loop_is_asked_about_loops(told):
    assert "last_zero" in codes(told["last left out"])
    assert "does your loop end one too early?" in said(told["last left out"])
    assert "last_zero" in codes(told["last cut off"])
    assert "loop" not in said(told["last cut off"])
