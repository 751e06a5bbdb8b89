"""The chain rule, and the gradients of a linear layer's mean squared error: more functions, sizes and layouts."""

import math

import pytest
import torch
import torch.nn.functional as F

from grader.compare import assert_close
from grader.sandbox.wire import Source

pytestmark = pytest.mark.hidden


def function(text):
    """A function of a number that is made on the student's side: ``text`` is its value at x."""
    return Source(f"import math\n\n\ndef function(x):\n    return {text}", "function")


def gradients(l2, w2, b2, y):
    """The three gradients by autograd, on copies of the tensors."""
    leaves = [t.detach().clone().requires_grad_() for t in (l2, w2, b2)]
    hidden, weight, bias = leaves
    return torch.autograd.grad(F.mse_loss((hidden @ weight + bias).squeeze(-1), y.detach()), leaves)


def last_layer(randn, bs, n_hidden, dtype=torch.float32):
    """``l2, w2, b2, y`` of a last layer with one output."""
    return [randn(*shape, dtype=dtype) for shape in ((bs, n_hidden), (n_hidden, 1), (1,), (bs,))]


@pytest.mark.exercise("chain_rule", points=0.5)
def test_chain_rule_of_any_functions(student, reference):
    """Right for functions of every kind.

    对各种函数都正确。
    """
    cases = {
        "math.cos(x)": math.cos,
        "x * x * x - x": lambda x: x * x * x - x,
        "3 * x * x - 1": lambda x: 3 * x * x - 1,
    }
    derivative = student.chain_rule(*map(function, cases))
    expected = reference.chain_rule(*cases.values())
    for x in (-1.3, 0.0, 0.4, 2.25):
        assert_close(derivative(x), expected(x))
    derivative = student.chain_rule(function("1 / x"), function("math.exp(x) + 1"), function("math.exp(x)"))
    for x in (-2.0, 0.0, 1.5):
        assert_close(derivative(x), 1 / (1 + math.exp(-x)))


@pytest.mark.exercise("chain_rule", points=0.5)
def test_chain_rule_of_a_chain(student):
    """The result is a derivative like any other: it goes into `chain_rule` again, and two do not disturb each other.

    结果与其他导数一样，可以再次传给 `chain_rule`，两个结果互不干扰。
    """
    square, double = function("x ** 2"), function("2 * x")
    fourth = student.chain_rule(double, square, double)  # of (x**2)**2
    eighth = student.chain_rule(double, function("x ** 4"), fourth)  # of (x**4)**2
    for x in (1.0, -2.0, 0.5):
        assert_close(fourth(x), 4 * x**3)
        assert_close(eighth(x), 8 * x**7)


@pytest.mark.exercise("mse_lin_grads", points=0.25)
def test_mse_lin_grads_of_small_batches(student, randn):
    """Right for a batch of one, a batch of two, and a single hidden unit.

    批次大小为 1 或 2、只有一个隐藏单元时也正确。
    """
    cases = [last_layer(randn, bs, n_hidden) for bs, n_hidden in ((1, 3), (2, 4), (5, 1), (1, 1))]
    for tensors, got in student.each("mse_lin_grads", cases):
        assert_close(got, gradients(*tensors))


@pytest.mark.exercise("mse_lin_grads", points=0.5)
def test_mse_lin_grads_of_any_tensors(student, randn):
    """Right for any float dtype and memory layout, with and without gradients.

    对任何浮点 dtype 和内存布局都正确，无论是否需要梯度。
    """
    double = last_layer(randn, 6, 3, torch.float64)
    views = [randn(3, 5).t(), randn(6, 2)[::2, :1], randn(4)[2:3], randn(10)[::2]]
    leaves = [t.requires_grad_() for t in last_layer(randn, 4, 2)]
    for tensors, got in student.each("mse_lin_grads", [double, views, leaves]):
        assert_close(got, gradients(*tensors))


@pytest.mark.exercise("mse_lin_grads", points=0.25)
def test_mse_lin_grads_agrees_with_the_solution(student, reference, randn):
    """Agrees with the solution for numbers of every size.

    对各种大小的数都与参考答案一致。
    """
    for bs, n_hidden, size in ((33, 8, 10.0), (3, 20, 0.1)):
        tensors = [size * t for t in last_layer(randn, bs, n_hidden)]
        assert_close(student.mse_lin_grads(*tensors), reference.mse_lin_grads(*tensors))
