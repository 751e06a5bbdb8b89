"""Values as text for a report: short, the same on every machine, and never by an object's own ``__repr__``.

Print options of torch are global and students can set them, so numbers are formatted here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod

import numpy as np
import torch

from grader.legible import plain

LIMIT = 600  # characters of one value
_FULL = 150  # elements up to which a tensor is shown whole
_DEEP = 6  # levels of nesting shown
_RANK = 8  # axes up to which a tensor is written out
_LONG = 200  # characters of one string
_HUGE = 256  # bits from which an integer is described and not written out
_MANY = 1000  # members up to which a set is sorted and shown

_Cells = str | list["_Cells"]
_Container = list[object] | tuple[object, ...] | set[object] | frozenset[object] | dict[object, object]


def show(value: object) -> str:
    """``value`` as at most ``LIMIT`` characters: a tensor with dtype and shape, small ones in full."""
    if isinstance(value, torch.Tensor):
        return _tensor(value.detach(), "tensor")
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return _tensor(torch.from_numpy(value.copy()), "array")
    return _bounded(_pieces(value, 0))


def shape_text(shape: Iterable[int]) -> str:
    """``[2, 3]``; ``[]`` is the shape of a single number."""
    return "[" + ", ".join(map(str, shape)) + "]"


def dtype_text(dtype: torch.dtype) -> str:
    """``float32``."""
    return str(dtype).removeprefix("torch.")


def number_text(value: bool | int | float, digits: int = 6) -> str:
    """A number with ``digits`` significant digits; integers in full unless they are huge."""
    if isinstance(value, int):
        return str(value) if value.bit_length() <= _HUGE else f"<an integer of {value.bit_length()} bits>"
    return f"{value + 0.0:.{digits}g}"  # -0.0 is 0 to a reader


def element_text(value: bool | int | float, digits: int = 6) -> str:
    """One element of a tensor; a float is known by its point."""
    return _float_text(value, digits, ".") if isinstance(value, float) else number_text(value)


def _float_text(value: float, digits: int, mark: str) -> str:
    """A float that cannot be taken for an integer: ``mark`` follows a whole one."""
    text = number_text(value, digits)
    return text + mark if text.lstrip("-").isdigit() else text


def _tensor(value: torch.Tensor, noun: str) -> str:
    head = f"{dtype_text(value.dtype)} {noun} of shape {shape_text(value.shape)}"
    if value.numel() == 0 or value.ndim > _RANK or not readable(value):
        return head
    for edge in (_FULL, 3, 2, 1):
        if (edge == _FULL and value.numel() > _FULL) or prod(min(size, 2 * edge) for size in value.shape) > LIMIT:
            continue
        cells = _cells(value, edge)
        text = head + "\n" + _layout(cells, max(map(len, _leaves(cells))), 1)
        if len(text) <= LIMIT:
            return text
    return head


def readable(value: torch.Tensor) -> bool:
    """Whether its elements are real numbers in ordinary memory."""
    return (
        value.layout is torch.strided
        and value.device.type == "cpu"
        and not value.is_complex()
        and not value.is_quantized
    )


def _cells(value: torch.Tensor, edge: int) -> _Cells:
    """Nested texts of the elements; of a long axis the first and the last ``edge``."""
    if value.ndim == 0:
        return element_text(value.item())
    size = value.shape[0]
    if size <= 2 * edge:
        return [_cells(value[i], edge) for i in range(size)]
    first, last = ([_cells(value[i], edge) for i in part] for part in (range(edge), range(size - edge, size)))
    return [*first, "...", *last]


def _leaves(cells: _Cells) -> Iterator[str]:
    if isinstance(cells, str):
        yield cells
    else:
        for cell in cells:
            yield from _leaves(cell)


def _layout(cells: _Cells, width: int, indent: int) -> str:
    if isinstance(cells, str):
        return cells if cells == "..." else cells.rjust(width)
    flat = all(isinstance(cell, str) for cell in cells)
    separator = ", " if flat else ",\n" + " " * indent
    return "[" + separator.join(_layout(cell, width, indent + 1) for cell in cells) + "]"


def _bounded(pieces: Iterable[str]) -> str:
    text = ""
    for piece in pieces:
        text += piece
        if len(text) > LIMIT:
            return text[: LIMIT - 1] + "…"
    return text


def _pieces(value: object, depth: int) -> Iterator[str]:
    """The text of a plain value bit by bit, so that nobody builds more of it than is shown."""
    if value is None:
        yield "None"
    elif isinstance(value, bool | int):
        yield number_text(value)
    elif type(value) is float:
        yield _float_text(value, 7, ".0")
    elif isinstance(value, str):
        yield repr(value) if len(value) <= _LONG else f"{value[:_LONG]!r}… ({len(value)} characters)"
    elif isinstance(value, torch.Tensor):
        yield f"<{dtype_text(value.dtype)} tensor of shape {shape_text(value.shape)}>"
    elif isinstance(value, np.generic):
        yield from _pieces(value.item(), depth)
    elif isinstance(value, list | tuple | set | frozenset | dict):
        yield from _container(value, depth)
    else:
        yield f"<{type_text(value)}>"


def _container(value: _Container, depth: int) -> Iterator[str]:
    brackets = "[]" if isinstance(value, list) else "()" if isinstance(value, tuple) else "{}"
    unordered = isinstance(value, set | frozenset)
    if not value:
        yield "set()" if unordered else brackets
    elif depth >= _DEEP or (unordered and len(value) > _MANY):
        yield f"{brackets[0]}… {len(value)} …{brackets[1]}"
    else:
        yield brackets[0]
        yield from _joined(_items(value, depth))
        yield "," + brackets[1] if isinstance(value, tuple) and len(value) == 1 else brackets[1]


def _items(value: _Container, depth: int) -> Iterator[Iterable[str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield [*_pieces(key, depth + 1), ": ", _bounded(_pieces(item, depth + 1))]
    elif isinstance(value, set | frozenset):  # sets have no order of their own
        yield from ([text] for text in sorted(_bounded(_pieces(item, depth + 1)) for item in value))
    else:
        yield from (_pieces(item, depth + 1) for item in value)


def _joined(items: Iterable[Iterable[str]]) -> Iterator[str]:
    for index, pieces in enumerate(items):
        if index:
            yield ", "
        yield from pieces


def type_text(value: object) -> str:
    """The name of the type of what a student returned: ``list``, ``tensor``, or a handle's own account of it."""
    if isinstance(value, torch.Tensor):
        return "tensor"
    told = None if type(value) in _PLAIN else getattr(value, "type_text", None)
    if isinstance(told, str):
        return plain(told, 80)
    module = "numpy." if isinstance(value, np.ndarray | np.generic) else ""
    return module + type(value).__name__


_PLAIN = (type(None), bool, int, float, str, list, tuple, set, frozenset, dict)
