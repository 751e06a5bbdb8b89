"""A known mistake is named by what it does, and only when it alone explains everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given as given_any
from hypothesis import strategies as st
from torch import tensor

from grader.composed import compose, reference_answers
from grader.course import Course
from grader.digests import digests
from grader.languages import LANGUAGES
from grader.mistakes import Library, Mistake, library, mistakes
from grader.model import Finding
from grader.observed import Given, Observed, alike, evidence, same_behaviour
from grader.remembered import Kept
from grader.sandbox.wire import Unsupported
from grader.verify import grade
from tests.test_sandbox import ROOT
from tests.tiny import load, tiny

WRONG = Finding("wrong", "factor_two", {"what": "the result", "factor": "2"})
RAISED = Finding("raised", "shape_error", {"text": "3 and 4"})
MISTAKES = """
[[mistake]]
exercise = "double"
code = "as_it_is"
hint_en = "Twice as large?"
hint_zh = "有没有变成两倍？"
source = "def double(x): return list(x)"

[[mistake]]
exercise = "double"
code = "list_doubled"
hint_en = "Twice as many, or twice as large?"
hint_zh = "是个数加倍还是数值加倍？"
source = "def double(x): return 2 * list(x)"

[[mistake]]
exercise = "double"
code = "one_way_to_lose_it"
hint_en = "What does the function give back?"
hint_zh = "函数返回了什么？"
source = "def double(x): [2 * number for number in x]"
"""


class Local:
    """An executor in this very process."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, function, *args):
        from concurrent.futures import Future

        future = Future()
        future.set_result(function(*args))
        return future


def observed(*given: Given, finding: Finding = WRONG) -> Observed:
    return Observed(finding, given)


def test_values_agree_to_rounding_of_their_type():
    x = torch.linspace(-1, 1, 7)
    assert alike(x, x * (1 + 1e-6))
    assert not alike(x, x * 1.01)
    assert not alike(x, x.double())
    assert not alike(x, x[:, None])
    assert not alike(x, x.tolist())
    assert alike([1.0, (2, tensor(3))], (1.0, [2, tensor(3)]))
    assert alike({"a": {1, 2}}, {"a": {2, 1}})
    assert alike(float("nan"), float("nan"))
    assert alike(x.numpy(), x.numpy().copy())
    assert not alike(1, 1.0)
    assert not alike(True, 1)
    assert not alike("a", "b")
    assert not alike(None, 0)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
)


@given_any(PLAIN, PLAIN)
def test_anything_is_like_itself_and_likeness_is_mutual(one, other):
    assert alike(one, one)
    assert alike(one, other) == alike(other, one)


def test_every_check_has_its_say():
    seen = {"one": None, "two": observed(Given(2.0))}
    assert same_behaviour(seen, {**seen, "three": None})
    assert not same_behaviour(seen, {"one": observed(Given(2.0)), "two": seen["two"]})
    assert not same_behaviour(seen, {"one": None, "two": None})
    assert not same_behaviour(seen, {"one": None})


def test_all_that_came_back_has_its_say():
    g = {(1, "g"): tensor([1.0, 2.0])}
    given = Given(None, g)
    for other in (
        Given(None, {(1, "g"): tensor([1.0, 2.5])}),
        Given(None, {(2, "g"): tensor([1.0, 2.0])}),
        Given(None, {}),
        Given(None, g, frozenset({1})),
        Given(None, g, raised=("ValueError", "")),
        Given(0, g),
    ):
        assert not same_behaviour({"a": observed(given)}, {"a": observed(other)}), other
    assert same_behaviour({"a": observed(given)}, {"a": observed(Given(None, {(1, "g"): tensor([1.0, 2.0])}))})
    assert not same_behaviour({"a": observed(given)}, {"a": observed(given, given)})
    assert not same_behaviour({"a": observed(given)}, {"a": observed(given, finding=Finding("wrong", "sign", {}))})


