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
    """The result has the axes that stand on the right of the arrow."""
    rows = nested(student.value("q24"))
    demand([len(row) if isinstance(row, list) else 0 for row in rows] == [3, 3])


@pytest.mark.exercise("q24", points=0.625)
def test_q24(student):
    """The numbers are right."""
    assert_equal(nested(student.value("q24")), [[0.0, 4.0, 8.0], [9.0, 13.0, 17.0]], what="q24")


@pytest.mark.exercise("q25", points=0.25)
def test_q25_nearly(student):
    """Of `q25`, at most one letter is missing or too many."""
    demand(wrong_rules(letters(student.value("q25"))) <= 1)


@pytest.mark.exercise("q25", points=0.25)
def test_q25(student):
    """`q25` holds the three rules and no other statement."""
    demand(wrong_rules(letters(student.value("q25"))) == 0)


@pytest.mark.exercise("q25", points=0.375)
def test_q25_today(student):
    """`q25_today` holds the rules that `torch.einsum` does not enforce, and no other statement."""
    demand(wrong_today(letters(student.value("q25_today"))) == 0)


@pytest.mark.exercise("q26", points=0.25)
def test_q26_forward_pass(student):
    """The steps of the forward pass stand in order."""
    in_order("".join(words(student.value("q26"))), ["bf", "hb", "dh"])


@pytest.mark.exercise("q26", points=0.625)
def test_q26(student):
    """Every step stands after the steps whose results it needs."""
    in_order("".join(words(student.value("q26"))), ["bf", "hb", "dh", "ch", "gc", "ic", "eg", "ae"])


@pytest.mark.exercise("q27", points=0.25)
def test_q27_nearly(student):
    """At most two names are missing or too many."""
    demand(len({*words(student.value("q27"))} ^ {"x", "w1", "l1", "l2", "w2"}) <= 2)


@pytest.mark.exercise("q27", points=0.625)
def test_q27(student):
    """Every value that is read, and no other."""
    assert_equal({*words(student.value("q27"))}, {"x", "w1", "l1", "l2", "w2"}, what="q27")


@pytest.mark.exercise("q29", points=0.875)
def test_q29(student):
    """The scale is right to within 2 %."""
    demand(abs(number(student.value("q29")) - 0.05) <= 0.02 * 0.05)


@pytest.mark.exercise("q32", points=0.875)
def test_q32(student):
    """Both shapes are right, in their order."""
    shapes = [shape if isinstance(shape, list) else [shape] for shape in nested(student.value("q32"))]
    demand(shapes == [[], [1.0]])


@pytest.mark.exercise("q36", points=0.875)
def test_q36(student):
    """The calls stand in the right order."""
    calls = [word.split("(")[0] for word in words(student.value("q36"))]
    found = [call for call in calls if call.endswith("_grad")]  # not the arguments, where they are written too
    demand(found == ["mse_grad", "lin_grad", "relu_grad", "lin_grad"])


@pytest.mark.exercise("q38", points=0.875)
def test_q38(student):
    """The methods that must be there, and none that need not; `setup_context` may stand beside them."""
    names = {word.split("(")[0].split(".")[-1] for word in words(student.value("q38"))}
    demand(names - {"and", "setup_context"} == {"forward", "backward"})


@pytest.mark.exercise("q40", points=0.875)
def test_q40(student):
    """The difference is the right one."""
    demand(letters(student.value("q40")) == {"D"})
