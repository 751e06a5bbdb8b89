"""Layers as objects that know their own backward pass: more sizes, dtypes and layouts, and several at once."""

import pytest
import torch
import torch.nn.functional as F

from grader.compare import assert_close
from grader.findings import Mismatch
from grader.model import Finding

pytestmark = pytest.mark.hidden


def autograd(function, *tensors):
    """Gradients of ``function(*tensors)``, a rank-0 loss, by autograd on copies of the tensors."""
    leaves = [t.detach().clone().requires_grad_() for t in tensors]
    return torch.autograd.grad(function(*leaves), leaves)


def assert_gradients(expected, **tensors):
    """``.g`` of each of the named tensors is the gradient expected."""
    for (name, tensor), gradient in zip(tensors.items(), expected, strict=True):
        assert_close(getattr(tensor, "g", None), gradient, what=f"{name}.g")


def linear_gradients(inp, w, b, d):
    """The gradients for ``inp``, ``w`` and ``b``, where ``d`` is the gradient for ``inp @ w + b``."""
    return autograd(lambda inp, w, b: ((inp @ w + b) * d).sum(), inp, w, b)


def check_relu(layer, inp, *gradients):
    """A pass forward and back for each gradient of the output: what it sets replaces what is there."""
    for d in gradients:
        out = layer(inp)
        assert_close(out, inp.detach().clamp_min(0))
        out.g = d
        layer.backward()
        assert_gradients([torch.where(inp > 0, d, 0.0)], inp=inp)


def check_linear(layer, inp, w, b, *gradients):
    """A pass forward and back for each gradient of the output: what it sets replaces what is there."""
    for d in gradients:
        out = layer(inp)
        assert_close(out, (inp @ w + b).detach())
        out.g = d
        layer.backward()
        assert_gradients(linear_gradients(inp, w, b, d), inp=inp, w=w, b=b)


def check_mse(layer, inp, *targets):
    """A pass forward and back for each batch of targets: what it sets replaces what is there."""
    for targ in targets:
        assert_close(layer(inp, targ), F.mse_loss(inp.squeeze(-1), targ))
        layer.backward()
        assert_gradients(autograd(lambda x, t=targ: F.mse_loss(x.squeeze(-1), t), inp), inp=inp)


def linears(randn):
    """``inp, w, b, d`` in other sizes, dtypes and layouts."""
    for bs, n_in, n_out in ((1, 3, 2), (4, 1, 1), (3, 3, 3)):
        yield randn(bs, n_in), randn(n_in, n_out), randn(n_out), randn(bs, n_out)
    double = torch.float64
    yield randn(4, 2, dtype=double), randn(2, 5, dtype=double), randn(5, dtype=double), randn(4, 5, dtype=double)
    yield randn(3, 6).t(), randn(2, 3).t(), randn(4)[::2], randn(2, 6).t()


def zeros_and_views(randn):
    """``inp, d`` with zeros among the inputs, in other sizes, dtypes and layouts."""
    yield torch.tensor([[0.0, 1.0, -1.0], [2.0, 0.0, -3.0]]), torch.tensor([[5.0, -4.0, 3.0], [0.5, -6.0, 7.0]])
    yield randn(3, 2, dtype=torch.float64), randn(3, 2, dtype=torch.float64)
    yield randn(4, 3).t(), randn(3, 4)
    yield randn(2, 3, 2), randn(2, 3, 2)


@pytest.mark.exercise("Relu", points=0.5)
def test_relu_layer_of_any_tensor(student, randn):
    """Right for any shape, dtype and memory layout; the slope at exactly 0 is 0.

    对任何形状、dtype 和内存布局都正确；恰好等于 0 处的斜率为 0。
    """
    for inp, d in zeros_and_views(randn):
        check_relu(student.Relu(), inp, d)


@pytest.mark.exercise("Relu", points=0.5)
def test_relu_layers_are_independent(student, randn):
    """Two layers do not disturb each other, and one that is called again works on its last input alone.

    两个层互不干扰；再次调用的层只使用最后一次的输入，梯度不累加。
    """
    first, second = student.Relu(), student.Relu()
    (one, two, three), (d, e) = (randn(3, 4) for _ in range(3)), (randn(3, 4) for _ in range(2))
    first(one)
    second(two)
    first.out.g, second.out.g = d, e
    first.backward()
    second.backward()
    assert_gradients([torch.where(one > 0, d, 0.0), torch.where(two > 0, e, 0.0)], one=one, two=two)
    check_relu(first, three, e)
    check_relu(first, one, e)


@pytest.mark.exercise("layer_classes", points=0.25)
def test_lin_class_of_any_tensors(student, randn):
    """`Lin` is right for any size, dtype and memory layout.

    `Lin` 对任何大小、dtype 和内存布局都正确。
    """
    for inp, w, b, d in linears(randn):
        check_linear(student.Lin(w, b), inp, w, b, d)


@pytest.mark.exercise("layer_classes", points=0.25)
def test_mse_class_of_small_batches(student, randn):
    """`Mse` is right for a batch of one and of two, and in float64.

    `Mse` 在批次大小为 1 或 2 以及 float64 下都正确。
    """
    for bs, dtype in ((1, torch.float32), (2, torch.float32), (5, torch.float64)):
        check_mse(student.Mse(), randn(bs, 1, dtype=dtype), randn(bs, dtype=dtype))


