"""How large random weights should be, and what becomes of activations when they are not."""

from math import inf, isfinite, isnan, log

import pytest

from grader.answers import number
from grader.compare import assert_close
from grader.findings import Mismatch
from grader.model import Finding


def assert_magnitude(got, expected):
    """A positive number within a factor of e, about 2.7, of the one expected: room for any way of drawing."""
    std = number(got)
    if not (isfinite(std) and std > 0 and abs(log(std) - log(expected)) <= 1):
        facts = {"std": f"{std:.3g}", "expected_std": f"{expected:.3g}"}
        raise Mismatch(Finding("wrong", "std_magnitude", facts, got=f"{std:.3g}", expected=f"about {expected:.3g}"))


@pytest.mark.exercise("activation_std", points=0.5)
def test_activation_std_grows(student):
    """Scale 1: the standard deviation grows with every product, far beyond float32 after many.

    缩放系数为 1：标准差每乘一次都会增大，乘很多次之后远远超出 float32 的范围。
    """
    assert_magnitude(student.activation_std(1.0, 0, 128, 3), 1.0)
    assert_magnitude(student.activation_std(1.0, 10, 128, 3), 3.4e10)
    many = number(student.activation_std(1.0, 50, 100, 3))
    if not (isnan(many) or many == inf or 1e48 < many < 1e52):
        raise Mismatch(Finding("wrong", "std_magnitude", {"std": f"{many:.3g}", "expected_std": "nan, inf or 1e+50"}))


@pytest.mark.exercise("activation_std", points=0.5)
def test_activation_std_shrinks(student):
    """A small scale: the standard deviation shrinks with every product.

    缩放系数很小：标准差每乘一次都会减小。
    """
    assert_magnitude(student.activation_std(0.01, 10, 128, 5), 3.4e-10)
    assert_magnitude(student.activation_std(0.02, 4, 100, 5), 1.6e-3)


@pytest.mark.exercise("activation_std", points=0.5)
def test_activation_std_seed(student):
    """The same seed gives the same result again, another seed another one.

    同一个种子给出同样的结果，不同的种子给出不同的结果。
    """
    cases = [(0.1, 5, 64, seed) for seed in (1, 2, 1)]
    results = [number(std) for _, std in student.each("activation_std", cases)]
    for result in results:
        assert_magnitude(result, 0.328)
    if results[0] != results[2]:
        raise Mismatch(Finding("wrong", "seed_not_set"))
    if results[0] == results[1]:
        raise Mismatch(Finding("wrong", "seed_fixed"))


@pytest.mark.exercise("init_scale", points=0.25)
def test_init_scale(student):
    """The scale for a layer with a ReLU after it, and for one without.

    后面有 ReLU 的层和没有 ReLU 的层各自的缩放系数。
    """
    scales = student.each("init_scale", [(100, False), (50, True), (4, False), (8, True)])
    for (_, scale), expected in zip(scales, (0.1, 0.2, 0.5, 0.5), strict=True):
        assert_close(number(scale), expected)


@pytest.mark.exercise("init_scale", points=0.25)
def test_init_scale_without_torch(student):
    """No torch is needed for one number.

    只算一个数，不需要 torch。
    """
    with student.watching() as seen:
        scale = student.init_scale(200, True)
    assert_close(number(scale), 0.1)
    student.how("init_scale", seen).must_not("torch")
