"""Plain answers to questions: whatever form a student gives a value, what it says.

::

    whole(student.value("q5"))      6   "6"   6.0   tensor(6)   [6]                 -> 6
    letters(student.value("q7"))    {"A", "C"}   ["a", "c"]   "A, C"   "ac"         -> frozenset({"A", "C"})
    nested(student.value("q6"))     tensor([[1, 2]])   ((1.0, 2.0),)   np.array...  -> [[1.0, 2.0]]

Forgiving of form, strict of substance: which value is right, the suite decides, and says so with `demand`. Each reader
raises `Mismatch` when it finds no answer of its kind: ``answer_none`` for nothing at all, ``answer_form`` for another
form, with ``asked`` in its facts. Values come from the student's side: they are looked at by exact type, bounded, and
never asked to convert or compare themselves.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
import torch

from grader.findings import Mismatch
from grader.model import Finding
from grader.sentences import N_, Text, sentence
from grader.show import readable, show, type_text

__all__ = ["demand", "letters", "nested", "number", "text", "whole", "words"]

Nested = float | list["Nested"]

_MOST = 1000  # numbers, words or characters of one answer
_DEEPEST = 8  # axes of a table
_ORDERED = (list, tuple, torch.Size)
_SETS = (set, frozenset)
_NUMBER = re.compile(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})(e[+-]?\d{1,3})?|[+-]?(inf|nan)")
_GLUE = frozenset({"and", "or", "the"})


def demand(right: bool) -> None:
    """The answer is right, or else `Mismatch` (``answer_wrong``), which gives nothing of the right one away."""
    __tracebackhide__ = True
    if not right:
        raise Mismatch(Finding("wrong", "answer_wrong"))


def whole(value: object) -> int:
    """One whole number: an int, a float without a fraction, the text of one, or one of these alone in a list."""
    found = _number(value)
    if found is None or not _is_whole(found):
        _refuse(value, N_("a whole number"))
    return int(found)


def number(value: object) -> float:
    """One number, NaN and infinities included, in any of the forms that `whole` takes."""
    found = _number(value)
    if found is None:
        _refuse(value, N_("a number"))
    return float(found)


def nested(value: object) -> list[Nested]:
    """A list of numbers, or lists of lists of them (ragged and empty ones too), as floats; a tensor is one too."""
    table = _table(value, 0, [_MOST])
    if not isinstance(table, list):
        _refuse(value, N_("a list of numbers, or a list of such lists"))
    return table


def letters(value: object, among: str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ") -> frozenset[str]:
    """At least one of the letters ``among``, upper case: a set, a list, or a text as in "A, C" or "ac"."""
    asked = sentence("letters from %(first)s to %(last)s", first=among[0], last=among[-1])
    parts = [part for item in _texts(value, asked) for part in re.findall(r"[^\W\d_]+", item.upper())]
    found = frozenset("".join(part for part in parts if part.lower() not in _GLUE))
    if not found or not found <= frozenset(among):
        _refuse(value, asked)
    return found


def words(value: object) -> list[str]:
    """Words in lower case without surrounding spaces, quotes and call brackets: a list of texts, or one text.

    One text is taken apart at commas, semicolons, arrows, line ends and spaces; a set comes sorted.
    """
    items = [word for item in _texts(value, N_("words")) for word in re.split(r"[\s,;、，；]+|->|=>|→", item.lower())]
    found = [word.strip("\"'`.()[]{}") for word in items]
    found = [word for word in found if word]
    if not found:
        _refuse(value, N_("words"))
    return found


def text(value: object) -> str:
    """One text as it was written, without surrounding spaces, quotes and backquotes."""
    items = _texts(value, N_("a text"))
    found = items[0].strip().strip("\"'`").strip() if len(items) == 1 else ""
    if not found:
        _refuse(value, N_("a text"))
    return found


# ---------------------------------------------------------------- the looking


def _refuse(value: object, asked: Text) -> NoReturn:
    __tracebackhide__ = True
    if value is None:
        raise Mismatch(Finding("missing", "answer_none"))
    raise Mismatch(Finding("wrong", "answer_form", {"asked": asked, "got_type": type_text(value)}, got=show(value)))


def _is_whole(found: int | float) -> bool:
    return isinstance(found, int) or (abs(found) < 2**53 and found == int(found))


def _number(value: object) -> int | float | None:
    """The number that a value is, or holds alone; a bool is none."""
    for _ in range(_DEEPEST):
        kind = type(value)
        if kind in (int, float):
            return _bounded(value)
        if kind is str:
            return _read(value)
        if isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
            cells = _cells(value)
            return cells[0] if cells and len(cells) == 1 and not _holds_bools(value) else None
        if (kind not in _ORDERED and kind not in _SETS) or len(value) != 1:  # type: ignore[arg-type]
            return None
        (value,) = value  # type: ignore[misc]
    return None


def _bounded(value: Any) -> int | float | None:
    """A number that a float can hold: an int of thousands of digits is no answer."""
    return value if type(value) is float or value.bit_length() < 1000 else None


def _read(value: Any) -> int | float | None:
    written = unicodedata.normalize("NFKC", value[:_MOST]).strip().lower()
    if not _NUMBER.fullmatch(written):
        return None
    return float(written)


def _table(value: object, depth: int, left: list[int]) -> Nested | None:
    """Lists of numbers; None where there is anything else, or too much. ``left`` counts down what may still come."""
    kind = type(value)
    left[0] -= 1
    if depth > _DEEPEST or left[0] < 0:
        return None
    if isinstance(value, (torch.Tensor, np.ndarray, np.generic)):
        return _array(value, left)
    if kind in (bool, int, float):
        found = _bounded(int(value) if kind is bool else value)  # type: ignore[call-overload]
        return None if found is None else float(found)
    if kind not in _ORDERED:
        return None
    rows: list[Nested] = []
    for item in value:  # type: ignore[attr-defined]
        row = _table(item, depth + 1, left)
        if row is None:
            return None
        rows.append(row)
    return rows


def _array(value: Any, left: list[int]) -> Nested | None:
    cells = _cells(value)
    shape = tuple(value.shape)
    if cells is None or len(shape) > _DEEPEST or sum(shape) + len(cells) > left[0]:
        return None
    left[0] -= len(cells)
    return np.array(cells, dtype=np.float64).reshape(shape).tolist()  # type: ignore[no-any-return]


def _cells(value: Any) -> list[float] | None:
    """The numbers of a tensor or array in order; None for one of another kind, or of too many."""
    if isinstance(value, torch.Tensor):
        flat = value.detach()
        if not readable(flat) or flat.numel() > _MOST:
            return None
        return flat.to(torch.float64).reshape(-1).tolist()
    if value.dtype.kind not in "biuf" or value.size > _MOST:
        return None
    return np.asarray(value).astype(np.float64).reshape(-1).tolist()


def _holds_bools(value: Any) -> bool:
    return value.dtype == torch.bool if isinstance(value, torch.Tensor) else value.dtype.kind == "b"


def _texts(value: object, asked: Text) -> list[str]:
    """The texts that a value is or holds, in its order; sets sorted."""
    kind = type(value)
    items = [value] if kind is str else list(_items(value))
    if not items or len(items) > _MOST or any(type(item) is not str for item in items):
        _refuse(value, asked)
    found = [unicodedata.normalize("NFKC", item[:_MOST]) for item in items]  # type: ignore[index]
    return sorted(found) if kind in _SETS else found


def _items(value: object) -> Iterator[object]:
    """The items of lists, tuples and sets, and of those one level inside."""
    if type(value) not in (*_ORDERED, *_SETS):
        return
    for item in value:  # type: ignore[attr-defined]
        if type(item) in (*_ORDERED, *_SETS):
            yield from item
        else:
            yield item
