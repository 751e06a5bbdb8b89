"""`check_linear`, the student's own test: tried on right layers in several styles, and on broken ones.

Each of those is broken in one way. Which is which is known on this side only: every class has the same name, the broken
ones come in an order drawn by the check, and right ones stand first, last and among them.
"""

import pytest
import torch

from grader.findings import Mismatch, StudentRaised
from grader.model import Finding
from grader.sandbox.wire import Source
from grader.sentences import both

pytestmark = pytest.mark.hidden

MADE = """
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) * (2 / n_in) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(n_out))"""
GIVEN = """
        return x @ self.weight.t() + self.bias"""


def layer(made=MADE, given=GIVEN):
    """The source of a layer whose ``__init__`` and ``forward`` have these bodies, each from its line break on."""
    return f"class Layer(nn.Module):\n    def __init__(self, n_in, n_out):{made}\n\n    def forward(self, x):{given}\n"


def made(old, new):
    """A layer with one thing in ``__init__`` changed."""
    assert old in MADE
    return layer(made=MADE.replace(old, new))


def given(old, new):
    """A layer with one thing in ``forward`` changed."""
    assert old in GIVEN
    return layer(given=GIVEN.replace(old, new))


PLAIN = layer()
STYLES = (
    PLAIN,
    layer(
        """
        super(Layer, self).__init__()
        self.in_features, self.out_features = n_in, n_out
        self.weight = nn.Parameter(torch.empty(n_out, n_in))
        self.bias = nn.Parameter(torch.empty(n_out))
        nn.init.kaiming_uniform_(self.weight, nonlinearity='relu')
        nn.init.zeros_(self.bias)""",
        """
        return x.matmul(self.weight.T).add(self.bias)""",
    ),
    layer(
        """
        nn.Module.__init__(self)
        self.register_parameter('weight', nn.Parameter(torch.normal(0.0, (2 / n_in) ** 0.5, (n_out, n_in))))
        self.register_parameter('bias', nn.Parameter(torch.zeros((n_out,))))""",
        """
        out = torch.matmul(x, self.weight.transpose(0, 1))
        out = out + self.bias
        return out""",
    ),
)

OUTPUT = {
    ("its output leaves out the bias", "它的输出漏掉了偏置"): given(" + self.bias", ""),
    ("its output has the bias taken away", "它的输出减去了偏置"): given("+", "-"),
    ("its weights are reshaped where they should be transposed", "它的权重本应转置，却改变了形状"): given(
        "self.weight.t()", "self.weight.reshape(x.shape[-1], -1)"
    ),
    ("it has a ReLU in it", "它里面有 ReLU"): given(
        "x @ self.weight.t() + self.bias", "(x @ self.weight.t() + self.bias).relu()"
    ),
    ("it gives another output at every call", "它每次调用给出的输出都不同"): given(
        "self.bias", "self.bias + torch.randn(len(self.bias))"
    ),
}
AXES = {
    ("it fails for an input of three axes", "输入有三个轴时它会出错"): layer(
        given="""
        return (self.weight @ x.t()).t() + self.bias"""
    ),
    ("it gives two axes for an input of one", "输入只有一个轴时它给出两个轴"): given("x @", "torch.atleast_2d(x) @"),
}
PARAMETERS = {
    ("it has no bias", "它没有偏置"): layer(MADE.rsplit("\n", 1)[0], GIVEN.replace(" + self.bias", "")),
    ("its bias is not a parameter", "它的偏置不是参数"): made("nn.Parameter(torch.zeros(n_out))", "torch.zeros(n_out)"),
    ("its weights are not a parameter", "它的权重不是参数"): made(
        "nn.Parameter(torch.randn(n_out, n_in) * (2 / n_in) ** 0.5)", "torch.randn(n_out, n_in) * (2 / n_in) ** 0.5"
    ),
    ("its weights have shape [n_in, n_out]", "它的权重形状是 [n_in, n_out]"): layer(
        MADE.replace("torch.randn(n_out, n_in)", "torch.randn(n_in, n_out)"), GIVEN.replace(".t()", "")
    ),
    ("it has one bias for all outputs", "它的所有输出共用一个偏置"): made("torch.zeros(n_out)", "torch.zeros(1)"),
    ("it leaves out super().__init__()", "它漏掉了 super().__init__()"): made("super().__init__()", "pass"),
}
START = {
    ("its weights have standard deviation 1", "它的权重标准差是 1"): made(" * (2 / n_in) ** 0.5", ""),
    ("its weights are drawn with 1/sqrt(n_in)", "它的权重乘的是 1/sqrt(n_in)"): made("(2 / n_in)", "(1 / n_in)"),
    ("its weights are scaled by the number of outputs", "它的权重按输出个数缩放"): made("(2 / n_in)", "(2 / n_out)"),
    ("its weights begin as zeros", "它的权重初始值为零"): made("torch.randn(n_out, n_in)", "torch.zeros(n_out, n_in)"),
    ("its bias begins at random", "它的偏置初始值是随机的"): made("torch.zeros(n_out)", "torch.randn(n_out)"),
}
GRADIENTS = {
    ("no gradient reaches its weights", "梯度传不到它的权重"): given("self.weight.t()", "self.weight.detach().t()"),
    ("no gradient reaches its bias", "梯度传不到它的偏置"): given("self.bias", "self.bias.data"),
    ("no gradient reaches its input", "梯度传不到它的输入"): given("x @", "x.detach() @"),
}


