"""A 2-D convolution: more sizes, dtypes and layouts, and gradients."""

import pytest
import torch
import torch.nn.functional as F

from grader.compare import assert_close

pytestmark = pytest.mark.hidden


@pytest.mark.exercise("conv2d", points=0.5)
def test_conv2d_of_any_size(student, randn):
    """Right for any number of images and channels, and any size of image and kernel.

    对任何数量的图像和通道、任何大小的图像和卷积核都正确。
    """
    cases = []
    for x, w in (
        ((1, 1, 4, 4), (1, 1, 1, 1)),
        ((2, 3, 3, 2), (4, 3, 3, 2)),
        ((3, 1, 5, 4), (1, 1, 2, 3)),
        ((1, 2, 1, 6), (3, 2, 1, 4)),
        ((3, 3, 3, 3), (3, 3, 3, 3)),
    ):
        image, kernel, b = randn(*x), randn(*w), randn(w[0])
        cases += [(image, kernel), (image, kernel, b, 1, 1)]
    for case, out in student.each("conv2d", cases):
        assert_close(out, F.conv2d(*case))


@pytest.mark.exercise("conv2d", points=0.5)
def test_conv2d_of_any_stride_and_padding(student, reference, randn):
    """Right for any stride and padding, also where the last step does not fill the image.

    对任何步幅和填充都正确，最后一步没有走满图像时也一样。
    """
    x, w, b = randn(2, 3, 8, 6), randn(2, 3, 2, 3), randn(2)
    for stride, padding in ((3, 0), (2, 2), (1, 3), (4, 1)):
        expected = reference.conv2d(x, w, b, stride, padding)
        assert_close(student.conv2d(x, w, b, stride=stride, padding=padding), expected)


@pytest.mark.exercise("conv2d", points=0.5)
def test_conv2d_of_any_tensors(student, randn):
    """Right for any float dtype and memory layout, with and without gradients.

    对任何浮点 dtype 和内存布局都正确，无论是否需要梯度。
    """
    cases = []
    for dtype in (torch.float32, torch.float64):
        x = randn(2, 6, 5, 3, dtype=dtype).permute(0, 3, 1, 2)
        w, b = randn(3, 2, 4, 3, dtype=dtype).permute(2, 0, 3, 1), randn(8, dtype=dtype)[::2]
        cases.append((x, w, b, 2, 1))
    cases.append((randn(2, 4, 10, 6)[:, ::2, ::2], randn(3, 2, 2, 3).requires_grad_(), randn(3).requires_grad_()))
    for case, out in student.each("conv2d", cases):
        assert_close(out, F.conv2d(*case).detach())


@pytest.mark.exercise("conv2d", points=0.5)
def test_conv2d_gradients(student, randn):
    """Gradients for the images, the kernels and the bias flow.

    梯度能传到图像、卷积核和偏置。
    """
    tensors = [t.requires_grad_() for t in (randn(2, 3, 5, 6), randn(4, 3, 3, 2), randn(4))]
    leaves = [t.detach().clone().requires_grad_() for t in tensors]
    expected = F.conv2d(*leaves, stride=2, padding=1)
    out, d = student.conv2d(*tensors, stride=2, padding=1), randn(*expected.shape)
    assert_close(out, expected.detach())
    gradients = student.grad((out,), tuple(tensors), (d,))
    for name, got, gradient in zip("xwb", gradients, torch.autograd.grad(expected, leaves, d), strict=True):
        assert_close(got, gradient, what=f"the gradient of {name}")
