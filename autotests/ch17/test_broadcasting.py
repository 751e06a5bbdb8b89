"""Whole tensors at once: comparisons and broadcasting in place of loops."""

import pytest
import torch

from grader.compare import assert_close, assert_equal


def truth(answer):
    """A rank-0 bool tensor is as good as a Python bool."""
    if isinstance(answer, torch.Tensor) and answer.ndim == 0 and answer.dtype == torch.bool:
        return bool(answer)
    return answer


def normalized(x, mean, std):
    """Channel by channel: ``(x[:, c] - mean[c]) / std[c]``."""
    return torch.stack([(x[:, c] - mean[c]) / std[c] for c in range(3)], dim=1)


@pytest.mark.exercise("all_greater", points=0.5)
def test_all_greater(student):
    """True only when every element of `a` is greater than its partner in `b`; equal is not greater.

    只有当 `a` 的每个元素都大于 `b` 中对应的元素时才是 True；相等不算大于。
    """
    b = torch.tensor([1.0, -2.0, 3.0, 0.5])
    one_less, one_equal = torch.tensor([2.0, -1.0, 2.9, 1.0]), torch.tensor([2.0, -2.0, 4.0, 1.0])
    answers = student.each("all_greater", [(b + 1, b), (one_less, b), (one_equal, b), (b - 1, b)])
    for (_, answer), expected in zip(answers, (True, False, False, False), strict=True):
        assert_equal(truth(answer), expected)


@pytest.mark.exercise("all_greater", points=0.25)
def test_all_greater_without_loop(student, randn):
    """No Python loop: one comparison of whole tensors.

    不用 Python 循环：一次比较整个张量。
    """
    a = randn(3, 4)
    with student.watching() as seen:
        yes = student.all_greater(a, a - 0.5)
    assert_equal(truth(yes), True)
    assert_equal(truth(student.all_greater(a, a)), False)
    student.how("all_greater", seen).loops(at_most=0)


@pytest.mark.exercise("normalize_images", points=0.5)
def test_normalize_images_by_channel(student, randn):
    """Each channel has its own mean taken away, then is divided by its own std.

    每个通道先减去自己的平均值，再除以自己的标准差。
    """
    mean, std = torch.tensor([0.5, -1.0, 2.0]), torch.tensor([0.25, 2.0, 1.5])
    for x in (randn(2, 3, 4, 5), randn(4, 3, 5, 2)):
        assert_close(student.normalize_images(x, mean, std), normalized(x, mean, std))


@pytest.mark.exercise("normalize_images", points=0.5)
def test_normalize_images_when_every_axis_is_three(student, randn):
    """Three images, height 3, width 3: it is still the channels that are normalised.

    三张图像、高 3、宽 3：归一化的仍然是通道。
    """
    mean, std = torch.tensor([1.0, -0.5, 3.0]), torch.tensor([2.0, 0.5, 1.25])
    cases = [(randn(bs, 3, h, w), mean, std) for bs, h, w in ((3, 3, 3), (2, 4, 3), (3, 2, 5), (1, 3, 4))]
    for case, out in student.each("normalize_images", cases):
        assert_close(out, normalized(*case))


@pytest.mark.exercise("normalize_images", points=0.25)
def test_normalize_images_without_loop(student, randn):
    """No Python loop: broadcasting does the work.

    不用 Python 循环：由广播来完成。
    """
    x, mean, std = randn(2, 3, 2, 4), torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.5, 1.5, 2.5])
    with student.watching() as seen:
        out = student.normalize_images(x, mean, std)
    assert_close(out, normalized(x, mean, std))
    student.how("normalize_images", seen).loops(at_most=0)
