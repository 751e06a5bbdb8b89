"""The chain rule, and the gradients of a linear layer's mean squared error."""

import pytest
import torch
import torch.nn.functional as F

from grader.compare import assert_close
from grader.sandbox.wire import Source


def function(text):
    """A function of a number that is made on the student's side: ``text`` is its value at x."""
    return Source(f"def function(x):\n    return {text}", "function")


def gradients(l2, w2, b2, y):
    """The three gradients by autograd, on copies of the tensors."""
    leaves = [t.detach().clone().requires_grad_() for t in (l2, w2, b2)]
    hidden, weight, bias = leaves
    return torch.autograd.grad(F.mse_loss((hidden @ weight + bias).squeeze(-1), y.detach()), leaves)


def last_layer(randn, bs, n_hidden):
    """``l2, w2, b2, y`` of a last layer with one output."""
    return randn(bs, n_hidden), randn(n_hidden, 1), randn(1), randn(bs)


@pytest.mark.exercise("chain_rule", points=0.5)
def test_chain_rule(student):
    """The derivative of (3x + 1)**2, and that of 5(x**2) + 2.

    (3x + 1)**2 的导数，以及 5(x**2) + 2 的导数。
    """
    derivative = student.chain_rule(function("2 * x"), function("3 * x + 1"), function("3"))
    for x, expected in ((0.0, 6.0), (1.0, 24.0), (-2.0, -30.0)):
        assert_close(derivative(x), expected)
    derivative = student.chain_rule(function("5"), function("x ** 2"), function("2 * x"))
    for x, expected in ((0.5, 5.0), (3.0, 30.0)):
        assert_close(derivative(x), expected)


@pytest.mark.exercise("chain_rule", points=0.5)
def test_chain_rule_inner_and_outer(student):
    """g is the outer function, f the inner one: (x**2 + 1)**3.

    g 是外层函数，f 是内层函数：(x**2 + 1)**3。
    """
    derivative = student.chain_rule(function("3 * x ** 2"), function("x ** 2 + 1"), function("2 * x"))
    for x, expected in ((1.0, 24.0), (2.0, 300.0), (-1.0, -24.0), (0.0, 0.0)):
        assert_close(derivative(x), expected)


@pytest.mark.exercise("mse_lin_grads", points=0.5)
def test_mse_lin_grads_of_input(student, randn):
    """The first gradient is the one for `l2`, [bs, n_hidden].

    第一个梯度是 `l2` 的梯度，形状为 [bs, n_hidden]。
    """
    for bs in (5, 2):
        tensors = last_layer(randn, bs, 3)
        assert_close(student.mse_lin_grads(*tensors)[0], gradients(*tensors)[0], what="the gradient of l2")


@pytest.mark.exercise("mse_lin_grads", points=0.5)
def test_mse_lin_grads_of_weights(student, randn):
    """The second gradient is the one for `w2`, [n_hidden, 1].

    第二个梯度是 `w2` 的梯度，形状为 [n_hidden, 1]。
    """
    for bs in (4, 7):
        tensors = last_layer(randn, bs, 3)
        assert_close(student.mse_lin_grads(*tensors)[1], gradients(*tensors)[1], what="the gradient of w2")


@pytest.mark.exercise("mse_lin_grads", points=0.5)
def test_mse_lin_grads_of_bias(student, randn):
    """The third gradient is the one for `b2`, [1].

    第三个梯度是 `b2` 的梯度，形状为 [1]。
    """
    for bs in (3, 6):
        tensors = last_layer(randn, bs, 4)
        assert_close(student.mse_lin_grads(*tensors)[2], gradients(*tensors)[2], what="the gradient of b2")


@pytest.mark.exercise("mse_lin_grads", points=0.5)
def test_mse_lin_grads_without_autograd(student, randn):
    """The gradients are your own: no autograd.

    梯度由你自己推导，不用自动求导。
    """
    tensors = last_layer(randn, 4, 2)
    with student.watching() as seen:
        got = student.mse_lin_grads(*tensors)
    assert_close(got, gradients(*tensors))
    student.how("mse_lin_grads", seen).must_not("autograd")
