"""The loss and the gradients of the backward pass: more sizes, dtypes and layouts."""

import pytest
import torch
import torch.nn.functional as F

from grader.compare import assert_close

pytestmark = pytest.mark.hidden


def autograd(function, *tensors):
    """Gradients of ``function(*tensors)``, a rank-0 loss, by autograd on copies of the tensors."""
    leaves = [t.detach().clone().requires_grad_() for t in tensors]
    return torch.autograd.grad(function(*leaves), leaves)


def two_layers(targ):
    """The two-layer net's loss as a function of its input, weights and biases."""

    def loss(inp, w1, b1, w2, b2):
        return F.mse_loss((torch.relu(inp @ w1 + b1) @ w2 + b2).squeeze(-1), targ)

    return loss


def assert_gradients(expected, **tensors):
    """``.g`` of each of the named tensors is the gradient expected."""
    for (name, tensor), gradient in zip(tensors.items(), expected, strict=True):
        assert_close(getattr(tensor, "g", None), gradient, what=f"{name}.g")


def views(randn, *shape, dtype=torch.float32):
    """The same shape in three memory layouts, and once as a tensor that requires gradients."""
    yield randn(*shape, dtype=dtype)
    yield randn(*shape[::-1], dtype=dtype).permute(*range(len(shape))[::-1])
    yield randn(*(2 * n for n in shape), dtype=dtype)[(slice(1, None, 2),) * len(shape)]
    yield randn(*shape, dtype=dtype).requires_grad_()


def in_all_forms(randn, *shapes):
    """Tensors of these shapes, side by side: in both float dtypes, and in all the forms of `views`."""
    for dtype in (torch.float32, torch.float64):
        yield from zip(*(views(randn, *shape, dtype=dtype) for shape in shapes), strict=True)


@pytest.mark.exercise("mse", points=0.5)
def test_mse_of_any_tensors(student, randn):
    """Right for any float dtype and memory layout, with and without gradients.

    对任何浮点 dtype 和内存布局都正确，无论是否需要梯度。
    """
    for (output, targ), loss in student.each("mse", in_all_forms(randn, (7, 1), (7,))):
        assert_close(loss, F.mse_loss(output.detach().squeeze(-1), targ.detach()))


@pytest.mark.exercise("mse", points=0.5)
def test_mse_agrees_with_the_solution(student, reference, randn):
    """Agrees with the solution for batches of every size.

    对各种大小的批次都与参考答案一致。
    """
    cases = [(3 * randn(bs, 1) + 1, 2 * randn(bs)) for bs in (1, 3, 4, 33)]
    for case, loss in student.each("mse", cases):
        assert_close(loss, reference.mse(*case))


@pytest.mark.exercise("mse_grad", points=0.5)
def test_mse_grad_of_any_tensors(student, randn):
    """Right for any float dtype and memory layout, with and without gradients.

    对任何浮点 dtype 和内存布局都正确，无论是否需要梯度。
    """
    for (inp, targ), _ in student.each("mse_grad", in_all_forms(randn, (5, 1), (5,))):
        assert_gradients([2 * (inp.detach() - targ.detach()[:, None]) / 5], inp=inp)


@pytest.mark.exercise("mse_grad", points=0.5)
def test_mse_grad_agrees_with_the_solution(student, reference, randn):
    """Agrees with the solution for batches of every size, and replaces a gradient from an earlier pass.

    对各种大小的批次都与参考答案一致，并替换上一次留下的梯度。
    """
    inputs = [randn(bs, 1) for bs in (1, 2, 9, 32)]
    for (inp, targ), _ in student.each("mse_grad", [(inp, randn(len(inp))) for inp in inputs * 2]):
        twin = inp.clone()
        reference.mse_grad(twin, targ)
        assert_gradients([twin.g], inp=inp)


