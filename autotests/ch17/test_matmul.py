"""The matrix product in four ways: three loops, elementwise rows, broadcasting, einsum."""

import pytest
import torch

from grader.compare import assert_close
from grader.findings import NotAsAsked
from grader.model import Finding
from grader.sentences import both

# Results allocated with `torch.zeros(n, m)`, as the chapter does, are float32 whatever came in: the three versions
# that fill such a result are tried in float32 only.
SHAPES = ((3, 4, 2), (2, 3, 5), (4, 2, 3))


@pytest.mark.exercise("matmul_loops", points=0.5)
def test_matmul_loops(student, randn):
    """[n, k] times [k, m] is [n, m]: each element is a row of `a` times a column of `b`, summed.

    [n, k] 乘 [k, m] 得到 [n, m]：每个元素是 `a` 的一行与 `b` 的一列相乘再求和。
    """
    cases = [(randn(n, k), randn(k, m)) for n, k, m in SHAPES]
    for (a, b), out in student.each("matmul_loops", cases):
        assert_close(out, a @ b)


@pytest.mark.exercise("matmul_loops", points=0.5)
def test_matmul_loops_by_three_loops(student, randn):
    """Three loops over single elements: no matrix product, no operation on whole rows.

    三层循环，逐个元素计算：不用矩阵乘法，也不对整行运算。
    """
    a, b = randn(2, 3), randn(3, 4)
    with student.watching() as seen:
        out = student.matmul_loops(a, b)
    assert_close(out, a @ b)
    how = student.how("matmul_loops", seen)
    how.loops(at_least=3)
    how.must_not("matrix product")
    how.must_not("einsum")
    how.indexing_only()


@pytest.mark.exercise("matmul_loops", points=0.25)
def test_matmul_loops_refuses_other_sizes(student, randn):
    """Raises when the inner sizes differ, also 1 and n: never a silent result.

    内侧大小不同时（包括 1 和 n）抛出异常，绝不悄悄给出结果。
    """
    a, b = randn(2, 3), randn(3, 2)
    assert_close(student.matmul_loops(a, b), a @ b)
    for other in (4, 1):
        student.raises("matmul_loops", a, randn(other, 2))


@pytest.mark.exercise("matmul_elementwise", points=0.5)
def test_matmul_elementwise(student, randn):
    """[n, k] times [k, m] is [n, m]: each element is a row of `a` times a column of `b`, summed.

    [n, k] 乘 [k, m] 得到 [n, m]：每个元素是 `a` 的一行与 `b` 的一列相乘再求和。
    """
    cases = [(randn(n, k), randn(k, m)) for n, k, m in SHAPES]
    for (a, b), out in student.each("matmul_elementwise", cases):
        assert_close(out, a @ b)


@pytest.mark.exercise("matmul_elementwise", points=0.5)
def test_matmul_elementwise_by_two_loops(student, randn):
    """At most two loops, the third one an elementwise product and a sum: no matrix product, no einsum.

    最多两层循环，第三层换成逐元素乘法加求和：不用矩阵乘法，不用 einsum。
    """
    a, b = randn(2, 3), randn(3, 4)
    with student.watching() as seen:
        out = student.matmul_elementwise(a, b)
    assert_close(out, a @ b)
    how = student.how("matmul_elementwise", seen)
    how.must_not("matrix product")
    how.must_not("einsum")
    how.loops(at_most=2)


@pytest.mark.exercise("matmul_elementwise", points=0.25)
def test_matmul_elementwise_refuses_other_sizes(student, randn):
    """Raises when the inner sizes differ, also 1 and n: never a silent result.

    内侧大小不同时（包括 1 和 n）抛出异常，绝不悄悄给出结果。
    """
    a, b = randn(2, 3), randn(3, 2)
    assert_close(student.matmul_elementwise(a, b), a @ b)
    for other in (4, 1):
        student.raises("matmul_elementwise", a, randn(other, 2))


def products(watched):
    """How many elementwise products ran, of whatever size each was."""
    return sum(op.count for op in watched.seen.ops if op.name.removeprefix("aten::").rstrip("_") in ("mul", "addcmul"))


@pytest.mark.exercise("matmul_broadcast", points=0.5)
def test_matmul_broadcast(student, randn):
    """[n, k] times [k, m] is [n, m]: each element is a row of `a` times a column of `b`, summed.

    [n, k] 乘 [k, m] 得到 [n, m]：每个元素是 `a` 的一行与 `b` 的一列相乘再求和。
    """
    cases = [(randn(n, k), randn(k, m)) for n, k, m in SHAPES]
    for (a, b), out in student.each("matmul_broadcast", cases):
        assert_close(out, a @ b)


@pytest.mark.exercise("matmul_broadcast", points=0.5)
def test_matmul_broadcast_by_one_loop(student, randn):
    """At most one loop, broadcasting does the rest: no matrix product, no einsum.

    最多一层循环，其余由广播完成：不用矩阵乘法，不用 einsum。
    """
    a, b = randn(6, 5), randn(5, 7)
    with student.watching() as seen:
        out = student.matmul_broadcast(a, b)
    assert_close(out, a @ b)
    how = student.how("matmul_broadcast", seen)
    how.must_not("matrix product")
    how.must_not("einsum")
    how.loops(at_most=1)
    # One product a row is asked for, one a column will do, and nobody needs three. A loop over all the elements, or
    # over all pairs of a row and an inner place, takes at least 30.
    if products(seen) > 3 * 7:
        asked = both("broadcasting that takes a whole row at once", zh="一次处理一整行的广播")
        raise NotAsAsked(Finding("forbidden", "must", {"asked": asked}))


@pytest.mark.exercise("matmul_broadcast", points=0.25)
def test_matmul_broadcast_refuses_other_sizes(student, randn):
    """Raises when the inner sizes differ, also 1 and n: never a silent result.

    内侧大小不同时（包括 1 和 n）抛出异常，绝不悄悄给出结果。
    """
    a, b = randn(2, 3), randn(3, 2)
    assert_close(student.matmul_broadcast(a, b), a @ b)
    for other in (4, 1):
        student.raises("matmul_broadcast", a, randn(other, 2))


@pytest.mark.exercise("matmul_einsum", points=0.25)
def test_matmul_einsum(student, randn):
    """[n, k] times [k, m] is [n, m], in float32 and in float64.

    [n, k] 乘 [k, m] 得到 [n, m]，float32 和 float64 都一样。
    """
    dtypes = (torch.float32, torch.float64)
    cases = [(randn(n, k, dtype=dtype), randn(k, m, dtype=dtype)) for n, k, m in SHAPES for dtype in dtypes]
    for (a, b), out in student.each("matmul_einsum", cases):
        assert_close(out, a @ b)


@pytest.mark.exercise("matmul_einsum", points=0.25)
def test_matmul_einsum_by_einsum(student, randn):
    """One `torch.einsum` and no loop.

    一次 `torch.einsum`，不用循环。
    """
    a, b = randn(2, 3), randn(3, 4)
    with student.watching() as seen:
        out = student.matmul_einsum(a, b)
    assert_close(out, a @ b)
    how = student.how("matmul_einsum", seen)
    how.must("einsum")
    how.nothing_beside("einsum")
    how.loops(at_most=0)
