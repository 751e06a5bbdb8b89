"""The gradients of a linear layer, from the maths."""

import pytest
import torch

from grader.compare import assert_close


def expected_gradients(x, w, b, d):
    """The gradients of ``(d * (x @ w + b)).sum()`` by autograd."""
    leaves = [t.detach().clone().requires_grad_() for t in (x, w, b)]
    return torch.autograd.grad(leaves[0] @ leaves[1] + leaves[2], leaves, d)


def assert_gradients(got, expected):
    """``got`` is the tuple of the three gradients."""
    assert_close(got, tuple(expected), what="the tuple of gradients (x, w, b)")


@pytest.mark.exercise("linear_layer_gradients", points=0.5)
def test_linear_layer_gradients(student, randn):
    """The gradients for `x`, `w` and `b`, in this order, each in the shape of its tensor.

    依次给出 `x`、`w` 和 `b` 的梯度，形状各与原张量相同。
    """
    for bs, n_in, n_out in ((4, 3, 2), (5, 2, 6)):
        x, w, b, d = randn(bs, n_in), randn(n_in, n_out), randn(n_out), randn(bs, n_out)
        assert_gradients(student.linear_layer_gradients(x, w, b, d), expected_gradients(x, w, b, d))


@pytest.mark.exercise("linear_layer_gradients", points=0.5)
def test_linear_layer_gradients_of_small_sizes(student):
    """Right for one sample, one input and one output.

    只有一个样本、一个输入和一个输出时也正确。
    """
    x, w, b, d = torch.tensor([[2.0]]), torch.tensor([[3.0]]), torch.tensor([1.0]), torch.tensor([[-4.0]])
    expected = torch.tensor([[-12.0]]), torch.tensor([[-8.0]]), torch.tensor([-4.0])
    assert_gradients(student.linear_layer_gradients(x, w, b, d), expected)


@pytest.mark.exercise("linear_layer_gradients", points=0.5)
def test_linear_layer_gradients_without_autograd(student, randn):
    """The formulas are your own: no autograd.

    公式由你自己推导，不用自动求导。
    """
    x, w, b, d = randn(3, 4), randn(4, 2), randn(2), randn(3, 2)
    with student.watching() as seen:
        got = student.linear_layer_gradients(x, w, b, d)
    assert_gradients(got, (d @ w.t(), x.t() @ d, d.sum(0)))
    student.how("linear_layer_gradients", seen).must_not("autograd")