def test_exceptions_agree_in_every_word_where_a_check_fails_for_them():
    def raised(text: str, **more: bool) -> Given:
        return Given(raised=("RuntimeError", text), **more)

    def same(one: Given, other: Given, finding: Finding) -> bool:
        return same_behaviour({"a": observed(one, finding=finding)}, {"a": observed(other, finding=finding)})

    assert same(raised("3 and 4"), raised("3 and 4"), RAISED)
    assert not same(raised("3 and 4"), raised("4 and 4"), RAISED)
    assert same(raised("a"), raised("b"), WRONG)  # the suite looked at that it was raised
    assert same(raised("sizes 3, 4", demanded=True), raised("4 is not 3", demanded=True), WRONG)
    assert not same(raised("sizes 3, 4", demanded=True), raised("sizes differ", demanded=True), WRONG)


def test_an_answer_to_a_question_says_the_same_in_any_form():
    def same(one: object, other: object) -> bool:
        return same_behaviour({"a": observed(Given(one, read=True))}, {"a": observed(Given(other, read=True))})

    assert same(64, "64")
    assert same([[1, 2]], tensor([[1, 2]]))
    assert same({"A", "C"}, "c, a".upper().split(", ")[::-1])
    assert same(["mse_grad", "lin_grad"], "mse_grad, lin_grad")
    assert not same(["mse_grad", "lin_grad"], ["lin_grad", "mse_grad"])
    assert not same(64, 20)


def found_wanting(code: str, *given: Given, reason: str = "wrong") -> dict[str, Observed]:
    return {"check": observed(*given, finding=Finding(reason, code))}  # type: ignore[arg-type]


LOSS, NO, YES, REFUSED = Given(tensor(1.5)), Given(False), Given(True), Given(raised=("AssertionError", ""))


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (found_wanting("value", LOSS), "values"),
        (found_wanting("changed_input", LOSS._replace(changed=frozenset({1}))), "little"),
        (found_wanting("not_set", Given()), "little"),
        (found_wanting("not_set", Given(attrs={(1, "g"): tensor([1.0])})), "values"),
        (found_wanting("none", Given()), "values"),
        (found_wanting("raised", REFUSED, reason="raised"), "values"),
        (found_wanting("must", LOSS, reason="forbidden"), "means"),
        (found_wanting("value", NO, NO), "little"),
        (found_wanting("value", *[NO] * 20), "little"),
        (found_wanting("value", *[YES, NO] * 4), "little"),
        (found_wanting("value", *[YES, NO] * 5), "values"),
        (found_wanting("accepts_broken", Given(), Given(), Given()), "little"),
        (found_wanting("accepts_broken", REFUSED, Given()), "values"),
    ],
)
def test_what_there_is_to_tell_mistakes_apart(behaviour, told):
    assert evidence(behaviour) == told


def test_of_several_mistakes_none_is_named_on_little_evidence(tmp_path):
    def named(seen: Given, *known: Given) -> str | None:
        made = [(Mistake("double", f"m{n}", "", "", ""), found_wanting("value", one)) for n, one in enumerate(known)]
        named_by.tried["double"] = made
        found = named_by.named("double", found_wanting("value", seen), lambda *_: [])
        return found.code if found else None

    assignment = tiny(tmp_path)
    named_by = Library(assignment, digests(assignment))
    greater, less = frozenset({"gt", "all"}), frozenset({"lt", "all"})
    no = NO._replace(means=greater)
    assert named(no, no) == "m0"
    assert named(no, NO._replace(means=less)) is None
    assert named(no, no, NO._replace(means=less)) is None  # what ran is the same in many a mistake that says no
    assert named(LOSS._replace(means=greater), LOSS._replace(means=less), LOSS._replace(means=greater)) == "m1"
    assert named(LOSS, LOSS) == "m0"


