"""ReLU as a function of autograd, and two small networks: more tensors, other digits, and seeds."""

import pytest
import torch

from grader.compare import assert_close, assert_equal
from grader.findings import Mismatch
from grader.model import Finding

pytestmark = pytest.mark.hidden

TRAIN = 1300  # the rows to learn from; the others are held out
BOUND = 0.3  # mean squared error
SHARE = 0.9  # of the held-out digits


def shape(value):
    """A tensor's shape as a list; anything else as it is."""
    return list(value.shape) if isinstance(value, torch.Tensor) else value


def outputs(model, x, n_out):
    """What the model gives for ``x``: [k, n_out]."""
    if model is None:
        raise Mismatch(Finding("wrong", "none", {"what": "the model"}))
    out = model(x)
    assert_equal(shape(out), [len(x), n_out], what="the shape of the model's output")
    return out.detach()


def assert_error(out, targ):
    """The mean squared error is within the bound."""
    error = (out[:, 0] - targ).pow(2).mean().item()
    if not error <= BOUND:
        facts = {"error": f"{error:.3g}", "bound": f"{BOUND:g}"}
        raise Mismatch(Finding("wrong", "error_high", facts, got=f"{error:.3g}", expected=f"at most {BOUND:g}"))


def assert_share(out, classes):
    """The largest of the ten outputs stands at the right digit for enough of the images."""
    share = (out.argmax(1) == classes).double().mean().item()
    if share < SHARE:
        facts = {"share": f"{100 * share:.0f} %", "bound": f"{100 * SHARE:.0f} %"}
        raise Mismatch(
            Finding("wrong", "accuracy_low", facts, got=facts["share"], expected=f"at least {facts['bound']}")
        )


def assert_seeded(train, x, n_out):
    """``train(seed)`` gives the same model for the same seed, and another one for another seed."""
    first, again, other = (outputs(train(seed), x, n_out) for seed in (5, 5, 6))
    if not torch.allclose(first, again, rtol=1e-3, atol=1e-5):
        raise Mismatch(Finding("wrong", "seed_not_set"))
    if torch.allclose(first, other, rtol=1e-3, atol=1e-5):
        raise Mismatch(Finding("wrong", "seed_fixed"))


@pytest.mark.exercise("MyRelu", points=0.5)
def test_my_relu_at_zero(student):
    """The slope at exactly 0 is 0.

    恰好等于 0 处的斜率为 0。
    """
    x = torch.tensor([[0.0, 1.0, -1.0], [2.0, 0.0, -3.0]]).requires_grad_()
    d = torch.tensor([[5.0, -4.0, 3.0], [0.5, -6.0, 7.0]])
    out = student.MyRelu.apply(x)
    assert_close(out, x.detach().clamp_min(0))
    expected = torch.tensor([[0.0, -4.0, 0.0], [0.5, 0.0, 0.0]])
    assert_close(student.grad(out, (x,), d)[0], expected, what="the gradient of x")


@pytest.mark.exercise("MyRelu", points=0.5)
def test_my_relu_by_finite_differences(student, randn):
    """In float64 the gradient is what small steps of each input say.

    在 float64 下，梯度与微小改变每个输入得到的结果一致。
    """
    x, d, step = randn(2, 3, dtype=torch.float64), randn(2, 3, dtype=torch.float64), 1e-6
    x += x.sign() / 10  # a step must not cross 0
    expected = torch.zeros_like(x)
    for index in range(x.numel()):
        e = torch.zeros_like(x)
        e.view(-1)[index] = step
        up, down = student.MyRelu.apply(x + e), student.MyRelu.apply(x - e)
        assert_close(up, (x + e).clamp_min(0))
        expected.view(-1)[index] = (d * (up.detach() - down.detach())).sum() / (2 * step)
    leaf = x.clone().requires_grad_()
    (gradient,) = student.grad(student.MyRelu.apply(leaf), (leaf,), d)
    assert_close(gradient, expected, what="the gradient of x", rtol=1e-6, atol=1e-7)


@pytest.mark.exercise("MyRelu", points=0.5)
def test_my_relu_of_any_tensors(student, randn):
    """Right for any shape, float dtype and memory layout, and twice in a row.

    对任何形状、浮点 dtype 和内存布局都正确，连续用两次也一样。
    """
    for dtype in (torch.float32, torch.float64):
        for x in (randn(1, dtype=dtype)[0], randn(2, 3, 4, dtype=dtype), randn(5, 6, dtype=dtype).t()[::2]):
            d = randn(*x.shape, 1, dtype=dtype)[..., 0]
            expected, leaf = torch.where(x > 0, d, torch.zeros_like(d)), x.clone().requires_grad_()
            assert_close(student.MyRelu.apply(x), x.clamp_min(0))
            once = student.MyRelu.apply(leaf)
            twice, other = student.MyRelu.apply(once), student.MyRelu.apply(-x)  # each keeps what it needs for itself
            assert_close(other, (-x).clamp_min(0))
            for out in (once, twice):
                assert_close(out, x.clamp_min(0))
                assert_close(student.grad(out, (leaf,), d)[0], expected, what="the gradient of x")