@pytest.mark.exercise("layer_classes", points=0.25)
def test_layer_classes_are_independent(student, randn):
    """Two layers do not disturb each other, and one that is called again works on its last input alone.

    两个层互不干扰；再次调用的层只使用最后一次的输入，梯度不累加。
    """
    (w, v), (b, c), (one, two, three), (d, e) = (
        [randn(*s) for _ in range(n)] for n, s in ((2, (3, 2)), (2, (2,)), (3, (4, 3)), (2, (4, 2)))
    )
    first, second = student.Lin(w, b), student.Lin(v, c)
    first(one)
    out, other = first(two), second(three)
    out.g, other.g = d, e
    first.backward()
    second.backward()
    assert_gradients(linear_gradients(two, w, b, d), two=two, w=w, b=b)
    assert_gradients(linear_gradients(three, v, c, e), three=three, v=v, c=c)
    check_linear(first, two, w, b, e)
    check_mse(student.Mse(), randn(3, 1), randn(3), randn(3))


@pytest.mark.exercise("layer_classes", points=0.25)
def test_model_agrees_with_the_solution(student, reference, randn):
    """`Model` agrees with the solution for networks and batches of other sizes, and when it is called again.

    对其他大小的网络和批次，以及再次调用时，`Model` 与参考答案一致。
    """
    for bs, n_in, n_hidden in ((1, 3, 4), (8, 2, 1), (3, 5, 6)):
        weights, x = (randn(n_in, n_hidden), randn(n_hidden), randn(n_hidden, 1), randn(1)), randn(bs, n_in)
        twins = [t.clone() for t in (*weights, x)]
        model, expected = student.Model(*weights), reference.Model(*twins[:4])
        for targ in (randn(bs), randn(bs)):
            assert_close(model(x, targ), expected(twins[4], targ))
            model.backward()
            expected.backward()
            w1, b1, w2, b2 = weights
            assert_gradients([t.g for t in twins], w1=w1, b1=b1, w2=w2, b2=b2, x=x)


@pytest.mark.exercise("layer_function", points=0.25)
def test_functions_of_small_batches(student, randn):
    """Right for a batch of one; the slope of the ReLU at exactly 0 is 0.

    批次大小为 1 时正确；ReLU 在恰好等于 0 处的斜率为 0。
    """
    for inp, d in zeros_and_views(randn):
        check_relu(student.ReluFunction(), inp, d)
    for bs, dtype in ((1, torch.float32), (2, torch.float32), (5, torch.float64)):
        check_mse(student.MseFunction(), randn(bs, 1, dtype=dtype), randn(bs, dtype=dtype))


@pytest.mark.exercise("layer_function", points=0.25)
def test_lin_function_of_any_tensors(student, randn):
    """`LinFunction` is right for any size, dtype and memory layout.

    `LinFunction` 对任何大小、dtype 和内存布局都正确。
    """
    for inp, w, b, d in linears(randn):
        check_linear(student.LinFunction(w, b), inp, w, b, d)


def check_own(layer, *args, expected, d=None):
    """What the base class calls, called by itself, after a call that leaves the arguments where it should."""
    out = layer(*args)
    assert_close(layer.forward(*args), expected)
    if d is not None:
        out.g = d
    layer.bwd(out, *args)


@pytest.mark.exercise("layer_function", points=0.25)
def test_functions_share_a_base(student, randn):
    """The three layers are built on `LayerFunction`, each with its own `forward` and `bwd`.

    三个层都继承自 `LayerFunction`，各自实现 `forward` 和 `bwd`。
    """
    check_mse(student.MseFunction(), randn(3, 1), randn(3))
    base = student.value("LayerFunction")
    for name in ("ReluFunction", "LinFunction", "MseFunction"):
        bases = student.value(name).mro()
        if base._number not in [getattr(kind, "_number", None) for kind in bases]:
            raise Mismatch(Finding("wrong", "not_a_subclass", {"name": name, "base": "LayerFunction"}))
    inp, w, b, d, targ = randn(4, 3), randn(3, 1), randn(1), randn(4, 3), randn(4)
    check_own(student.ReluFunction(), inp, expected=inp.clamp_min(0), d=d)
    assert_gradients([torch.where(inp > 0, d, 0.0)], inp=inp)
    check_own(student.LinFunction(w, b), inp, expected=inp @ w + b, d=d[:, :1])
    assert_gradients(linear_gradients(inp, w, b, d[:, :1]), inp=inp, w=w, b=b)
    out = randn(4, 1)
    check_own(student.MseFunction(), out, targ, expected=F.mse_loss(out.squeeze(-1), targ))
    assert_gradients(autograd(lambda x: F.mse_loss(x.squeeze(-1), targ), out), out=out)


@pytest.mark.exercise("layer_function", points=0.25)
def test_functions_are_independent(student, randn):
    """Two layers do not disturb each other, and one that is called again works on its last input alone.

    两个层互不干扰；再次调用的层只使用最后一次的输入，梯度不累加。
    """
    first, second = student.ReluFunction(), student.ReluFunction()
    (one, two, three), (d, e) = (randn(3, 4) for _ in range(3)), (randn(3, 4) for _ in range(2))
    first(one)
    second(two)
    first.out.g, second.out.g = d, e
    first.backward()
    second.backward()
    assert_gradients([torch.where(one > 0, d, 0.0), torch.where(two > 0, e, 0.0)], one=one, two=two)
    check_relu(first, three, e)
    check_relu(first, one, e)
    inp, w, b = randn(4, 3), randn(3, 2), randn(2)
    check_linear(student.LinFunction(w, b), inp, w, b, randn(4, 2), randn(4, 2))
    check_mse(student.MseFunction(), randn(3, 1), randn(3), randn(3))
