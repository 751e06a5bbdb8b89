"""Shapes worked out by hand: every rank and order, and every kind of clash."""

import itertools
import re

import pytest
import torch

from grader.compare import assert_equal

pytestmark = pytest.mark.hidden


def fits(s, t):
    """Do two shapes broadcast?"""
    return all(a == b or 1 in (a, b) for a, b in zip(s[::-1], t[::-1], strict=False))


def assert_value_error(raised):
    """A `ValueError`, or an exception of one's own on it, was raised."""
    if "ValueError" not in raised.bases:
        assert_equal(raised.type_name, "ValueError", what="the type of the exception")


@pytest.mark.exercise("matmul_shape", points=0.125)
def test_matmul_shape_of_any_sizes(student, reference):
    """Sizes of one, square ones and lists included.

    大小为 1、方阵以及用列表表示的形状也包括在内。
    """
    sizes = (1, 1, 1), (1, 4, 1), (5, 1, 6), (3, 3, 3), (784, 50, 10)
    cases = [pair for n, k, m in sizes for pair in (((n, k), (k, m)), ([n, k], [k, m]))]
    for pair, shape in student.each("matmul_shape", cases):
        assert_equal(shape, reference.matmul_shape(*pair))


@pytest.mark.exercise("matmul_shape", points=0.25)
def test_matmul_shape_refuses_every_other_size(student):
    """Inner sizes that differ raise `ValueError` with both of them, also where other sizes agree or one is 1.

    内侧大小不同时抛出 `ValueError` 并写明两者，即使其他大小相同或其中一个是 1。
    """
    assert_equal(student.matmul_shape((8, 6), (6, 9)), (8, 9))
    cases = ((2, 3), (2, 3)), ((4, 1), (3, 4)), ((4, 5), (1, 4)), ((13, 28), (17, 13)), ([6, 2], [7, 6])
    for (a, b), raised in student.raises_each("matmul_shape", cases):
        assert_value_error(raised)
        named = {int(digits) for digits in re.findall(r"\d{1,9}", raised.text)}
        assert_equal(named & {a[1], b[0]}, {a[1], b[0]}, what="the set of inner sizes in the message")


@pytest.mark.exercise("broadcast_shape", points=0.5)
def test_broadcast_shape_as_torch_has_it(student):
    """Right for shapes of any rank, from rank 0 on, in either order.

    对从 0 阶起的任何阶数的形状都正确，与先后顺序无关。
    """
    shapes = [shape for rank in range(4) for shape in itertools.product((1, 2, 3), repeat=rank)]
    fitting = [(s, t) for s, t in itertools.product(shapes, shapes) if fits(s, t)]
    cases = [*fitting[::47], ((), ()), ((7, 1, 3, 1, 5), (4, 1, 2, 1))]
    for pair, shape in student.each("broadcast_shape", cases):
        assert_equal(shape, tuple(torch.broadcast_shapes(*pair)))


@pytest.mark.exercise("broadcast_shape", points=0.25)
def test_broadcast_shape_refuses_every_clash(student, reference):
    """Shapes that clash on any axis raise `ValueError`, in either order.

    只要有一个轴冲突就抛出 `ValueError`，与先后顺序无关。
    """
    s, t = (6, 1, 4), (3, 1)
    assert_equal(student.broadcast_shape(s, t), reference.broadcast_shape(s, t))
    clashes = ((3, 2), (4, 2)), ((4, 2, 5), (3, 5)), ((2, 3, 1), (3, 3, 2)), ((3,), (6,)), ((2, 3), (2,))
    cases = [pair for s, t in clashes for pair in ((s, t), (t, s))]
    for _, raised in student.raises_each("broadcast_shape", cases):
        assert_value_error(raised)
