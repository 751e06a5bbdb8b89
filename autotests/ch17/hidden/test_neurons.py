"""One neuron, one layer of them, and the ReLU between layers: more sizes, dtypes and layouts."""

from math import inf

import pytest
import torch
import torch.nn.functional as F

from grader.compare import assert_close

pytestmark = pytest.mark.hidden


@pytest.mark.exercise("neuron", points=0.25)
def test_neuron_takes_any_sequences(student):
    """Any number of inputs, in any kind of sequence, floats or integers.

    输入个数不限，可以是任何一种序列，浮点数或整数都行。
    """
    cases = ([3.0], [-2.0], 0.5), ((1.5, -2.5, 0.0, 8.0), (2.0, 1.0, 9.0, -0.5), -1.0), ((2, 5, -1), [7, -3, 4], 11)
    for (_, out), expected in zip(student.each("neuron", cases), (-5.5, -4.5, 6), strict=True):
        assert_close(out, expected)


@pytest.mark.exercise("neuron", points=0.25)
def test_neuron_on_random_numbers(student, reference, randn):
    """Right for inputs, weights and bias drawn at random.

    对随机的输入、权重和偏置都正确。
    """
    cases = [(randn(n).tolist(), randn(n).tolist(), randn(1).item()) for n in (2, 7, 12)]
    for case, out in student.each("neuron", cases):
        assert_close(out, reference.neuron(*case))


@pytest.mark.exercise("relu", points=0.5)
def test_relu_keeps_shape_and_dtype(student, randn):
    """Any shape comes back in the same shape, any float dtype in the same dtype.

    返回的形状与输入的形状相同，浮点 dtype 也相同。
    """
    cases = []
    for dtype in (torch.float32, torch.float64):
        for shape in ((), (1,), (3,), (1, 1), (2, 1, 3), (2, 3, 1, 4)):
            x = randn(1, *shape, dtype=dtype)[0]
            cases += [(x,), (-x,)]
    for (x,), out in student.each("relu", cases):
        assert_close(out, x.clamp_min(0))


@pytest.mark.exercise("relu", points=0.25)
def test_relu_of_views_and_parameters(student, randn):
    """Right for tensors of any memory layout, with and without gradients.

    对任何内存布局的张量都正确，无论是否需要梯度。
    """
    tensors = randn(4, 3).t(), randn(6, 8)[::2, 1::3], randn(2, 3, 4).permute(2, 0, 1), randn(3, 5).requires_grad_()
    for (x,), out in student.each("relu", [(x,) for x in tensors]):
        assert_close(out, x.detach().clamp_min(0))


@pytest.mark.exercise("relu", points=0.25)
def test_relu_agrees_with_the_solution(student, reference, randn):
    """Agrees with the solution on numbers of every magnitude.

    对各种数量级的数都与参考答案一致。
    """
    x = randn(3, 7, dtype=torch.float64) * torch.tensor([[1e-12], [1.0], [1e12]], dtype=torch.float64)
    x[0, 2], x[1, 3], x[2, 4] = inf, -inf, 0.0
    assert_close(student.relu(x), reference.relu(x))


@pytest.mark.exercise("dense", points=0.25)
def test_dense_of_sizes_one(student, randn):
    """The shape is [bs, n_out] whatever the sizes.

    无论大小如何，形状都是 [bs, n_out]。
    """
    sizes = (1, 3, 4), (5, 1, 2), (2, 3, 1), (1, 1, 1), (3, 4, 3)
    cases = [(randn(bs, n_in), randn(n_out, n_in), randn(n_out)) for bs, n_in, n_out in sizes]
    for case, out in student.each("dense", cases):
        assert_close(out, F.linear(*case))


@pytest.mark.exercise("dense", points=0.5)
def test_dense_of_views_and_parameters(student, randn):
    """Right for tensors of any memory layout, with and without gradients.

    对任何内存布局的张量都正确，无论是否需要梯度。
    """
    x, w, b = randn(3, 4).t(), randn(10, 6)[::2, ::2], randn(10)[1::2]
    assert_close(student.dense(x, w, b), F.linear(x, w, b))
    x, w, b = randn(2, 4).requires_grad_(), randn(3, 4).requires_grad_(), randn(3).requires_grad_()
    assert_close(student.dense(x, w, b), F.linear(x, w, b).detach())


@pytest.mark.exercise("dense", points=0.25)
def test_dense_agrees_with_the_solution(student, reference, randn):
    """Agrees with the solution in both float dtypes.

    在两种浮点 dtype 下都与参考答案一致。
    """
    for dtype in (torch.float64, torch.float32):
        x, w, b = randn(6, 7, dtype=dtype), randn(3, 7, dtype=dtype), randn(3, dtype=dtype)
        assert_close(student.dense(x, w, b), reference.dense(x, w, b))


@pytest.mark.exercise("dense_plain", points=0.5)
def test_dense_plain_of_sizes_one(student):
    """A list of rows whatever the sizes.

    无论大小如何，都返回由行组成的列表。
    """
    cases = [
        ([[2.0, 3.0]], [[1.0, -1.0]], [0.5]),
        ([[2.0], [3.0]], [[1.0], [-1.0], [4.0]], [0.5, 0.0, 1.0]),
        ([[1, 2], [3, 4], [5, 6]], [[1, 1]], [10]),
    ]
    expected = [[-0.5]], [[2.5, -2, 9], [3.5, -3, 13]], [[13], [17], [21]]
    for (_, out), rows in zip(student.each("dense_plain", cases), expected, strict=True):
        assert_close(out, rows)


@pytest.mark.exercise("dense_plain", points=0.5)
def test_dense_plain_on_random_numbers(student, reference, randn):
    """Right for samples, weights and biases drawn at random.

    对随机的样本、权重和偏置都正确。
    """
    sizes = (3, 5, 2), (2, 3, 6), (4, 4, 4)
    cases = [[randn(*shape).tolist() for shape in ((bs, n_in), (n_out, n_in), (n_out,))] for bs, n_in, n_out in sizes]
    for case, out in student.each("dense_plain", cases):
        assert_close(out, reference.dense_plain(*case))
