"""`LinearLayer`, an `nn.Module` of one's own: beside `nn.Linear`, and with gradients."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from grader.compare import assert_close, assert_equal

pytestmark = pytest.mark.hidden


def shape(value):
    """A tensor's shape as a list; anything else as it is."""
    return list(value.shape) if isinstance(value, torch.Tensor) else value


def different(rows):
    """How many of the rows differ."""
    return len(set(map(tuple, rows.tolist())))


@pytest.mark.exercise("LinearLayer", points=0.25)
def test_linear_layer_of_any_input(student, randn):
    """Right for inputs of any size and memory layout.

    对任何大小和内存布局的输入都正确。
    """
    for n_in, n_out in ((4, 3), (1, 2), (3, 1)):
        layer, weight, bias = student.LinearLayer(n_in, n_out), randn(n_out, n_in), randn(n_out)
        layer.load_state_dict({"weight": weight, "bias": bias})
        for x in (
            randn(n_in),
            randn(5, n_in),
            randn(2, 3, n_in),
            randn(n_in, 6).t(),
            randn(3, n_in, 4).transpose(1, 2),
        ):
            assert_close(layer(x), F.linear(x, weight, bias))


@pytest.mark.exercise("LinearLayer", points=0.5)
def test_linear_layer_gradients(student, randn):
    """Gradients reach the input, the weights and the bias.

    梯度能传到输入、权重和偏置。
    """
    layer, x, d = student.LinearLayer(4, 3), randn(5, 4).requires_grad_(), randn(5, 3)
    leaves = [t.requires_grad_() for t in (x.detach().clone(), randn(3, 4), randn(3))]
    layer.load_state_dict({"weight": leaves[1].detach(), "bias": leaves[2].detach()})
    expected = torch.autograd.grad(F.linear(*leaves), leaves, d)
    out = layer(x)
    assert_close(out, F.linear(*leaves).detach())
    gradients = student.grad((out,), (x, layer.weight, layer.bias), (d,))
    for name, got, gradient in zip(("x", "weight", "bias"), gradients, expected, strict=True):
        assert_close(got, gradient, what=f"the gradient of {name}")


@pytest.mark.exercise("LinearLayer", points=0.25)
def test_linear_layer_beside_nn_linear(student, randn):
    """It exchanges weights with `nn.Linear`, and both then give the same outputs; each layer draws its own at first.

    它与 `nn.Linear` 可以互换权重，互换后两者的输出相同；每个层最初的权重各自随机生成。
    """
    layer, other, twin = student.LinearLayer(60, 40), student.LinearLayer(60, 40), nn.Linear(60, 40)
    state, x = layer.state_dict(), randn(3, 60)
    assert_equal(
        sorted(state) if isinstance(state, dict) else state, ["bias", "weight"], what="the names in state_dict()"
    )
    assert_equal(shape(state["weight"]), [40, 60], what="the shape of weight")
    assert_equal(shape(state["bias"]), [40], what="the shape of bias")
    drawn = torch.cat([state["weight"], other.weight.detach()])
    assert_equal(different(drawn), 80, what="the number of different rows in the weights of two new layers")
    assert_equal(different(state["weight"].t()), 60, what="the number of different columns of weight")
    twin.load_state_dict(state)
    assert_close(layer(x), twin(x).detach())
    state = {"weight": randn(40, 60), "bias": randn(40)}
    twin.load_state_dict(state)
    other.load_state_dict(state)
    assert_close(other(x), twin(x).detach())


@pytest.mark.exercise("LinearLayer", points=0.25)
def test_linear_layer_in_float64(student, reference, randn):
    """After `.double()` it works in float64.

    调用 `.double()` 之后以 float64 计算。
    """
    layer, model = student.LinearLayer(3, 5), reference.LinearLayer(3, 5)
    state = {"weight": randn(5, 3), "bias": randn(5)}
    layer.load_state_dict(state)
    model.load_state_dict(state)
    layer.double()
    model.double()
    x = randn(4, 3, dtype=torch.float64)
    assert_close(layer(x), model(x).detach())
