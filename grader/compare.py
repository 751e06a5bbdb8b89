"""What a suite compares with: `assert_close` for results of arithmetic, `assert_equal` for exact answers.

Both climb one ladder and stop at the first rung that breaks: nothing there, another type, another shape, another
dtype, NaN or infinities, other values (`grader.diagnosis` says how). They raise `Mismatch` with a `Finding` of that one
diagnosis. What came back is believed to be of exact plain types, as the decoder of the sandbox builds them; anything
else is reported as unusable and never asked to compare itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import cast

import msgspec
import numpy as np
import torch
from torch import Tensor

from grader import diagnosis
from grader.diagnosis import Diagnosis
from grader.findings import Mismatch
from grader.model import Finding
from grader.show import dtype_text, plain, readable, show, type_text

__all__ = ["assert_close", "assert_equal", "show"]

RTOL_NUMBER = 1e-6  # Python floats

_SEQUENCES = (list, tuple, torch.Size)
_PLAIN = (type(None), bool, int, float, str, set, frozenset, dict, np.ndarray, *_SEQUENCES)
_TENSORS = (Tensor, torch.nn.Parameter)
_ATTRIBUTE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
_DEEPEST = 8  # axes that nested lists are read as a table to
_LARGEST = 100_000  # numbers, likewise


def assert_close(
    got: object,
    expected: object,
    *,
    what: str = "the result",
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """``got`` has the type, shape and dtype of ``expected``, and its values to rounding.

    ``expected`` is a tensor or array of any shape and real dtype, a number, or lists, tuples and dicts of these.
    ``|got - expected| <= atol + rtol |expected|``: by default the dtype's ``rtol``, with an ``atol`` of ``rtol`` times
    the size of a typical small element; integers and bools are exact unless a tolerance is given. NaN equals NaN.
    ``what`` names the value in the message: "the loss", "inp.g". Raises `Mismatch`.
    """
    __tracebackhide__ = True
    _demand(got, expected, what, _Rule(rtol, atol))


def assert_equal(got: object, expected: object, *, what: str = "the result") -> None:
    """``got`` is ``expected``: tensors, integers, bools, texts and sets exactly, Python floats to 1e-6.

    A list and a tuple are the same; an integer may stand for a float, nothing for an integer. Raises `Mismatch`.
    """
    __tracebackhide__ = True
    _demand(got, expected, what, _Rule(exact=True))


class _Rule(msgspec.Struct, frozen=True):
    """How near is right; without tolerances, what the type asks for."""

    rtol: float | None = None
    atol: float | None = None
    exact: bool = False

    def right(self, got: Tensor, expected: Tensor, rtol: float) -> Tensor:
        """Which elements are accepted, for two tensors of one shape and dtype; ``rtol`` where the rule has none."""
        given = self.rtol is not None or self.atol is not None
        if (self.exact and not rtol) or not (given or rtol):
            same = got == expected
            return same | (got.isnan() & expected.isnan()) if got.is_floating_point() else same
        rtol = self.rtol if self.rtol is not None else rtol
        return diagnosis.close(got.to(torch.float64), expected.to(torch.float64), rtol, self.atol)


class _Difference(msgspec.Struct, frozen=True):
    """The first difference: where in a list, tuple or dict (``[1]['bias']``), and the two items there."""

    found: Diagnosis
    got: object
    expected: object
    where: str = ""

    def inside(self, key: object) -> _Difference:
        return _Difference(self.found, self.got, self.expected, f"[{plain(repr(key), 60)}]{self.where}")


def _demand(got: object, expected: object, what: str, rule: _Rule) -> None:
    __tracebackhide__ = True
    difference = _difference(got, expected, rule)
    if difference is None:
        return
    code = difference.found.code
    if code == "none" and not difference.where and _ATTRIBUTE.fullmatch(what):
        code = "not_set"
    if isinstance(difference.expected, Tensor | np.ndarray):  # the item tells more than a list of tensors
        got, expected = difference.got, difference.expected
    facts = {"what": what, "where": difference.where, **difference.found.facts}
    raise Mismatch(Finding("wrong", code, facts, got=show(got), expected=show(expected)))


def _difference(got: object, expected: object, rule: _Rule) -> _Difference | None:
    """The first difference, None when there is none. What was expected decides how to look."""
    if isinstance(expected, np.ndarray):
        return _arrays(got, expected, rule)
    if got is None and expected is not None:
        found: Diagnosis | None = Diagnosis("none")
    elif isinstance(expected, Tensor):
        found = _tensors(got, expected.detach(), rule)
    elif isinstance(expected, _SEQUENCES):
        return _sequences(got, expected, rule)
    elif isinstance(expected, dict):
        return _dicts(got, expected, rule)
    elif isinstance(expected, set | frozenset):
        found = _sets(got, expected)
    elif isinstance(expected, int | float) and not isinstance(expected, bool):
        found = _numbers(got, expected, rule)
    else:
        found = _exactly(got, expected)
    return _Difference(found, got, expected) if found else None


# Types


def _other_type(got: object, expected: object) -> Diagnosis:
    """``got`` is of a type that cannot stand for the one expected."""
    wanted = type_text(expected)
    if isinstance(got, Tensor):
        facts = {"got_type": "tensor", "expected_type": wanted}
        if isinstance(expected, int | float) and not isinstance(expected, bool):
            return Diagnosis("tensor_for_number" if got.numel() == 1 else "tensor_for_number_many", facts)
        return Diagnosis("tensor_for_list" if isinstance(expected, _SEQUENCES) else "wrong_type", facts)
    if type(got) not in _PLAIN and not isinstance(got, np.generic):
        return Diagnosis("unsupported", {"type": type_text(got), "expected_type": wanted})
    facts = {"got_type": type_text(got), "expected_type": wanted}
    if isinstance(expected, Tensor):
        if type(got) is tuple and len(got) == 1:
            return Diagnosis("tuple_of_one", facts)
        codes: dict[type, str] = {list: "list_for_tensor", tuple: "tuple_for_tensor", np.ndarray: "array_for_tensor"}
        codes |= {bool: "number_for_tensor", int: "number_for_tensor", float: "number_for_tensor"}
        return Diagnosis(codes.get(type(got), "wrong_type"), facts)
    return Diagnosis("wrong_type", facts)


def _exactly(got: object, expected: object) -> Diagnosis | None:
    """For bools, texts, None, and whatever else is one of a kind (a dtype)."""
    if type(got) is not type(expected):
        return _other_type(got, expected)
    return None if got == expected else _value(got, expected)


def _value(got: object, expected: object) -> Diagnosis:
    return Diagnosis("value", {"got_value": plain(show(got), 80), "expected_value": plain(show(expected), 80)})


# Tensors


def _tensors(got: object, expected: Tensor, rule: _Rule) -> Diagnosis | None:
    if type(got) not in _TENSORS:
        return _other_type(got, expected)
    got = cast(Tensor, got).detach()
    if not readable(got):
        kind = "complex" if got.is_complex() else str(got.layout).removeprefix("torch.")
        return Diagnosis("unsupported", {"type": f"{kind} tensor on {got.device.type}", "expected_type": "tensor"})
    if got.shape != expected.shape:
        return diagnosis.shapes(got, expected)
    if got.dtype != expected.dtype:
        return _dtypes(got.dtype, expected.dtype)
    right = rule.right(got, expected, 0.0 if rule.exact else diagnosis.rtol_of(expected.dtype))
    return None if bool(right.all()) else diagnosis.values(got, expected, right)


def _dtypes(got: torch.dtype, expected: torch.dtype) -> Diagnosis:
    facts = {"got_dtype": dtype_text(got), "expected_dtype": dtype_text(expected)}
    if not expected.is_floating_point or got.is_floating_point:
        return Diagnosis("dtype", facts)
    return Diagnosis("dtype_bool" if got == torch.bool else "dtype_whole", facts)


def _arrays(got: object, expected: np.ndarray, rule: _Rule) -> _Difference | None:
    """NumPy arrays are compared as the tensors that share their memory."""
    if got is None or type(got) is not np.ndarray:
        found: Diagnosis | None = Diagnosis("none") if got is None else _other_type(got, expected)
    elif got.dtype.kind not in "biuf":
        found = Diagnosis("unsupported", {"type": f"{got.dtype} array", "expected_type": "ndarray"})
    else:
        got, expected = _as_tensor(got), _as_tensor(expected)  # type: ignore[assignment]
        found = _tensors(got, cast(Tensor, expected), rule)
    return _Difference(found, got, expected) if found else None


def _as_tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array, order="C", dtype=array.dtype.newbyteorder("=")))


# Numbers


def _numbers(got: object, expected: int | float, rule: _Rule) -> Diagnosis | None:
    """A Python number; a whole one may stand for a float, but when exact nothing else for an integer."""
    fits = type(got) in (int, float) and not (rule.exact and isinstance(expected, int) and type(got) is float)
    if not fits:
        return _other_type(got, expected)
    given = cast("int | float", got)
    if rule.exact and isinstance(expected, int):
        return None if given == expected else _value(given, expected)
    table = _table([given]), _table([expected])
    if table[0] is None or table[1] is None:  # beyond what a float holds
        return None if given == expected else _value(given, expected)
    return _tables(table[0][0], table[1][0], rule)


def _tables(got: Tensor, expected: Tensor, rule: _Rule) -> Diagnosis | None:
    """Python floats as float64 tensors of one shape."""
    right = rule.right(got, expected, RTOL_NUMBER)
    return None if bool(right.all()) else diagnosis.values(got, expected, right, RTOL_NUMBER)


# Lists, tuples, dicts, sets


def _sequences(got: object, expected: object, rule: _Rule) -> _Difference | None:
    """A list or a tuple. Tables of floats are diagnosed as a whole, everything else item by item."""
    items = cast("list[object]", expected)
    if type(got) not in _SEQUENCES:
        return _Difference(_other_type(got, expected), got, expected)
    given = cast("list[object]", got)
    wanted_table = _table(items) if any(type(leaf) is float for leaf in _leaves(items)) else None
    given_table = _table(given) if wanted_table is not None else None
    if wanted_table is not None and given_table is not None:
        if given_table.shape == wanted_table.shape:
            found = _tables(given_table, wanted_table, rule)
            return _Difference(found, got, expected) if found else None
        found = diagnosis.shapes(given_table, wanted_table)
        if found.code in ("transposed", "shape_transposed", "flattened"):
            return _Difference(found, got, expected)
    if len(given) != len(items):
        facts = {"got_length": str(len(given)), "expected_length": str(len(items))}
        return _Difference(Diagnosis("length", facts), got, expected)
    return _first(range(len(items)), lambda index: _difference(given[index], items[index], rule))


def _first(keys: object, look: Callable[..., _Difference | None]) -> _Difference | None:
    for key in cast("list[object]", keys):
        if difference := look(key):
            return difference.inside(key)
    return None


def _leaves(items: object) -> Iterator[object]:
    """What a nested list holds in the end."""
    for item in cast("list[object]", items):
        if isinstance(item, _SEQUENCES):
            yield from _leaves(item)
        else:
            yield item


def _table(items: object) -> Tensor | None:
    """Nested lists of numbers, all of one length on each level, as a float64 tensor; None for anything else."""
    shape = []
    level = cast("list[object]", items)
    while level and type(level[0]) in _SEQUENCES and len(shape) < _DEEPEST:
        rows = [cast("list[object]", row) for row in level if type(row) in _SEQUENCES]
        width = len(rows[0])
        if len(rows) < len(level) or any(len(row) != width for row in rows) or len(rows) * width > _LARGEST:
            return None
        shape.append(len(level))
        level = [item for row in rows for item in row]
    if not level or len(level) > _LARGEST or any(type(item) not in (int, float) for item in level):
        return None
    try:
        numbers = [float(cast(float, item)) for item in level]
    except OverflowError:
        return None
    width = len(level) // math.prod(shape)
    return torch.tensor(numbers, dtype=torch.float64).reshape(*_grouped(shape), width)
