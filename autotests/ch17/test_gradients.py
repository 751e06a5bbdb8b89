"""The loss, and the gradients of the backward pass, each compared with what autograd says."""

import pytest
import torch
import torch.nn.functional as F

from grader.compare import assert_close


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


@pytest.mark.exercise("mse", points=0.5)
def test_mse(student, randn):
    """The mean of the squared differences: one number, of rank 0.

    差的平方的平均值：一个 0 阶的数。
    """
    for (output, targ), loss in student.each("mse", [(randn(bs, 1), randn(bs)) for bs in (5, 2, 8)]):
        assert_close(loss, F.mse_loss(output.squeeze(-1), targ))


@pytest.mark.exercise("mse", points=0.5)
def test_mse_of_small_batches(student):
    """Right for a batch of one and a batch of two.

    批次大小为 1 或 2 时也正确。
    """
    assert_close(student.mse(torch.tensor([[3.0]]), torch.tensor([0.5])), torch.tensor(6.25))
    assert_close(student.mse(torch.tensor([[3.0], [-1.0]]), torch.tensor([0.0, 1.0])), torch.tensor(6.5))


@pytest.mark.exercise("mse_grad", points=0.5)
def test_mse_grad(student, randn):
    """`inp.g` is the gradient of the mean squared error, [bs, 1] like `inp`.

    `inp.g` 是均方误差的梯度，形状与 `inp` 相同，为 [bs, 1]。
    """
    for bs in (6, 3):
        inp, targ = randn(bs, 1), randn(bs)
        student.mse_grad(inp, targ)
        (expected,) = autograd(lambda x, t=targ: F.mse_loss(x.squeeze(-1), t), inp)
        assert_gradients([expected], inp=inp)


@pytest.mark.exercise("mse_grad", points=0.25)
def test_mse_grad_of_small_batches(student):
    """Right for a batch of one and a batch of two.

    批次大小为 1 或 2 时也正确。
    """
    one, two = torch.tensor([[3.0]]), torch.tensor([[3.0], [-1.0]])
    student.mse_grad(one, torch.tensor([0.5]))
    assert_gradients([torch.tensor([[5.0]])], inp=one)
    student.mse_grad(two, torch.tensor([0.0, 1.0]))
    assert_gradients([torch.tensor([[3.0], [-2.0]])], inp=two)


@pytest.mark.exercise("mse_grad", points=0.25)
def test_mse_grad_without_autograd(student, randn):
    """The formula is your own: no autograd.

    公式由你自己推导，不用自动求导。
    """
    inp, targ = randn(4, 1), randn(4)
    with student.watching() as seen:
        student.mse_grad(inp, targ)
    assert_gradients([2 * (inp - targ[:, None]) / 4], inp=inp)
    student.how("mse_grad", seen).must_not("autograd")


@pytest.mark.exercise("relu_grad", points=0.5)
def test_relu_grad(student, randn):
    """`out.g` goes through where the input was positive, is stopped where it was negative, and itself stays.

    输入为正处 `out.g` 通过，为负处被截断，而 `out.g` 本身不变。
    """
    inp, d = randn(5, 4), randn(5, 4)
    out = inp.clamp_min(0)
    out.g = d
    student.relu_grad(inp, out)
    assert_gradients([d], out=out)
    assert_gradients([torch.where(inp > 0, d, 0.0)], inp=inp)


@pytest.mark.exercise("relu_grad", points=0.25)
def test_relu_grad_at_zero(student):
    """The slope at exactly 0 is 0.

    恰好等于 0 处的斜率为 0。
    """
    inp = torch.tensor([[0.0, 1.0, -1.0], [2.0, 0.0, -3.0]])
    out = inp.clamp_min(0)
    out.g = torch.tensor([[5.0, -4.0, 3.0], [0.5, -6.0, 7.0]])
    student.relu_grad(inp, out)
    assert_gradients([torch.tensor([[0.0, -4.0, 0.0], [0.5, 0.0, 0.0]])], inp=inp)


@pytest.mark.exercise("relu_grad", points=0.25)
def test_relu_grad_without_autograd(student, randn):
    """The slope is your own: no autograd.

    斜率由你自己写出，不用自动求导。
    """
    inp, d = randn(3, 4), randn(3, 4)
    out = inp.clamp_min(0)
    out.g = d
    with student.watching() as seen:
        student.relu_grad(inp, out)
    assert_gradients([torch.where(inp > 0, d, 0.0)], inp=inp)
    student.how("relu_grad", seen).must_not("autograd")


def linear(randn, bs, n_in, n_out):
    """``inp, out, w, b`` of a linear layer, with a random gradient on ``out``."""
    inp, w, b = randn(bs, n_in), randn(n_in, n_out), randn(n_out)
    out = inp @ w + b
    out.g = randn(bs, n_out)
    return inp, out, w, b


