"""Why two tensors differ: pure functions from what came back and what was expected to one `Diagnosis`.

Every diagnosis is a fact that was checked on all elements; what it may mean is left to the wording. The rungs stand
in the order in which they are tried, and the first that fits is the answer::

    shapes(got, expected)            another shape
    values(got, expected, ...)       the same shape and dtype
      NaN and infinities             counted apart
      constant                       all zero, all the same
      sign, factor, offset           one for all elements, then one for each slice of an axis
      another function               cut at zero, root, square, fractions lost ...
      rearranged                     transposed, flipped, read in another order
      slices                         only the first row, the last row, rows of zeros, equal rows
      the first wrong element
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterator

import msgspec
import torch
from torch import Tensor

from grader.show import number_text, shape_text

RTOL = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 3e-2}
_COARSE = 0.1  # for a float type that is not named above
_EXACT = 1e-12  # integers, once they are float64
_FLOAT32 = 1e-4

_MOST = 1_000_000  # elements up to which values are diagnosed; beyond, only the first wrong one is named
_SAMPLE = 100_000  # elements that the typical size is taken from
_SORTED = 100_000  # elements up to which orders are compared: more random numbers look alike when sorted
_WHOLE = 2**53  # float64 holds every integer below


class Diagnosis(msgspec.Struct, frozen=True):
    """A code of the message catalogue and the facts that fill its sentence."""

    code: str
    facts: dict[str, str] = {}


def family(code: str) -> str:
    """What kind of slip a code of `values` tells of: a factor of 2 and one of a size are the same kind."""
    return "factor" if code.startswith("factor") else code


# Closeness


def rtol_of(dtype: torch.dtype) -> float:
    """The relative tolerance of a dtype; 0 for integers and bools."""
    return RTOL.get(dtype, _COARSE) if dtype.is_floating_point else 0.0


def close(got: Tensor, expected: Tensor, rtol: float, atol: float | None = None) -> Tensor:
    """Elementwise ``|got - expected| <= atol + rtol |expected|`` for two float64 tensors of one shape, as bools.

    Without ``atol`` it is ``rtol`` times the size of a typical small element, which forgives the rounding of sums
    that come out near zero and nothing else. NaN equals NaN, and an infinity only itself.
    """
    same = got == expected
    if bool(same.all()):  # as most right answers are
        return same
    if atol is None:
        atol = rtol * _typical(expected)
    near = ((got - expected).abs() <= atol + rtol * expected.abs()) & expected.isfinite()
    return near | same | (got.isnan() & expected.isnan())


def _typical(values: Tensor) -> float:
    """The lower quartile of the finite sizes that are not 0: one huge element must not hide errors in small ones."""
    flat = values.reshape(-1)
    sizes = flat[:: max(1, flat.numel() // _SAMPLE)].abs()
    sizes = sizes[sizes.isfinite() & (sizes > 0)]
    return float(sizes.kthvalue((sizes.numel() + 3) // 4).values) if sizes.numel() else 0.01


def _agree(got: Tensor, expected: Tensor, rtol: float) -> bool:
    return bool(close(got, expected, rtol).all())


# Shapes


def shapes(got: Tensor, expected: Tensor) -> Diagnosis:
    """What distinguishes the shape of ``got`` from the one expected (they differ). Values decide only whether a
    transposed shape is a transposed result."""
    facts = {"got_shape": shape_text(got.shape), "expected_shape": shape_text(expected.shape)}
    code, more = _shape_code(tuple(got.shape), tuple(expected.shape))
    if code == "shape_transposed" and _same_values(got.t(), expected):
        code = "transposed"
    return Diagnosis(code, facts | more)


def _shape_code(got: tuple[int, ...], expected: tuple[int, ...]) -> tuple[str, dict[str, str]]:
    got_long, expected_long = ([size for size in shape if size != 1] for shape in (got, expected))
    if len(got) == len(expected) and sorted(got) == sorted(expected):
        return ("shape_transposed" if len(got) == 2 else "shape_permuted"), {}
    if got_long == expected_long:
        return _axes_of_one(got, expected)
    if not expected:
        return "not_reduced", {}
    if not got:
        return "all_reduced", {}
    if len(expected_long) == 1 and got_long == expected_long * 2:
        return "broadcast_square", {"size": str(expected_long[0])}
    if len(got) == len(expected):
        differing = [axis for axis, sizes in enumerate(zip(got, expected, strict=True)) if sizes[0] != sizes[1]]
        if len(differing) == 1:
            return "size", {"axis": str(differing[0])}
        if len(got) == 4 and differing == [2, 3]:
            return "size_of_images", {}
    elif len(got) == 1 and got[0] == math.prod(expected):
        return "flattened", {}
    elif _merged(expected, got):
        return "merged", {}
    elif len(got) == len(expected) - 1 and (axes := _dropped(expected, got)):
        return "axis_gone", _only(axes, expected)
    elif len(got) == len(expected) + 1 and (axes := _dropped(got, expected)):
        return "axis_left", _only(axes, got)
    return ("same_count" if math.prod(got) == math.prod(expected) else "shape"), {}


def _axes_of_one(got: tuple[int, ...], expected: tuple[int, ...]) -> tuple[str, dict[str, str]]:
    """The shapes differ in axes of size 1 only; with one of them too many or few, the call that mends it."""
    longer, shorter = (got, expected) if len(got) > len(expected) else (expected, got)
    kind, call = ("extra", "squeeze") if longer is got else ("missing", "unsqueeze")
    if len(longer) - len(shorter) > 1:
        return f"{kind}_axes", {}
    axes = _dropped(longer, shorter)
    return (f"{kind}_axis", {"call": f"{call}({axes[-1] - len(longer)})"}) if axes else ("shape", {})


def _dropped(longer: tuple[int, ...], shorter: tuple[int, ...]) -> list[int]:
    """The axes of ``longer``, any one of which could be left out to get ``shorter``."""
    return [axis for axis in range(len(longer)) if longer[:axis] + longer[axis + 1 :] == shorter]


def _merged(longer: tuple[int, ...], shorter: tuple[int, ...]) -> bool:
    """Whether ``shorter`` comes of multiplying neighbouring sizes of ``longer``."""
    if not shorter:
        return not longer
    firsts = itertools.accumulate(longer, operator.mul)
    return any(first == shorter[0] and _merged(longer[n:], shorter[1:]) for n, first in enumerate(firsts, 1))


def _only(axes: list[int], shape: tuple[int, ...]) -> dict[str, str]:
    """The axis, when there is no doubt which one it is."""
    return {"axis": str(axes[0]), "size": str(shape[axes[0]])} if len(axes) == 1 else {}


def _same_values(got: Tensor, expected: Tensor) -> bool:
    if not 0 < expected.numel() <= _MOST:
        return False
    rtol = max(rtol_of(expected.dtype), rtol_of(got.dtype), _EXACT)
    return _agree(got.to(torch.float64), expected.to(torch.float64), rtol)


# Values


class _Pair(msgspec.Struct, frozen=True):
    """Both sides as finite float64 tensors of one shape: ``g`` came back, ``e`` was expected."""

    g: Tensor
    e: Tensor
    rtol: float

    def agree(self, got: Tensor, expected: Tensor) -> bool:
        return _agree(got, expected, self.rtol)


def values(got: Tensor, expected: Tensor, right: Tensor, rtol: float | None = None) -> Diagnosis:
    """Why elements differ. ``got`` and ``expected`` have one shape and dtype; ``right`` tells for each element
    whether it was accepted, and not all were. ``rtol`` is what counts as equal here, by default the dtype's."""
    if got.dtype == torch.bool:
        inverted = got.numel() > 1 and bool((got != expected).all())
        return Diagnosis("inverted") if inverted else _first_wrong(got, expected, right)
    g, e = got.to(torch.float64), expected.to(torch.float64)
    found = _not_finite(g, e)
    if found is None and _worth_it(got, g, e):
        finite = g.isfinite()  # where g is not finite, e is the same there
        zero = torch.zeros((), dtype=torch.float64)
        pair = _Pair(torch.where(finite, g, zero), torch.where(finite, e, zero), rtol or rtol_of(got.dtype) or _EXACT)
        found = next((one for rung in _RUNGS if (one := rung(pair))), None)
    first = _first_wrong(got, expected, right)
    if found is not None and got.numel() == 1:  # of one number much is true by chance: keep what is plain to see
        found = Diagnosis(found.code, first.facts | found.facts)
    return found or first


