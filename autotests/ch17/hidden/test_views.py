"""What a tensor stores, and views on it: more ranks, dtypes and memory layouts."""

import pytest
import torch

from grader.compare import assert_close, assert_equal
from grader.findings import Mismatch
from grader.model import Finding

pytestmark = pytest.mark.hidden


def assert_python(got, expected):
    """``got`` is the Python value expected, and of that very type."""
    assert_equal(got, expected)
    assert_equal(type(got).__name__, type(expected).__name__, what="the type of the result")


def stored(answer):
    """A list; the chapter's own ``t.storage()`` is read as one."""
    return list(answer) if getattr(answer, "kind", "").endswith("TypedStorage") else answer


@pytest.mark.exercise("to_python", points=0.25)
def test_to_python_of_every_dtype(student):
    """Right for every dtype of floats and integers, also far from zero.

    对各种浮点和整数 dtype 都正确，离零很远的数也一样。
    """
    floats = torch.float32, torch.float64, torch.float16, torch.bfloat16
    pairs = [(dtype, number) for dtype in floats for number in (-0.375, 4.0)]
    pairs += [(dtype, 1) for dtype in (torch.int64, torch.int32, torch.int16, torch.uint8)]
    pairs += [(torch.int64, 2**53 + 1), (torch.float64, 1e300)]
    answers = student.each("to_python", [(torch.tensor(number, dtype=dtype),) for dtype, number in pairs])
    for (_, got), (_, number) in zip(answers, pairs, strict=True):
        assert_python(got, number)


@pytest.mark.exercise("to_python", points=0.25)
def test_to_python_of_false_zero_and_elements(student, reference, randn):
    """Right for False and zeros, for an element of a larger tensor, and for a loss that requires a gradient.

    对 False 和零、较大张量中的一个元素、需要梯度的损失都正确。
    """
    x = randn(3, 2).requires_grad_()
    tensors = torch.tensor(False), torch.tensor(0), torch.tensor(0.0), x[1, 0], x.detach().pow(2).mean()
    for (t,), got in student.each("to_python", [(t,) for t in tensors]):
        assert_python(got, reference.to_python(t))


@pytest.mark.exercise("expand_like", points=0.5)
def test_expand_like_of_any_rank(student, randn):
    """Right for tensors of any rank, size, dtype and memory layout, with and without gradients.

    对任何阶数、大小、dtype 和内存布局的张量都正确，无论是否需要梯度。
    """
    cases = [
        (randn(1), randn(3)),
        (randn(1, 3), randn(2, 3)),
        (randn(1), randn(2, 2)),
        (randn(2)[0], randn(2, 3)),
        (randn(4, 1, 3, dtype=torch.float64), randn(2, 4, 5, 3)),
        (randn(3, 4).t(), randn(2, 4, 3)),
        (randn(6)[::2], randn(5, 3)),
        (randn(3, 3), randn(3, 3)),
        (randn(3).requires_grad_(), randn(2, 3)),
    ]
    for (c, m), out in student.each("expand_like", cases):
        assert_close(out, c.detach().expand_as(m))


@pytest.mark.exercise("expand_like", points=0.25)
def test_expand_like_never_copies(student, reference, randn):
    """The memory is that of `c` for every rank and layout.

    无论阶数和布局如何，用的都是 `c` 的内存。
    """
    cases = (randn(1), randn(3, 2)), (randn(4, 1, 3), randn(2, 4, 5, 3)), (randn(3, 4).t(), randn(2, 4, 3))
    for (c, m), out in student.each("expand_like", cases):
        expected = reference.expand_like(c, m)
        assert_close(out, expected)
        if not student.shares_storage(out, c):
            raise Mismatch(Finding("wrong", "not_shared"))
        assert_equal(list(out.stride()), list(expected.stride()), what="the list of strides")


def matrices_and_columns(randn):
    """Pairs [n, m], [n]: sizes of one, square ones, float64, views, and tensors that require gradients."""
    for n, k in ((1, 4), (4, 1), (1, 1), (3, 3), (2, 5)):
        yield randn(n, k), randn(n)
    yield randn(3, 2, dtype=torch.float64), randn(3, dtype=torch.float64)
    yield randn(4, 3).t(), randn(6)[::2]
    yield randn(3, 2).requires_grad_(), randn(3).requires_grad_()


@pytest.mark.exercise("add_to_columns", points=0.5)
def test_add_to_columns_of_any_size(student, reference, randn):
    """Right for matrices of any size, float dtype and memory layout, with and without gradients.

    对任何大小、浮点 dtype 和内存布局的矩阵都正确，无论是否需要梯度。
    """
    for case, out in student.each("add_to_columns", matrices_and_columns(randn)):
        assert_close(out, reference.add_to_columns(*case).detach())


@pytest.mark.exercise("add_to_columns_none", points=0.5)
def test_add_to_columns_none_of_any_size(student, reference, randn):
    """Right for matrices of any size, float dtype and memory layout, with and without gradients.

    对任何大小、浮点 dtype 和内存布局的矩阵都正确，无论是否需要梯度。
    """
    for case, out in student.each("add_to_columns_none", matrices_and_columns(randn)):
        assert_close(out, reference.add_to_columns_none(*case).detach())


def assert_contents(student, pairs):
    """`memory_contents` gives for each tensor the list beside it."""
    answers = student.each("memory_contents", [(t,) for t, _ in pairs])
    for (_, answer), (_, expected) in zip(answers, pairs, strict=True):
        assert_equal(stored(answer), expected)


@pytest.mark.exercise("memory_contents", points=0.5)
def test_memory_contents_of_views(student):
    """In the order of the memory, for transposed, expanded and doubly expanded tensors.

    对转置的、扩展的和两次扩展的张量，都按内存中的顺序给出。
    """
    t = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    views = t.t(), t[:, None].expand(2, 5, 3), t.permute(1, 0).expand(2, 3, 2)
    pairs = [(view, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) for view in views]
    assert_contents(student, [*pairs, (torch.tensor(7.0).expand(3, 4), [7.0])])


@pytest.mark.exercise("memory_contents", points=0.5)
def test_memory_contents_of_equal_numbers(student, reference):
    """Equal numbers stored twice count twice.

    相同的数存储两次就算两个。
    """
    c = torch.tensor([[3.0, 3.0], [3.0, 1.0]])
    assert_contents(student, [(t, reference.memory_contents(t)) for t in (c, c.t(), c.expand(2, 2, 2))])


@pytest.mark.exercise("memory_contents", points=0.25)
def test_memory_contents_of_every_dtype(student):
    """Numbers, not bytes, for every dtype, with and without gradients.

    对任何 dtype 给出的都是数而不是字节，无论是否需要梯度。
    """
    pairs = []
    for dtype in (torch.float64, torch.int64, torch.int16, torch.float32):
        t = torch.tensor([5, -6, 7], dtype=dtype)
        pairs += [(t, t.tolist()), (t.expand(2, 3), t.tolist())]
    assert_contents(student, [*pairs, (torch.tensor([0.5, 1.5], requires_grad=True), [0.5, 1.5])])
