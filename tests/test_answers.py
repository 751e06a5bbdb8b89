"""Plain answers: read in every sensible form, refused in every other one, and never a crash."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import inf, isnan, nan
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.answers import demand, letters, nested, number, text, whole, words
from grader.findings import Mismatch
from grader.sandbox.wire import Unsupported

READERS: list[Callable[[Any], object]] = [whole, number, nested, letters, words, text]


class Odd:
    """Stands for a handle: an object that stayed in the worker."""

    type_text = "builtins.function"


def finding(call: Callable[[], object]) -> tuple[str, dict[str, str]]:
    with pytest.raises(Mismatch) as raised:
        call()
    return raised.value.finding.code, raised.value.finding.facts


@pytest.mark.parametrize(
    "value",
    [
        6,
        6.0,
        "6",
        " 6 ",
        "６",
        "6.0",
        "+6",
        "6e0",
        [6],
        (6,),
        {6},
        [[6]],
        torch.tensor(6),
        torch.tensor([[6.0]]),
        np.int64(6),
        np.float32(6),
        np.array([6]),
        torch.Size([6]),
        [torch.tensor(6)],
    ],
)
def test_a_whole_number_in_every_form(value: object) -> None:
    assert whole(value) == 6
    assert type(whole(value)) is int
    assert number(value) == 6.0


@pytest.mark.parametrize(
    "value",
    [
        True,
        6.5,
        nan,
        inf,
        "six",
        "",
        "0x6",
        "6 7",
        [],
        [6, 7],
        {},
        {6: 6},
        torch.tensor([6, 7]),
        torch.tensor(True),
        torch.tensor(6j),
        np.array("6"),
        np.bool_(True),
        Odd(),
        Unsupported("sparse"),
        10**400,
        [[[[[[[[[6]]]]]]]]],
    ],
)
def test_no_whole_number(value: object) -> None:
    code, facts = finding(lambda: whole(value))
    assert code == "answer_form"
    assert facts["asked"] == "a whole number"


def test_numbers_may_be_nan_and_infinite() -> None:
    assert number("inf") == number(torch.tensor(inf)) == inf
    assert number("-1.5e-3") == -0.0015
    assert isnan(number(nan))
    assert isnan(number("NaN"))


@pytest.mark.parametrize(
    "value",
    [
        [[1, 2], [3, 4]],
        ((1.0, 2.0), (3.0, 4.0)),
        torch.tensor([[1, 2], [3, 4]]),
        np.array([[1, 2], [3, 4]]),
        [torch.tensor([1.0, 2.0]), [3, np.int64(4)]],
        torch.tensor([[1.0, 3.0], [2.0, 4.0]], requires_grad=True).t(),
    ],
)
def test_a_table_in_every_form(value: object) -> None:
    assert nested(value) == [[1.0, 2.0], [3.0, 4.0]]


def test_tables_may_be_ragged_empty_and_of_bools() -> None:
    assert nested(([], torch.Size([1]))) == [[], [1.0]]
    assert nested([True, torch.tensor(False)]) == [1.0, 0.0]
    assert nested(torch.zeros(2, 0)) == [[], []]


@pytest.mark.parametrize(
    "value", [6, "[1, 2]", {1, 2}, {1: 2}, [1, "2"], [None], torch.tensor(6), [10**400], [0] * 1001, torch.zeros(1001)]
)
def test_no_table(value: object) -> None:
    assert finding(lambda: nested(value))[0] == "answer_form"


@pytest.mark.parametrize(
    "value",
    [
        {"A", "C"},
        frozenset("ac"),
        ["a", "c"],
        ("C", "A", "A"),
        "A, C",
        "ac",
        "c A",
        "A and C",
        "a.\nc.",
        "A、C",
        "Ａ，Ｃ",
        [["a"], ["c"]],
        ["a, c"],
        "{'A', 'C'}",
    ],
)
def test_letters_in_every_form(value: object) -> None:
    assert letters(value, "ABCDEF") == {"A", "C"}


@pytest.mark.parametrize("value", ["", "none", "A, G", "1", set(), [], ["A", 1], 3, [["A", ["C"]]], Odd(), [None]])
def test_no_letters(value: object) -> None:
    assert str(finding(lambda: letters(value, "ABCDEF"))[1]["asked"]) == "letters from A to F"


@pytest.mark.parametrize(
    "value",
    [
        ["mse_grad", "lin_grad"],
        ("MSE_grad ", "`lin_grad`"),
        "mse_grad, lin_grad",
        "mse_grad() -> lin_grad()",
        "mse_grad\nlin_grad",
        "mse_grad；lin_grad",
        ["mse_grad()", "'lin_grad'"],
    ],
)
def test_words_in_every_form(value: object) -> None:
    assert words(value) == ["mse_grad", "lin_grad"]


def test_words_of_a_set_are_sorted_and_none_is_refused() -> None:
    assert words({"b", "a", "c"}) == ["a", "b", "c"]
    for value in ("", " , ", [], [1], 1, Odd()):
        assert finding(lambda value=value: words(value))[0] == "answer_form"  # type: ignore[misc]


def test_a_text_keeps_its_case_and_its_inside() -> None:
    assert text(' "%%timeit -n 10" ') == text(["%%timeit -n 10"]) == text("`%%timeit -n 10`") == "%%timeit -n 10"
    assert text("RuntimeError") == "RuntimeError"
    for value in ("", "''", ["a", "b"], 3, {}):
        assert finding(lambda value=value: text(value))[0] == "answer_form"  # type: ignore[misc]


@pytest.mark.parametrize("reader", READERS)
def test_none_is_no_answer(reader: Callable[[Any], object]) -> None:
    assert finding(lambda: reader(None))[0] == "answer_none"


def test_a_wrong_answer_gives_nothing_away() -> None:
    demand(True)
    assert finding(lambda: demand(False)) == ("answer_wrong", {})


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.integers(100, 5000).map(lambda digits: 10**digits)
    | st.sampled_from([Odd(), Unsupported("x"), torch.float32, "A, B", "%%time", "1e999", "９" * 40, "\ud800"])
    | arrays.arrays(st.sampled_from([np.float16, np.int8, np.bool_, np.complex64, "<U3", "M8[s]"]), (2, 1))
    | st.lists(st.integers(0, 3), max_size=9).map(lambda shape: torch.zeros(shape))
    | st.sampled_from([torch.bfloat16, torch.complex64, torch.bool, torch.uint8]).map(lambda t: torch.ones(2, dtype=t))
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=2)
        | st.frozensets(st.text(max_size=3) | st.integers() | st.floats() | st.none(), max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(VALUES)
def test_no_value_breaks_a_reader(value: object) -> None:
    for reader in READERS:
        with suppress(Mismatch):
            reader(value)


def test_deep_and_long_values_are_refused() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    for value in (deep, ["a"] * 2000, "9" * 100_000, [[0] * 500] * 3):
        for reader in (whole, number, nested):
            assert finding(lambda reader=reader, value=value: reader(value))[0] == "answer_form"  # type: ignore[misc]
