"""Questions about einsum and training: here only whether an answer has a usable form; hidden checks judge the value."""

import pytest

from grader.answers import demand, letters, nested, number, words
from grader.findings import Mismatch
from grader.model import Finding
from grader.sentences import both


def of_form(right, asked, zh):
    """The answer has the form ``asked`` for, or else the message names it."""
    if not right:
        raise Mismatch(Finding("wrong", "answer_form", {"asked": both(asked, zh=zh)}))


@pytest.mark.exercise("q24", points=0.125)
def test_q24_form(student):
    """`q24` is a list of numbers, or of such lists.

    `q24` 是由数组成的列表，或由这样的列表组成的列表。
    """
    of_form(
        nested(student.value("q24")),
        "a list of numbers, or a list of such lists",
        zh="由数组成的列表，或由这样的列表组成的列表",
    )


@pytest.mark.exercise("q25", points=0.125)
def test_q25_form(student):
    """`q25` and `q25_today` are sets of letters from A to J.

    `q25` 和 `q25_today` 是由 A 到 J 的字母组成的集合。
    """
    for name in ("q25", "q25_today"):
        demand(len(letters(student.value(name), "ABCDEFGHIJ")) > 0)


@pytest.mark.exercise("q26", points=0.125)
def test_q26_form(student):
    """`q26` holds each of the nine letters once.

    `q26` 中九个字母各出现一次。
    """
    of_form(
        sorted("".join(words(student.value("q26")))) == [*"abcdefghi"],
        "the letters A to I, each once, in order",
        zh="A 到 I 的字母，每个一次，按顺序排列",
    )


@pytest.mark.exercise("q27", points=0.125)
def test_q27_form(student):
    """`q27` holds names from the list.

    `q27` 中是列表里给出的名称。
    """
    listed = {"x", "w1", "b1", "l1", "l2", "w2", "b2", "out", "loss", "y"}
    of_form({*words(student.value("q27"))} <= listed, "names from the list", zh="列表中给出的名称")


@pytest.mark.exercise("q29", points=0.125)
def test_q29_form(student):
    """`q29` is a positive number.

    `q29` 是一个正数。
    """
    of_form(number(student.value("q29")) > 0, "a positive number", zh="一个正数")


@pytest.mark.exercise("q32", points=0.125)
def test_q32_form(student):
    """`q32` is a pair of shapes.

    `q32` 是一对形状。
    """
    of_form(len(nested(student.value("q32"))) == 2, "a pair of shapes", zh="一对形状")


@pytest.mark.exercise("q36", points=0.125)
def test_q36_form(student):
    """`q36` is a list of the functions' names.

    `q36` 是由函数名组成的列表。
    """
    names = {"lin_grad", "mse_grad", "relu_grad"}
    of_form(
        {word.split("(")[0] for word in words(student.value("q36"))} & names, "a list of names", zh="由名称组成的列表"
    )


@pytest.mark.exercise("q38", points=0.125)
def test_q38_form(student):
    """`q38` is a set of names of methods.

    `q38` 是由方法名组成的集合。
    """
    names = words(student.value("q38"))
    of_form(all(name.split(".")[-1].isidentifier() for name in names), "names of methods", zh="方法的名称")


@pytest.mark.exercise("q40", points=0.125)
def test_q40_form(student):
    """`q40` is one letter from A to F.

    `q40` 是 A 到 F 中的一个字母。
    """
    of_form(len(letters(student.value("q40"), "ABCDEF")) == 1, "one letter", zh="一个字母")
