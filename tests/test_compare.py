"""Every diagnosis with its whole message (golden/compare.txt); no false one on anything at all."""

from __future__ import annotations

import math
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import tensor
from torch.nn.functional import pad

from grader import compare, diagnosis
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


# What is compared with what; what is said of it stands in golden/compare.txt under the same name.
CASES: dict[str, tuple[Any, Any, Any]] = {
    "none": (assert_close, None, X),
    "not_set": (partial(assert_close, what="inp.g"), None, X),
    "no gradient": (partial(assert_close, what="the gradient of x"), None, X),
    "none inside": (assert_close, (X, None), (X, X)),
    "handle": (assert_close, Handle(), X),
    "handle for number": (assert_close, Handle(), 1.5),
    "list for tensor": (assert_close, L, X),
    "tuple of one": (assert_close, (X,), X),
    "tuple for tensor": (assert_close, (X, X), X),
    "number for tensor": (assert_close, 1.5, tensor(1.5)),
    "bool for tensor": (assert_close, True, tensor(True)),
    "array for tensor": (assert_close, X.numpy(), X),
    "text for tensor": (assert_close, "x", X),
    "tensor for number": (assert_close, tensor(1.5), 1.5),
    "tensor for number many": (assert_close, X, 1.5),
    "tensor for list": (assert_equal, X, L),
    "tensor for bool": (assert_equal, tensor(True), True),
    "tensor of one for bool": (assert_equal, tensor([True]), True),
    "int for bool": (assert_equal, 1, True),
    "bool for int": (assert_equal, True, 1),
    "float for int": (assert_equal, 3.0, 3),
    "list for number": (assert_close, [1.5], 1.5),
    "sparse": (assert_close, X.to_sparse(), X),
    "complex": (assert_close, X + 0j, X),
    "transposed shape": (assert_close, X.t(), X),
    "shape transposed": (assert_close, X.t() + 1, X),
    "shape permuted": (assert_close, IMAGES.transpose(2, 3), IMAGES),
    "extra last": (assert_close, V[:, None], V),
    "extra first": (assert_close, V[None], V),
    "extra scalar": (assert_close, tensor([2.0]), tensor(2.0)),
    "missing": (assert_close, V, V[:, None]),
    "missing two": (assert_close, V, V[:, None, None]),
    "extra two": (assert_close, tensor([[2.0]]), tensor(2.0)),
    "not reduced": (assert_close, V, V.mean()),
    "all reduced": (assert_close, V.sum(), V),
    "square": (assert_close, V[:, None] - V, V),
    "square 3": (assert_close, (V[:, None] - V)[..., None], V[:, None]),
    "flattened": (assert_close, X.flatten(), X),
    "merged": (assert_close, IMAGES.flatten(2), IMAGES),
    "same count": (assert_close, torch.zeros(4, 3), torch.zeros(2, 6)),
    "size": (assert_close, IMAGES[:, :, :-1], IMAGES),
    "size of images": (assert_close, IMAGES[:, :, 1:, :-1], IMAGES),
    "axis gone": (assert_close, X.sum(0), X),
    "axis gone unclear": (assert_close, S.sum(0), S),
    "axis left": (assert_close, IMAGES, IMAGES.sum(0)),
    "axis left unclear": (assert_close, torch.zeros(3, 3, 3), torch.zeros(3, 3)),
    "shape": (assert_close, torch.zeros(4, 4), torch.zeros(2, 6)),
    "dtype": (assert_close, X.double(), X),
    "dtype whole": (assert_close, X.long(), X),
    "dtype bool": (assert_close, X > 0, X),
    "dtype for int": (assert_close, X, X.long()),
    "nan": (assert_close, X.clone().log(), X.abs().log()),
    "nan and inf": (assert_close, X * tensor([nan, inf, 1]), X),
    "inf": (assert_close, X / tensor([1.0, 0, 1]), X),
    "nan missing": (assert_close, X, X.log()),
    "inf missing": (assert_close, X.clamp(-9, 9), X / tensor([0.0, 1, 1])),
    "inf sign": (assert_close, tensor([inf, 1.0]), tensor([-inf, 1.0])),
    "imprecise double": (assert_close, (X.double() / 3).float().double(), X.double() / 3),
    "imprecise strict": (partial(assert_close, rtol=1e-7), X + 1e-5, X),
    "all zero": (assert_close, X * 0, X),
    "all same": (assert_close, X * 0 + X.mean(), X),
    "sign": (assert_close, -X, X),
    "some signs": (assert_close, X.abs(), X),
    "factor": (assert_close, X * 0.77, X),
    "negative factor": (assert_close, X * -2, X),
    "two": (assert_close, X * 2, X),
    "half": (assert_close, X / 2, X),
    "size 3": (assert_close, X * 3, X),
    "one over size": (assert_close, X / 3, X),
    "numel": (assert_close, X * 6, X),
    "one over numel": (assert_close, X / 6, X),
    "root2": (assert_close, X * math.sqrt(2), X),
    "whole": (assert_close, X * 20, X),
    "part": (assert_close, X / 8, X),
    "scalar half": (assert_close, tensor(1.7), tensor(3.4)),
    "scalar whole": (assert_close, tensor(68.0), tensor(3.4)),
    "scalar part": (assert_close, tensor(3.4 / 20), tensor(3.4)),
    "scalar minus": (assert_close, tensor(-3.4), tensor(3.4)),
    "scalar value": (assert_close, tensor(3.1), tensor(3.4)),
    "scalar zero": (assert_close, tensor(0.0), tensor(3.4)),
    "scalar root": (assert_close, tensor(math.sqrt(3.4)), tensor(3.4)),
    "scalar square": (assert_close, tensor(3.4**2), tensor(3.4)),
    "offset": (assert_close, X + 3, X),
    "offset columns": (assert_close, X, X + tensor([0.5, -1, 2])),
    "offset rows": (assert_close, X, X + tensor([[0.5], [-1]])),
    "offset channels": (assert_close, IMAGES, IMAGES + CHANNEL),
    "offset axis": (assert_close, IMAGES[0], IMAGES[0] + CHANNEL),
    "factor channels": (assert_close, IMAGES * CHANNEL, IMAGES),
    "cut at zero": (assert_close, tensor([1.0, -2, 3, -4, 5]).clamp_min(0), tensor([1.0, -2, 3, -4, 5])),
    "cut ambiguous": (assert_close, tensor([[1.0, 0], [3, 0]]), tensor([[1.0, -2], [3, -4]])),
    "not cut": (assert_close, X, X.clamp_min(0)),
    "leaky": (assert_close, torch.where(X > 0, X, X * 0.01), X.clamp_min(0)),
    "zero missed": (assert_close, X.abs(), X.clamp_min(0)),
    "some zero": (assert_close, X * (X != 0.25), X),
    "cut at top": (assert_close, M.clamp_max(6), M),
    "mask": (assert_close, (X > 0).float(), X.clamp_min(0)),
    "fractions": (assert_close, tensor([1.0, 2, 3, -1]), tensor([1.5, 2.25, 3.75, -1.25])),
    "root": (assert_close, X.abs().sqrt(), X.abs()),
    "square fn": (assert_close, X * X, X),
    "inverted": (assert_close, X > 0, X <= 0),
    "bools": (assert_close, X > 0, X > 2),
    "one bool": (assert_close, tensor(True), tensor(False)),
    "transposed": (assert_close, S.t(), S),
    "axes swapped": (assert_close, IMAGES[:, :, :3, :3].transpose(1, 2), IMAGES[:, :, :3, :3]),
    "flipped": (assert_close, M.flip(0), M),
    "reread": (assert_close, M.t().reshape(4, 3), M),
    "reordered": (assert_close, M[[1, 0, 3, 2]], M),
    "first filled": (assert_close, torch.cat([M[:1], M[1:] * 0]), M),
    "first only": (assert_close, torch.cat([M[:1], M[1:].sqrt().nan_to_num() + 1]), M),
    "last zero": (assert_close, M * tensor([1.0, 1, 0]), M),
    "last wrong": (assert_close, M + tensor([0.0, 0, 1]) * M.square(), M),
    "zero slices": (assert_close, M * tensor([[0.0], [1], [0], [1]]), M),
    "equal slices": (assert_close, M[[2, 2, 2, 2]], M),
    "equal columns": (assert_close, M.sum(1, keepdim=True).expand(4, 3), M),
    "shifted early": (assert_close, torch.cat([V[1:], tensor([9.0])]), V),
    "shifted late": (assert_close, pad(IMAGES[:, :, :, :-1], (1, 0), value=7.5), IMAGES),
    "kernel flipped": (partial(assert_close, instead={"kernel_flipped": lambda: X + 1}), X + 1, X),
    "kernel transposed": (partial(assert_close, instead={"kernel_transposed": lambda: -X}), -X, X),
    "border": (assert_close, pad(IMAGES[:, :, 1:-1, 1:-1], (1, 1, 1, 1), value=7.5), IMAGES),
    "values": (assert_close, M + tensor([[0, 0, 0], [0, 0.5, 0.25], [0, 0, -2], [1, 0, 0]]), M),
    "values all": (assert_close, M.sin() + 2, M),
    "ints": (assert_close, tensor([1, 2, 30]), tensor([1, 2, 31])),
    "near": (assert_close, tensor([1.0, 2.0005, 3.0]), tensor([1.0, 2.0, 3.0])),
    "list values": (assert_equal, [[1.0, 2.5], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]),
    "list bias": (assert_equal, (X @ X.t()).tolist(), (X @ X.t() + tensor([0.5, 2])).tolist()),
    "list transposed": (assert_equal, X.t().tolist(), L),
    "list flat": (assert_equal, X.flatten().tolist(), L),
    "list length": (assert_equal, L[:1], L),
    "list inner length": (assert_equal, [L[0], L[1][:2]], L),
    "list of tensors": (assert_equal, [[tensor(1.0)]], [[1.0]]),
    "list of ints": (assert_equal, [[1, 2], [3, 5]], [[1, 2], [3, 4]]),
    "ints transposed": (assert_equal, [[1, 4], [2, 5]], [[1, 2], [4, 5]]),
    "text": (assert_equal, "column", "row"),
    "text list": (assert_equal, ["mse", "lin"], ["mse", "relu"]),
    "int": (assert_equal, 51, 50),
    "huge": (assert_equal, 10**400, 50),
    "huge float": (assert_close, 10**400, 50.0),
    "number": (assert_close, 3.0, 3.5),
    "number sign": (assert_close, -3.5, 3.5),
    "number nan": (assert_close, nan, 3.5),
    "set": (assert_equal, {"a", "b"}, {"a", "c", "d"}),
    "set type": (assert_equal, ["a"], {"a"}),
    "set bool": (assert_equal, {True}, {1}),
    "keys": (assert_equal, {"weight": 1}, {"weight": 1, "bias": 2}),
    "keys extra": (assert_equal, {"weight": 1, "b": 2}, {"weight": 1}),
    "keys both": (assert_equal, {"w": 1, "b": 2}, {"weight": 1, "b": 2}),
    "dict item": (assert_close, {"weight": X * 2}, {"weight": X}),
    "tuple item": (assert_close, (X, X * 2), (X, X)),
    "array": (assert_close, X.double().numpy() * 2, X.double().numpy()),
    "array dtype": (assert_close, X.numpy(), X.double().numpy()),
    "tensor for array": (assert_close, X, X.numpy()),
    "numpy number": (assert_close, np.float64(3), 3.5),
}


