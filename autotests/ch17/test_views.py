"""What a tensor stores, and views on it: `item`, `expand_as`, `unsqueeze`, indexing with `None`, storage."""

import pytest
import torch

from grader.compare import assert_close, assert_equal
from grader.findings import Mismatch
from grader.model import Finding


def assert_python(got, expected):
    """``got`` is the Python value expected, and of that very type."""
    assert_equal(got, expected)
    assert_equal(type(got).__name__, type(expected).__name__, what="the type of the result")


def assert_view(student, out, c, m):
    """``out`` is ``c`` expanded to the shape of ``m``: its values, its memory, its strides."""
    expected = c.expand_as(m)
    assert_close(out, expected)
    if not student.shares_storage(out, c):
        raise Mismatch(Finding("wrong", "not_shared"))
    assert_equal(list(out.stride()), list(expected.stride()), what="the list of strides")


def stored(answer):
    """A list; the chapter's own ``t.storage()`` is read as one."""
    return list(answer) if getattr(answer, "kind", "").endswith("TypedStorage") else answer


@pytest.mark.exercise("to_python", points=0.25)
def test_to_python_of_a_float(student):
    """A float tensor gives a Python float.

    浮点张量给出 Python 的 float。
    """
    assert_python(student.to_python(torch.tensor(2.5)), 2.5)
    assert_python(student.to_python(torch.tensor(-3.0)), -3.0)


@pytest.mark.exercise("to_python", points=0.25)
def test_to_python_of_an_int_and_a_bool(student):
    """An integer tensor gives an int, a bool tensor a bool.

    整数张量给出 int，布尔张量给出 bool。
    """
    assert_python(student.to_python(torch.tensor(7)), 7)
    assert_python(student.to_python(torch.tensor(True)), True)


@pytest.mark.exercise("expand_like", points=0.5)
def test_expand_like(student, randn):
    """`c` takes the shape of `m`, and keeps its own numbers.

    `c` 变成 `m` 的形状，数值仍是自己的。
    """
    for c, m in ((randn(3), randn(4, 3)), (randn(2, 1), randn(2, 5))):
        assert_close(student.expand_like(c, m), c.expand_as(m))


@pytest.mark.exercise("expand_like", points=0.5)
def test_expand_like_is_a_view(student, randn):
    """The result shares the memory of `c`: its stride is 0 on every axis that was stretched.

    结果与 `c` 共用内存：被扩展的每个轴的步幅都是 0。
    """
    for c, m in ((randn(3), randn(4, 3)), (randn(2, 1), randn(2, 5))):
        assert_view(student, student.expand_like(c, m), c, m)


@pytest.mark.exercise("expand_like", points=0.25)
def test_expand_like_by_expanding(student, randn):
    """By `expand_as`, `expand` or `broadcast_to`; `repeat` and copies are not used.

    用 `expand_as`、`expand` 或 `broadcast_to`；不用 `repeat`，也不复制。
    """
    c, m = randn(4), randn(2, 4)
    with student.watching() as seen:
        out = student.expand_like(c, m)
    assert_close(out, c.expand_as(m))
    how = student.how("expand_like", seen)
    how.must("expand")
    how.must_not("repeat", "copy")


@pytest.mark.exercise("add_to_columns", points=0.25)
def test_add_to_columns(student, randn):
    """Row i of the matrix goes up by `c[i]`.

    矩阵的第 i 行加上 `c[i]`。
    """
    for n, k in ((2, 3), (3, 3)):
        m, c = randn(n, k), randn(n)
        assert_close(student.add_to_columns(m, c), m + c.reshape(n, 1))


@pytest.mark.exercise("add_to_columns", points=0.25)
def test_add_to_columns_by_unsqueeze(student, randn):
    """By `unsqueeze`.

    用 `unsqueeze`。
    """
    m, c = randn(3, 4), randn(3)
    with student.watching() as seen:
        out = student.add_to_columns(m, c)
    assert_close(out, m + c.reshape(3, 1))
    student.how("add_to_columns", seen).must("unsqueeze")


@pytest.mark.exercise("add_to_columns_none", points=0.25)
def test_add_to_columns_none(student, randn):
    """Row i of the matrix goes up by `c[i]`.

    矩阵的第 i 行加上 `c[i]`。
    """
    for n, k in ((2, 3), (3, 3)):
        m, c = randn(n, k), randn(n)
        assert_close(student.add_to_columns_none(m, c), m + c.reshape(n, 1))


@pytest.mark.exercise("add_to_columns_none", points=0.25)
def test_add_to_columns_none_by_index(student, randn):
    """By indexing with `None`; `unsqueeze`, `view` and `reshape` are not used.

    用 `None` 索引；不用 `unsqueeze`、`view` 和 `reshape`。
    """
    m, c = randn(3, 4), randn(3)
    with student.watching() as seen:
        out = student.add_to_columns_none(m, c)
    assert_close(out, m + c.reshape(3, 1))
    how = student.how("add_to_columns_none", seen)
    how.must("none index")
    how.must_not("unsqueeze", "view", "reshape")


@pytest.mark.exercise("memory_contents", points=0.25)
def test_memory_contents_of_a_matrix(student):
    """A matrix is stored as one list of numbers, row after row.

    矩阵在内存中是一行接一行排成的一个列表。
    """
    t = torch.tensor([[1.0, 2.5, 3.0], [4.0, 5.0, 2.5]])
    contents = stored(student.memory_contents(t))
    assert_equal(contents, [1.0, 2.5, 3.0, 4.0, 5.0, 2.5])
    assert_equal(type(contents).__name__, "list", what="the type of the result")


@pytest.mark.exercise("memory_contents", points=0.5)
def test_memory_contents_of_an_expanded_vector(student):
    """An expanded vector stores its own numbers, once.

    扩展后的向量只存储自己的数，而且只存一次。
    """
    c = torch.tensor([10.0, 20.0, 30.0])
    assert_equal(stored(student.memory_contents(c.expand(4, 3))), [10.0, 20.0, 30.0])
    assert_equal(stored(student.memory_contents(c.unsqueeze(1).expand(3, 2))), [10.0, 20.0, 30.0])
