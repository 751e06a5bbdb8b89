"""What one check saw of an answer, and whether two answers behave alike in it.

An answer is known by what it gives back: values, attributes it sets on tensors, arguments it changes, exceptions. Two
answers that agree in all of that on the same inputs have made the same mistake, however differently they are written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from grader import answers, diagnosis
from grader.compare import RTOL_NUMBER
from grader.findings import Mismatch
from grader.model import Finding
from grader.sandbox.wire import Unsupported

# What a finding says of the answer whatever the numbers were: two that differ here were found wanting in another thing.
_TELLING = ("used", "asked", "found", "allowed", "construct", "name", "what", "where", "base", "kind")
_NUMBERS = re.compile(r"\d{1,9}")
_ENOUGH = 10  # answers of yes or no: fewer may agree by chance
_NOTHING = ("none", "unusable", "did_not_raise")  # where None came back, that is what was found wanting
_ORDERED = (list, tuple, torch.Size)
_SETS = (set, frozenset)
_KINDS = (type(None), bool, int, float, str, dict, Unsupported, torch.dtype, *_ORDERED, *_SETS)


class Given(NamedTuple):
    """What one request gave back: a value or an exception, and what it left on tensors that the suite knows.

    ``attrs`` are named by the tensor's place (an argument's number, a result's with a minus) and their own name;
    ``raised`` is an exception's type and text; ``demanded`` says that the suite asked for one. ``read`` marks a plain
    value of the notebook, which may have been written in many forms. ``means`` are the torch functions that were seen
    to run, where somebody looked.
    """

    value: object = None
    attrs: Mapping[tuple[int, str], object] = {}
    changed: frozenset[int] = frozenset()
    raised: tuple[str, str] | None = None
    demanded: bool = False
    read: bool = False
    means: frozenset[str] | None = None


class Observed(NamedTuple):
    """All that a failed check saw, up to what it failed for."""

    finding: Finding
    given: tuple[Given, ...]

    @property
    def is_empty(self) -> bool:
        """Did nothing at all come back, as from a function without a body?"""
        return all(given.value is None and not given.attrs and given.raised is None for given in self.given)


Evidence = Literal["values", "means", "little"]

Behaviour = Mapping[str, Observed | None]
"""Of each check that was run, by its id, what it saw; None when it passed."""


def same_behaviour(one: Behaviour, other: Behaviour) -> bool:
    """Do two answers pass the same checks, and give the same in all others? ``other`` may have been run on more."""
    return all(check in other and _same_check(seen, other[check]) for check, seen in one.items())


def same_means(one: Behaviour, other: Behaviour) -> bool:
    """Were the same functions seen to run wherever either failed and somebody looked? No, when nobody did."""
    pairs = [(seen.given, shown.given) for check, seen in one.items() if seen and (shown := other.get(check))]
    means = [(first.means, second.means) for pair in pairs for first, second in zip(*pair, strict=False)]
    return any(first is not None for first, _ in means) and all(first == second for first, second in means)


def evidence(behaviour: Behaviour) -> Evidence:
    """What there is to tell one mistake from others that nobody thought of: what came back, what ran, or little."""
    seen = [observed for observed in behaviour.values() if observed]
    if any(observed.finding.code == "must" for observed in seen):  # it can be left out in many ways, all right in value
        return "means"
    if all(_is_bare(observed) for observed in seen):
        return "little"
    given = [given for observed in seen for given in observed.given]
    outcomes = [_outcome(one) for one in given]
    if any(observed.finding.reason == "raised" for observed in seen) or "value" in outcomes:
        return "values"
    if any(one.attrs for one in given) or any(observed.finding.code in _NOTHING for observed in seen):
        return "values"
    varied = len(set(outcomes)) > 1
    return "values" if varied and (len(outcomes) >= _ENOUGH or not {"yes", "no"} & set(outcomes)) else "little"


def _is_bare(observed: Observed) -> bool:
    """Is all that was seen that an input was changed, somehow, or that nothing was set?"""
    if observed.finding.code == "not_set":
        return not any(given.attrs for given in observed.given)
    return observed.finding.code == "changed_input"


def _outcome(given: Given) -> str:
    if given.raised is not None:
        return "raised"
    if _is_bool(given.value):
        return "yes" if bool(given.value) else "no"
    return "nothing" if given.value is None else "value"


def _is_bool(value: object) -> bool:
    return type(value) is bool or (isinstance(value, torch.Tensor) and value.dtype == torch.bool and value.ndim == 0)


def _same_check(one: Observed | None, other: Observed | None) -> bool:
    if one is None or other is None:
        return one is other
    if len(one.given) != len(other.given) or not _same_finding(one.finding, other.finding):
        return False
    last = len(one.given) - 1
    raised = one.finding.reason == "raised"
    return all(
        _same_given(first, second, number == last, raised)
        for number, (first, second) in enumerate(zip(one.given, other.given, strict=True))
    )


def _same_finding(one: Finding, other: Finding) -> bool:
    if (one.reason, one.code) != (other.reason, other.code):
        return False
    return one.reason == "raised" or all(str(one.facts.get(key)) == str(other.facts.get(key)) for key in _TELLING)


def _same_given(one: Given, other: Given, last: bool, raised: bool) -> bool:
    if (one.raised is None) != (other.raised is None) or one.changed != other.changed:
        return False
    if one.raised is not None and other.raised is not None and last and not _same_raised(one, other, raised):
        return False
    if one.attrs.keys() != other.attrs.keys():
        return False
    if one.read and not alike(_meant(one.value), _meant(other.value)):
        return False
    pairs = [(value, other.attrs[key]) for key, value in one.attrs.items()]
    return (one.read or alike(one.value, other.value)) and all(alike(*pair) for pair in pairs)


def _same_raised(one: Given, other: Given, raised: bool) -> bool:
    """An exception that a check fails for is the same in every word; where one was asked for, in kind and numbers."""
    assert one.raised is not None
    assert other.raised is not None
    if raised:
        return one.raised == other.raised
    if not one.demanded:
        return True
    named = [set(_NUMBERS.findall(given.raised[1])) for given in (one, other) if given.raised]
    return one.raised[0] == other.raised[0] and named[0] == named[1]


# ---------------------------------------------------------------- values


def alike(one: Any, other: Any) -> bool:
    """The same value to rounding: type (a list and a tuple are one), shape, dtype and all elements, NaN as well."""
    if isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
        return isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor) and _same_tensor(one, other)
    if isinstance(one, np.ndarray | np.generic) or isinstance(other, np.ndarray | np.generic):
        return type(one) is type(other) and _same_array(np.asarray(one), np.asarray(other))
    if type(one) not in _KINDS or type(other) not in _KINDS:  # objects that stayed in their worker: calls on them tell
        return type(one) not in _KINDS and type(other) not in _KINDS
    if type(one) in _ORDERED and type(other) in _ORDERED:
        return len(one) == len(other) and all(map(alike, one, other))
    if type(one) is not type(other):
        return False
    if type(one) is float:
        return math.isclose(one, other, rel_tol=RTOL_NUMBER) or (math.isnan(one) and math.isnan(other))
    if type(one) is dict:
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    return bool(one == other)


def _same_tensor(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    one, other = one.detach(), other.detach()
    if not one.is_floating_point():
        return bool((one == other).all())
    close = diagnosis.close(one.to(torch.float64), other.to(torch.float64), diagnosis.rtol_of(one.dtype))
    return bool(close.all())


def _same_array(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    if one.dtype != other.dtype or one.dtype.kind not in "biuf":
        return False
    return _same_tensor(*(torch.from_numpy(np.array(array)) for array in (one, other)))


def _meant(value: object) -> object:
    """What an answer to a question says, whichever form it is written in; a value of no known form is itself."""
    readers: tuple[Callable[[object], object], ...] = (answers.number, answers.nested, answers.words)
    for reader in readers:
        try:
            return reader(value)
        except Mismatch:
            continue
    return value
