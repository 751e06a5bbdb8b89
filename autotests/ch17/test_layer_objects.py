"""Layers as objects that know their own backward pass: the chapter's classes, and the base class they share."""

import pytest
import torch
import torch.nn.functional as F

from grader.compare import assert_close, assert_equal
from grader.findings import Mismatch, NotAsAsked, StudentMissing, StudentRaised
from grader.model import Finding
from grader.sentences import both

# What a layer has when it is built on one of these, and no layer of one's own has.
ONLY_THEIRS = {"nn.Module": "register_forward_pre_hook", "torch.autograd.Function": "mark_non_differentiable"}


def autograd(function, *tensors):
    """Gradients of ``function(*tensors)``, a rank-0 loss, by autograd on copies of the tensors."""
    leaves = [t.detach().clone().requires_grad_() for t in tensors]
    return torch.autograd.grad(function(*leaves), leaves)


def assert_gradients(expected, **tensors):
    """``.g`` of each of the named tensors is the gradient expected."""
    for (name, tensor), gradient in zip(tensors.items(), expected, strict=True):
        assert_close(getattr(tensor, "g", None), gradient, what=f"{name}.g")


def linear(randn, bs, n_in, n_out):
    """``inp, w, b`` of a linear layer, and a random gradient for its output."""
    return randn(bs, n_in), randn(n_in, n_out), randn(n_out), randn(bs, n_out)


def linear_gradients(inp, w, b, d):
    """The gradients for ``inp``, ``w`` and ``b``, where ``d`` is the gradient for ``inp @ w + b``."""
    return autograd(lambda inp, w, b: ((inp @ w + b) * d).sum(), inp, w, b)


def mean_squared(inp, targ):
    """The loss and its gradient for ``inp``."""
    loss = F.mse_loss(inp.squeeze(-1), targ)
    return loss, autograd(lambda x: F.mse_loss(x.squeeze(-1), targ), inp)


def net(randn, bs, n_in, n_hidden):
    """``w1, b1, w2, b2`` of a two-layer net with one output, its input, and targets."""
    weights = randn(n_in, n_hidden), randn(n_hidden), randn(n_hidden, 1), randn(1)
    return weights, randn(bs, n_in), randn(bs)


def net_loss(targ):
    """The net's loss as a function of its weights and its input."""
    return lambda w1, b1, w2, b2, x: F.mse_loss((torch.relu(x @ w1 + b1) @ w2 + b2).squeeze(-1), targ)


def assert_raises(name, function, *args):
    """A call that must raise, with any exception: NotImplementedError is as good as another here."""
    try:
        function(*args)
    except StudentRaised:
        return
    raise Mismatch(Finding("wrong", "did_not_raise", {"name": name}))


def assert_plain(layer, ready_made=("nn.Module",)):
    """The layer's class is built on none of these classes of PyTorch's. Raises `NotAsAsked`."""
    for base in ready_made:
        if has(layer, ONLY_THEIRS[base]):
            facts = {"used": f"`{base}`", "asked": both("a plain class", zh="普通的类")}
            raise NotAsAsked(Finding("forbidden", "must_not", facts))


def has(thing, name):
    """Is there such an attribute?"""
    try:
        getattr(thing, name)
    except StudentMissing:
        return False
    return True


def assert_args(layer, *args):
    """The layer keeps these arguments, as a tuple."""
    kept = layer.args
    assert_equal(kept, args, what="args")
    assert_equal(type(kept).__name__, "tuple", what="the type of args")


@pytest.mark.exercise("Relu", points=0.5)
def test_relu_layer_forward(student, randn):
    """Called, it gives the ReLU of its input, and keeps both as `inp` and `out`. It is a plain class, no `nn.Module`.

    调用时给出输入的 ReLU，并把两者保存为 `inp` 和 `out`。它是普通的类，不是 `nn.Module`。
    """
    for shape in ((5, 4), (6,)):
        layer, inp = student.Relu(), randn(*shape)
        assert_close(layer(inp), inp.clamp_min(0))
        assert_close(layer.inp, inp, what="relu_layer.inp")
        assert_close(layer.out, inp.clamp_min(0), what="relu_layer.out")
        assert_plain(layer)