def _worth_it(got: Tensor, g: Tensor, e: Tensor) -> bool:
    small = got.numel() <= _MOST
    return small and (got.dtype.is_floating_point or bool((torch.maximum(g.abs(), e.abs()) < _WHOLE).all()))


def _not_finite(g: Tensor, e: Tensor) -> Diagnosis | None:
    """NaN and infinities that only one side has, NaN first."""
    counts = {
        "nan": g.isnan() & ~e.isnan(),
        "inf": g.isinf() & e.isfinite(),
        "nan_missing": e.isnan() & ~g.isnan(),
        "inf_missing": e.isinf() & ~g.isinf() & ~g.isnan(),
        "inf_sign": g.isinf() & e.isinf() & (g != e),
    }
    count = {code: int(where.sum()) for code, where in counts.items()}
    code = next((code for code, number in count.items() if number), None)
    if code is None:
        return None
    facts = {"count": str(count[code]), "total": str(g.numel())} if g.numel() > 1 else {}
    if code == "nan" and count["inf"]:
        return Diagnosis("nan_and_inf", facts | {"inf": str(count["inf"])})
    return Diagnosis(code, facts)


def _imprecise(pair: _Pair) -> Diagnosis | None:
    """Right, but only to the digits of a smaller float type, or outside a tolerance stricter than ours."""
    double = _EXACT < pair.rtol <= RTOL[torch.float64]
    if not pair.agree(pair.g, pair.e) and not (double and _agree(pair.g, pair.e, _FLOAT32 / 10)):
        return None
    difference = (pair.g - pair.e).abs() / (pair.e.abs() + _typical(pair.e))
    return Diagnosis("imprecise", {"difference": f"{float(difference.max()):.0e}"})