def assert_relu_grads(student, pairs):
    """For each ``inp, d``, where ``d`` is ``out.g``: ``inp.g`` is ``d`` where ``inp`` is positive, and 0 elsewhere."""
    cases = []
    for inp, d in pairs:
        out = inp.detach().clamp_min(0)
        out.g = d
        cases.append((inp, out))
    for (inp, d), _ in zip(pairs, student.each("relu_grad", cases), strict=True):
        assert_gradients([torch.where(inp.detach() > 0, d, torch.zeros_like(d))], inp=inp)


@pytest.mark.exercise("relu_grad", points=0.5)
def test_relu_grad_keeps_shape_and_dtype(student, randn):
    """`inp.g` has the shape and the dtype of `inp`, whatever they are.

    无论 `inp` 的形状和 dtype 是什么，`inp.g` 都与它相同。
    """
    pairs = [
        (sign * randn(1, *shape, dtype=dtype)[0].abs(), randn(1, *shape, dtype=dtype)[0])
        for dtype in (torch.float32, torch.float64)
        for shape in ((), (1,), (6,), (1, 1), (3, 1, 4))
        for sign in (1, -1)
    ]
    assert_relu_grads(student, pairs)


@pytest.mark.exercise("relu_grad", points=0.25)
def test_relu_grad_of_any_tensors(student, randn):
    """Right for any memory layout, with and without gradients.

    对任何内存布局都正确，无论是否需要梯度。
    """
    pairs = [(inp, d.detach()) for inp, d in zip(views(randn, 4, 3), views(randn, 4, 3), strict=True)]
    assert_relu_grads(student, pairs)


@pytest.mark.exercise("relu_grad", points=0.25)
def test_relu_grad_agrees_with_the_solution(student, reference, randn):
    """Agrees with the solution, and replaces a gradient from an earlier pass.

    与参考答案一致，并替换上一次留下的梯度。
    """
    inp = randn(6, 5).round()
    out = inp.clamp_min(0)
    inp2, out2 = inp.clone(), out.clone()
    out.g = out2.g = randn(6, 5)
    reference.relu_grad(inp2, out2)
    inp.g = randn(6, 5)
    student.relu_grad(inp, out)
    assert_gradients([inp2.g], inp=inp)


def linear_gradients(inp, w, b, d):
    """The gradients of ``inp``, ``w`` and ``b`` by autograd, where ``d`` is the gradient of ``inp @ w + b``."""
    return autograd(lambda inp, w, b: ((inp @ w + b) * d).sum(), inp, w, b)


def assert_lin_grads(student, layers):
    """The three gradients of each linear layer, ``inp, w, b, d``, are autograd's."""
    cases = []
    for inp, w, b, d in layers:
        out = (inp @ w + b).detach()
        out.g = d.detach()
        cases.append((inp, out, w, b))
    for (inp, w, b, d), _ in zip(layers, student.each("lin_grad", cases), strict=True):
        assert_gradients(linear_gradients(inp, w, b, d.detach()), inp=inp, w=w, b=b)


@pytest.mark.exercise("lin_grad", points=0.5)
def test_lin_grad_of_any_size(student, randn):
    """Right for any batch size, number of inputs and number of outputs.

    对任何批次大小、输入个数和输出个数都正确。
    """
    sizes = (1, 3, 2), (5, 1, 4), (3, 4, 1), (1, 1, 1), (3, 3, 3), (9, 2, 5)
    layers = [(randn(bs, n_in), randn(n_in, n_out), randn(n_out), randn(bs, n_out)) for bs, n_in, n_out in sizes]
    assert_lin_grads(student, layers)


@pytest.mark.exercise("lin_grad", points=0.5)
def test_lin_grad_of_any_tensors(student, randn):
    """Right for any float dtype and memory layout, with and without gradients.

    对任何浮点 dtype 和内存布局都正确，无论是否需要梯度。
    """
    assert_lin_grads(student, list(in_all_forms(randn, (5, 3), (3, 4), (4,), (5, 4))))


