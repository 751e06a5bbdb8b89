"""A 2-D convolution: unfold, then a matrix product."""

import pytest
import torch.nn.functional as F

from grader.compare import assert_close


def slips(x, w, *more):
    """What typical slips with the kernels give."""
    found = {"kernel_flipped": lambda: F.conv2d(x, w.flip(2, 3), *more)}
    if w.shape[2] == w.shape[3]:
        found["kernel_transposed"] = lambda: F.conv2d(x, w.transpose(2, 3), *more)
    return found


@pytest.mark.exercise("conv2d", points=0.5)
def test_conv2d(student, randn):
    """Slides each kernel over every channel of every image and sums, as `F.conv2d` does.

    每个卷积核在每张图像的每个通道上滑动并求和，与 `F.conv2d` 一致。
    """
    for x, w in ((randn(2, 3, 5, 7), randn(4, 3, 3, 3)), (randn(1, 2, 6, 4), randn(3, 2, 2, 2))):
        assert_close(student.conv2d(x, w), F.conv2d(x, w), instead=slips(x, w))


@pytest.mark.exercise("conv2d", points=1)
def test_conv2d_stride_padding_and_bias(student, randn):
    """Stride, padding, bias, kernels that are not square: all together, and one by one.

    步幅、填充、偏置、非方形的卷积核：一起使用，以及分别使用。
    """
    x, w, b = randn(2, 3, 7, 8), randn(4, 3, 3, 2), randn(4)
    assert_close(student.conv2d(x, w, b), F.conv2d(x, w, b), instead=slips(x, w, b))
    assert_close(student.conv2d(x, w, None, 2), F.conv2d(x, w, stride=2))
    assert_close(student.conv2d(x, w, padding=1), F.conv2d(x, w, padding=1))
    assert_close(student.conv2d(x, w, b, stride=2, padding=1), F.conv2d(x, w, b, stride=2, padding=1))


@pytest.mark.exercise("conv2d", points=0.5)
def test_conv2d_by_unfold_and_matrix_product(student, randn):
    """`unfold` and a matrix product; `F.conv2d` and `nn.Conv2d` are not used.

    用 `unfold` 和矩阵乘法；不用 `F.conv2d` 和 `nn.Conv2d`。
    """
    x, w, b = randn(2, 2, 4, 5), randn(3, 2, 2, 3), randn(3)
    with student.watching() as seen:
        out = student.conv2d(x, w, b, 1, 1)
    assert_close(out, F.conv2d(x, w, b, padding=1))
    how = student.how("conv2d", seen)
    how.must_not("conv2d")
    how.must("unfold")
    how.must("matrix product")