def _constant(pair: _Pair) -> Diagnosis | None:
    """All zero, or all one number where the expected ones differ."""
    if pair.g.numel() < 2:
        return None
    if not pair.g.any():
        return Diagnosis("all_zero")
    first = pair.g.reshape(-1)[0]
    if bool((pair.g == first).all()) and not bool((pair.e == pair.e.reshape(-1)[0]).all()):
        return Diagnosis("all_same", {"value": number_text(float(first), 4)})
    return None


def _sign(pair: _Pair) -> Diagnosis | None:
    if not pair.e.any():
        return None
    if pair.agree(pair.g, -pair.e):
        return Diagnosis("sign")
    if pair.agree(pair.g.abs(), pair.e.abs()):
        wrong = int((~close(pair.g, pair.e, pair.rtol)).sum())
        return Diagnosis("some_signs", {"wrong": str(wrong), "total": str(pair.e.numel())})
    return None


def _factor(pair: _Pair) -> Diagnosis | None:
    """One factor for all. A single number has one for certain, so there it must be a telling one."""
    at = int(pair.e.abs().argmax())
    base = float(pair.e.reshape(-1)[at])
    if base == 0:
        return None
    factor = float(pair.g.reshape(-1)[at]) / base
    if (
        factor == 0
        or not math.isfinite(factor)
        or abs(factor - 1) <= 10 * pair.rtol
        or not pair.agree(pair.g, factor * pair.e)
    ):
        return None
    known = _known_factor(factor, tuple(pair.e.shape), pair.rtol / 10)
    if known is None and int(pair.e.count_nonzero()) > 1:
        return Diagnosis("factor", {"factor": number_text(factor, 4)})
    return known


