"""Questions with a plain value for an answer: is the value the right one?"""

import re

import pytest

from grader.answers import demand, letters, nested, text, whole, words

pytestmark = pytest.mark.hidden

OPTIONS, SLOW = set("ABCDEF"), set("ABE")


def judged_right(found):
    """Of how many of the options of q7 is it said rightly that they are a cause, or none?"""
    return len(OPTIONS - (found ^ SLOW))


def times_a_cell(line):
    """Does this first line of a cell time the cell, or the statement on it?"""
    # After `%%time` stands no statement, after `%%timeit` options and a set-up may.
    if re.match(r"%%time(it(\s.*)?|\s+--no-raise-error)?$", line):
        return True
    if not (match := re.match(r"%time(it)?\s+(.+)", line)):
        return False
    statement = re.sub(r"^(-[nrp]\s*\d+\s*|-[tcqvo]+\s*|--no-raise-error\s*)+", "", match[2]) if match[1] else match[2]
    return bool(re.match(r"\s*(?!\s|%%).*\w", re.sub(r"#.*", "", statement)))  # a cell magic is none


def exception_name(value):
    """The name of an exception given as text, with or without its message, as its class, or as an instance."""
    if hasattr(value, "kind"):
        instance = value() if value.kind == "builtins.type" else value
        return getattr(instance, "kind", "").rpartition(".")[2].lower()
    named = set(re.findall(r"\w*error\b|\w*exception\b", re.sub(r"[\s_]+error\b", "error", text(value).lower())))
    return named.pop() if len(named) == 1 else ""


@pytest.mark.exercise("q5", points=0.875)
def test_q5_is_the_hidden_size(student):
    """The hidden size is the one that both weight matrices share.

    隐藏层的大小就是两个权重矩阵共有的那个大小。
    """
    demand(whole(student.value("q5")) == 20)


@pytest.mark.exercise("q6", points=0.375)
def test_q6_has_the_shape(student):
    """As many rows, and as many numbers in each, as `t()` gives.

    行数以及每行的个数都与 `t()` 给出的一致。
    """
    demand([len(row) if isinstance(row, list) else 0 for row in nested(student.value("q6"))] == [2, 2, 2])


@pytest.mark.exercise("q6", points=0.5)
def test_q6_has_the_numbers(student):
    """Every number in its place.

    每个数都在正确的位置。
    """
    demand(nested(student.value("q6")) == [[3, 1], [8, 5], [4, 9]])


@pytest.mark.exercise("q7", points=0.375)
def test_q7_all_but_one(student):
    """At least five of the six statements are judged rightly, as a cause or as none.

    六个说法中至少有五个判断正确（是原因或不是原因）。
    """
    demand(judged_right(letters(student.value("q7"), "ABCDEF")) >= 5)


@pytest.mark.exercise("q7", points=0.5)
def test_q7_all(student):
    """All six statements are judged rightly, as a cause or as none.

    六个说法全部判断正确（是原因或不是原因）。
    """
    demand(judged_right(letters(student.value("q7"), "ABCDEF")) == 6)


@pytest.mark.exercise("q9", points=0.875)
def test_q9_times_a_cell(student):
    """The magic times a cell.

    这个魔法命令为整个单元格计时。
    """
    demand(times_a_cell(text(student.value("q9")).splitlines()[0].strip()))


@pytest.mark.exercise("q10", points=0.875)
def test_q10_has_the_numbers(student):
    """Every number in its place.

    每个数都在正确的位置。
    """
    demand(nested(student.value("q10")) == [[3, 2, 4], [4, 5, 9]])


@pytest.mark.exercise("q13", points=0.875)
def test_q13_has_the_numbers(student):
    """As many numbers as the sum holds, and the right ones.

    数的个数与求和的结果相同，而且都正确。
    """
    demand(nested(student.value("q13")) == [2, 3])


@pytest.mark.exercise("q14", points=0.875)
def test_q14_is_what_is_raised(student):
    """The exception is the one that torch raises.

    正是 torch 抛出的那个异常。
    """
    demand(exception_name(student.value("q14")) == "runtimeerror")


@pytest.mark.exercise("q21", points=0.875)
def test_q21_is_the_right_one(student):
    """The vector is added to each of these.

    向量确实加到每一个这样的部分上。
    """
    said = " ".join(words(student.value("q21")))
    demand(("row" in said or "行" in said) and not ("col" in said or "列" in said))


@pytest.mark.exercise("q22", points=0.875)
def test_q22_is_the_count(student):
    """So many floats are stored.

    存储的浮点数正好是这么多个。
    """
    demand(whole(student.value("q22")) == 256)
