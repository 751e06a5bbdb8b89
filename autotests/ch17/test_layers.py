"""`LinearLayer`, an `nn.Module` of one's own."""

from math import sqrt

import pytest
import torch
import torch.nn.functional as F

from grader.compare import assert_close, assert_equal
from grader.findings import Mismatch
from grader.model import Finding


def shape(value):
    """A tensor's shape as a list; anything else as it is."""
    return list(value.shape) if isinstance(value, torch.Tensor) else value


def assert_init_std(weight, n_in):
    """The weights are spread around 0 as sqrt(2 / n_in), within 20 %; otherwise say what the std found looks like."""
    std, expected = weight.detach().double().std().item(), sqrt(2 / n_in)
    if abs(std - expected) <= 0.2 * expected:
        # The mean of 40,000 numbers is seldom as much as 0.015 std away from 0: ten times that is no chance.
        assert_close(weight.detach().double().mean().item(), 0.0, atol=0.15 * expected, what="the mean of weight")
        return
    # nn.Linear draws uniformly between -1/sqrt(n_in) and 1/sqrt(n_in), which has std 1/sqrt(3 n_in).
    looks = {
        0.0: "init_zero",
        1.0: "init_std_one",
        n_in**-0.5: "init_like_nn_linear",
        (3 * n_in) ** -0.5: "init_like_nn_linear",
    }
    code = next((name for value, name in looks.items() if abs(std - value) <= 0.15 * value), "init_std")
    facts = {"n_in": str(n_in), "std": f"{std:.4g}", "expected_std": f"{expected:.4g}"}
    raise Mismatch(Finding(reason="wrong", code=code, facts=facts, got=f"{std:.4g}", expected=f"{expected:.4g}"))


@pytest.mark.exercise("LinearLayer", points=0.5)
def test_linear_layer_output(student, randn):
    """With given weights loaded, the output is `x @ weight.t() + bias`, for inputs of one to three axes.

    载入给定的权重后，对一到三个轴的输入，输出都是 `x @ weight.t() + bias`。
    """
    layer, weight, bias = student.LinearLayer(5, 3), randn(3, 5), randn(3)
    layer.load_state_dict({"weight": weight, "bias": bias})
    for x in (randn(4, 5), randn(1, 5), randn(5), randn(2, 3, 5)):
        assert_close(layer(x), F.linear(x, weight, bias))


@pytest.mark.exercise("LinearLayer", points=0.5)
def test_linear_layer_parameters(student):
    """`weight` [n_out, n_in] and `bias` [n_out] are its two parameters, and the bias begins as zeros.

    它的两个参数是 `weight` [n_out, n_in] 和 `bias` [n_out]，偏置的初始值为零。
    """
    layer = student.LinearLayer(5, 3)
    assert_equal(shape(layer.weight), [3, 5], what="the shape of weight")
    assert_close(layer.bias, torch.zeros(3), what="bias")
    names = sorted(name for name, _ in layer.named_parameters())
    assert_equal(names, ["bias", "weight"], what="the names of the parameters")


@pytest.mark.exercise("LinearLayer", points=0.5)
def test_linear_layer_init(student):
    """The weights are drawn with mean 0 and std sqrt(2 / n_in), within 20 %.

    权重的均值为 0，标准差是 sqrt(2 / n_in)，误差不超过 20 %。
    """
    for n_in, n_out in ((1000, 40), (250, 160)):
        weight = student.LinearLayer(n_in, n_out).weight
        assert_equal(shape(weight), [n_out, n_in], what="the shape of weight")
        assert_init_std(weight, n_in)


@pytest.mark.exercise("LinearLayer", points=0.25)
def test_linear_layer_is_your_own(student, randn):
    """Your own layer: `nn.Linear` and `F.linear` are not used.

    这一层由你自己写成：不用 `nn.Linear` 和 `F.linear`。
    """
    weight, bias, x = randn(2, 4), randn(2), randn(3, 4)
    with student.watching() as seen:
        layer = student.LinearLayer(4, 2)
        layer.load_state_dict({"weight": weight, "bias": bias})
        out = layer(x)
    assert_close(out, F.linear(x, weight, bias))
    student.how("LinearLayer", seen).must_not("nn.Linear")