@pytest.mark.exercise("Relu", points=0.5)
def test_relu_layer_backward(student, randn):
    """`backward()` lets `out.g` through to `inp.g` where the input was positive.

    `backward()` 在输入为正处让 `out.g` 传到 `inp.g`。
    """
    layer, inp, d = student.Relu(), randn(5, 4), randn(5, 4)
    layer(inp)
    layer.out.g = d
    layer.backward()
    assert_gradients([torch.where(inp > 0, d, 0.0)], inp=inp)


@pytest.mark.exercise("layer_classes", points=0.5)
def test_lin_class(student, randn):
    """`Lin` gives `inp @ w + b`, and its `backward` sets the gradients of `inp`, `w` and `b`.

    `Lin` 给出 `inp @ w + b`，它的 `backward` 设置 `inp`、`w` 和 `b` 的梯度。
    """
    inp, w, b, d = linear(randn, 5, 3, 2)
    layer = student.Lin(w, b)
    out = layer(inp)
    assert_close(out, inp @ w + b)
    out.g = d
    layer.backward()
    assert_gradients(linear_gradients(inp, w, b, d), inp=inp, w=w, b=b)


@pytest.mark.exercise("layer_classes", points=0.5)
def test_mse_class(student, randn):
    """`Mse` gives the mean squared error, and its `backward` sets the gradient of `inp`.

    `Mse` 给出均方误差，它的 `backward` 设置 `inp` 的梯度。
    """
    for bs in (6, 3):
        layer, inp, targ = student.Mse(), randn(bs, 1), randn(bs)
        loss, expected = mean_squared(inp, targ)
        assert_close(layer(inp, targ), loss)
        layer.backward()
        assert_gradients(expected, inp=inp)


@pytest.mark.exercise("layer_classes", points=0.25)
def test_model_loss(student, randn):
    """`Model`, called on inputs and targets, gives the loss.

    用输入和目标调用 `Model`，得到损失。
    """
    for sizes in ((5, 3, 4), (2, 6, 3)):
        weights, x, targ = net(randn, *sizes)
        model = student.Model(*weights)
        assert_close(model(x, targ), net_loss(targ)(*weights, x))


@pytest.mark.exercise("layer_classes", points=0.5)
def test_model_gradients(student, randn):
    """`backward` of the `Model` sets the gradients of all weights, biases and the input.

    `Model` 的 `backward` 设置所有权重、偏置和输入的梯度。
    """
    weights, x, targ = net(randn, 5, 3, 4)
    model = student.Model(*weights)
    model(x, targ)
    model.backward()
    expected = autograd(net_loss(targ), *weights, x)
    assert_gradients(expected, **dict(zip(("w1", "b1", "w2", "b2"), weights, strict=True)), x=x)


@pytest.mark.exercise("layer_classes", points=0.25)
def test_layer_classes_without_autograd(student, randn):
    """The gradients are your own, and so are the classes: no autograd, no `nn.Module`.

    梯度由你自己推导，类也由你自己写成：不用自动求导，不用 `nn.Module`。
    """
    weights, x, targ = net(randn, 3, 2, 4)
    with student.watching() as seen:
        model = student.Model(*weights)
        loss = model(x, targ)
        model.backward()
    assert_close(loss, net_loss(targ)(*weights, x))
    expected = autograd(net_loss(targ), *weights, x)
    assert_gradients(expected, **dict(zip(("w1", "b1", "w2", "b2"), weights, strict=True)), x=x)
    for name in ("Lin", "Mse", "Model"):
        student.how(name, seen).must_not("autograd")
    for layer in (student.Lin(*weights[:2]), student.Mse(), model):
        assert_plain(layer)


