"""Shapes worked out by hand: of a matrix product, and of two tensors that broadcast."""

import re

import pytest

from grader.compare import assert_equal


def assert_value_error(raised):
    """A `ValueError`, or an exception of one's own on it, was raised."""
    if "ValueError" not in raised.bases:
        assert_equal(raised.type_name, "ValueError", what="the type of the exception")


def assert_names_both_sizes(raised, *sizes):
    """A `ValueError` was raised, and its message holds these sizes."""
    assert_value_error(raised)
    named = {int(digits) for digits in re.findall(r"\d{1,9}", raised.text)}
    assert_equal(named & set(sizes), set(sizes), what="the set of inner sizes in the message")


@pytest.mark.exercise("matmul_shape", points=0.25)
def test_matmul_shape(student):
    """The rows of the first and the columns of the second.

    第一个的行数和第二个的列数。
    """
    assert_equal(student.matmul_shape((2, 3), (3, 5)), (2, 5))
    assert_equal(student.matmul_shape((4, 7), (7, 1)), (4, 1))


@pytest.mark.exercise("matmul_shape", points=0.25)
def test_matmul_shape_refuses(student):
    """Inner sizes that differ raise `ValueError`, with both sizes in its message.

    内侧大小不同时抛出 `ValueError`，消息中写明两个大小。
    """
    assert_equal(student.matmul_shape((2, 3), (3, 5)), (2, 5))
    assert_names_both_sizes(student.raises("matmul_shape", (2, 3), (4, 5)), 3, 4)


@pytest.mark.exercise("matmul_shape", points=0.125)
def test_matmul_shape_without_torch(student):
    """Worked out from the sizes: no torch.

    由大小算出，不用 torch。
    """
    with student.watching() as seen:
        shape = student.matmul_shape((6, 2), (2, 3))
    assert_equal(shape, (6, 3))
    student.how("matmul_shape", seen).must_not("torch")


@pytest.mark.exercise("broadcast_shape", points=0.5)
def test_broadcast_shape_of_one_rank(student):
    """Two shapes of the same rank: an axis of size 1 is stretched.

    两个阶数相同的形状：大小为 1 的轴被扩展。
    """
    cases = ((2, 3), (2, 3)), ((4, 1), (1, 5)), ((2, 1, 4), (2, 3, 1))
    for (_, shape), expected in zip(student.each("broadcast_shape", cases), ((2, 3), (4, 5), (2, 3, 4)), strict=True):
        assert_equal(shape, expected)


@pytest.mark.exercise("broadcast_shape", points=0.25)
def test_broadcast_shape_of_other_ranks(student):
    """Shapes of different rank are lined up from the right, whichever comes first.

    阶数不同的形状从右边对齐，与先后顺序无关。
    """
    assert_equal(student.broadcast_shape((3,), (2, 3)), (2, 3))
    assert_equal(student.broadcast_shape((5, 2, 4), (2, 1)), (5, 2, 4))


@pytest.mark.exercise("broadcast_shape", points=0.25)
def test_broadcast_shape_refuses(student):
    """Shapes that clash raise `ValueError`.

    形状冲突时抛出 `ValueError`。
    """
    assert_equal(student.broadcast_shape((3,), (2, 3)), (2, 3))
    for s, t in (((2, 3), (2, 4)), ((2,), (2, 3))):
        raised = student.raises("broadcast_shape", s, t)
        assert_value_error(raised)


@pytest.mark.exercise("broadcast_shape", points=0.25)
def test_broadcast_shape_in_plain_python(student):
    """Worked out from the sizes: no torch, no NumPy.

    由大小算出，不用 torch，不用 NumPy。
    """
    with student.watching() as seen:
        shape = student.broadcast_shape((4, 1), (3,))
    assert_equal(shape, (4, 3))
    student.how("broadcast_shape", seen).must_not("torch", "numpy")