def told(check: Any, got: object, expected: object) -> Finding | None:
    """The finding of a comparison, None when it accepts."""
    try:
        check(got, expected)
    except Mismatch as mismatch:
        return mismatch.finding
    return None


def finding_of(check: Any, got: object, expected: object) -> Finding:
    """The finding of a comparison that must fail."""
    finding = told(check, got, expected)
    assert finding is not None
    return finding


GOLDEN = {
    name: (code, text)
    for line in (Path(__file__).parent / "golden" / "compare.txt").read_text(encoding="utf-8").splitlines()
    for name, code, text in [line.split(" | ")]
}


@pytest.mark.parametrize("name", CASES)
def test_says(name: str) -> None:
    finding = finding_of(*CASES[name])
    assert (finding.code, str(message(finding))) == GOLDEN[name]
    assert finding.reason == "wrong"
    assert next_step(finding)
    for text in (finding.got, finding.expected):
        assert text is not None
        assert len(text) <= 600


def test_every_code_of_a_comparison_is_shown_and_has_a_sentence() -> None:
    shown = {code for code, _ in GOLDEN.values()}
    source = "".join(Path(module.__file__).read_text(encoding="utf-8") for module in (compare, diagnosis))
    assert {code for code in CODES if f'"{code}"' in source} - {"missing"} <= shown <= CODES  # a fact's name too
    assert GOLDEN.keys() == CASES.keys()