def test_behaviours_are_kept_whole(tmp_path):
    values = [
        None, True, 3, 2**80, -1.5, float("nan"), "a", torch.float32, tensor([[1.0, 2.0]]), np.ones(3), np.float32(2),
        [1, (2.0, None)], torch.Size([2, 3]), {1, "b"}, frozenset({2}), {"a": [1]}, Unsupported("generator"),
    ]  # fmt: skip
    g = {(1, "g"): tensor([1.0]), (-2, "g"): None}
    given = [Given(value, g, frozenset({2}), None, True, True, frozenset({"add"})) for value in values]
    behaviours = [{"a": None, "b": observed(*given)}, {"b": observed(Given(raised=("E", "text")))}]
    with Kept(tmp_path / "known", "x") as kept:
        assert kept.read() is None
        kept.write(behaviours)
    with Kept(tmp_path / "known", "x") as kept:
        found = kept.read()
        assert found is not None
        assert [same_behaviour(*pair) for pair in zip(behaviours, found, strict=True)] == [True, True]
        assert [same_behaviour(*pair) for pair in zip(found, behaviours, strict=True)] == [True, True]
        assert not same_behaviour(behaviours[0], found[1])
        assert found[0]["b"].given[0]._replace(value=0, attrs={}) == given[0]._replace(value=0, attrs={})
    (tmp_path / "known" / "x.pt").write_bytes(b"no such thing")
    assert Kept(tmp_path / "known", "x").read() is None


def told(assignment, source):
    """Each failed check's diagnosis, with what was seen and the next step."""
    answers = {**reference_answers(assignment), "double": source}
    result = grade(assignment, {"n": compose(assignment, answers)}, Local, 1, naming=True)["n"]
    return [
        (check.diagnosis, check.seen, str(check.next_step), LANGUAGES["zh"].maybe(check.next_step))
        for exercise in result.exercises
        for check in exercise.checks
        if check.verdict == "failed"
    ]


def test_the_mistake_is_named_whatever_the_code_looks_like(tmp_path):
    tiny(tmp_path)
    assignment = load(tmp_path)
    assert library(assignment) is None
    source = "def double(x):\n    out = []\n    for number in x + x: out.append(number)\n    return out"
    generic = told(assignment, source)
    assert {seen for _, seen, _, _ in generic} == {None}
    (tmp_path / "autotests/tiny/hidden/mistakes").mkdir()
    path = tmp_path / "autotests/tiny/hidden/mistakes/double.toml"
    path.write_text(MISTAKES, encoding="utf-8")
    assert told(assignment, source) == [
        ("list_doubled", code, "Twice as many, or twice as large?", "是个数加倍还是数值加倍？")
        for code, _, _, _ in generic
    ]
    other = told(assignment, "def double(x): return [3 * number for number in x]")
    assert {seen for _, seen, _, _ in other} == {None}
    empty = told(assignment, "def double(x): pass")  # gives nothing back, as one of them, and has nothing to lose
    assert {seen for _, seen, _, _ in empty} == {None}
    path.write_text(MISTAKES.replace("return 2 * list(x)", "return [*x, *x] if x[0] == 1 else 2 * x"), encoding="utf-8")
    assert {code for code, _, _, _ in told(assignment, source)} == {"list_doubled"}
    twin = MISTAKES.replace('code = "as_it_is"', 'code = "twin"').replace("return list(x)", "return [*x, *x]")
    path.write_text(twin, encoding="utf-8")  # two that nobody can tell apart explain nothing
    assert told(assignment, source) == generic


def test_students_have_no_library(tmp_path):
    tiny(tmp_path)
    (tmp_path / "autotests/tiny/hidden/test_double.py").unlink()
    (tmp_path / "solutions/tiny/tiny.ipynb").unlink()
    (tmp_path / "solutions/tiny").rmdir()
    (tmp_path / "solutions").rmdir()
    assert library(load(tmp_path)) is None


def test_the_library_stays_as_long_as_its_files():
    assignment = Course(ROOT).assignment("ch17")
    assert library(assignment) is library(Course(ROOT).assignment("ch17"))
    assert len(mistakes(assignment)) > 500
