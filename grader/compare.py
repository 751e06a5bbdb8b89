"""What a suite compares with: `assert_close` for results of arithmetic, `assert_equal` for exact answers.

Both climb one ladder and stop at the first rung that breaks: nothing there, another type, another shape, another
dtype, NaN or infinities, other values (`grader.diagnosis` says how). They raise `Mismatch` with a `Finding` of that one
diagnosis. What came back is believed to be of exact plain types, as the decoder of the sandbox builds them; anything
else is reported as unusable and never asked to compare itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor

from grader import diagnosis
from grader.contrast import contrast
from grader.diagnosis import Diagnosis
from grader.findings import Mismatch
from grader.legible import plain
from grader.model import Contrast, Finding
from grader.show import dtype_text, readable, shape_text, show, type_text

__all__ = ["assert_close", "assert_equal", "show"]

RTOL_NUMBER = 1e-6  # Python floats

_SEQUENCES = (list, tuple, torch.Size)
_SETS = (set, frozenset)
_PLAIN = (type(None), bool, int, float, str, dict, np.ndarray, *_SETS, *_SEQUENCES)
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
    instead: Mapping[str, Callable[[], object]] = MappingProxyType({}),
) -> None:
    """``got`` has the type, shape and dtype of ``expected``, and its values to rounding.

    ``expected`` is a tensor or array of any shape and real dtype, a number, or lists, tuples and dicts of these.
    ``|got - expected| <= atol + rtol |expected|``: by default the dtype's ``rtol``, with an ``atol`` of ``rtol`` times
    the size of a typical small element; integers and bools are exact unless a tolerance is given. NaN equals NaN.
    ``what`` names the value in the message: "the loss", "inp.g", "the gradient of x". ``instead`` gives by their codes
    what typical slips would give in place of ``expected``: worked out only when the answer is wrong, and told only
    when it is exactly that. Raises `Mismatch`.
    """
    __tracebackhide__ = True
    _demand(got, expected, what, _Rule(rtol, atol), instead)


def assert_equal(got: object, expected: object, *, what: str = "the result") -> None:
    """``got`` is ``expected``: tensors, integers, bools, texts and sets exactly, Python floats to 1e-6.

    A list and a tuple are the same; an integer may stand for a float, nothing for an integer. Raises `Mismatch`.
    """
    __tracebackhide__ = True
    _demand(got, expected, what, _Rule(exact=True), {})


class _Rule(msgspec.Struct, frozen=True):
    """How near is right; without tolerances, what the type asks for."""

    rtol: float | None = None
    atol: float | None = None
    exact: bool = False

    def right(self, got: Tensor, expected: Tensor, rtol: float) -> Tensor:
        """Which elements are accepted, for two tensors of one shape and dtype; ``rtol`` where the rule has none."""
        rtol = rtol if self.rtol is None else self.rtol
        if not (expected.is_floating_point() or rtol or self.atol):
            return got == expected
        return diagnosis.close(got.to(torch.float64), expected.to(torch.float64), rtol, self.atol)


class _Difference(msgspec.Struct, frozen=True):
    """The first difference: where in a list, tuple or dict (``[1]['bias']``), and the two items there."""

    found: Diagnosis
    got: Any
    expected: Any
    where: str = ""

    def inside(self, key: object) -> _Difference:
        return _Difference(self.found, self.got, self.expected, f"[{plain(repr(key), 60)}]{self.where}")


def _demand(got: Any, expected: Any, what: str, rule: _Rule, instead: Mapping[str, Callable[[], object]]) -> None:
    __tracebackhide__ = True
    difference = _difference(got, expected, rule)
    if difference is None:
        return
    slip = next((code for code, made in instead.items() if _difference(got, made(), rule) is None), None)
    if slip is not None:
        raise Mismatch(Finding("wrong", slip, {"what": what}, got=show(got), expected=show(expected)))
    code = difference.found.code
    if code == "none" and not difference.where:
        code = _nothing(what)
    if isinstance(difference.expected, Tensor | np.ndarray):  # the item tells more than a list of tensors
        got, expected = difference.got, difference.expected
    facts = {"what": what, "where": difference.where, **difference.found.facts}
    beside = _beside(got, expected, rule)
    raise Mismatch(Finding("wrong", code, facts, got=show(got), expected=show(expected), contrast=beside))


def _beside(got: Any, expected: Any, rule: _Rule) -> Contrast | None:
    """Two tensors or arrays element by element, for a report."""
    if isinstance(expected, np.ndarray) and type(got) is np.ndarray and got.dtype.kind in "biuf":
        got, expected = torch.from_numpy(got.copy()), torch.from_numpy(expected.copy())
    if type(got) not in _TENSORS or not isinstance(expected, Tensor):
        return None
    got, expected = got.detach(), expected.detach()
    if got.shape != expected.shape or got.dtype != expected.dtype or not readable(got):
        return contrast(got, expected, None)
    return contrast(got, expected, rule.right(got, expected, _rtol(expected, rule)))


def _rtol(expected: Tensor, rule: _Rule) -> float:
    return 0.0 if rule.exact else diagnosis.rtol_of(expected.dtype)


def settled(finding: Finding, others: Iterable[Finding]) -> Finding:
    """The finding of one check, less what those of other checks on the same answer contradict.

    A single number may be the root or the half of another by chance, and where factors differ none has a meaning of
    its own. Pure: the findings of other checks are those that the checks raised.
    """
    same = [other for other in others if other.facts.get("what") == finding.facts.get("what")]
    kinds = {diagnosis.family(other.code) for other in same}
    kind = diagnosis.family(finding.code)
    if finding.code in diagnosis.CHANCE and "got_value" in finding.facts and kinds & diagnosis.OTHERWISE - {kind}:
        return msgspec.structs.replace(finding, code="value")
    if finding.code == "flipped" and "reordered" in kinds:  # a sorted list may be a reversed one
        return msgspec.structs.replace(finding, code="reordered")
    factors = {other.facts["factor"] for other in same if "factor" in other.facts}
    if finding.code in diagnosis.BY_TWO and len(factors) > 1:
        code = diagnosis.BY_TWO[finding.code]
        return msgspec.structs.replace(finding, code=code, facts={**finding.facts, "size": "2"})
    return finding


def _nothing(what: str) -> str:
    """What it means that something is None: a result, an attribute ("inp.g") or a gradient ("the gradient of x")."""
    if what.startswith("the gradient of "):
        return "no_gradient"
    return "not_set" if _ATTRIBUTE.fullmatch(what) else "none"


def _difference(got: Any, expected: Any, rule: _Rule) -> _Difference | None:
    """The first difference, None when there is none. What was expected decides how to look."""
    if got is None and expected is not None:
        found: Diagnosis | None = Diagnosis("none")
    elif isinstance(expected, _SEQUENCES):
        return _sequences(got, expected, rule)
    elif isinstance(expected, dict):
        return _dicts(got, expected, rule)
    elif isinstance(expected, Tensor):
        found = _tensors(got, expected.detach(), rule)
    elif isinstance(expected, np.ndarray):
        found = _arrays(got, expected, rule)
    elif isinstance(expected, _SETS):
        found = _sets(got, expected)
    elif isinstance(expected, int | float) and not isinstance(expected, bool):
        found = _numbers(got, expected, rule)
    else:
        found = _exactly(got, expected)
    return _Difference(found, got, expected) if found else None


# Types


def _other_type(got: Any, expected: Any) -> Diagnosis:
    """``got`` is of a type that cannot stand for the one expected."""
    facts = {"got_type": type_text(got), "expected_type": type_text(expected)}
    if type(got) not in (*_PLAIN, *_TENSORS) and not isinstance(got, np.generic):
        return Diagnosis("unsupported", {"type": facts["got_type"], "expected_type": facts["expected_type"]})
    if isinstance(expected, Tensor):
        return Diagnosis(_other_than_tensor(got), facts)
    if isinstance(got, Tensor) and isinstance(expected, _SEQUENCES):
        return Diagnosis("tensor_for_list", facts)
    if isinstance(got, Tensor) and isinstance(expected, bool) and (got.ndim or got.dtype != torch.bool):
        facts = {"got_shape": shape_text(got.shape), "got_dtype": dtype_text(got.dtype)}
        return Diagnosis("tensor_for_bool", facts)
    if isinstance(got, Tensor) and isinstance(expected, int | float) and not isinstance(expected, bool):
        return Diagnosis("tensor_for_number" if got.numel() == 1 else "tensor_for_number_many", facts)
    return Diagnosis("wrong_type", facts)


def _other_than_tensor(got: Any) -> str:
    if type(got) in (bool, int, float) or isinstance(got, np.generic):
        return "number_for_tensor"
    if type(got) is np.ndarray:
        return "array_for_tensor"
    if type(got) in _SEQUENCES:
        return "tuple_of_one" if type(got) is tuple and len(got) == 1 else "list_for_tensor"
    return "wrong_type"


def _exactly(got: Any, expected: Any) -> Diagnosis | None:
    """For bools, texts, None, and whatever else is one of a kind (a dtype)."""
    if type(got) is not type(expected):
        return _other_type(got, expected)
    return None if got == expected else _value(got, expected)


def _value(got: Any, expected: Any) -> Diagnosis:
    return Diagnosis("value", {"got_value": plain(show(got), 80), "expected_value": plain(show(expected), 80)})


# Tensors


def _tensors(got: Any, expected: Tensor, rule: _Rule) -> Diagnosis | None:
    if type(got) not in _TENSORS:
        return _other_type(got, expected)
    got = got.detach()
    if not readable(got):
        kind = "complex" if got.is_complex() else str(got.layout).removeprefix("torch.")
        return Diagnosis("unsupported", {"type": f"{kind} tensor on {got.device.type}", "expected_type": "tensor"})
    if got.shape != expected.shape:
        return diagnosis.shapes(got, expected)
    if got.dtype != expected.dtype:
        return _dtypes(got.dtype, expected.dtype)
    right = rule.right(got, expected, _rtol(expected, rule))
    return None if bool(right.all()) else diagnosis.values(got, expected, right)


def _dtypes(got: torch.dtype, expected: torch.dtype) -> Diagnosis:
    facts = {"got_dtype": dtype_text(got), "expected_dtype": dtype_text(expected)}
    if not expected.is_floating_point or got.is_floating_point:
        return Diagnosis("dtype", facts)
    return Diagnosis("dtype_bool" if got == torch.bool else "dtype_whole", facts)


def _arrays(got: Any, expected: np.ndarray[Any, Any], rule: _Rule) -> Diagnosis | None:
    """NumPy arrays, by the ladder of tensors."""
    if type(got) is not np.ndarray:
        return _other_type(got, expected)
    if got.dtype.kind not in "biuf":
        return Diagnosis("unsupported", {"type": f"{got.dtype} array", "expected_type": "numpy.ndarray"})
    return _tensors(torch.from_numpy(got.copy()), torch.from_numpy(expected.copy()), rule)


# Numbers


def _numbers(got: Any, expected: int | float, rule: _Rule) -> Diagnosis | None:
    """A Python number; a whole one may stand for a float, but nothing else for an integer that must be exact."""
    exact = rule.exact and isinstance(expected, int)
    if type(got) is not int and (type(got) is not float or exact):
        return _other_type(got, expected)
    given, wanted = _table([got]), _table([expected])
    if exact or given is None or wanted is None:
        return None if got == expected else _value(got, expected)
    return _tables(given[0], wanted[0], rule)


def _tables(got: Tensor, expected: Tensor, rule: _Rule) -> Diagnosis | None:
    """Python floats as float64 tensors of one shape."""
    right = rule.right(got, expected, RTOL_NUMBER)
    return None if bool(right.all()) else diagnosis.values(got, expected, right, RTOL_NUMBER)


def _table(items: Any) -> Tensor | None:
    """Nested lists of numbers, of one length on each level, as a float64 tensor; None for anything else."""
    shape, level = [len(items)], list(items)
    while level and all(type(item) in _SEQUENCES for item in level):
        width = len(level[0])
        if any(len(item) != width for item in level) or len(level) * width > _LARGEST or len(shape) == _DEEPEST:
            return None
        shape.append(width)
        level = [item for row in level for item in row]
    if not level or any(type(item) not in (int, float) for item in level):
        return None
    try:
        return torch.tensor([float(item) for item in level], dtype=torch.float64).reshape(shape)
    except OverflowError:  # an integer beyond what a float holds
        return None


# Lists, tuples, dicts, sets


def _sequences(got: Any, expected: Any, rule: _Rule) -> _Difference | None:
    """A list or a tuple. Tables of floats are diagnosed as a whole, everything else item by item."""
    if type(got) not in _SEQUENCES:
        return _Difference(_other_type(got, expected), got, expected)
    wanted = _table(expected) if any(type(leaf) is float for leaf in _leaves(expected)) else None
    given = None if wanted is None else _table(got)
    if given is not None and wanted is not None:
        if given.shape == wanted.shape:
            found = _tables(given, wanted, rule)
            return _Difference(found, got, expected) if found else None
        found = diagnosis.shapes(given, wanted)
        if found.code in ("transposed", "shape_transposed", "flattened"):
            return _Difference(found, got, expected)
    if len(got) != len(expected):
        facts = {"got_length": str(len(got)), "expected_length": str(len(expected))}
        return _Difference(Diagnosis("length", facts), got, expected)
    return _first(range(len(expected)), got, expected, rule)


def _dicts(got: Any, expected: Any, rule: _Rule) -> _Difference | None:
    if type(got) is not dict:
        return _Difference(_other_type(got, expected), got, expected)
    missing, extra = ([key for key in one if key not in other] for one, other in ((expected, got), (got, expected)))
    if missing or extra:
        facts = {"missing": _listed(missing), "extra": _listed(extra)}
        return _Difference(Diagnosis("keys", facts), got, expected)
    return _first(expected, got, expected, rule)


def _first(keys: Iterable[Any], got: Any, expected: Any, rule: _Rule) -> _Difference | None:
    for key in keys:
        if difference := _difference(got[key], expected[key], rule):
            return difference.inside(key)
    return None


def _sets(got: Any, expected: Any) -> Diagnosis | None:
    """Sets of plain values; 1, 1.0 and True are three things here."""
    if type(got) not in _SETS:
        return _other_type(got, expected)
    given, wanted = ({(type(item), item) for item in side} for side in (got, expected))
    if given == wanted:
        return None
    return Diagnosis("members", {"missing": str(len(wanted - given)), "extra": str(len(given - wanted))})


def _listed(keys: list[Any]) -> str:
    return plain(", ".join(show(key) for key in keys[:8]), 120)


def _leaves(items: Any) -> Iterator[Any]:
    """What a nested list holds in the end."""
    for item in items:
        if isinstance(item, _SEQUENCES):
            yield from _leaves(item)
        else:
            yield item
