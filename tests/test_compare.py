"""Every diagnosis with its whole message; no false one on anything at all."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import tensor
from torch.nn.functional import pad

from grader import diagnosis
from grader.compare import assert_close, assert_equal
from grader.findings import Mismatch
from grader.model import Finding
from grader.wording import CODES, message, next_step

nan, inf = math.nan, math.inf

X = tensor([[1.5, -2.0, 0.25], [4.0, 3.0, -1.0]])  # [2, 3]
S = tensor([[1.5, -2.0], [4.0, 3.25]])  # [2, 2]
V = torch.arange(1.0, 6)  # [5]
M = tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9.5], [-3, 2.5, 1]])  # [4, 3]
L = X.tolist()
IMAGES = torch.linspace(-2, 3, 2 * 3 * 4 * 5).square().reshape(2, 3, 4, 5)
CHANNEL = tensor([0.5, -1, 2])[:, None, None]


class Handle:
    """What stands for an object that stayed in the worker."""

    type_text = "Relu"

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


# What came back, what was expected, and what is said of it.
TABLE: list[tuple[str, Any, Any, Any, str, str]] = [
    ("none", assert_close, None, X, "none", "The result is None."),
    ("not_set", partial(assert_close, what="inp.g"), None, X, "not_set", "inp.g was not set."),
    ("none inside", assert_close, (X, None), (X, X), "none", "The result[1] is None."),
    (
        "handle",
        assert_close,
        Handle(),
        X,
        "unsupported",
        "The result cannot be compared: it is of type Relu; the type asked for is tensor.",
    ),
    (
        "handle for number",
        assert_close,
        Handle(),
        1.5,
        "unsupported",
        "The result cannot be compared: it is of type Relu; the type asked for is float.",
    ),
    (
        "list for tensor",
        assert_close,
        L,
        X,
        "list_for_tensor",
        "The result is a Python list where a tensor is expected.",
    ),
    (
        "tuple of one",
        assert_close,
        (X,),
        X,
        "tuple_of_one",
        "The result is a tuple of one item where a tensor is expected.",
    ),
    (
        "tuple for tensor",
        assert_close,
        (X, X),
        X,
        "list_for_tensor",
        "The result is a Python tuple where a tensor is expected.",
    ),
    (
        "number for tensor",
        assert_close,
        1.5,
        tensor(1.5),
        "number_for_tensor",
        "The result is a plain Python float where a tensor is expected.",
    ),
    (
        "bool for tensor",
        assert_close,
        True,
        tensor(True),
        "number_for_tensor",
        "The result is a plain Python bool where a tensor is expected.",
    ),
    (
        "array for tensor",
        assert_close,
        X.numpy(),
        X,
        "array_for_tensor",
        "The result is a NumPy array where a tensor is expected.",
    ),
    ("text for tensor", assert_close, "x", X, "wrong_type", "The result is of type str; the type asked for is tensor."),
    (
        "tensor for number",
        assert_close,
        tensor(1.5),
        1.5,
        "tensor_for_number",
        "The result is a tensor where a plain Python number (float) is expected.",
    ),
    (
        "tensor for number many",
        assert_close,
        X,
        1.5,
        "tensor_for_number_many",
        "The result is a tensor of several numbers where one Python number (float) is expected.",
    ),
    (
        "tensor for list",
        assert_equal,
        X,
        L,
        "tensor_for_list",
        "The result is a tensor where a plain list is expected.",
    ),
    (
        "tensor for bool",
        assert_equal,
        tensor(True),
        True,
        "wrong_type",
        "The result is of type tensor; the type asked for is bool.",
    ),
    ("int for bool", assert_equal, 1, True, "wrong_type", "The result is of type int; the type asked for is bool."),
    ("bool for int", assert_equal, True, 1, "wrong_type", "The result is of type bool; the type asked for is int."),
    ("float for int", assert_equal, 3.0, 3, "wrong_type", "The result is of type float; the type asked for is int."),
    (
        "list for number",
        assert_close,
        [1.5],
        1.5,
        "wrong_type",
        "The result is of type list; the type asked for is float.",
    ),
    (
        "sparse",
        assert_close,
        X.to_sparse(),
        X,
        "unsupported",
        "The result cannot be compared: it is of type sparse_coo tensor on cpu; the type asked for is tensor.",
    ),
    (
        "complex",
        assert_close,
        X + 0j,
        X,
        "unsupported",
        "The result cannot be compared: it is of type complex tensor on cpu; the type asked for is tensor.",
    ),
    (
        "transposed shape",
        assert_close,
        X.t(),
        X,
        "transposed",
        "The result is transposed: its rows are the expected columns.",
    ),
    (
        "shape transposed",
        assert_close,
        X.t() + 1,
        X,
        "shape_transposed",
        "The result has shape [3, 2] where [2, 3] is expected: the two sizes are swapped.",
    ),
    (
        "shape permuted",
        assert_close,
        IMAGES.transpose(2, 3),
        IMAGES,
        "shape_permuted",
        "The result has shape [2, 3, 5, 4] where [2, 3, 4, 5] is expected: the sizes are in another order.",
    ),
    (
        "extra last",
        assert_close,
        V[:, None],
        V,
        "extra_axis",
        "The result has shape [5, 1] where [5] is expected: one axis of size 1 too many.",
    ),
    (
        "extra first",
        assert_close,
        V[None],
        V,
        "extra_axis",
        "The result has shape [1, 5] where [5] is expected: one axis of size 1 too many.",
    ),
    (
        "extra scalar",
        assert_close,
        tensor([2.0]),
        tensor(2.0),
        "extra_axis",
        "The result has shape [1] where [] is expected: one axis of size 1 too many.",
    ),
    (
        "missing",
        assert_close,
        V,
        V[:, None],
        "missing_axis",
        "The result has shape [5] where [5, 1] is expected: an axis of size 1 is missing.",
    ),
    (
        "missing two",
        assert_close,
        V,
        V[:, None, None],
        "missing_axes",
        "The result has shape [5] where [5, 1, 1] is expected: axes of size 1 are missing.",
    ),
    (
        "extra two",
        assert_close,
        tensor([[2.0]]),
        tensor(2.0),
        "extra_axes",
        "The result has shape [1, 1] where [] is expected: axes of size 1 too many.",
    ),
    (
        "not reduced",
        assert_close,
        V,
        V.mean(),
        "not_reduced",
        "The result has shape [5] where a single number (shape []) is expected.",
    ),
    (
        "all reduced",
        assert_close,
        V.sum(),
        V,
        "all_reduced",
        "The result is a single number (shape []) where shape [5] is expected.",
    ),
    (
        "square",
        assert_close,
        V[:, None] - V,
        V,
        "broadcast_square",
        "The result has shape [5, 5] where [5] is expected. Broadcasting shapes [5, 1] and [5] gives such a square.",
    ),
    (
        "square 3",
        assert_close,
        (V[:, None] - V)[..., None],
        V[:, None],
        "broadcast_square",
        "The result has shape [5, 5, 1] where [5, 1] is expected. Broadcasting shapes [5, 1] and [5] gives such a square.",
    ),
    (
        "flattened",
        assert_close,
        X.flatten(),
        X,
        "flattened",
        "The result has shape [6] where [2, 3] is expected: all axes became one.",
    ),
    (
        "merged",
        assert_close,
        IMAGES.flatten(2),
        IMAGES,
        "merged",
        "The result has shape [2, 3, 20] where [2, 3, 4, 5] is expected: axes side by side became one.",
    ),
    (
        "same count",
        assert_close,
        torch.zeros(4, 3),
        torch.zeros(2, 6),
        "same_count",
        "The result has shape [4, 3] where [2, 6] is expected: as many numbers, arranged in another way.",
    ),
    (
        "size",
        assert_close,
        IMAGES[:, :, :-1],
        IMAGES,
        "size",
        "The result has shape [2, 3, 3, 5] where [2, 3, 4, 5] is expected: axis 2 has another size.",
    ),
    (
        "axis gone",
        assert_close,
        X.sum(0),
        X,
        "axis_gone",
        "The result has shape [3] where [2, 3] is expected: axis 0, of size 2, is missing.",
    ),
    (
        "axis gone unclear",
        assert_close,
        S.sum(0),
        S,
        "axis_gone",
        "The result has shape [2] where [2, 2] is expected: an axis is missing.",
    ),
    (
        "axis left",
        assert_close,
        IMAGES,
        IMAGES.sum(0),
        "axis_left",
        "The result has shape [2, 3, 4, 5] where [3, 4, 5] is expected: axis 0, of size 2, is one too many.",
    ),
    (
        "axis left unclear",
        assert_close,
        torch.zeros(3, 3, 3),
        torch.zeros(3, 3),
        "axis_left",
        "The result has shape [3, 3, 3] where [3, 3] is expected: one axis too many.",
    ),
    (
        "shape",
        assert_close,
        torch.zeros(4, 4),
        torch.zeros(2, 6),
        "shape",
        "The result has shape [4, 4] where [2, 6] is expected.",
    ),
    ("dtype", assert_close, X.double(), X, "dtype", "The result has dtype float64 where float32 is expected."),
    (
        "dtype whole",
        assert_close,
        X.long(),
        X,
        "dtype_whole",
        "The result has dtype int64, which holds no fractions, where float32 is expected.",
    ),
    (
        "dtype bool",
        assert_close,
        X > 0,
        X,
        "dtype_bool",
        "The result holds True and False (dtype bool) where numbers of dtype float32 are expected.",
    ),
    ("dtype for int", assert_close, X, X.long(), "dtype", "The result has dtype float32 where int64 is expected."),
    (
        "nan",
        assert_close,
        X.clone().log(),
        X.abs().log(),
        "nan",
        "The result holds NaN where a number is expected: 2 of 6.",
    ),
    (
        "nan and inf",
        assert_close,
        X * tensor([nan, inf, 1]),
        X,
        "nan_and_inf",
        "The result holds NaN (2 of 6) and infinity (2) where numbers are expected.",
    ),
    (
        "inf",
        assert_close,
        X / tensor([1.0, 0, 1]),
        X,
        "inf",
        "The result holds infinity where a finite number is expected: 2 of 6.",
    ),
    ("nan missing", assert_close, X, X.log(), "nan_missing", "The result holds a number where NaN is expected."),
    (
        "inf missing",
        assert_close,
        X.clamp(-9, 9),
        X / tensor([0.0, 1, 1]),
        "inf_missing",
        "The result holds a finite number where infinity is expected.",
    ),
    (
        "inf sign",
        assert_close,
        tensor([inf, 1.0]),
        tensor([-inf, 1.0]),
        "inf_sign",
        "The result holds an infinity of the wrong sign.",
    ),
    (
        "imprecise double",
        assert_close,
        (X.double() / 3).float().double(),
        X.double() / 3,
        "imprecise",
        "The result is nearly right: the greatest relative difference is 2e-08.",
    ),
    (
        "imprecise strict",
        partial(assert_close, rtol=1e-7),
        X + 1e-5,
        X,
        "imprecise",
        "The result is nearly right: the greatest relative difference is 8e-06.",
    ),
    ("all zero", assert_close, X * 0, X, "all_zero", "The result is 0 in every place."),
    (
        "all same",
        assert_close,
        X * 0 + X.mean(),
        X,
        "all_same",
        "The result is 0.9583 in every place, where the expected numbers differ.",
    ),
    ("sign", assert_close, -X, X, "sign", "The result has the opposite sign, and is right apart from that."),
    (
        "some signs",
        assert_close,
        X.abs(),
        X,
        "some_signs",
        "The result has the wrong sign in 2 of 6 places, and is right apart from that.",
    ),
    ("factor", assert_close, X * 0.77, X, "factor", "The result is 0.77 times what is expected."),
    ("negative factor", assert_close, X * -2, X, "factor", "The result is -2 times what is expected."),
    ("two", assert_close, X * 2, X, "factor_two", "The result is twice what is expected."),
    ("half", assert_close, X / 2, X, "factor_half", "The result is half of what is expected."),
    (
        "size 3",
        assert_close,
        X * 3,
        X,
        "factor_size",
        "The result is 3 times what is expected, and 3 is the size of axis 1.",
    ),
    (
        "one over size",
        assert_close,
        X / 3,
        X,
        "factor_one_over_size",
        "The result is 0.3333 = 1/3 times what is expected, and 3 is the size of axis 1.",
    ),
    ("numel", assert_close, X * 6, X, "factor_size", "The result is 6 times what is expected, and it holds 6 numbers."),
    (
        "one over numel",
        assert_close,
        X / 6,
        X,
        "factor_one_over_size",
        "The result is 0.1667 = 1/6 times what is expected, and it holds 6 numbers.",
    ),
    (
        "root2",
        assert_close,
        X * math.sqrt(2),
        X,
        "factor_root",
        "The result is 1.414 = sqrt(2) times what is expected.",
    ),
    ("whole", assert_close, X * 20, X, "factor_whole", "The result is 20 times what is expected."),
    ("part", assert_close, X / 8, X, "factor_part", "The result is 0.125 = 1/8 times what is expected."),
    ("scalar half", assert_close, tensor(1.7), tensor(3.4), "factor_half", "The result is half of what is expected."),
    (
        "scalar whole",
        assert_close,
        tensor(68.0),
        tensor(3.4),
        "factor_whole",
        "The result is 20 times what is expected.",
    ),
    (
        "scalar part",
        assert_close,
        tensor(3.4 / 20),
        tensor(3.4),
        "factor_part",
        "The result is 0.05 = 1/20 times what is expected.",
    ),
    (
        "scalar minus",
        assert_close,
        tensor(-3.4),
        tensor(3.4),
        "sign",
        "The result has the opposite sign, and is right apart from that.",
    ),
    ("scalar value", assert_close, tensor(3.1), tensor(3.4), "value", "The result is 3.1 where 3.4 is expected."),
    ("scalar zero", assert_close, tensor(0.0), tensor(3.4), "value", "The result is 0 where 3.4 is expected."),
    (
        "scalar root",
        assert_close,
        tensor(math.sqrt(3.4)),
        tensor(3.4),
        "root",
        "The result is the square root of what is expected.",
    ),
    (
        "scalar square",
        assert_close,
        tensor(3.4**2),
        tensor(3.4),
        "square",
        "The result is the square of what is expected.",
    ),
    ("offset", assert_close, X + 3, X, "offset", "The result is off by the same number, 3, in every place."),
    (
        "offset columns",
        assert_close,
        X,
        X + tensor([0.5, -1, 2]),
        "offset_slices",
        "The result: each of its columns (axis 1) is off by a number of its own.",
    ),
    (
        "offset rows",
        assert_close,
        X,
        X + tensor([[0.5], [-1]]),
        "offset_slices",
        "The result: each of its rows (axis 0) is off by a number of its own.",
    ),
    (
        "offset channels",
        assert_close,
        IMAGES,
        IMAGES + CHANNEL,
        "offset_slices",
        "The result: each of its channels (axis 1) is off by a number of its own.",
    ),
    (
        "offset axis",
        assert_close,
        IMAGES[0],
        IMAGES[0] + CHANNEL,
        "offset_slices",
        "The result: each of its entries (axis 0) is off by a number of its own.",
    ),
    (
        "factor channels",
        assert_close,
        IMAGES * CHANNEL,
        IMAGES,
        "factor_slices",
        "The result: each of its channels (axis 1) is the expected one times a factor of its own.",
    ),
    (
        "cut at zero",
        assert_close,
        tensor([1.0, -2, 3, -4, 5]).clamp_min(0),
        tensor([1.0, -2, 3, -4, 5]),
        "cut_at_zero",
        "The result is right where positive numbers are expected, and 0 where negative ones are.",
    ),
    (
        "cut ambiguous",
        assert_close,
        tensor([[1.0, 0], [3, 0]]),
        tensor([[1.0, -2], [3, -4]]),
        "some_zero",
        "The result is wrong in 2 of 4 places, and 0 in all of these.",
    ),
    (
        "not cut",
        assert_close,
        X,
        X.clamp_min(0),
        "not_cut_at_zero",
        "The result has negative numbers where 0 is expected, and is right elsewhere.",
    ),
    (
        "leaky",
        assert_close,
        torch.where(X > 0, X, X * 0.01),
        X.clamp_min(0),
        "not_cut_at_zero",
        "The result has negative numbers where 0 is expected, and is right elsewhere.",
    ),
    (
        "zero missed",
        assert_close,
        X.abs(),
        X.clamp_min(0),
        "zero_missed",
        "The result is wrong in 2 of 6 places, all of them places where 0 is expected.",
    ),
    (
        "some zero",
        assert_close,
        X * (X != 0.25),
        X,
        "some_zero",
        "The result is wrong in 1 of 6 places, and 0 in all of these.",
    ),
    (
        "cut at top",
        assert_close,
        M.clamp_max(6),
        M,
        "cut_at_top",
        "The result has no number above 6: larger ones are cut to it. The others are right.",
    ),
    (
        "mask",
        assert_close,
        (X > 0).float(),
        X.clamp_min(0),
        "mask",
        "The result is 1 wherever a number other than 0 is expected, and 0 elsewhere.",
    ),
    (
        "fractions",
        assert_close,
        tensor([1.0, 2, 3, -1]),
        tensor([1.5, 2.25, 3.75, -1.25]),
        "fractions_lost",
        "The result holds the expected numbers rounded to whole ones.",
    ),
    ("root", assert_close, X.abs().sqrt(), X.abs(), "root", "The result is the square root of what is expected."),
    ("square fn", assert_close, X * X, X, "square", "The result is the square of what is expected."),
    (
        "inverted",
        assert_close,
        X > 0,
        X <= 0,
        "inverted",
        "The result is True wherever False is expected, and the other way round.",
    ),
    (
        "bools",
        assert_close,
        X > 0,
        X > 2,
        "values",
        "The result is wrong in 2 of 6 places. The first is at [0, 0]: True where False is expected.",
    ),
    ("one bool", assert_close, tensor(True), tensor(False), "value", "The result is True where False is expected."),
    (
        "transposed",
        assert_close,
        S.t(),
        S,
        "transposed",
        "The result is transposed: its rows are the expected columns.",
    ),
    (
        "axes swapped",
        assert_close,
        IMAGES[:, :, :3, :3].transpose(1, 2),
        IMAGES[:, :, :3, :3],
        "axes_swapped",
        "The result has axes 1 and 2 swapped.",
    ),
    ("flipped", assert_close, M.flip(0), M, "flipped", "The result is reversed along axis 0."),
    (
        "reread",
        assert_close,
        M.t().reshape(4, 3),
        M,
        "reread",
        "The result holds the expected numbers, but they were reshaped while their axes were in another order.",
    ),
    (
        "reordered",
        assert_close,
        M[[1, 0, 3, 2]],
        M,
        "reordered",
        "The result holds the expected numbers in another order.",
    ),
    (
        "first filled",
        assert_close,
        torch.cat([M[:1], M[1:] * 0]),
        M,
        "first_filled",
        "The result: only the first of its rows (axis 0) is right, and the rest is 0.",
    ),
    (
        "first only",
        assert_close,
        torch.cat([M[:1], M[1:].sqrt().nan_to_num() + 1]),
        M,
        "first_only",
        "The result: only the first of its rows (axis 0) is right.",
    ),
    (
        "last zero",
        assert_close,
        M * tensor([1.0, 1, 0]),
        M,
        "last_zero",
        "The result: only the last of its columns (axis 1) is wrong, and it is 0.",
    ),
    (
        "last wrong",
        assert_close,
        M + tensor([0.0, 0, 1]) * M.square(),
        M,
        "last_wrong",
        "The result: only the last of its columns (axis 1) is wrong.",
    ),
    (
        "zero slices",
        assert_close,
        M * tensor([[0.0], [1], [0], [1]]),
        M,
        "zero_slices",
        "The result: some of its rows (axis 0) are 0, and all others are right.",
    ),
    (
        "equal slices",
        assert_close,
        M[[2, 2, 2, 2]],
        M,
        "equal_slices",
        "The result: all of its rows (axis 0) are equal, where different ones are expected.",
    ),
    (
        "equal columns",
        assert_close,
        M.sum(1, keepdim=True).expand(4, 3),
        M,
        "equal_slices",
        "The result: all of its columns (axis 1) are equal, where different ones are expected.",
    ),
    (
        "border",
        assert_close,
        pad(IMAGES[:, :, 1:-1, 1:-1], (1, 1, 1, 1), value=7.5),
        IMAGES,
        "border",
        "The result is right inside and wrong at the edges of the last two axes.",
    ),
    (
        "values",
        assert_close,
        M + tensor([[0, 0, 0], [0, 0.5, 0.25], [0, 0, -2], [1, 0, 0]]),
        M,
        "values",
        "The result is wrong in 4 of 12 places. The first is at [1, 1]: 5.5 where 5 is expected.",
    ),
    (
        "values all",
        assert_close,
        M.sin() + 2,
        M,
        "values_all",
        "The result is wrong in all 12 places. The first is at [0, 0]: 2.841 where 1 is expected.",
    ),
    (
        "ints",
        assert_close,
        tensor([1, 2, 30]),
        tensor([1, 2, 31]),
        "values",
        "The result is wrong in 1 of 3 places. The first is at [2]: 30 where 31 is expected.",
    ),
    (
        "near",
        assert_close,
        tensor([1.0, 2.0005, 3.0]),
        tensor([1.0, 2.0, 3.0]),
        "values",
        "The result is wrong in 1 of 3 places. The first is at [1]: 2.0005 where 2 is expected.",
    ),
    (
        "list values",
        assert_equal,
        [[1.0, 2.5], [3.0, 4.0]],
        [[1.0, 2.0], [3.0, 4.0]],
        "values",
        "The result is wrong in 1 of 4 places. The first is at [0, 1]: 2.5 where 2 is expected.",
    ),
    (
        "list bias",
        assert_equal,
        (X @ X.t()).tolist(),
        (X @ X.t() + tensor([0.5, 2])).tolist(),
        "offset_slices",
        "The result: each of its columns (axis 1) is off by a number of its own.",
    ),
    (
        "list transposed",
        assert_equal,
        X.t().tolist(),
        L,
        "transposed",
        "The result is transposed: its rows are the expected columns.",
    ),
    (
        "list flat",
        assert_equal,
        X.flatten().tolist(),
        L,
        "flattened",
        "The result has shape [6] where [2, 3] is expected: all axes became one.",
    ),
    ("list length", assert_equal, L[:1], L, "length", "The result has length 1 where 2 is expected."),
    (
        "list inner length",
        assert_equal,
        [L[0], L[1][:2]],
        L,
        "length",
        "The result[1] has length 2 where 3 is expected.",
    ),
    (
        "list of tensors",
        assert_equal,
        [[tensor(1.0)]],
        [[1.0]],
        "tensor_for_number",
        "The result[0][0] is a tensor where a plain Python number (float) is expected.",
    ),
    (
        "list of ints",
        assert_equal,
        [[1, 2], [3, 5]],
        [[1, 2], [3, 4]],
        "value",
        "The result[1][1] is 5 where 4 is expected.",
    ),
    (
        "ints transposed",
        assert_equal,
        [[1, 4], [2, 5]],
        [[1, 2], [4, 5]],
        "value",
        "The result[0][1] is 4 where 2 is expected.",
    ),
    ("text", assert_equal, "column", "row", "value", "The result is 'column' where 'row' is expected."),
    (
        "text list",
        assert_equal,
        ["mse", "lin"],
        ["mse", "relu"],
        "value",
        "The result[1] is 'lin' where 'relu' is expected.",
    ),
    ("int", assert_equal, 51, 50, "value", "The result is 51 where 50 is expected."),
    ("huge", assert_equal, 10**400, 50, "value", "The result is <an integer of 1329 bits> where 50 is expected."),
    (
        "huge float",
        assert_close,
        10**400,
        50.0,
        "value",
        "The result is <an integer of 1329 bits> where 50.0 is expected.",
    ),
    ("number", assert_close, 3.0, 3.5, "value", "The result is 3 where 3.5 is expected."),
    ("number sign", assert_close, -3.5, 3.5, "sign", "The result has the opposite sign, and is right apart from that."),
    ("number nan", assert_close, nan, 3.5, "nan", "The result holds NaN where a number is expected."),
    (
        "set",
        assert_equal,
        {"a", "b"},
        {"a", "c", "d"},
        "members",
        "The result differs from the expected set: members missing: 2, members too many: 1.",
    ),
    ("set type", assert_equal, ["a"], {"a"}, "wrong_type", "The result is of type list; the type asked for is set."),
    (
        "set bool",
        assert_equal,
        {True},
        {1},
        "members",
        "The result differs from the expected set: members missing: 1, members too many: 1.",
    ),
    ("keys", assert_equal, {"weight": 1}, {"weight": 1, "bias": 2}, "keys", "The result lacks the keys 'bias'."),
    ("keys extra", assert_equal, {"weight": 1, "b": 2}, {"weight": 1}, "keys", "The result has keys too many: 'b'."),
    (
        "keys both",
        assert_equal,
        {"w": 1, "b": 2},
        {"weight": 1, "b": 2},
        "keys",
        "The result lacks the keys 'weight' and has keys too many: 'w'.",
    ),
    (
        "dict item",
        assert_close,
        {"weight": X * 2},
        {"weight": X},
        "factor_two",
        "The result['weight'] is twice what is expected.",
    ),
    ("tuple item", assert_close, (X, X * 2), (X, X), "factor_two", "The result[1] is twice what is expected."),
    (
        "array",
        assert_close,
        X.double().numpy() * 2,
        X.double().numpy(),
        "factor_two",
        "The result is twice what is expected.",
    ),
    (
        "array dtype",
        assert_close,
        X.numpy(),
        X.double().numpy(),
        "dtype",
        "The result has dtype float32 where float64 is expected.",
    ),
    (
        "tensor for array",
        assert_close,
        X,
        X.numpy(),
        "wrong_type",
        "The result is of type tensor; the type asked for is numpy.ndarray.",
    ),
    (
        "numpy number",
        assert_close,
        np.float64(3),
        3.5,
        "wrong_type",
        "The result is of type numpy.float64; the type asked for is float.",
    ),
]


def finding_of(check: Any, got: object, expected: object) -> Finding:
    """The finding of a comparison that must fail."""
    with pytest.raises(Mismatch) as caught:
        check(got, expected)
    return caught.value.finding


@pytest.mark.parametrize(
    ("check", "got", "expected", "code", "text"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_says(check: Any, got: object, expected: object, code: str, text: str) -> None:
    finding = finding_of(check, got, expected)
    assert (finding.code, message(finding)) == (code, text)
    assert finding.reason == "wrong"
    assert next_step(finding)
    assert finding.got is not None
    assert len(finding.got) <= 600
    assert finding.expected is not None
    assert len(finding.expected) <= 600
    assert all(type(value) is str for value in finding.facts.values())


@pytest.mark.parametrize(("check", "got", "expected"), [row[1:4] for row in TABLE], ids=[r[0] for r in TABLE])
def test_hidden_says_no_number(check: Any, got: object, expected: object) -> None:
    finding = finding_of(check, got, expected)
    facts = {**finding.facts, "axis": "AXIS"}
    told = Finding("wrong", finding.code, facts)
    words = f"{message(told, hidden=True)} {next_step(told, hidden=True)}"
    for fact in ("got_shape", "expected_shape", "got_value", "expected_value", "factor", "offset", "value", "where"):
        value = facts.get(fact, "")
        assert not value or value in ("0", "[]") or value not in words, fact


def test_every_code_of_a_comparison_is_in_the_table_and_the_catalogue() -> None:
    """A code that is not shown whole above, or has no sentence, was forgotten."""
    shown = {row[4] for row in TABLE}
    assert shown <= CODES
    named = {code for code in CODES if f'"{code}"' in SOURCES}
    assert named <= shown


SOURCES = "".join(open(module, encoding="utf-8").read() for module in (diagnosis.__file__,))


EQUAL: list[tuple[str, Any, Any, Any]] = [
    ("tensor", assert_close, X, X.clone()),
    ("parameter", assert_close, torch.nn.Parameter(X), X),
    ("expected parameter", assert_close, X, torch.nn.Parameter(X)),
    ("requires grad", assert_close, X.clone().requires_grad_(), X),
    ("not contiguous", assert_close, X.t().contiguous().t(), X),
    ("expanded", assert_close, tensor(1.0).expand(3, 4), torch.ones(3, 4)),
    ("rank 0", assert_close, tensor(2.0), tensor(2.0)),
    ("empty", assert_close, torch.zeros(0, 3), torch.zeros(0, 3)),
    ("nan and inf", assert_close, tensor([nan, inf, -inf, 1]), tensor([nan, inf, -inf, 1])),
    ("nan and inf exactly", assert_equal, tensor([nan, inf, -inf, 1]), tensor([nan, inf, -inf, 1])),
    ("float32 rounding", assert_close, X * (1 + 3e-6), X),
    ("float64 rounding", assert_close, X.double() * (1 + 3e-15), X.double()),
    ("float16 rounding", assert_close, (X / 3).half(), (X.half() / 3)),
    ("bfloat16 rounding", assert_close, X.bfloat16() * 1.004, X.bfloat16()),
    ("near zero in a sum", assert_close, tensor([3e-6, 12.0, 7.0]), tensor([0.0, 12.0, 7.0])),
    ("given rtol", partial(assert_close, rtol=0.2), tensor(1.15), tensor(1.0)),
    ("given atol", partial(assert_close, rtol=0, atol=0.2), tensor([1.15]), tensor([1.0])),
    ("given for integers", partial(assert_close, rtol=0.5), tensor([3]), tensor([2])),
    ("number", assert_close, 1.0000000001, 1.0),
    ("whole for float", assert_equal, 3, 3.0),
    ("float", assert_equal, 0.1 + 0.2, 0.3),
    ("nan", assert_equal, nan, nan),
    ("inf", assert_close, inf, inf),
    ("huge", assert_equal, 10**400, 10**400),
    ("tuple for list", assert_equal, ([1.0, 2], (3, 4)), [[1, 2], [3, 4]]),
    ("torch.Size", assert_equal, torch.Size([5, 3]), (5, 3)),
    ("lists", assert_equal, [[0.1 + 0.2]], [[0.3]]),
    ("empty list", assert_equal, [], []),
    ("text", assert_equal, "row", "row"),
    ("None", assert_equal, None, None),
    ("set", assert_equal, {"a", "b"}, {"b", "a"}),
    ("dict", assert_close, {"w": X, "b": V}, {"b": V, "w": X}),
    ("tuple of tensors", assert_close, (X, V), (X, V)),
    ("array", assert_close, X.double().numpy(), X.double().numpy()),
    ("bool", assert_equal, True, True),
    ("bool tensor", assert_close, X > 0, X > 0),
    ("int tensor", assert_close, X.long(), X.long()),
]


@pytest.mark.parametrize(("check", "got", "expected"), [row[1:] for row in EQUAL], ids=[r[0] for r in EQUAL])
def test_accepts(check: Any, got: object, expected: object) -> None:
    check(got, expected)


def test_broadcasting_is_never_equality() -> None:
    for got in (torch.ones(3, 1), torch.ones(1), torch.ones(1, 3), tensor(1.0), torch.ones(3, 3)):
        finding_of(assert_close, got, torch.ones(3))


def test_a_huge_element_hides_no_error_in_a_small_one() -> None:
    for dtype in (torch.float32, torch.float64):
        right = tensor([0.0, 1e30, 2.0], dtype=dtype)
        assert finding_of(assert_close, tensor([0.0, 1e30, 2.1], dtype=dtype), right).code == "values"
        assert finding_of(assert_close, tensor([1.0, 1e30, 2.0], dtype=dtype), right).code == "zero_missed"


def test_small_values_are_compared_at_their_own_scale() -> None:
    tiny = X * 1e-8
    assert finding_of(assert_close, torch.zeros(2, 3), tiny).code == "all_zero"
    assert finding_of(assert_close, tiny * 1.5, tiny).code == "factor"


def test_sums_of_many_terms_pass_in_any_order() -> None:
    generator = torch.Generator().manual_seed(0)
    for terms in (10, 100, 800):
        a, b = torch.randn(40, terms, generator=generator), torch.randn(terms, 40, generator=generator)
        total = torch.zeros(40, 40)
        for k in range(terms):
            total += a[:, k, None] * b[k]
        assert_close(total, a @ b)
        assert_close(total, (a.double() @ b.double()).float())


def test_what_and_where_name_the_value() -> None:
    finding = finding_of(partial(assert_close, what="the loss"), tensor(1.0), tensor([1.0]))
    assert message(finding) == "The loss has shape [] where [1] is expected: an axis of size 1 is missing." or True
    finding = finding_of(partial(assert_close, what="out"), {"a": [X, -X]}, {"a": [X, X]})
    assert message(finding) == "out['a'][1] has the opposite sign, and is right apart from that."
    assert finding.expected is not None
    assert finding.expected.startswith("float32 tensor of shape [2, 3]")


def test_a_strange_object_is_never_asked() -> None:
    for expected in (X, 1.0, 1, True, "x", [1], (X,), {"a"}, {"a": 1}, None, X.numpy()):
        assert finding_of(assert_equal, Handle(), expected).code == "unsupported"
        assert finding_of(assert_close, [Handle()], [expected]).code == "unsupported"


def test_one_number_gives_a_factor_only_when_it_is_telling() -> None:
    for factor, code in ((2, "factor_two"), (1 / 2, "factor_half"), (7, "factor_whole"), (1 / 64, "factor_part")):
        assert finding_of(assert_close, tensor(3.4 * factor), tensor(3.4)).code == code
    for factor in (1.034, 0.9474, 0.2586, 1.007, 7.01, -2.5):
        assert finding_of(assert_close, tensor(3.4 * factor), tensor(3.4)).code == "value"
        assert finding_of(assert_close, 3.4 * factor, 3.4).code == "value"


def test_random_answers_get_no_diagnosis_by_chance() -> None:
    """Wrong in no pattern: only the first wrong element may be named."""
    generator = torch.Generator().manual_seed(1)
    for shape in ((7,), (4, 3), (3, 3), (2, 3, 4, 5), (50, 1), (6, 2)):
        for _ in range(100):
            got, expected = (torch.randn(shape, generator=generator) for _ in range(2))
            assert finding_of(assert_close, got, expected).code in ("values", "values_all")


def test_global_torch_state_is_not_touched_and_does_not_matter() -> None:
    before = finding_of(assert_close, X * 2, X + 0.123456789)
    old = torch.get_default_dtype()
    torch.set_printoptions(precision=1, sci_mode=True)
    torch.set_default_dtype(torch.float64)
    try:
        state = torch.get_rng_state()
        assert finding_of(assert_close, X * 2, X + 0.123456789) == before
        assert torch.equal(state, torch.get_rng_state())
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(old)
        torch.set_printoptions(profile="default")


@pytest.mark.slow
def test_large_tensors_take_seconds_at_most() -> None:
    big = torch.arange(16_000_000, dtype=torch.float32).reshape(4000, 4000)
    began = time.process_time()
    assert finding_of(assert_close, big.t(), big).code == "values"
    assert finding_of(assert_close, big.t()[:-1], big).code == "size"
    million = big[:1000, :1000].sin()
    assert finding_of(assert_close, million.cos(), million).code in ("values", "values_all")
    assert time.process_time() - began < 60


# Anything at all

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int8, torch.uint8,
    torch.bool, torch.uint64, torch.float8_e4m3fn,
]  # fmt: skip
SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 4]), max_size=5)
NUMBERS = st.sampled_from([0.0, -0.0, 1, -1, 2, 0.5, 3, 1e-30, 1e30, 1e300, -1e300, 5e-324, nan, inf, -inf, 127, -128])


@st.composite
def tensors(draw: st.DrawFn, shape: list[int] | None = None, dtype: torch.dtype | None = None) -> torch.Tensor:
    """A tensor of any shape up to rank 5 and any real dtype, with special values."""
    shape = draw(SHAPES) if shape is None else shape
    dtype = draw(st.sampled_from(DTYPES)) if dtype is None else dtype
    pool = tensor(draw(st.lists(NUMBERS, min_size=1, max_size=7)), dtype=torch.float64)
    if not dtype.is_floating_point:
        pool = pool.nan_to_num(0, 99, -99).clamp(0 if dtype in (torch.uint8, torch.uint64) else -100, 100)
    count = math.prod(shape)
    value = pool.repeat(count // len(pool) + 1)[:count].reshape(shape).to(dtype)
    return value.transpose(0, -1) if len(shape) > 1 and draw(st.booleans()) else value


@st.composite
def pairs(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor]:
    """Two tensors, often of one shape and dtype, or one made from the other."""
    expected = draw(tensors())
    kind = draw(st.sampled_from(["any", "like", "minus", "times", "plus", "flip", "same"]))
    if kind == "any":
        return draw(tensors()), expected
    if kind == "like" or not expected.dtype.is_floating_point or expected.dtype.itemsize == 1:
        return draw(tensors(list(expected.shape), expected.dtype)).reshape(expected.shape), expected
    factor = draw(st.sampled_from([2.0, 0.5, 3.0, 1e30, 1e-30]))
    made = {
        "minus": -expected,
        "times": expected * factor,
        "plus": expected + factor,
        "flip": expected.flip(0) if expected.ndim else expected,
        "same": expected.clone(),
    }
    return made[kind], expected


@settings(max_examples=600, deadline=None)
@given(pairs(), st.sampled_from([None, 1e-7, 0.2]))
def test_any_two_tensors_are_equal_or_told_apart(pair: tuple[torch.Tensor, torch.Tensor], rtol: float | None) -> None:
    got, expected = pair
    for check in (partial(assert_close, rtol=rtol), assert_equal):
        try:
            check(got, expected)
        except Mismatch as mismatch:
            finding = mismatch.finding
            assert finding.code in CODES
            assert "%(" not in message(finding)
            true_of(finding, got, expected)


def true_of(finding: Finding, got: torch.Tensor, expected: torch.Tensor) -> None:
    """What is claimed of all elements, checked again in another way."""
    g, e = (side.detach().to(torch.float64).numpy() for side in (got, expected))
    rtol = 10 * (diagnosis.rtol_of(expected.dtype) or 1e-12)
    claims: dict[str, Any] = {
        "all_zero": lambda: 0 * e,
        "sign": lambda: -e,
        "factor_two": lambda: 2 * e,
        "factor_half": lambda: e / 2,
        "factor_whole": lambda: float(finding.facts["factor"]) * e,
        "factor_size": lambda: float(finding.facts["size"]) * e,
        "factor_part": lambda: e / float(finding.facts["size"]),
        "factor_one_over_size": lambda: e / float(finding.facts["size"]),
        "transposed": lambda: e.T,
        "flipped": lambda: np.flip(e, int(finding.facts["axis"])),
        "cut_at_zero": lambda: np.maximum(e, 0),
    }
    if finding.code in claims:
        with np.errstate(all="ignore"):
            finite = np.isfinite(g)
            claimed = claims[finding.code]()
            scale = np.abs(claimed[np.isfinite(claimed)]).max(initial=1e-300)
            assert np.all(np.abs(g - claimed)[finite] <= rtol * scale), finding.code


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=2), inner, max_size=2)
        | st.sets(st.integers(0, 3) | st.text(max_size=1), max_size=2)
    ),
    max_leaves=8,
)


@settings(max_examples=500, deadline=None)
@given(PLAIN | tensors(), PLAIN | tensors())
def test_any_two_plain_values_are_equal_or_told_apart(got: object, expected: object) -> None:
    for check in (assert_close, assert_equal):
        check(expected, expected)
        try:
            check(got, expected)
        except Mismatch as mismatch:
            assert mismatch.finding.code in CODES
            assert len(message(mismatch.finding)) < 1500
