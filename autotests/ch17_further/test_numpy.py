"""The chapter in NumPy, each function beside torch in float64."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from grader.compare import assert_close


def arrays(randn, *shapes):
    """A float64 array of random numbers for each shape."""
    return [randn(*shape, dtype=torch.float64).numpy() for shape in shapes]


def as_torch(*values):
    """Arrays as tensors, for torch to say what is right."""
    return [torch.from_numpy(value.copy()) for value in values]


def assert_number(got, expected):
    """A loss: one number, as a NumPy number, an array of rank 0 or a Python float."""
    if isinstance(got, np.generic):
        got = np.asarray(got)
    assert_close(got, expected.item() if isinstance(got, float) else expected.numpy())


def autograd(loss, *values):
    """The gradients of ``loss(*tensors)`` by autograd, as a tuple of arrays."""
    leaves = [tensor.requires_grad_() for tensor in as_torch(*values)]
    out = loss(*leaves)
    return tuple(gradient.numpy() for gradient in torch.autograd.grad(out, leaves, torch.ones_like(out)))


def two_layers(targ):
    """The two-layer net's loss as a function of its input, weights and biases."""

    def loss(inp, w1, b1, w2, b2):
        return F.mse_loss((torch.relu(inp @ w1 + b1) @ w2 + b2).squeeze(-1), torch.from_numpy(targ.copy()))

    return loss


@pytest.mark.exercise("np_relu", points=0.25)
def test_np_relu(student, randn):
    """Positive numbers stay as they are, negative ones become 0.

    正数保持不变，负数变成 0。
    """
    (x,) = arrays(randn, (4, 5))
    assert_close(student.np_relu(x), np.maximum(x, 0))


@pytest.mark.exercise("np_relu", points=0.25)
def test_np_relu_in_numpy_only(student, randn):
    """NumPy only.

    只用 NumPy。
    """
    (x,) = arrays(randn, (3, 4))
    with student.watching() as seen:
        out = student.np_relu(x)
    assert_close(out, np.maximum(x, 0))
    student.how("np_relu", seen).only_numpy()


@pytest.mark.exercise("np_lin", points=0.25)
def test_np_lin(student, randn):
    """A linear layer: `x @ w + b`.

    线性层：`x @ w + b`。
    """
    for bs, n_in, n_out in ((4, 3, 2), (2, 5, 6)):
        x, w, b = arrays(randn, (bs, n_in), (n_in, n_out), (n_out,))
        assert_close(student.np_lin(x, w, b), x @ w + b)


@pytest.mark.exercise("np_lin", points=0.25)
def test_np_lin_in_numpy_only(student, randn):
    """NumPy only.

    只用 NumPy。
    """
    x, w, b = arrays(randn, (3, 4), (4, 2), (2,))
    with student.watching() as seen:
        out = student.np_lin(x, w, b)
    assert_close(out, x @ w + b)
    student.how("np_lin", seen).only_numpy()


@pytest.mark.exercise("np_mse", points=0.25)
def test_np_mse(student, randn):
    """The mean of the squared differences: one number.

    差的平方的平均值：一个数。
    """
    for bs in (5, 2):
        output, targ = arrays(randn, (bs, 1), (bs,))
        assert_number(student.np_mse(output, targ), F.mse_loss(*as_torch(output[:, 0], targ)))


@pytest.mark.exercise("np_mse", points=0.25)
def test_np_mse_in_numpy_only(student, randn):
    """NumPy only.

    只用 NumPy。
    """
    output, targ = arrays(randn, (4, 1), (4,))
    with student.watching() as seen:
        loss = student.np_mse(output, targ)
    assert_number(loss, F.mse_loss(*as_torch(output[:, 0], targ)))
    student.how("np_mse", seen).only_numpy()


@pytest.mark.exercise("np_mse_grad", points=0.5)
def test_np_mse_grad(student, randn):
    """The gradient of the mean squared error, [bs, 1] like `inp`.

    均方误差的梯度，形状与 `inp` 相同，为 [bs, 1]。
    """
    for bs in (6, 3):
        inp, targ = arrays(randn, (bs, 1), (bs,))
        assert_close(student.np_mse_grad(inp, targ), 2 * (inp - targ[:, None]) / bs)


@pytest.mark.exercise("np_mse_grad", points=0.25)
def test_np_mse_grad_in_numpy_only(student, randn):
    """NumPy only.

    只用 NumPy。
    """
    inp, targ = arrays(randn, (4, 1), (4,))
    with student.watching() as seen:
        gradient = student.np_mse_grad(inp, targ)
    assert_close(gradient, 2 * (inp - targ[:, None]) / 4)
    student.how("np_mse_grad", seen).only_numpy()


@pytest.mark.exercise("np_relu_grad", points=0.25)
def test_np_relu_grad(student, randn):
    """`out_g` goes through where the input was positive, and is stopped where it was negative.

    输入为正处 `out_g` 通过，为负处被截断。
    """
    inp, d = arrays(randn, (5, 4), (5, 4))
    assert_close(student.np_relu_grad(inp, d), np.where(inp > 0, d, 0.0))


@pytest.mark.exercise("np_relu_grad", points=0.25)
def test_np_relu_grad_in_numpy_only(student, randn):
    """NumPy only.

    只用 NumPy。
    """
    inp, d = arrays(randn, (3, 4), (3, 4))
    with student.watching() as seen:
        gradient = student.np_relu_grad(inp, d)
    assert_close(gradient, np.where(inp > 0, d, 0.0))
    student.how("np_relu_grad", seen).only_numpy()


