"""The gradients of a linear layer: more tensors, and finite differences."""

import pytest
import torch

from grader.compare import assert_close

pytestmark = pytest.mark.hidden


def expected_gradients(x, w, b, d):
    """The gradients of ``(d * (x @ w + b)).sum()`` by autograd."""
    leaves = [t.detach().clone().requires_grad_() for t in (x, w, b)]
    return torch.autograd.grad(leaves[0] @ leaves[1] + leaves[2], leaves, d)


def assert_gradients(got, expected, **tolerances):
    """``got`` is the tuple of the three gradients."""
    assert_close(got, tuple(expected), what="the tuple of gradients (x, w, b)", **tolerances)


def by_small_steps(loss, tensor, step=1e-4):
    """The gradient of ``loss()``, a number, for ``tensor``, by central differences."""
    gradient = torch.zeros_like(tensor)
    for index in range(tensor.numel()):
        flat, value = tensor.view(-1), tensor.view(-1)[index].item()
        flat[index] = value + step
        up = loss()
        flat[index] = value - step
        gradient.view(-1)[index] = (up - loss()) / (2 * step)
        flat[index] = value
    return gradient


@pytest.mark.exercise("linear_layer_gradients", points=0.75)
def test_linear_layer_gradients_of_any_tensors(student, randn):
    """Right for any size, float dtype and memory layout, with and without gradients.

    对任何大小、浮点 dtype 和内存布局都正确，无论是否需要梯度。
    """
    cases = []
    for dtype in (torch.float32, torch.float64):
        x, w, b = randn(4, 6, dtype=dtype).t(), randn(5, 8, dtype=dtype).t()[::2], randn(10, dtype=dtype)[::2]
        cases.append((x, w, b, randn(5, 6, dtype=dtype).t()))
    for bs, n_in, n_out in ((1, 3, 4), (7, 1, 2), (3, 5, 1), (3, 3, 3)):
        x, w, b = (t.requires_grad_() for t in (randn(bs, n_in), randn(n_in, n_out), randn(n_out)))
        cases.append((x, w, b, randn(bs, n_out)))
    for case, got in student.each("linear_layer_gradients", cases):
        assert_gradients(got, expected_gradients(*case))


@pytest.mark.exercise("linear_layer_gradients", points=0.75)
def test_linear_layer_gradients_by_finite_differences(student, randn):
    """In float64 the gradients are what small steps of each number say.

    在 float64 下，梯度与微小改变每个数得到的结果一致。
    """
    x, w, b, d = (randn(*size, dtype=torch.float64) for size in ((3, 2), (2, 4), (4,), (3, 4)))
    got = student.linear_layer_gradients(x, w, b, d)
    expected = [by_small_steps(lambda: (d * (x @ w + b)).sum().item(), tensor) for tensor in (x, w, b)]
    assert_gradients(got, expected, rtol=1e-7, atol=1e-8)