@pytest.mark.exercise("layer_function", points=0.5)
def test_relu_function(student, randn):
    """`ReluFunction` keeps its arguments in `args` and its result in `out`; `backward` sets `inp.g`.

    `ReluFunction` 把参数保存在 `args` 中，把结果保存在 `out` 中；`backward` 设置 `inp.g`。
    """
    layer, inp, d = student.ReluFunction(), randn(5, 4), randn(5, 4)
    assert_close(layer(inp), inp.clamp_min(0))
    assert_args(layer, inp)
    assert_close(layer.out, inp.clamp_min(0), what="out")
    layer.out.g = d
    layer.backward()
    assert_gradients([torch.where(inp > 0, d, 0.0)], inp=inp)


@pytest.mark.exercise("layer_function", points=0.5)
def test_lin_function(student, randn):
    """`LinFunction` gives `inp @ w + b`; `backward` sets the gradients of `inp`, `w` and `b`.

    `LinFunction` 给出 `inp @ w + b`；`backward` 设置 `inp`、`w` 和 `b` 的梯度。
    """
    inp, w, b, d = linear(randn, 5, 3, 2)
    layer = student.LinFunction(w, b)
    out = layer(inp)
    assert_close(out, inp @ w + b)
    out.g = d
    layer.backward()
    assert_gradients(linear_gradients(inp, w, b, d), inp=inp, w=w, b=b)


@pytest.mark.exercise("layer_function", points=0.5)
def test_mse_function(student, randn):
    """`MseFunction` gives the mean squared error of its two arguments; `backward` sets the gradient of `inp`.

    `MseFunction` 给出两个参数的均方误差；`backward` 设置 `inp` 的梯度。
    """
    for bs in (6, 3):
        layer, inp, targ = student.MseFunction(), randn(bs, 1), randn(bs)
        loss, expected = mean_squared(inp, targ)
        assert_close(layer(inp, targ), loss)
        assert_args(layer, inp, targ)
        layer.backward()
        assert_gradients(expected, inp=inp)


@pytest.mark.exercise("layer_function", points=0.25)
def test_layer_function_alone(student, randn):
    """`LayerFunction` has no `forward` and `bwd` of its own: they raise.

    `LayerFunction` 自己没有 `forward` 和 `bwd`：调用时抛出异常。
    """
    x = randn(2, 3)
    assert_close(student.ReluFunction()(x), x.clamp_min(0))
    base = student.LayerFunction()
    assert_raises("forward", base.forward, x)
    assert_raises("bwd", base.bwd, x, x)
    assert_raises("LayerFunction()", base, x)


@pytest.mark.exercise("layer_function", points=0.25)
def test_layer_function_without_autograd(student, randn):
    """The gradients and the classes are your own: no autograd, no `nn.Module`, no `torch.autograd.Function`.

    梯度和类都由你自己写成：不用自动求导，不用 `nn.Module` 和 `torch.autograd.Function`。
    """
    inp, w, b, _ = linear(randn, 4, 2, 1)
    targ, x = randn(4), randn(4, 2)
    with student.watching() as seen:
        layer, loss, relu = student.LinFunction(w, b), student.MseFunction(), student.ReluFunction()
        out, rectified = layer(inp), relu(x)
        loss(out, targ)
        loss.backward()
        layer.backward()
        rectified.g = x
        relu.backward()
    [d] = mean_squared(inp @ w + b, targ)[1]
    assert_gradients([d], out=out)
    assert_gradients(linear_gradients(inp, w, b, d), inp=inp, w=w, b=b)
    assert_gradients([x.clamp_min(0)], x=x)
    for name, built in (("LinFunction", layer), ("MseFunction", loss), ("ReluFunction", relu)):
        student.how(name, seen).must_not("autograd")
        assert_plain(built, ONLY_THEIRS)
