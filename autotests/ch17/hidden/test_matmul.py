"""The matrix product in four ways: more sizes and layouts, and a look for products in disguise."""

import pytest
import torch

from grader.compare import assert_close
from grader.findings import NotAsAsked
from grader.model import Finding

pytestmark = pytest.mark.hidden


def ones_and_views(randn):
    """Pairs with sizes of one, transposed and sliced operands, and operands that require gradients (float32)."""
    for n, k, m in ((1, 3, 2), (3, 1, 2), (2, 3, 1), (1, 1, 1), (3, 3, 3)):
        yield randn(n, k), randn(k, m)
    yield randn(3, 2).t(), randn(5, 3).t()
    yield randn(4, 6)[::2, 1::2], randn(6, 5)[::2, ::2]
    yield randn(2, 3).requires_grad_(), randn(3, 4).requires_grad_()


def honest_sums(a, b):
    """``a @ b`` added up without a matrix product, in the orders and precisions that a loop, `sum` or FMA use."""
    one_by_one, fused = torch.zeros(len(a), b.shape[1]), torch.zeros(len(a), b.shape[1])
    for k in range(len(b)):
        one_by_one = one_by_one + a[:, k, None] * b[k]
        fused = torch.addcmul(fused, a[:, k, None], b[k])
    yield one_by_one
    yield fused
    yield (a[:, :, None] * b).sum(1)
    yield (a[:, None] * b.t()).sum(-1)
    yield torch.stack([torch.stack([(row * column).sum() for column in b.t()]) for row in a])
    yield (a.double()[:, :, None] * b.double()).sum(1).float()


def ready_made(a, b):
    """``a @ b`` as PyTorch and NumPy multiply, each in an order of its own."""
    return a @ b, torch.from_numpy(a.numpy() @ b.numpy())


def assert_no_product_in_disguise(student, name, randn):
    """Fail when every float32 result has the very bits of a ready-made product, which adds up in an order of its own.

    Which order that is depends on the processor and on the shape: for many small shapes it is the loop's own. A pair
    counts only where this machine's product differs from every honest sum (matrix times column does, as far as
    tried), and with too few such pairs nobody is accused.
    """
    telling, same = [0, 0], [0, 0]
    cases = [(randn(n, k), randn(k, 1)) for n, k in ((6, 71), (9, 47)) * 3]
    for (a, b), got in student.each(name, cases):
        assert_close(got, a @ b, rtol=1e-4, atol=1e-4)
        honest = list(honest_sums(a, b))
        for which, product in enumerate(ready_made(a, b)):
            if not any(torch.equal(product, other) for other in honest):
                telling[which] += 1
                same[which] += torch.equal(got.detach(), product)
    if any(told >= 5 and told == alike for told, alike in zip(telling, same, strict=True)):
        raise NotAsAsked(Finding(reason="forbidden", code="matmul_in_disguise"))


@pytest.mark.exercise("matmul_loops", points=0.25)
def test_matmul_loops_of_ones_and_views(student, randn):
    """Right for tensors of any size and memory layout, with and without gradients.

    对任何大小和内存布局的张量都正确，无论是否需要梯度。
    """
    for (a, b), out in student.each("matmul_loops", ones_and_views(randn)):
        assert_close(out, (a @ b).detach())


@pytest.mark.exercise("matmul_loops", points=0.25)
def test_matmul_loops_refuses_every_other_size(student, reference, randn):
    """Raises for every pair of inner sizes that differ, never a silent result.

    凡是内侧大小不同都抛出异常，绝不悄悄给出结果。
    """
    a, b = randn(2, 4), randn(4, 3)
    assert_close(student.matmul_loops(a, b), reference.matmul_loops(a, b))
    cases = [(randn(2, k), randn(other, 3)) for k, other in ((4, 3), (3, 5), (1, 3), (3, 1))]
    list(student.raises_each("matmul_loops", cases))


@pytest.mark.exercise("matmul_loops", points=0.25)
def test_matmul_loops_adds_up_itself(student, randn):
    """The sums are your own: no matrix product works behind them.

    求和由你自己完成，背后没有用矩阵乘法。
    """
    assert_no_product_in_disguise(student, "matmul_loops", randn)


