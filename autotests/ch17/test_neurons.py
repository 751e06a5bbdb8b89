"""One neuron, one layer of them, and the ReLU between layers."""

from math import inf

import pytest
import torch
import torch.nn.functional as F

from grader.compare import assert_close


@pytest.mark.exercise("neuron", points=0.25)
def test_neuron_is_weighted_sum_plus_bias(student):
    """The weighted sum of the inputs, plus the bias once; negative sums stay negative.

    输入的加权和，再加一次偏置；负的和保持为负。
    """
    floats = ([1.0, 2.0, 3.0], [0.5, -1.0, 2.0], 0.25), ([2.0, -1.0], [-3.0, 4.0], 1.5)
    outs = student.each("neuron", [*floats, ([1, 2, 0, 4], [3, -1, 7, 2], -5)])
    for (_, out), expected in zip(outs, (4.75, -8.5, 4), strict=True):
        assert_close(out, expected)


@pytest.mark.exercise("neuron", points=0.25)
def test_neuron_in_plain_python(student):
    """Written in plain Python: no torch, no NumPy.

    用纯 Python 写成：不用 torch，不用 NumPy。
    """
    with student.watching() as seen:
        out = student.neuron([0.5, -2.0, 4.0], [2.0, 1.0, 0.25], 3.0)
    assert_close(out, 3.0)
    how = student.how("neuron", seen)
    how.must_not("torch")
    how.must_not("numpy")


@pytest.mark.exercise("relu", points=0.5)
def test_relu_keeps_positive_numbers(student, randn):
    """Positive numbers stay exactly as they are, negative ones become 0.

    正数保持原样，负数变成 0。
    """
    for x in (3 * randn(5, 4), 3 * randn(7, dtype=torch.float64)):
        assert_close(student.relu(x), x.clamp_min(0))


@pytest.mark.exercise("relu", points=0.25)
def test_relu_of_infinity(student):
    """Minus infinity becomes 0 and plus infinity stays: no NaN appears.

    负无穷大变成 0，正无穷大保持不变：不出现 NaN。
    """
    x = torch.tensor([-inf, -1.5, 0.0, 2.5, inf])
    assert_close(student.relu(x), torch.tensor([0.0, 0.0, 0.0, 2.5, inf]))


@pytest.mark.exercise("relu", points=0.25)
def test_relu_is_your_own(student, randn):
    """Your own ReLU: `torch.relu`, `F.relu` and `nn.ReLU` are not used.

    ReLU 由你自己写成：不用 `torch.relu`、`F.relu` 和 `nn.ReLU`。
    """
    x = randn(3, 4)
    with student.watching() as seen:
        out = student.relu(x)
    assert_close(out, x.clamp_min(0))
    student.how("relu", seen).must_not("relu")


@pytest.mark.exercise("dense", points=0.5)
def test_dense_layer(student, randn):
    """Each output is a neuron's weighted sum of the sample plus that neuron's bias.

    每个输出是一个神经元对样本的加权和，再加上这个神经元的偏置。
    """
    for dtype in (torch.float32, torch.float64):
        x, w, b = randn(4, 3, dtype=dtype), randn(5, 3, dtype=dtype), randn(5, dtype=dtype)
        assert_close(student.dense(x, w, b), F.linear(x, w, b))


@pytest.mark.exercise("dense", points=0.5)
def test_dense_is_one_matrix_product(student, randn):
    """A matrix product and no loop; `F.linear` and `nn.Linear` are not used.

    用矩阵乘法，不用循环；不用 `F.linear` 和 `nn.Linear`。
    """
    x, w, b = randn(2, 4), randn(3, 4), randn(3)
    with student.watching() as seen:
        out = student.dense(x, w, b)
    assert_close(out, F.linear(x, w, b))
    how = student.how("dense", seen)
    how.must_not("nn.Linear")
    how.loops(at_most=0)
    how.must("matrix product")


@pytest.mark.exercise("dense_plain", points=0.5)
def test_dense_plain_layer(student):
    """The dense layer on nested lists: one row a sample, one number a neuron.

    在嵌套列表上计算的全连接层：每个样本一行，每个神经元一个数。
    """
    x = [[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]]
    w = [[1.0, 0.0, -1.0], [2.0, 1.0, 0.5], [0.0, 3.0, 1.0], [-2.0, -2.0, 1.0]]
    b = [0.5, -1.0, 2.0, 0.25]
    assert_close(student.dense_plain(x, w, b), [[-1.5, 4.5, 11.0, -2.75], [1.0, -1.0, -1.0, 1.25]])
    assert_close(student.dense_plain([[1, 2]], [[3, 4], [5, -6], [0, 1]], [1, 0, -2]), [[12, -7, 0]])


@pytest.mark.exercise("dense_plain", points=0.5)
def test_dense_plain_in_plain_python(student):
    """Built-ins and your own helpers only: no torch, no NumPy.

    只用内置功能和你自己写的辅助函数：不用 torch，不用 NumPy。
    """
    with student.watching() as seen:
        out = student.dense_plain([[2.0, -1.0], [0.0, 4.0], [1.0, 1.0]], [[1.0, 3.0], [0.5, 0.25]], [1.0, -1.0])
    assert_close(out, [[0.0, -0.25], [13.0, 0.0], [5.0, -0.25]])
    student.how("dense_plain", seen).only_builtins()
