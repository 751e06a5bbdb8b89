"""How large random weights should be, and what becomes of activations when they are not: more sizes."""

from math import isfinite, log, sqrt
from statistics import stdev

import pytest

from grader.answers import number
from grader.compare import assert_close
from grader.findings import Mismatch
from grader.model import Finding

pytestmark = pytest.mark.hidden


@pytest.mark.exercise("activation_std", points=0.5)
def test_activation_std_of_any_size(student):
    """Right for any scale, depth and size: each product takes a new matrix, and multiplies by the same factor.

    对任何缩放系数、层数和大小都正确：每次相乘都用新的矩阵，并使标准差乘上同样的倍数。
    """
    cases = (0.5, 1, 200, 7), (0.3, 6, 96, 8), (0.0625, 8, 144, 9), (2.0, 3, 120, 10)
    seeds = [(1.0, 30, 2, seed) for seed in range(40)]
    logs = []
    for (scale, n_layers, n, _), got in student.each("activation_std", [*cases, *seeds]):
        std, expected = number(got), (scale * sqrt(n)) ** n_layers
        if not (isfinite(std) and std > 0 and (n == 2 or abs(log(std) - log(expected)) <= 0.8)):
            raise Mismatch(Finding("wrong", "std_magnitude"))
        logs.append(log(std))
    # Thirty new matrices [2, 2] spread the logarithm by 3.5 (2.6 to 4 over 40 seeds), a single one used thirty times
    # by 12 and more, a formula by nothing.
    if not 1 < stdev(logs[len(cases) :]) < 8:
        raise Mismatch(Finding("wrong", "std_magnitude"))


@pytest.mark.exercise("init_scale", points=0.5)
def test_init_scale_of_any_size(student, reference):
    """Right for any number of inputs.

    对任何输入个数都正确。
    """
    cases = [(n_in, relu) for n_in in (1, 3, 784, 10_000) for relu in (True, False)]
    for case, scale in student.each("init_scale", cases):
        assert_close(number(scale), reference.init_scale(*case))