def test_axes_of_size_one_in_other_places() -> None:
    assert finding_of(assert_close, torch.zeros(3, 1, 1), torch.zeros(1, 3)).code == "shape"
    assert finding_of(assert_close, torch.zeros(0, 1, 1), torch.zeros(1, 0)).code == "shape"
    assert finding_of(assert_close, torch.zeros(1, 3), torch.zeros(3, 1)).code == "transposed"
    for shape, call in (([6, 1, 3], "squeeze(-2)"), ([6, 3, 1], "squeeze(-1)"), ([1, 6, 3], "squeeze(-3)")):
        got = torch.zeros(shape)
        finding = finding_of(assert_close, got, torch.zeros(6, 3))
        assert finding.facts["call"] == call
        assert got.squeeze(int(call[8:-1])).shape == (6, 3)
        finding = finding_of(assert_close, torch.zeros(6, 3), got)
        assert finding.facts["call"] == f"un{call}"
        assert torch.zeros(6, 3).unsqueeze(int(call[8:-1])).shape == got.shape


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
    ("tuple for list", assert_equal, ([1.0, 2], (3, 4)), [[1.0, 2], [3, 4.0]]),
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
    assert str(message(finding)) == "The loss has shape [] where [1] is expected: an axis of size 1 is missing."
    finding = finding_of(partial(assert_close, what="out"), {"a": [X, -X]}, {"a": [X, X]})
    assert str(message(finding)) == "out['a'][1] has the opposite sign, and is right apart from that."
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
        for _ in range(40):
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
    big = torch.arange(4_000_000, dtype=torch.float32).reshape(2000, 2000)
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


