"""ReLU as a function of autograd, and two small networks that learn from handwritten digits."""

import pytest
import torch

from grader.compare import assert_close, assert_equal
from grader.findings import Mismatch
from grader.model import Finding

TRAIN = 1300  # the rows to learn from; the others are held out
BOUND = 0.3  # mean squared error
SHARE = 0.9  # of the held-out digits


def shape(value):
    """A tensor's shape as a list; anything else as it is."""
    return list(value.shape) if isinstance(value, torch.Tensor) else value


def outputs(model, x, n_out):
    """What the model gives for ``x``: [k, n_out]."""
    if model is None:
        raise Mismatch(Finding("wrong", "none", {"what": "the model"}))
    out = model(x)
    assert_equal(shape(out), [len(x), n_out], what="the shape of the model's output")
    return out.detach()


def assert_error(out, targ):
    """The mean squared error is within the bound."""
    error = (out[:, 0] - targ).pow(2).mean().item()
    if not error <= BOUND:
        facts = {"error": f"{error:.3g}", "bound": f"{BOUND:g}"}
        raise Mismatch(Finding("wrong", "error_high", facts, got=f"{error:.3g}", expected=f"at most {BOUND:g}"))


def assert_share(out, classes):
    """The largest of the ten outputs stands at the right digit for enough of the images."""
    share = (out.argmax(1) == classes).double().mean().item()
    if share < SHARE:
        facts = {"share": f"{100 * share:.0f} %", "bound": f"{100 * SHARE:.0f} %"}
        raise Mismatch(
            Finding("wrong", "accuracy_low", facts, got=facts["share"], expected=f"at least {facts['bound']}")
        )


@pytest.mark.exercise("MyRelu", points=0.5)
def test_my_relu_forward(student, randn):
    """`MyRelu.apply(x)`: positive numbers stay as they are, negative ones become 0.

    `MyRelu.apply(x)`：正数保持不变，负数变成 0。
    """
    for x in (randn(4, 3), randn(5), torch.tensor([[-1.5, 0.0, 2.0]])):
        assert_close(student.MyRelu.apply(x), x.clamp_min(0))


@pytest.mark.exercise("MyRelu", points=0.5)
def test_my_relu_backward(student, randn):
    """The incoming gradient goes through where `x` was positive, and is stopped where it was negative.

    `x` 为正处传来的梯度通过，为负处被截断。
    """
    x, d = randn(4, 3).requires_grad_(), randn(4, 3)
    out = student.MyRelu.apply(x)
    assert_close(out, x.detach().clamp_min(0))
    (gradient,) = student.grad(out, (x,), d)
    assert_close(gradient, torch.where(x.detach() > 0, d, 0.0), what="the gradient of x")


@pytest.mark.exercise("MyRelu", points=0.5)
def test_my_relu_is_your_own(student, randn):
    """A `torch.autograd.Function` whose two passes are your own: no ready-made ReLU, no autograd inside.

    一个 `torch.autograd.Function`，前向和反向都由你自己写成：里面不用现成的 ReLU，也不用自动求导。
    """
    x, d = randn(3, 4).requires_grad_(), randn(3, 4)
    with student.watching() as seen:
        out = student.MyRelu.apply(x)
    assert_close(out, x.detach().clamp_min(0))
    assert_close(student.grad(out, (x,), d)[0], torch.where(x.detach() > 0, d, 0.0), what="the gradient of x")
    how = student.how("MyRelu", seen)
    how.must_not("relu", "autograd")
    how.must("autograd.Function")


@pytest.mark.time_limit(60)
@pytest.mark.exercise("train_with_relu", points=1.5)
def test_train_with_relu(student, odd_or_even):
    """The model's mean squared error on digits that it has not seen is at most 0.3.

    在没有见过的数字上，模型的均方误差不超过 0.3。
    """
    x, y = odd_or_even(40)
    model = student.train_with_relu(x[:TRAIN], y[:TRAIN], 600, 0.03, 1)
    assert_error(outputs(model, x[TRAIN:], 1), y[TRAIN:])


@pytest.mark.time_limit(60)
@pytest.mark.exercise("train_with_relu", points=0.5)
def test_train_with_relu_uses_my_relu(student, randn):
    """The model's ReLU is `MyRelu`.

    模型用的 ReLU 是 `MyRelu`。
    """
    model = student.train_with_relu(randn(8, 5), randn(8), 3, 0.03, 2)
    x = randn(6, 5)
    with student.watching() as seen:
        out = model(x)
    assert_equal(shape(out), [6, 1], what="the shape of the model's output")
    how = student.how("train_with_relu", seen)
    how.must_not("relu")
    how.must_call("MyRelu")


@pytest.mark.exercise("SmallCNN", points=0.75)
def test_small_cnn_output(student, randn):
    """`SmallCNN()` called on images [k, 1, 8, 8] gives [k, 10]: ten numbers for each, not all alike.

    用图像 [k, 1, 8, 8] 调用 `SmallCNN()` 得到 [k, 10]：每张图像十个数，不全相同。
    """
    for k in (4, 1):
        assert_equal(shape(student.SmallCNN()(randn(k, 1, 8, 8))), [k, 10], what="the shape of the output")
    out = student.SmallCNN()(randn(3, 1, 8, 8)).detach()
    assert_equal(len(out.unique(dim=0)), 3, what="the number of different rows of the output")


@pytest.mark.exercise("SmallCNN", points=0.75)
def test_small_cnn_convolves_by_itself(student, randn):
    """Its convolutions go through your own `conv2d`: `unfold` and a matrix product; no `F.conv2d`, no `nn.Conv2d`.

    它的卷积用的是你自己的 `conv2d`：`unfold` 加矩阵乘法；不用 `F.conv2d` 和 `nn.Conv2d`。
    """
    with student.watching() as seen:
        out = student.SmallCNN()(randn(2, 1, 8, 8))
    assert_equal(shape(out), [2, 10], what="the shape of the output")
    how = student.how("SmallCNN", seen)
    how.must_not("conv2d")
    how.must("unfold")
    how.must("matrix product")


@pytest.mark.time_limit(60)
@pytest.mark.exercise("train_cnn", points=2)
def test_train_cnn(student, digits):
    """The model reads at least 90 % of the digits that it has not seen.

    在没有见过的数字中，模型至少认对 90 %。
    """
    x, classes = digits(1)
    model = student.train_cnn(x[:TRAIN], classes[:TRAIN], 400, 0.01, 1)
    assert_share(outputs(model, x[TRAIN:], 10), classes[TRAIN:])


@pytest.mark.time_limit(60)
@pytest.mark.exercise("train_cnn", points=0.5)
def test_train_cnn_convolves_by_itself(student, randn):
    """The trained model convolves by your own `conv2d`: no `F.conv2d`, no `nn.Conv2d`.

    训练好的模型用你自己的 `conv2d` 做卷积：不用 `F.conv2d` 和 `nn.Conv2d`。
    """
    model = student.train_cnn(randn(10, 1, 8, 8), torch.arange(10), 2, 0.01, 3)
    x = randn(4, 1, 8, 8)
    with student.watching() as seen:
        out = model(x)
    assert_equal(shape(out), [4, 10], what="the shape of the model's output")
    how = student.how("train_cnn", seen)
    how.must_not("conv2d")
    how.must("unfold")
