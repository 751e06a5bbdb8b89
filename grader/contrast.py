"""What came back beside what was expected, element by element, in a form that travels in a result.

Small tensors are told whole; of larger ones goes a map of where they differ. Both are bounded, and both are texts:
JSON has no NaN, and a reader's page needs no arithmetic.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from grader.model import Contrast, Grid
from grader.show import element_text, number_text, readable

DIGITS = 5  # of an element: a wrong float32 differs in these
SMALL = 100  # elements up to which a tensor is told whole
ROWS, COLUMNS = 40, 64  # the largest map
_LARGEST = 1_000_000  # elements up to which there is a map
_STEPS = (0.01, 0.1, 1.0)  # how far off, in sizes of a typical element, parts one level from the next


def contrast(got: Tensor, expected: Tensor, right: Tensor | None) -> Contrast | None:
    """Two tensors side by side; ``right`` tells which elements were accepted, None where they cannot be compared.

    None when there is nothing that a reader could look at.
    """
    if not (readable(got) and readable(expected)) or 0 in (got.numel(), expected.numel()):
        return None
    if max(got.numel(), expected.numel()) <= SMALL:
        return _whole(got, expected, right)
    if right is None or got.numel() > _LARGEST:
        return None
    return Contrast(levels=_map(_levels(got, expected, right)), wrong=int((~right).sum()), count=right.numel())


def _whole(got: Tensor, expected: Tensor, right: Tensor | None) -> Contrast:
    grids = _grid(got), _grid(expected)
    if right is None:
        return Contrast(*grids)
    levels = _rows(_levels(got, expected, right))
    delta = None if got.dtype == torch.bool else _delta(got, expected, right)
    return Contrast(*grids, delta, levels, wrong=int((~right).sum()), count=right.numel())


def _grid(value: Tensor) -> Grid:
    return Grid(tuple(value.shape), tuple(element_text(element, DIGITS) for element in value.reshape(-1).tolist()))


def _delta(got: Tensor, expected: Tensor, right: Tensor) -> Grid:
    """``got - expected``, and 0 wherever that was accepted."""
    off = torch.where(right, 0.0, got.to(torch.float64) - expected.to(torch.float64))
    return Grid(tuple(off.shape), tuple(number_text(element, 3) for element in off.reshape(-1).tolist()))


def _levels(got: Tensor, expected: Tensor, right: Tensor) -> Tensor:
    """For each element 0 where it was accepted, and up to 4 the farther off it is; NaN is as far as can be."""
    e = expected.to(torch.float64)
    sizes = e[e.isfinite() & (e != 0)].abs()
    off = (got.to(torch.float64) - e).abs() / (sizes.mean() if sizes.numel() else 1.0)
    level = 1 + sum(((off >= step) | off.isnan()).to(torch.int64) for step in _STEPS)
    return torch.where(right, 0, level)


def _rows(levels: Tensor) -> tuple[str, ...]:
    """A digit an element; the last axis goes along a row."""
    flat = levels.reshape(-1, levels.shape[-1] if levels.ndim else 1)
    return tuple("".join(map(str, row)) for row in flat.tolist())


def _map(levels: Tensor) -> tuple[str, ...]:
    """The levels on a plane of bounded size: of elements that share a place, the one that is farthest off.

    The last two axes go down and across, as in a matrix; those before them, in turn, put such panels side by side and
    below each other, as the images of a batch.
    """
    axes = list(range(levels.ndim))
    down, across = axes[-2::-2][::-1], axes[::-2][::-1]
    height = math.prod(levels.shape[axis] for axis in down)
    plane = levels.permute(*down, *across).reshape(1, height, -1).to(torch.float64)
    size = min(height, ROWS), min(plane.shape[-1], COLUMNS)
    return _rows(torch.nn.functional.adaptive_max_pool2d(plane, size)[0].to(torch.int64))