@settings(max_examples=600)
@given(pairs(), st.sampled_from([None, 1e-7, 0.2]))
def test_any_two_tensors_are_equal_or_told_apart(pair: tuple[torch.Tensor, torch.Tensor], rtol: float | None) -> None:
    got, expected = pair
    for check in (partial(assert_close, rtol=rtol), assert_equal):
        if finding := told(check, got, expected):
            assert finding.code in CODES
            assert "%(" not in str(message(finding))
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


@settings(max_examples=500)
@given(PLAIN | tensors(), PLAIN | tensors())
def test_any_two_plain_values_are_equal_or_told_apart(got: object, expected: object) -> None:
    for check in (assert_close, assert_equal):
        check(expected, expected)
        if finding := told(check, got, expected):
            assert finding.code in CODES
            assert len(str(message(finding))) < 1500


def test_what_other_checks_contradict_is_taken_back() -> None:
    def found(code: str, **facts: str) -> Finding:
        return Finding("wrong", code, {"what": "the loss", **facts})

    root = finding_of(partial(assert_close, what="the loss"), tensor(1.3), tensor(1.69))
    assert root.code == "root"
    assert compare.settled(root, [root, found("value")]).code == "value"
    assert compare.settled(root, [root, root, found("extra_axis"), Finding("wrong", "value", {"what": "w"})]) is root
    assert compare.settled(found("flipped", axis="0"), [found("reordered")]).code == "reordered"
    half = found("factor_half", factor="0.5")
    assert compare.settled(half, [half, half]) is half
    part = compare.settled(half, [half, found("factor_one_over_size", factor="0.125", size="8")])
    assert str(message(part)) == "The loss is 0.5 = 1/2 times what is expected."
    double = compare.settled(found("factor_two", factor="2"), [half, found("factor_two", factor="2")])
    assert str(message(double)) == "The loss is 2 times what is expected."