@pytest.mark.time_limit(60)
@pytest.mark.exercise("train_with_relu", points=1)
def test_train_with_relu_on_other_data(student, odd_or_even):
    """It learns from other mixtures of the pixels, too.

    换成像素的其他混合，它也能学会。
    """
    x, y = odd_or_even(50)
    model = student.train_with_relu(x[:TRAIN], y[:TRAIN], 600, 0.03, 7)
    assert_error(outputs(model, x[TRAIN:], 1), y[TRAIN:])


@pytest.mark.time_limit(60)
@pytest.mark.exercise("train_with_relu", points=0.5)
def test_train_with_relu_of_small_sizes(student, randn):
    """Right shapes for few inputs, a batch of one, and one row to predict.

    输入很少、批次大小为 1、只预测一行时，形状都正确。
    """
    for bs, n_in, k in ((1, 1, 3), (7, 3, 1)):
        model = student.train_with_relu(randn(bs, n_in), randn(bs), 2, 0.01, 0)
        out = outputs(model, randn(k, n_in), 1)
        assert_equal(int(out.isfinite().sum()), out.numel(), what="the number of finite outputs")


@pytest.mark.time_limit(60)
@pytest.mark.exercise("train_with_relu", points=0.5)
def test_train_with_relu_is_seeded(student, randn):
    """The same seed gives the same model, another seed another one.

    同一个种子给出同样的模型，不同的种子给出不同的模型。
    """
    x, y = randn(20, 6), randn(20)
    assert_seeded(lambda seed: student.train_with_relu(x, y, 4, 0.01, seed), randn(5, 6), 1)


@pytest.mark.exercise("SmallCNN", points=0.5)
def test_small_cnn_gradients(student, randn):
    """Gradients reach the image and every one of its parameters.

    梯度能传到图像和它的每一个参数。
    """
    model, x, d = student.SmallCNN(), randn(6, 1, 8, 8).requires_grad_(), randn(6, 10)
    out = model(x)
    assert_equal(shape(out), [6, 10], what="the shape of the output")
    named = [("x", x), *model.named_parameters()]
    if len(named) < 3:
        raise Mismatch(Finding("wrong", "not_a_parameter"))
    for (name, tensor), gradient in zip(named, student.grad(out, [t for _, t in named], d), strict=True):
        if gradient is None:
            raise Mismatch(Finding("wrong", "no_gradient", {"what": f"the gradient of {name}"}))
        assert_equal(shape(gradient), shape(tensor), what=f"the shape of the gradient of {name}")


@pytest.mark.exercise("SmallCNN", points=0.5)
def test_small_cnn_reads_each_image_by_itself(student, randn):
    """After `eval()`, an image gives the same ten numbers alone and in a batch.

    调用 `eval()` 之后，一张图像单独输入与放在批次中输入，给出同样的十个数。
    """
    model, x = student.SmallCNN(), randn(5, 1, 8, 8)
    model.eval()
    whole = model(x)
    assert_equal(shape(whole), [5, 10], what="the shape of the output")
    for row in range(5):
        assert_close(model(x[row : row + 1]), whole.detach()[row : row + 1], rtol=1e-4, atol=1e-5)


@pytest.mark.exercise("SmallCNN", points=0.5)
def test_small_cnn_state(student, randn):
    """Two are different at first; with the other's `state_dict()` loaded, they give the same.

    两个网络起初不同；载入对方的 `state_dict()` 之后，结果相同。
    """
    first, second, x = student.SmallCNN(), student.SmallCNN(), randn(3, 1, 8, 8)
    first.eval()
    second.eval()
    new = torch.stack([outputs(model, x, 10) for model in (first, second)])
    assert_equal(len(new.unique(dim=0)), 2, what="the number of different outputs of two new models")
    second.load_state_dict(first.state_dict())
    assert_close(second(x), new[0])


@pytest.mark.time_limit(60)
@pytest.mark.exercise("train_cnn", points=1.5)
def test_train_cnn_on_other_digits(student, digits):
    """It learns to read digits that are turned another way, too.

    换一个方向的数字，它也能学会识别。
    """
    x, classes = digits(2)
    model = student.train_cnn(x[:TRAIN], classes[:TRAIN], 400, 0.01, 7)
    assert_share(outputs(model, x[TRAIN:], 10), classes[TRAIN:])


@pytest.mark.time_limit(60)
@pytest.mark.exercise("train_cnn", points=0.5)
def test_train_cnn_of_small_batches(student, randn):
    """Right shapes for a batch of one, and for one image to read.

    批次大小为 1、只识别一张图像时，形状都正确。
    """
    for bs, k in ((1, 3), (5, 1)):
        out = outputs(student.train_cnn(randn(bs, 1, 8, 8), torch.arange(bs), 2, 0.01, 0), randn(k, 1, 8, 8), 10)
        assert_equal(int(out.isfinite().sum()), out.numel(), what="the number of finite outputs")


@pytest.mark.time_limit(60)
@pytest.mark.exercise("train_cnn", points=0.5)
def test_train_cnn_is_seeded(student, randn):
    """The same seed gives the same model, another seed another one.

    同一个种子给出同样的模型，不同的种子给出不同的模型。
    """
    x, classes = randn(12, 1, 8, 8), torch.arange(12) % 10
    assert_seeded(lambda seed: student.train_cnn(x, classes, 3, 0.01, seed), randn(4, 1, 8, 8), 10)