def _known_factor(factor: float, shape: tuple[int, ...], rtol: float) -> Diagnosis | None:
    """The factor as 2, 1/2, a size, one over a size, a root of 2, or a whole number that may be another size."""

    def near(value: float) -> bool:
        return abs(factor - value) <= rtol * abs(value)

    text = {"factor": number_text(factor, 4)}
    for value, code in ((2.0, "factor_two"), (0.5, "factor_half")):
        if near(value):
            return Diagnosis(code, text)
    sizes = [(size, {"axis": str(axis)}) for axis, size in enumerate(shape)] + [(math.prod(shape), {})]
    for size, axis in sizes:
        if size > 2 and near(size):
            return Diagnosis("factor_size", text | axis | {"size": str(size)})
        if size > 2 and near(1 / size):
            return Diagnosis("factor_one_over_size", text | axis | {"size": str(size)})
    for value, name in ((math.sqrt(2), "sqrt(2)"), (math.sqrt(0.5), "1/sqrt(2)")):
        if near(value):
            return Diagnosis("factor_root", text | {"as": name})
    most = min(100, 0.01 / rtol)  # larger ones are hit by chance
    if factor > 0:
        whole, parts = round(min(factor, 101)), round(min(1 / factor, 101))
        if 2 < whole <= most and near(whole):
            return Diagnosis("factor_whole", {"factor": str(whole)})
        if 2 < parts <= most and near(1 / parts):
            return Diagnosis("factor_part", text | {"size": str(parts)})
    return None


def _offset(pair: _Pair) -> Diagnosis | None:
    """One number added to all."""
    if pair.e.numel() < 2:
        return None
    at = int(pair.e.abs().argmin())  # where rounding spoils the difference least
    offset = (pair.g - pair.e).reshape(-1)[at]
    if offset == 0 or not pair.agree(pair.g - offset, pair.e):
        return None
    return Diagnosis("offset", {"offset": number_text(float(offset), 4)})


def _offset_by_axis(pair: _Pair) -> Diagnosis | None:
    """One number added to each column (row, channel): what a bias does."""
    for axis, g, e in _by_axis(pair):
        at = e.abs().argmin(1, keepdim=True)
        offsets = (g - e).gather(1, at)
        several = int((offsets.abs() > 10 * pair.rtol * _typical(e)).sum()) > 1
        if several and pair.agree(g - offsets, e):
            return _of_axis("offset_slices", pair, axis)
    return None


def _factor_by_axis(pair: _Pair) -> Diagnosis | None:
    """One factor for each column (row, channel), seen on at least two elements of each."""
    for axis, g, e in _by_axis(pair):
        if not bool((e.count_nonzero(1) > 1).all()):
            continue
        at = e.abs().argmax(1, keepdim=True)
        factors = g.gather(1, at) / e.gather(1, at)
        several = int(((factors - 1).abs() > 10 * pair.rtol).sum()) > 1
        if several and bool(factors.isfinite().all() & (factors != 0).all()) and pair.agree(g, factors * e):
            return _of_axis("factor_slices", pair, axis)
    return None