@pytest.mark.exercise("matmul_elementwise", points=0.25)
def test_matmul_elementwise_of_ones_and_views(student, randn):
    """Right for tensors of any size and memory layout, with and without gradients.

    对任何大小和内存布局的张量都正确，无论是否需要梯度。
    """
    for (a, b), out in student.each("matmul_elementwise", ones_and_views(randn)):
        assert_close(out, (a @ b).detach())


@pytest.mark.exercise("matmul_elementwise", points=0.25)
def test_matmul_elementwise_refuses_every_other_size(student, reference, randn):
    """Raises for every pair of inner sizes that differ, never a silent result.

    凡是内侧大小不同都抛出异常，绝不悄悄给出结果。
    """
    a, b = randn(2, 4), randn(4, 3)
    assert_close(student.matmul_elementwise(a, b), reference.matmul_elementwise(a, b))
    cases = [(randn(2, k), randn(other, 3)) for k, other in ((4, 3), (3, 5), (1, 3), (3, 1))]
    list(student.raises_each("matmul_elementwise", cases))


@pytest.mark.exercise("matmul_elementwise", points=0.25)
def test_matmul_elementwise_adds_up_itself(student, randn):
    """The sums are your own: no matrix product works behind them.

    求和由你自己完成，背后没有用矩阵乘法。
    """
    assert_no_product_in_disguise(student, "matmul_elementwise", randn)


@pytest.mark.exercise("matmul_broadcast", points=0.25)
def test_matmul_broadcast_of_ones_and_views(student, randn):
    """Right for tensors of any size and memory layout, with and without gradients.

    对任何大小和内存布局的张量都正确，无论是否需要梯度。
    """
    for (a, b), out in student.each("matmul_broadcast", ones_and_views(randn)):
        assert_close(out, (a @ b).detach())


@pytest.mark.exercise("matmul_broadcast", points=0.25)
def test_matmul_broadcast_refuses_every_other_size(student, reference, randn):
    """Raises for every pair of inner sizes that differ, never a silent result.

    凡是内侧大小不同都抛出异常，绝不悄悄给出结果。
    """
    a, b = randn(2, 4), randn(4, 3)
    assert_close(student.matmul_broadcast(a, b), reference.matmul_broadcast(a, b))
    cases = [(randn(2, k), randn(other, 3)) for k, other in ((4, 3), (3, 5), (1, 3), (3, 1))]
    list(student.raises_each("matmul_broadcast", cases))


@pytest.mark.exercise("matmul_broadcast", points=0.25)
def test_matmul_broadcast_adds_up_itself(student, randn):
    """The sums are your own: no matrix product works behind them.

    求和由你自己完成，背后没有用矩阵乘法。
    """
    assert_no_product_in_disguise(student, "matmul_broadcast", randn)


@pytest.mark.exercise("matmul_einsum", points=0.25)
def test_matmul_einsum_of_ones_and_views(student, reference, randn):
    """Right for tensors of any size and memory layout, with and without gradients.

    对任何大小和内存布局的张量都正确，无论是否需要梯度。
    """
    for (a, b), out in student.each("matmul_einsum", ones_and_views(randn)):
        assert_close(out, (a @ b).detach())
    a, b = randn(5, 4, dtype=torch.float64).t(), randn(5, 6, dtype=torch.float64)[:, ::2]
    assert_close(student.matmul_einsum(a, b), reference.matmul_einsum(a, b))


@pytest.mark.exercise("matmul_einsum", points=0.25)
def test_matmul_einsum_refuses_other_sizes(student, randn):
    """Raises when the inner sizes differ, in place of a silent result.

    内侧大小不同时抛出异常，而不是悄悄给出结果。
    """
    a, b = randn(2, 3), randn(3, 4)
    assert_close(student.matmul_einsum(a, b), a @ b)
    for k, other in ((3, 4), (5, 2)):  # 1 against n is never tried: einsum broadcasts it
        student.raises("matmul_einsum", randn(2, k), randn(other, 3))