def linear_gradients(inp, w, b, d):
    """The gradients of ``inp``, ``w`` and ``b`` by autograd, where ``d`` is the gradient of ``inp @ w + b``."""
    return autograd(lambda inp, w, b: ((inp @ w + b) * d).sum(), inp, w, b)


@pytest.mark.exercise("lin_grad", points=0.25)
def test_lin_grad_of_input(student, randn):
    """`inp.g` has the shape of `inp`: [bs, n_in].

    `inp.g` 的形状与 `inp` 相同：[bs, n_in]。
    """
    inp, out, w, b = linear(randn, 5, 3, 2)
    expected = linear_gradients(inp, w, b, out.g)[0]
    student.lin_grad(inp, out, w, b)
    assert_gradients([expected], inp=inp)


@pytest.mark.exercise("lin_grad", points=0.5)
def test_lin_grad_of_weights(student, randn):
    """`w.g` has the shape of `w`, [n_in, n_out], and adds up over the batch.

    `w.g` 的形状与 `w` 相同，为 [n_in, n_out]，并对整个批次求和。
    """
    inp, out, w, b = linear(randn, 5, 3, 2)
    expected = linear_gradients(inp, w, b, out.g)[1]
    student.lin_grad(inp, out, w, b)
    assert_gradients([expected], w=w)


@pytest.mark.exercise("lin_grad", points=0.25)
def test_lin_grad_of_bias(student, randn):
    """`b.g` has the shape of `b`, [n_out], and adds up over the batch.

    `b.g` 的形状与 `b` 相同，为 [n_out]，并对整个批次求和。
    """
    inp, out, w, b = linear(randn, 5, 3, 2)
    expected = linear_gradients(inp, w, b, out.g)[2]
    student.lin_grad(inp, out, w, b)
    assert_gradients([expected], b=b)


@pytest.mark.exercise("lin_grad", points=0.5)
def test_lin_grad_without_autograd(student, randn):
    """The three gradients are your own: no autograd.

    三个梯度由你自己推导，不用自动求导。
    """
    inp, out, w, b = linear(randn, 3, 2, 4)
    expected = linear_gradients(inp, w, b, out.g)
    with student.watching() as seen:
        student.lin_grad(inp, out, w, b)
    assert_gradients(expected, inp=inp, w=w, b=b)
    student.how("lin_grad", seen).must_not("autograd")


def net(randn, bs, n_in, n_hidden):
    """``inp, targ, w1, b1, w2, b2`` of a two-layer net with one output."""
    return randn(bs, n_in), randn(bs), randn(n_in, n_hidden), randn(n_hidden), randn(n_hidden, 1), randn(1)


@pytest.mark.exercise("forward_and_backward", points=0.5)
def test_forward_and_backward_last_layer(student, randn):
    """Sets `w2.g` and `b2.g`, the gradients of the last layer.

    设置最后一层的梯度 `w2.g` 和 `b2.g`。
    """
    inp, targ, w1, b1, w2, b2 = net(randn, 7, 4, 5)
    student.forward_and_backward(inp, targ, w1, b1, w2, b2)
    expected = autograd(two_layers(targ), inp, w1, b1, w2, b2)
    assert_gradients(expected[3:], w2=w2, b2=b2)


@pytest.mark.exercise("forward_and_backward", points=0.5)
def test_forward_and_backward_first_layer(student, randn):
    """Sets `w1.g` and `b1.g`: the gradient goes back through the ReLU.

    设置 `w1.g` 和 `b1.g`：梯度穿过 ReLU 传回去。
    """
    inp, targ, w1, b1, w2, b2 = net(randn, 7, 4, 5)
    student.forward_and_backward(inp, targ, w1, b1, w2, b2)
    expected = autograd(two_layers(targ), inp, w1, b1, w2, b2)
    assert_gradients(expected[1:3], w1=w1, b1=b1)


@pytest.mark.exercise("forward_and_backward", points=0.5)
def test_forward_and_backward_input(student, randn):
    """Sets `inp.g`: the gradient goes all the way back.

    设置 `inp.g`：梯度一直传到最前面。
    """
    inp, targ, w1, b1, w2, b2 = net(randn, 7, 4, 5)
    student.forward_and_backward(inp, targ, w1, b1, w2, b2)
    assert_gradients([autograd(two_layers(targ), inp, w1, b1, w2, b2)[0]], inp=inp)


@pytest.mark.exercise("forward_and_backward", points=0.5)
def test_forward_and_backward_without_autograd(student, randn):
    """The backward pass is your own: no autograd.

    反向传播由你自己写出，不用自动求导。
    """
    inp, targ, w1, b1, w2, b2 = net(randn, 3, 2, 4)
    with student.watching() as seen:
        student.forward_and_backward(inp, targ, w1, b1, w2, b2)
    expected = autograd(two_layers(targ), inp, w1, b1, w2, b2)
    assert_gradients(expected, inp=inp, w1=w1, b1=b1, w2=w2, b2=b2)
    student.how("forward_and_backward", seen).must_not("autograd")