def _by_axis(pair: _Pair) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Both sides as [size of the axis, all the rest], for each axis where either has at least two."""
    for axis in range(pair.e.ndim):
        size = pair.e.shape[axis]
        if size > 1 and pair.e.numel() // size > 1:
            g, e = (side.movedim(axis, 0).reshape(size, -1) for side in (pair.g, pair.e))
            yield axis, g, e


def _of_axis(code: str, pair: _Pair, axis: int) -> Diagnosis:
    """A diagnosis about the slices of one axis, by the name that they usually have."""
    names = {(2, 0): "rows", (2, 1): "columns", (4, 1): "channels"}
    return Diagnosis(code, {"axis": str(axis), "slices": names.get((pair.e.ndim, axis), "entries")})


def _cut(pair: _Pair) -> Diagnosis | None:
    """Negative numbers became 0 or should have, or large ones were cut to one limit."""
    g, e = pair.g, pair.e
    wrong = ~close(g, e, pair.rtol)
    positive = bool((e > 0).any())
    if positive and int(wrong.sum()) > 1 and pair.agree(g, e.clamp_min(0)):
        return Diagnosis("cut_at_zero") if _slices(pair) is None else _zeros(pair)  # it may be either: say neither
    if positive and pair.agree(g.clamp_min(0), e):
        return Diagnosis("not_cut_at_zero")
    limit = g.max()
    above = wrong & (e > limit)
    if int(above.sum()) > 1 and bool((~above & (e != 0)).any()) and pair.agree(g, torch.minimum(e, limit)):
        return Diagnosis("cut_at_top", {"limit_value": number_text(float(limit), 4)})
    return None


def _zeros(pair: _Pair) -> Diagnosis | None:
    """Wrong only where 0 is expected, or only where it came back."""
    wrong = ~close(pair.g, pair.e, pair.rtol)
    counts = {"wrong": str(int(wrong.sum())), "total": str(wrong.numel())}
    if not bool((~wrong & (pair.e != 0)).any()):
        return None
    if not bool(pair.e[wrong].any()):
        return Diagnosis("zero_missed", counts)
    return None if bool(pair.g[wrong].any()) else Diagnosis("some_zero", counts)


def _another_function(pair: _Pair) -> Diagnosis | None:
    """A mask, whole numbers, a root or a square in place of the numbers themselves."""
    g, e = pair.g, pair.e
    if bool(((g == 1) == (e != 0)).all() & ((g == 0) == (e == 0)).all() & (e == 0).any()):
        return Diagnosis("mask")
    whole = any(bool((g == kind(e)).all()) for kind in (torch.trunc, torch.floor, torch.round))
    if whole and int((e != e.round()).sum()) > 1:
        return Diagnosis("fractions_lost")
    if bool(((e.square() - e).abs() > 0.05 * e.abs()).any()):  # not all 0 or 1, which are their own roots
        if bool((e >= 0).all()) and pair.agree(g, e.sqrt()):
            return Diagnosis("root")
        if pair.agree(g, e.square()):
            return Diagnosis("square")
    return None


def _rearranged(pair: _Pair) -> Diagnosis | None:
    """The right numbers in other places."""
    g, e = pair.g, pair.e
    for one, other in itertools.combinations(range(e.ndim), 2):
        if e.shape[one] == e.shape[other] and pair.agree(g, e.transpose(one, other)):
            axes = {"axes": f"{one} and {other}"}
            return Diagnosis("transposed") if e.ndim == 2 else Diagnosis("axes_swapped", axes)
    for axis in range(e.ndim):
        if e.numel() > 3 and e.shape[axis] > 1 and pair.agree(g, e.flip(axis)):
            return Diagnosis("flipped", {"axis": str(axis)})
        if (step := _shift(pair, axis)) is not None:
            return Diagnosis("shifted", {"axis": str(axis), "step": step})
    if not _same_numbers(pair):
        return None
    orders = itertools.permutations(range(e.ndim)) if e.ndim <= 4 else iter(())
    read = any(pair.agree(g, e.permute(order).reshape(e.shape)) for order in orders)
    return Diagnosis("reread" if read else "reordered")


def _shift(pair: _Pair, axis: int) -> str | None:
    """Whether all stands one place too early or too late along an axis; what lies beyond the end is not looked at."""
    size = pair.e.shape[axis]
    if size < 3:
        return None
    for step, here, there in (("too early", 0, 1), ("too late", 1, 0)):
        g, e = pair.g.narrow(axis, here, size - 1), pair.e.narrow(axis, there, size - 1)
        flat = e.reshape(-1)
        if int((flat[1:] != flat[:-1]).sum()) > 2 and pair.agree(g, e):
            return step
    return None


def _same_numbers(pair: _Pair) -> bool:
    """Whether both sides hold the same numbers, enough of them different to tell."""
    count = pair.e.numel()
    if not 3 <= count <= _SORTED:
        return False
    g, e = (side.reshape(-1).sort().values for side in (pair.g, pair.e))
    different = 1 + int((e[1:] != e[:-1]).sum())
    return 2 * different > count and _agree(g, e, pair.rtol / 20)


def _slices(pair: _Pair) -> Diagnosis | None:
    """Whole rows (columns, entries of an axis) that are right, wrong throughout, zero, or equal to each other."""
    for axis, g, e in _by_axis(pair):
        if bool((g == g[0]).all()) and not bool((e == e[0]).all()):
            return _of_axis("equal_slices", pair, axis)
        near = close(g, e, pair.rtol)
        right, wrong = near.all(1), ~near.any(1)
        if not bool((right & e.any(1)).any()):
            continue
        zero = bool((right | ~g.any(1)).all())
        if not zero and not (len(right) > 2 and bool((right | wrong).all())):
            continue
        if len(right) > 2 and bool(right[0] & e[0].any()) and not bool(right[1:].any()):
            return _of_axis("first_filled" if zero else "first_only", pair, axis)
        if len(right) > 2 and bool(right[:-1].all()):
            return _of_axis("last_zero" if zero else "last_wrong", pair, axis)
        if zero:
            return _of_axis("zero_slices", pair, axis)
    return None


def _border(pair: _Pair) -> Diagnosis | None:
    """Images [..., h, w] that are wrong at the edges only."""
    if pair.e.ndim < 3 or min(pair.e.shape[-2:]) < 3:
        return None
    right = close(pair.g, pair.e, pair.rtol)
    inside = right[..., 1:-1, 1:-1].all() & pair.e[..., 1:-1, 1:-1].any()
    return Diagnosis("border") if bool(inside) and int((~right).sum()) > 1 else None


def _first_wrong(got: Tensor, expected: Tensor, right: Tensor) -> Diagnosis:
    """The first element that was not accepted, with both values."""
    flat = (~right).reshape(-1)
    at = int(flat.to(torch.uint8).argmax())
    index = [int(place) for place in torch.unravel_index(torch.tensor(at), expected.shape)] if expected.ndim else []
    given, wanted = apart(got[tuple(index)].item(), expected[tuple(index)].item())
    facts = {"got_value": given, "expected_value": wanted}
    if flat.numel() == 1:
        return Diagnosis("value", facts)
    wrong = int(flat.sum())
    counts = {"index": shape_text(index), "wrong": str(wrong), "total": str(flat.numel())}
    return Diagnosis("values_all" if wrong == flat.numel() else "values", facts | counts)


def apart(got: bool | int | float, expected: bool | int | float) -> tuple[str, str]:
    """Two different numbers with as many digits as it takes to see that they differ."""
    for digits in (4, 6, 9, 12):
        texts = number_text(got, digits), number_text(expected, digits)
        if texts[0] != texts[1]:
            return texts
    return number_text(got, 17), number_text(expected, 17)


_RUNGS: tuple[Callable[[_Pair], Diagnosis | None], ...] = (
    _imprecise,
    _constant,
    _sign,
    _factor,
    _offset,
    _offset_by_axis,
    _factor_by_axis,
    _cut,
    _another_function,
    _rearranged,
    _slices,
    _zeros,
    _border,
)

CHANCE = frozenset(
    {
        "sign", "some_signs", "root", "square", "imprecise", "factor_two", "factor_half", "factor_size",
        "factor_one_over_size", "factor_root", "factor_whole", "factor_part",
    }
)  # fmt: skip
"""What may be true of a single number by chance."""

BY_TWO = {"factor_two": "factor_whole", "factor_half": "factor_part"}
"""What a factor of 2 is where it is one of several: a size."""

OTHERWISE = frozenset({"value", "values", "values_all", "offset", "factor_slices", "offset_slices", "reordered"}) | {
    family(code) for code in CHANCE
}
"""Kinds of findings about numbers, any of which shows that another kind does not explain all."""
