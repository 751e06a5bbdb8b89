"""What a page draws of two tensors: small ones as tables, of large ones a map of where they differ."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Literal

import msgspec

from grader.model import Contrast, Grid

Kind = Literal["got", "expected", "delta"]


class Cell(msgspec.Struct, frozen=True):
    """One element; ``level`` is 0 where it is right, up to 4 the farther off it is."""

    text: str
    level: int


class Line(msgspec.Struct, frozen=True):
    """One row of a table; ``label`` is its index, as in ``1`` or ``0, 1``."""

    label: str
    cells: tuple[Cell, ...]


class Sheet(msgspec.Struct, frozen=True):
    """A tensor as a table, its last axis along the rows. ``columns`` and labels are there where it has such axes."""

    kind: Kind
    columns: int
    lines: tuple[Line, ...]


class Run(msgspec.Struct, frozen=True):
    """Neighbours of one level in a row of a map."""

    x: int
    y: int
    width: int
    level: int


class Map(msgspec.Struct, frozen=True):
    """Where two large tensors differ; what is right is not drawn."""

    width: int
    height: int
    runs: tuple[Run, ...]
    wrong: int
    count: int


def sheets(contrast: Contrast) -> tuple[Sheet, ...]:
    """What came back, what was expected and the difference, as far as they are there."""
    grids: tuple[tuple[Kind, Grid | None], ...] = (
        ("got", contrast.got),
        ("expected", contrast.expected),
        ("delta", contrast.delta),
    )
    plain: tuple[str, ...] = ()
    return tuple(
        _sheet(kind, grid, plain if kind == "expected" else contrast.levels) for kind, grid in grids if grid is not None
    )


def _sheet(kind: Kind, grid: Grid, levels: tuple[str, ...]) -> Sheet:
    """The table of a tensor; without levels nothing in it is coloured."""
    width = grid.shape[-1] if grid.shape else 1
    labels = itertools.product(*map(range, grid.shape[:-1]))
    rows = [grid.cells[start : start + width] for start in range(0, len(grid.cells), width)]
    shades = levels or ["0" * width] * len(rows)
    return Sheet(
        kind,
        width if grid.shape else 0,
        tuple(
            Line(", ".join(map(str, label)), tuple(map(Cell, row, map(int, shade))))
            for label, row, shade in zip(labels, rows, shades, strict=True)
        ),
    )


def picture(contrast: Contrast) -> Map | None:
    """The map of a contrast that has no tables."""
    if contrast.got is not None or not contrast.levels:
        return None
    runs = tuple(run for y, row in enumerate(contrast.levels) for run in _runs(row, y))
    return Map(len(contrast.levels[0]), len(contrast.levels), runs, contrast.wrong, contrast.count)


def _runs(row: str, y: int) -> Iterator[Run]:
    x = 0
    for digit, same in itertools.groupby(row):
        width = len(list(same))
        if digit != "0":
            yield Run(x, y, width, int(digit))
        x += width