@pytest.mark.exercise("np_lin_grad", points=0.5)
def test_np_lin_grad(student, randn):
    """The gradients of `inp`, `w` and `b`, in this order.

    依次给出 `inp`、`w` 和 `b` 的梯度。
    """
    for bs, n_in, n_out in ((4, 3, 2), (2, 5, 6)):
        inp, d, w = arrays(randn, (bs, n_in), (bs, n_out), (n_in, n_out))
        assert_close(student.np_lin_grad(inp, d, w), (d @ w.T, inp.T @ d, d.sum(0)), what="the tuple (inp, w, b)")


@pytest.mark.exercise("np_lin_grad", points=0.25)
def test_np_lin_grad_in_numpy_only(student, randn):
    """NumPy only.

    只用 NumPy。
    """
    inp, d, w = arrays(randn, (3, 4), (3, 2), (4, 2))
    with student.watching() as seen:
        got = student.np_lin_grad(inp, d, w)
    assert_close(got, (d @ w.T, inp.T @ d, d.sum(0)), what="the tuple (inp, w, b)")
    student.how("np_lin_grad", seen).only_numpy()


@pytest.mark.exercise("np_forward_and_backward", points=1)
def test_np_forward_and_backward(student, randn):
    """The gradients of the loss for `inp`, `w1`, `b1`, `w2` and `b2`, in this order.

    依次给出损失对 `inp`、`w1`、`b1`、`w2` 和 `b2` 的梯度。
    """
    for bs, n_in, nh in ((6, 4, 5), (3, 2, 7)):
        inp, w1, b1, w2, b2 = values = arrays(randn, (bs, n_in), (n_in, nh), (nh,), (nh, 1), (1,))
        (targ,) = arrays(randn, (bs,))
        got = student.np_forward_and_backward(inp, targ, w1, b1, w2, b2)
        assert_close(got, autograd(two_layers(targ), *values), what="the tuple (inp, w1, b1, w2, b2)")


@pytest.mark.exercise("np_forward_and_backward", points=0.5)
def test_np_forward_and_backward_in_numpy_only(student, randn):
    """NumPy only.

    只用 NumPy。
    """
    inp, w1, b1, w2, b2 = values = arrays(randn, (4, 3), (3, 5), (5,), (5, 1), (1,))
    (targ,) = arrays(randn, (4,))
    with student.watching() as seen:
        got = student.np_forward_and_backward(inp, targ, w1, b1, w2, b2)
    assert_close(got, autograd(two_layers(targ), *values), what="the tuple (inp, w1, b1, w2, b2)")
    student.how("np_forward_and_backward", seen).only_numpy()


@pytest.mark.exercise("np_matmul_broadcast", points=0.5)
def test_np_matmul_broadcast(student, randn):
    """The matrix product.

    矩阵乘法。
    """
    for n, k, m in ((3, 4, 2), (5, 2, 6)):
        a, b = arrays(randn, (n, k), (k, m))
        assert_close(student.np_matmul_broadcast(a, b), a @ b)


@pytest.mark.exercise("np_matmul_broadcast", points=0.5)
def test_np_matmul_broadcast_by_broadcasting(student, randn):
    """One loop at most, NumPy only, and no ready-made product: `@`, `np.dot`, `np.einsum`...

    最多一层循环，只用 NumPy，不用现成的乘法：`@`、`np.dot`、`np.einsum` 等。
    """
    a, b = arrays(randn, (3, 5), (5, 4))
    with student.watching() as seen:
        out = student.np_matmul_broadcast(a, b)
    assert_close(out, a @ b)
    how = student.how("np_matmul_broadcast", seen)
    how.only_numpy()
    how.must_not("matrix product", "einsum")
    how.loops(at_most=1)


@pytest.mark.exercise("np_conv2d", points=0.5)
def test_np_conv2d(student, randn):
    """Slides each kernel over every channel of every image and sums, as `F.conv2d` does.

    每个卷积核在每张图像的每个通道上滑动并求和，与 `F.conv2d` 一致。
    """
    for sizes in (((2, 3, 5, 7), (4, 3, 3, 3)), ((1, 2, 6, 4), (3, 2, 2, 2))):
        x, w = arrays(randn, *sizes)
        assert_close(student.np_conv2d(x, w), F.conv2d(*as_torch(x, w)).numpy())


@pytest.mark.exercise("np_conv2d", points=1)
def test_np_conv2d_stride_padding_and_bias(student, randn):
    """Stride, padding, bias, kernels that are not square: all together, and one by one.

    步幅、填充、偏置、非方形的卷积核：一起使用，以及分别使用。
    """
    x, w, b = arrays(randn, (2, 3, 7, 8), (4, 3, 3, 2), (4,))
    tx, tw, tb = as_torch(x, w, b)
    assert_close(student.np_conv2d(x, w, b), F.conv2d(tx, tw, tb).numpy())
    assert_close(student.np_conv2d(x, w, None, 2), F.conv2d(tx, tw, stride=2).numpy())
    assert_close(student.np_conv2d(x, w, padding=1), F.conv2d(tx, tw, padding=1).numpy())
    assert_close(student.np_conv2d(x, w, b, stride=2, padding=1), F.conv2d(tx, tw, tb, stride=2, padding=1).numpy())


@pytest.mark.exercise("np_conv2d", points=0.5)
def test_np_conv2d_in_numpy_only(student, randn):
    """NumPy only, and no ready-made convolution.

    只用 NumPy，不用现成的卷积。
    """
    x, w, b = arrays(randn, (2, 2, 4, 5), (3, 2, 2, 3), (3,))
    with student.watching() as seen:
        out = student.np_conv2d(x, w, b, 1, 1)
    assert_close(out, F.conv2d(*as_torch(x, w, b), padding=1).numpy())
    how = student.how("np_conv2d", seen)
    how.only_numpy()
    how.must_not("conv2d")
