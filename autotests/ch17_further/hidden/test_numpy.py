"""The chapter in NumPy: more sizes, dtypes and layouts."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from grader.compare import assert_close

pytestmark = pytest.mark.hidden


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


def views(randn, *shape):
    """The same shape in three memory layouts in float64, and once in float32."""
    (plain,) = arrays(randn, shape)
    yield plain
    yield arrays(randn, shape[::-1])[0].T
    yield arrays(randn, [2 * n for n in shape])[0][(slice(1, None, 2),) * len(shape)]
    yield plain.astype(np.float32)


def together(randn, *shapes):
    """Arrays of these shapes, side by side, in all the forms of `views`."""
    return zip(*(views(randn, *shape) for shape in shapes), strict=True)


@pytest.mark.exercise("np_relu", points=0.25)
def test_np_relu_of_any_array(student, randn):
    """Right for any shape, float dtype and memory layout; the input stays.

    对任何形状、浮点 dtype 和内存布局都正确；输入保持不变。
    """
    cases = [(x,) for shape in ((3, 4), (5,), (2, 3, 2), (1, 1)) for x in views(randn, *shape)]
    for (x,), out in student.each("np_relu", cases):
        assert_close(out, np.maximum(x, 0))


@pytest.mark.exercise("np_relu", points=0.25)
def test_np_relu_of_zeros_and_infinities(student):
    """Zeros and infinities are numbers like any other.

    零和无穷大与其他数一样处理。
    """
    x = np.array([[0.0, 2.0, np.inf], [-np.inf, 1e-300, -1e300]])
    assert_close(student.np_relu(x), np.array([[0.0, 2.0, np.inf], [0.0, 1e-300, 0.0]]))


@pytest.mark.exercise("np_lin", points=0.5)
def test_np_lin_of_any_array(student, randn):
    """Right for any size, float dtype and memory layout.

    对任何大小、浮点 dtype 和内存布局都正确。
    """
    sizes = (3, 4, 2), (1, 3, 3), (3, 3, 3), (2, 1, 4), (4, 2, 1)
    cases = [case for bs, n_in, n_out in sizes for case in together(randn, (bs, n_in), (n_in, n_out), (n_out,))]
    for (x, w, b), out in student.each("np_lin", cases):
        assert_close(out, x @ w + b)


@pytest.mark.exercise("np_mse", points=0.5)
def test_np_mse_of_any_batch(student, randn):
    """Right for batches of every size, a batch of one included, and for any float dtype and memory layout.

    对各种大小的批次（包括大小为 1 的批次）、任何浮点 dtype 和内存布局都正确。
    """
    cases = [case for bs in (1, 2, 7, 33) for case in together(randn, (bs, 1), (bs,))]
    for (output, targ), loss in student.each("np_mse", cases):
        assert_number(loss, F.mse_loss(*as_torch(output[:, 0], targ)))


@pytest.mark.exercise("np_mse_grad", points=0.75)
def test_np_mse_grad_of_any_batch(student, randn):
    """Right for batches of every size, a batch of one included.

    对各种大小的批次都正确，包括大小为 1 的批次。
    """
    cases = [arrays(randn, (bs, 1), (bs,)) for bs in (1, 2, 9, 32)]
    for (inp, targ), got in student.each("np_mse_grad", cases):
        assert_close(got, 2 * (inp - targ[:, None]) / len(inp))


@pytest.mark.exercise("np_mse_grad", points=0.5)
def test_np_mse_grad_of_any_array(student, randn):
    """Right for any float dtype and memory layout.

    对任何浮点 dtype 和内存布局都正确。
    """
    for (inp, targ), got in student.each("np_mse_grad", together(randn, (5, 1), (5,))):
        assert_close(got, 2 * (inp - targ[:, None]) / 5)


@pytest.mark.exercise("np_relu_grad", points=0.25)
def test_np_relu_grad_at_zero(student):
    """The slope at exactly 0 is 0.

    恰好等于 0 处的斜率为 0。
    """
    inp = np.array([[0.0, 1.0, -1.0], [2.0, 0.0, -3.0]])
    d = np.array([[5.0, -4.0, 3.0], [0.5, -6.0, 7.0]])
    assert_close(student.np_relu_grad(inp, d), np.array([[0.0, -4.0, 0.0], [0.5, 0.0, 0.0]]))


@pytest.mark.exercise("np_relu_grad", points=0.25)
def test_np_relu_grad_of_any_array(student, randn):
    """Right for any shape, float dtype and memory layout; `inp` and `out_g` stay.

    对任何形状、浮点 dtype 和内存布局都正确；`inp` 和 `out_g` 保持不变。
    """
    cases = [case for shape in ((3, 4), (1, 5), (6,)) for case in together(randn, shape, shape)]
    for (inp, d), got in student.each("np_relu_grad", cases):
        assert_close(got, np.where(inp > 0, d, np.zeros_like(d)))


@pytest.mark.exercise("np_lin_grad", points=0.75)
def test_np_lin_grad_of_any_size(student, randn):
    """Right for one sample, one input, one output, and square weights.

    只有一个样本、一个输入、一个输出以及权重为方阵时都正确。
    """
    sizes = (1, 3, 4), (7, 1, 2), (3, 5, 1), (3, 3, 3)
    layers = [arrays(randn, (bs, n_in), (bs, n_out), (n_in, n_out), (n_out,)) for bs, n_in, n_out in sizes]
    answers = student.each("np_lin_grad", [(inp, d, w) for inp, d, w, _ in layers])
    for (inp, d, w, b), (_, got) in zip(layers, answers, strict=True):
        expected = autograd(lambda inp, w, b, d=d: torch.from_numpy(d) * (inp @ w + b), inp, w, b)
        assert_close(got, expected, what="the tuple (inp, w, b)")


@pytest.mark.exercise("np_lin_grad", points=0.5)
def test_np_lin_grad_of_any_array(student, randn):
    """Right for any float dtype and memory layout.

    对任何浮点 dtype 和内存布局都正确。
    """
    for (inp, d, w), got in student.each("np_lin_grad", together(randn, (4, 3), (4, 2), (3, 2))):
        assert_close(got, (d @ w.T, inp.T @ d, d.sum(0)), what="the tuple (inp, w, b)")


@pytest.mark.exercise("np_forward_and_backward", points=1)
def test_np_forward_and_backward_of_any_size(student, randn):
    """Right for a batch of one, one input and one hidden unit.

    批次大小为 1、只有一个输入和一个隐藏单元时也正确。
    """
    cases = []
    for bs, n_in, nh in ((1, 3, 4), (8, 1, 3), (5, 4, 1), (4, 4, 4)):
        inp, *parameters = arrays(randn, (bs, n_in), (n_in, nh), (nh,), (nh, 1), (1,))
        cases.append((inp, *arrays(randn, (bs,)), *parameters))
    for (inp, targ, *parameters), got in student.each("np_forward_and_backward", cases):
        assert_close(got, autograd(two_layers(targ), inp, *parameters), what="the tuple (inp, w1, b1, w2, b2)")


@pytest.mark.exercise("np_forward_and_backward", points=0.5)
def test_np_forward_and_backward_of_any_array(student, randn):
    """Right for any memory layout, also where much of the hidden layer is at 0.

    对任何内存布局都正确，隐藏层大部分为 0 时也一样。
    """
    inp, targ, w1, b1, w2, b2 = (
        arrays(randn, [2 * n for n in shape])[0][(slice(None, None, 2),) * len(shape)]
        for shape in ((6, 3), (6,), (3, 5), (5,), (5, 1), (1,))
    )
    got = student.np_forward_and_backward(inp, targ, w1, b1 - 1, w2, b2)
    expected = autograd(two_layers(targ), inp, w1, b1 - 1, w2, b2)
    assert_close(got, expected, what="the tuple (inp, w1, b1, w2, b2)")


@pytest.mark.exercise("np_matmul_broadcast", points=0.5)
def test_np_matmul_broadcast_of_any_array(student, randn):
    """Right for any size and memory layout.

    对任何大小和内存布局都正确。
    """
    cases = []
    for n, k, m in ((1, 4, 3), (4, 1, 3), (3, 4, 1), (3, 3, 3), (7, 2, 5)):
        a, b = arrays(randn, (k, 2 * n), (m, k))
        cases.append((a.T[::2], b.T))
    for (a, b), out in student.each("np_matmul_broadcast", cases):
        assert_close(out, a @ b)


@pytest.mark.exercise("np_matmul_broadcast", points=0.5)
def test_np_matmul_broadcast_refuses_sizes_that_do_not_fit(student, randn):
    """Raises an exception when the inner sizes differ.

    内侧大小不同时抛出异常。
    """
    a, b = arrays(randn, (3, 4), (4, 2))
    assert_close(student.np_matmul_broadcast(a, b), a @ b)
    sizes = ((3, 4), (5, 2)), ((2, 3), (2, 3)), ((3, 1), (4, 2)), ((3, 4), (1, 2))
    list(student.raises_each("np_matmul_broadcast", [arrays(randn, *pair) for pair in sizes]))


@pytest.mark.exercise("np_conv2d", points=0.5)
def test_np_conv2d_of_any_size(student, randn):
    """Right for any number of images and channels, and any size of image and kernel.

    对任何数量的图像和通道、任何大小的图像和卷积核都正确。
    """
    cases = []
    for sizes in (
        ((1, 1, 4, 4), (1, 1, 1, 1)),
        ((2, 3, 3, 2), (4, 3, 3, 2)),
        ((3, 1, 5, 4), (1, 1, 2, 3)),
        ((1, 2, 1, 6), (3, 2, 1, 4)),
        ((3, 3, 3, 3), (3, 3, 3, 3)),
    ):
        x, w = arrays(randn, *sizes)
        (b,) = arrays(randn, (len(w),))
        cases += [(x, w), (x, w, b, 1, 1)]
    for case, out in student.each("np_conv2d", cases):
        assert_close(out, F.conv2d(*as_torch(*case[:3]), *case[3:]).numpy())


@pytest.mark.exercise("np_conv2d", points=0.5)
def test_np_conv2d_of_any_stride_and_padding(student, randn):
    """Right for any stride and padding, also where the last step does not fill the image.

    对任何步幅和填充都正确，最后一步没有走满图像时也一样。
    """
    x, w, b = arrays(randn, (2, 3, 8, 6), (2, 3, 2, 3), (2,))
    for stride, padding in ((3, 0), (2, 2), (1, 3), (4, 1)):
        expected = F.conv2d(*as_torch(x, w, b), stride=stride, padding=padding).numpy()
        assert_close(student.np_conv2d(x, w, b, stride=stride, padding=padding), expected)


@pytest.mark.exercise("np_conv2d", points=1)
def test_np_conv2d_of_any_array(student, randn):
    """Right for any memory layout.

    对任何内存布局都正确。
    """
    x, w, b = arrays(randn, (2, 6, 5, 3), (3, 2, 4, 3), (8,))
    x, w, b = x.transpose(0, 3, 1, 2), w.transpose(2, 0, 3, 1), b[::2]
    assert_close(student.np_conv2d(x, w, b, 2, 1), F.conv2d(*as_torch(x, w, b), stride=2, padding=1).numpy())
    x, w = arrays(randn, (2, 4, 10, 6), (3, 2, 2, 3))
    x = x[:, ::2, ::2]
    assert_close(student.np_conv2d(x, w), F.conv2d(*as_torch(x, w)).numpy())
