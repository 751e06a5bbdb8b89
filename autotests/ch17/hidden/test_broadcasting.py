"""Whole tensors at once: more sizes, dtypes and layouts."""

import pytest
import torch

from grader.compare import assert_close, assert_equal

pytestmark = pytest.mark.hidden


def truth(answer):
    """A rank-0 bool tensor is as good as a Python bool."""
    if isinstance(answer, torch.Tensor) and answer.ndim == 0 and answer.dtype == torch.bool:
        return bool(answer)
    return answer


def normalized(x, mean, std):
    """Channel by channel: ``(x[:, c] - mean[c]) / std[c]``."""
    return torch.stack([(x[:, c] - mean[c]) / std[c] for c in range(3)], dim=1)


@pytest.mark.exercise("all_greater", points=0.25)
def test_all_greater_for_any_tensors(student, randn):
    """Right for any rank, size, dtype and memory layout.

    对任何阶数、大小、dtype 和内存布局都正确。
    """
    tensors = [
        randn(1),
        randn(1)[0],
        randn(2, 3, 4),
        randn(5, dtype=torch.float64),
        randn(4, 3).t(),
        randn(6, 6)[::2, 1::2],
    ]
    tensors += [torch.tensor([[3, -1], [0, 7]]), randn(3, 2).requires_grad_()]
    cases = []
    for a in tensors:
        lower = a.detach() - 1
        one_equal = lower.clone(memory_format=torch.contiguous_format)
        one_equal.view(-1)[-1] = a.detach().reshape(-1)[-1]
        cases += [(a, lower), (a, one_equal), (lower, a)]
    answers = student.each("all_greater", cases)
    for (_, answer), expected in zip(answers, (True, False, False) * len(tensors), strict=True):
        assert_equal(truth(answer), expected)


@pytest.mark.exercise("normalize_images", points=0.25)
def test_normalize_images_of_any_size(student, randn):
    """Right for any batch size, height and width.

    对任何批次大小、高度和宽度都正确。
    """
    mean, std = randn(3), randn(3).abs() + 0.5
    sizes = (1, 1, 1), (1, 3, 3), (3, 1, 4), (2, 5, 1), (5, 3, 7)
    for case, out in student.each("normalize_images", [(randn(bs, 3, h, w), mean, std) for bs, h, w in sizes]):
        assert_close(out, normalized(*case))


@pytest.mark.exercise("normalize_images", points=0.25)
def test_normalize_images_of_views_and_parameters(student, randn):
    """Right for any dtype and memory layout, with and without gradients.

    对任何 dtype 和内存布局都正确，无论是否需要梯度。
    """
    mean, std = randn(3, dtype=torch.float64), randn(3, dtype=torch.float64).abs() + 0.5
    double = randn(2, 4, 5, 3, dtype=torch.float64).permute(0, 3, 1, 2), mean, std
    views = randn(4, 3, 6, 4)[::2, :, ::2], randn(6)[::2], randn(6)[1::2].abs() + 0.5
    leaves = randn(2, 3, 2, 3).requires_grad_(), randn(3).requires_grad_(), views[2]
    for case, out in student.each("normalize_images", [double, views, leaves]):
        assert_close(out, normalized(*case).detach())


@pytest.mark.exercise("normalize_images", points=0.25)
def test_normalize_images_agrees_with_the_solution(student, reference, randn):
    """Agrees with the solution on images like real ones.

    对接近真实的图像，结果与参考答案一致。
    """
    x, mean, std = 50 * randn(3, 3, 5, 4) + 120, 10 * randn(3) + 100, randn(3).abs() * 20 + 30
    assert_close(student.normalize_images(x, mean, std), reference.normalize_images(x, mean, std))
