"""Questions about einsum and training: whether the answers are right."""

import pytest

from grader.answers import demand, letters, nested, number, words
from grader.compare import assert_equal
from grader.findings import Mismatch
from grader.model import Finding

pytestmark = pytest.mark.hidden

RULES = ({"A", "E"}, {"C", "I"}, {"D", "G"})  # each in the two editions' wordings
NO_RULES = {"B", "F", "H", "J"}


def wrong_rules(found):
    """How many of the three rules are not named, in either wording, and how many other statements are."""
    return sum(not found & rule for rule in RULES) + len(found & NO_RULES)


def wrong_today(found):
    """The same for the rules that torch does not enforce; the first one, in the wider wording, may stand there."""
    return sum(not found & rule for rule in RULES[1:]) + len(found & (NO_RULES | {"A"}))


def in_order(steps, needs):
    """Each step stands after those that it needs, or `Mismatch` (``step_order``)."""
    place = {step: number for number, step in enumerate(steps)}
    missing = len(place)
    if any(place.get(first, missing) >= place.get(then, -1) for then, first in needs):
        raise Mismatch(Finding("wrong", "step_order", {"what": "q26"}))


@pytest.mark.exercise("q24", points=0.25)
def test_q24_shape(student):
    """The result has the axes that stand on the right of the arrow.

    结果的轴就是写在箭头右边的那些。
    """
    rows = nested(student.value("q24"))
    demand([len(row) if isinstance(row, list) else 0 for row in rows] == [3, 3])


@pytest.mark.exercise("q24", points=0.625)
def test_q24(student):
    """The numbers are right.

    数值正确。
    """
    assert_equal(nested(student.value("q24")), [[0.0, 4.0, 8.0], [9.0, 13.0, 17.0]], what="q24")


@pytest.mark.exercise("q25", points=0.25)
def test_q25_nearly(student):
    """Of `q25`, at most one letter is missing or too many.

    `q25` 最多缺少或多出一个字母。
    """
    demand(wrong_rules(letters(student.value("q25"))) <= 1)


@pytest.mark.exercise("q25", points=0.25)
def test_q25(student):
    """`q25` holds the three rules and no other statement.

    `q25` 正好是那三条规则，没有其他说法。
    """
    demand(wrong_rules(letters(student.value("q25"))) == 0)


@pytest.mark.exercise("q25", points=0.375)
def test_q25_today(student):
    """`q25_today` holds the rules that `torch.einsum` does not enforce, and no other statement.

    `q25_today` 正好是 `torch.einsum` 不强制的那些规则，没有其他说法。
    """
    demand(wrong_today(letters(student.value("q25_today"))) == 0)


@pytest.mark.exercise("q26", points=0.25)
def test_q26_forward_pass(student):
    """The steps of the forward pass stand in order.

    前向传播的各步顺序正确。
    """
    in_order("".join(words(student.value("q26"))), ["bf", "hb", "dh"])


@pytest.mark.exercise("q26", points=0.625)
def test_q26(student):
    """Every step stands after the steps whose results it needs.

    每一步都排在它所需要的结果之后。
    """
    in_order("".join(words(student.value("q26"))), ["bf", "hb", "dh", "ch", "gc", "ic", "eg", "ae"])


@pytest.mark.exercise("q27", points=0.25)
def test_q27_nearly(student):
    """At most two names are missing or too many.

    最多缺少或多出两个名称。
    """
    demand(len({*words(student.value("q27"))} ^ {"x", "w1", "l1", "l2", "w2"}) <= 2)


@pytest.mark.exercise("q27", points=0.625)
def test_q27(student):
    """Every value that is read, and no other.

    凡是读取的值都在，没有多余的。
    """
    assert_equal({*words(student.value("q27"))}, {"x", "w1", "l1", "l2", "w2"}, what="q27")


@pytest.mark.exercise("q29", points=0.875)
def test_q29(student):
    """The scale is right to within 2 %.

    缩放系数的误差不超过 2 %。
    """
    demand(abs(number(student.value("q29")) - 0.05) <= 0.02 * 0.05)


@pytest.mark.exercise("q32", points=0.875)
def test_q32(student):
    """Both shapes are right, in their order.

    两个形状都正确，顺序也正确。
    """
    shapes = [shape if isinstance(shape, list) else [shape] for shape in nested(student.value("q32"))]
    demand(shapes == [[], [1.0]])


@pytest.mark.exercise("q36", points=0.875)
def test_q36(student):
    """The calls stand in the right order.

    各次调用的顺序正确。
    """
    calls = [word.split("(")[0] for word in words(student.value("q36"))]
    found = [call for call in calls if call.endswith("_grad")]  # not the arguments, where they are written too
    demand(found == ["mse_grad", "lin_grad", "relu_grad", "lin_grad"])


@pytest.mark.exercise("q38", points=0.875)
def test_q38(student):
    """The methods that must be there, and none that need not; `setup_context` may stand beside them.

    必须有的方法都在，没有不必要的；`setup_context` 可以一并列出。
    """
    names = {word.split("(")[0].split(".")[-1] for word in words(student.value("q38"))}
    demand(names - {"and", "setup_context"} == {"forward", "backward"})


@pytest.mark.exercise("q40", points=0.875)
def test_q40(student):
    """The difference is the right one.

    区别选得正确。
    """
    demand(letters(student.value("q40")) == {"D"})