@pytest.mark.exercise("lin_grad", points=0.5)
def test_lin_grad_agrees_with_the_solution(student, reference, randn):
    """Agrees with the solution, and replaces the gradients of an earlier pass.

    与参考答案一致，并替换上一次留下的各个梯度。
    """
    inp, w, b = randn(7, 4), randn(4, 3), randn(3)
    out = inp @ w + b
    twins = inp2, out2, w2, b2 = [t.clone() for t in (inp, out, w, b)]
    out.g = out2.g = randn(7, 3)
    reference.lin_grad(*twins)
    for tensor in (inp, w, b):
        tensor.g = randn(*tensor.shape)
    student.lin_grad(inp, out, w, b)
    assert_gradients([inp2.g, w2.g, b2.g], inp=inp, w=w, b=b)


def net(randn, bs, n_in, n_hidden):
    """``inp, targ, w1, b1, w2, b2`` of a two-layer net with one output."""
    return randn(bs, n_in), randn(bs), randn(n_in, n_hidden), randn(n_hidden), randn(n_hidden, 1), randn(1)


def assert_all_gradients(student, cases):
    """All five gradients of each two-layer net are autograd's."""
    for (inp, targ, w1, b1, w2, b2), _ in student.each("forward_and_backward", cases):
        expected = autograd(two_layers(targ.detach()), inp, w1, b1, w2, b2)
        assert_gradients(expected, inp=inp, w1=w1, b1=b1, w2=w2, b2=b2)


@pytest.mark.exercise("forward_and_backward", points=0.5)
def test_forward_and_backward_of_any_size(student, randn):
    """Right for any batch size, number of inputs and size of the hidden layer, also where the ReLU sees exactly 0.

    对任何批次大小、输入个数和隐藏层大小都正确，ReLU 的输入恰好为 0 时也一样。
    """
    sizes = (1, 4, 6), (5, 1, 3), (4, 3, 1), (1, 1, 1), (3, 3, 3), (9, 2, 7)
    inp, targ, w1, b1, w2, b2 = net(randn, 4, 3, 5)
    inp[1::2], b1[::2] = 0, 0
    assert_all_gradients(student, [*(net(randn, *size) for size in sizes), (inp, targ, w1, b1, w2, b2)])


@pytest.mark.exercise("forward_and_backward", points=0.5)
def test_forward_and_backward_again(student, randn):
    """A second pass on other data gives new gradients: nothing is added to the old ones.

    用其他数据再算一次会得到新的梯度，而不是累加到旧的梯度上。
    """
    inp, targ, *parameters = net(randn, 6, 3, 4)
    passes = (inp, targ), (randn(5, 3), randn(5)), (inp, randn(6))
    assert_all_gradients(student, [(*data, *parameters) for data in passes])


@pytest.mark.exercise("forward_and_backward", points=0.5)
def test_forward_and_backward_of_any_tensors(student, randn):
    """Right for any float dtype and memory layout, with and without gradients.

    对任何浮点 dtype 和内存布局都正确，无论是否需要梯度。
    """
    assert_all_gradients(student, in_all_forms(randn, (5, 3), (5,), (3, 4), (4,), (4, 1), (1,)))


@pytest.mark.exercise("forward_and_backward", points=0.5)
def test_forward_and_backward_agrees_with_the_solution(student, reference, randn):
    """Agrees with the solution, and works on the tensors it is given.

    与参考答案一致，并且用的是传入的张量。
    """
    for sizes in ((8, 5, 3), (3, 2, 6)):
        tensors = net(randn, *sizes)
        twins = [t.clone() for t in tensors]
        reference.forward_and_backward(*twins)
        student.forward_and_backward(*tensors)
        inp, _, w1, b1, w2, b2 = tensors
        assert_gradients([t.g for i, t in enumerate(twins) if i != 1], inp=inp, w1=w1, b1=b1, w2=w2, b2=b2)
