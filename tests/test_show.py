"""Values as text: whole when small, bounded always, never by a student's own ``__repr__``."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import tensor

from grader.legible import plain
from grader.show import LIMIT, show, type_text


class Handle:
    """What stands for an object that stayed in the worker."""

    type_text = "Relu\x1b[31m" + "x" * 500

    def __repr__(self) -> str:
        raise AssertionError("never asked")

    def __getattr__(self, name: str) -> object:
        raise AssertionError("never asked")


CASES: list[tuple[object, str]] = [
    (tensor(3.5), "float32 tensor of shape []\n3.5"),
    (tensor([1.0, -2.25]), "float32 tensor of shape [2]\n[   1., -2.25]"),
    (tensor([[1.0, 2], [30, 4]]), "float32 tensor of shape [2, 2]\n[[ 1.,  2.],\n [30.,  4.]]"),
    (tensor([1, 2]), "int64 tensor of shape [2]\n[1, 2]"),
    (tensor([True, False]), "bool tensor of shape [2]\n[ True, False]"),
    (tensor([math.nan, math.inf, -math.inf, -0.0]), "float32 tensor of shape [4]\n[ nan,  inf, -inf,   0.]"),
    (tensor([1e-8, 1234567.0]).double(), "float64 tensor of shape [2]\n[      1e-08, 1.23457e+06]"),
    (torch.zeros(0, 3), "float32 tensor of shape [0, 3]"),
    (torch.zeros(2, dtype=torch.complex64), "complex64 tensor of shape [2]"),
    (torch.zeros(2, requires_grad=True), "float32 tensor of shape [2]\n[0., 0.]"),
    (torch.arange(500), "int64 tensor of shape [500]\n[  0,   1,   2, ..., 497, 498, 499]"),
    (np.array([1.5, 2]), "float64 array of shape [2]\n[1.5,  2.]"),
    (np.float64(1.5), "1.5"),
    (None, "None"),
    (True, "True"),
    (7, "7"),
    (10**50, "1" + "0" * 50),
    (10**1000, "<an integer of 3322 bits>"),
    (3.0, "3.0"),
    (0.1 + 0.2, "0.3"),
    (math.nan, "nan"),
    ("row\n\x1b", "'row\\n\\x1b'"),
    ("x" * 1000, "'" + "x" * 200 + "'… (1000 characters)"),
    ([], "[]"),
    ((), "()"),
    ((1,), "(1,)"),
    ([[1.0, 2.5], (3, "a")], "[[1.0, 2.5], (3, 'a')]"),
    (set(), "set()"),
    ({"b", "a"}, "{'a', 'b'}"),
    ({}, "{}"),
    ({"w": tensor([1.0]), "b": None}, "{'w': <float32 tensor of shape [1]>, 'b': None}"),
    ([[[[[[[1]]]]]]], "[[[[[[[… 1 …]]]]]]]"),
    (set(range(2000)), "{… 2000 …}"),
    (object(), "<object>"),
    (Handle(), "<Relu[31m" + "x" * 71 + "…>"),
]


@pytest.mark.parametrize(("value", "text"), CASES, ids=range(len(CASES)))
def test_shows(value: object, text: str) -> None:
    assert show(value) == text


def test_middling_tensors_are_cut_in_the_middle_of_each_axis() -> None:
    assert show(torch.arange(100).reshape(10, 10) * 1.0) == (
        "float32 tensor of shape [10, 10]\n"
        "[[ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9.],\n"
        " [10., 11., 12., 13., 14., 15., 16., 17., 18., 19.],\n"
        " [20., 21., 22., 23., 24., 25., 26., 27., 28., 29.],\n"
        " [30., 31., 32., 33., 34., 35., 36., 37., 38., 39.],\n"
        " [40., 41., 42., 43., 44., 45., 46., 47., 48., 49.],\n"
        " [50., 51., 52., 53., 54., 55., 56., 57., 58., 59.],\n"
        " [60., 61., 62., 63., 64., 65., 66., 67., 68., 69.],\n"
        " [70., 71., 72., 73., 74., 75., 76., 77., 78., 79.],\n"
        " [80., 81., 82., 83., 84., 85., 86., 87., 88., 89.],\n"
        " [90., 91., 92., 93., 94., 95., 96., 97., 98., 99.]]"
    )
    assert show(torch.arange(400).reshape(20, 20)) == (
        "int64 tensor of shape [20, 20]\n"
        "[[  0,   1,   2, ...,  17,  18,  19],\n"
        " [ 20,  21,  22, ...,  37,  38,  39],\n"
        " [ 40,  41,  42, ...,  57,  58,  59],\n"
        " ...,\n"
        " [340, 341, 342, ..., 357, 358, 359],\n"
        " [360, 361, 362, ..., 377, 378, 379],\n"
        " [380, 381, 382, ..., 397, 398, 399]]"
    )


def test_large_values_are_bounded_and_quick() -> None:
    began = time.process_time()
    nested: list[object] = []
    for _ in range(900):
        nested = [nested]
    for value in (
        torch.zeros(1).expand(10**5, 10**5), torch.rand(2, 2, 2, 2, 2, 2, 2, 2), torch.rand([1] * 30),
        list(range(10**6)), ["x" * 10**6] * 1000, {i: i for i in range(10**5)}, nested, "\ud800" * 10**6,
    ):  # fmt: skip
        assert len(show(value)) <= LIMIT
    assert time.process_time() - began < 5


def test_type_names() -> None:
    assert [type_text(value) for value in (tensor(1), torch.nn.Parameter(tensor(1.0)), [], (), 1, 1.0, None)] == [
        "tensor", "tensor", "list", "tuple", "int", "float", "NoneType",
    ]  # fmt: skip
    assert type_text(np.zeros(2)) == "numpy.ndarray"
    assert type_text(np.float32(1)) == "numpy.float32"


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_plain_text_is_one_printable_line(text: str, limit: int) -> None:
    line = plain(text, limit)
    assert len(line) <= limit
    assert line.isprintable()
    assert line == line.strip()
    assert plain(line, limit) == line


def test_plain_keeps_ordinary_text() -> None:
    assert plain("a b  c\nd") == "a b c d"
    assert plain("结果 é ß 🙂") == "结果 é ß 🙂"
    assert plain("x" * 300) == "x" * 199 + "…"
