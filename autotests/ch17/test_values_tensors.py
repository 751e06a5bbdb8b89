"""Questions with a plain value for an answer: only its form is looked at here, the value when you hand in."""

import pytest

from grader.answers import demand, letters, nested, text, whole, words
from grader.findings import Mismatch
from grader.model import Finding
from grader.sentences import both


def form(fits, asked, zh):
    """The answer's form is the one asked for, or else `Mismatch` says which one that is."""
    if not fits:
        raise Mismatch(Finding("wrong", "answer_form", {"asked": both(asked, zh=zh)}))


def is_list(table):
    """A list of numbers, not empty and without lists inside."""
    return bool(table) and all(isinstance(item, float) for item in table)


def is_table(table):
    """A list of rows of the same length, not empty, each a list of numbers."""
    return bool(table) and all(isinstance(row, list) and is_list(row) and len(row) == len(table[0]) for row in table)


@pytest.mark.exercise("q5", points=0.125)
def test_q5_is_a_size(student):
    """The answer is a whole number. (Whether it is the right one is checked when you hand in.)

    答案是一个整数。（是否正确在提交之后检查。）
    """
    form(whole(student.value("q5")) > 0, "a whole number above 0", zh="一个大于 0 的整数")


@pytest.mark.exercise("q6", points=0.125)
def test_q6_is_a_table(student):
    """The answer is a list of rows of numbers. (Whether it is the right one is checked when you hand in.)

    答案是由一行行数组成的列表。（是否正确在提交之后检查。）
    """
    form(
        is_table(nested(student.value("q6"))),
        "a list of rows, each a list of numbers",
        zh="由行组成的列表，每行是由数组成的列表",
    )


@pytest.mark.exercise("q7", points=0.125)
def test_q7_is_letters(student):
    """The answer is one or more letters from A to F. (Whether they are the right ones is checked when you hand in.)

    答案是 A 到 F 中的一个或几个字母。（是否正确在提交之后检查。）
    """
    demand(letters(student.value("q7"), "ABCDEF"))


@pytest.mark.exercise("q9", points=0.125)
def test_q9_is_a_magic(student):
    """The answer is a text that begins with a percent sign. (Whether it times a cell is checked when you hand in.)

    答案是以百分号开头的文字。（是否为整个单元格计时在提交之后检查。）
    """
    form(text(student.value("q9")).startswith("%"), 'a text that begins with "%"', zh="以“%”开头的文字")


@pytest.mark.exercise("q10", points=0.125)
def test_q10_is_a_table(student):
    """The answer is a list of rows of numbers. (Whether it is the right one is checked when you hand in.)

    答案是由一行行数组成的列表。（是否正确在提交之后检查。）
    """
    form(
        is_table(nested(student.value("q10"))),
        "a list of rows, each a list of numbers",
        zh="由行组成的列表，每行是由数组成的列表",
    )


@pytest.mark.exercise("q13", points=0.125)
def test_q13_is_a_list(student):
    """The answer is a list of numbers. (Whether it is the right one is checked when you hand in.)

    答案是由数组成的列表。（是否正确在提交之后检查。）
    """
    form(is_list(nested(student.value("q13"))), "a list of numbers", zh="由数组成的列表")


@pytest.mark.exercise("q14", points=0.125)
def test_q14_is_an_exception(student):
    """The answer is an exception's name or the exception's class. (Which one is checked when you hand in.)

    答案是异常的名称或异常类。（是哪一个在提交之后检查。）
    """
    value = student.value("q14")
    form(
        hasattr(value, "kind") or text(value)[0].isalpha(),
        "the name of an exception, or its class",
        zh="异常的名称或异常类",
    )


@pytest.mark.exercise("q21", points=0.125)
def test_q21_is_row_or_column(student):
    """The answer is "row" or "column". (Which of the two is checked when you hand in.)

    答案是“行”（row）或“列”（column）。（是哪一个在提交之后检查。）
    """
    said = " ".join(words(student.value("q21")))
    form(any(word in said for word in ("row", "column", "行", "列")), '"row" or "column"', zh="“行”或“列”")


@pytest.mark.exercise("q22", points=0.125)
def test_q22_is_a_count(student):
    """The answer is a whole number. (Whether it is the right one is checked when you hand in.)

    答案是一个整数。（是否正确在提交之后检查。）
    """
    form(whole(student.value("q22")) >= 0, "a whole number from 0", zh="一个不小于 0 的整数")