def accepts(student, text):
    """Does the student's test return for this layer? A stub fails the check."""
    try:
        student.check_linear(Source(text, "Layer"))
    except StudentRaised as raised:
        if raised.finding.reason == "missing":
            raise
        return False
    return True


def assert_tells_apart(student, rng, broken, right=(PLAIN, PLAIN, PLAIN)):
    """The test accepts what is right and rejects what is broken. Raises `Mismatch` naming one that it misjudges.

    The three right layers come first, last and somewhere between: a test that goes by what it was given before, and
    not by the layer, gets one of them wrong.
    """
    layers = list(broken.values())
    order = [layers[number] for number in torch.randperm(len(layers), generator=rng).tolist()]
    between = int(torch.randint(1, len(order), (), generator=rng)) if len(order) > 1 else 1
    judged = [right[0], *order[:between], right[1], *order[between:], right[2]]
    accepted = [(text, accepts(student, text)) for text in judged]
    if any((text, False) in accepted for text in right):
        raise Mismatch(Finding("wrong", "rejects_right"))
    for (kind, zh), text in broken.items():
        if (text, True) in accepted:
            raise Mismatch(Finding("wrong", "accepts_broken", {"kind": both(kind, zh=zh)}))


@pytest.mark.exercise("check_linear", points=0.5)
def test_check_linear_of_right_layers(student, rng):
    """Accepts layers that are right, however they are written, and not just any layer.

    正确的层无论怎么写都能通过，但不是什么层都能通过。
    """
    easy = {kind: text for kind, text in PARAMETERS.items() if "super" in kind[0]}
    assert_tells_apart(student, rng, easy, right=STYLES)


@pytest.mark.exercise("check_linear", points=0.5)
def test_check_linear_of_wrong_outputs(student, rng):
    """Rejects layers that compute something else.

    拒绝计算结果不对的层。
    """
    assert_tells_apart(student, rng, OUTPUT)


@pytest.mark.exercise("check_linear", points=0.25)
def test_check_linear_of_other_axes(student, rng):
    """Rejects layers that are right for inputs of two axes only.

    拒绝只对两个轴的输入正确的层。
    """
    assert_tells_apart(student, rng, AXES)


@pytest.mark.exercise("check_linear", points=0.5)
def test_check_linear_of_wrong_parameters(student, rng):
    """Rejects layers whose parameters are not as they should be.

    拒绝参数不符合要求的层。
    """
    assert_tells_apart(student, rng, PARAMETERS)


@pytest.mark.exercise("check_linear", points=0.5)
def test_check_linear_of_wrong_starts(student, rng):
    """Rejects layers that begin with other weights than asked for.

    拒绝初始权重不符合要求的层。
    """
    assert_tells_apart(student, rng, START)


@pytest.mark.exercise("check_linear", points=0.25)
def test_check_linear_of_lost_gradients(student, rng):
    """Rejects layers that gradients do not flow through.

    拒绝梯度传不过去的层。
    """
    assert_tells_apart(student, rng, GRADIENTS)
