"""What was measured: one figure a thing, with a value for each time that it was measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """``measure`` of ``name``: "CPU seconds" of "nbgrader, 1 core". A section is a table: its names are the rows."""

    section: str
    name: str
    measure: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def least(self) -> float:
        return min(self.values)

    @property
    def most(self) -> float:
        return max(self.values)

    def __str__(self) -> str:
        spread = f" ({_short(self.least)}–{_short(self.most)})" if len(self.values) > 1 else ""
        return _short(self.median) + spread


def ratio(section: str, name: str, measure: str, above: Sequence[float], below: Sequence[float]) -> Figure | None:
    """How many times ``below`` goes into ``above``, turn by turn; None where none has sense.

    A difference of two runs can come out as nothing, or less, where others use the machine: no ratio comes of that.
    """
    pairs = [(a, b) for a, b in zip(above, below, strict=False) if a > 0 and b > 0]
    if not pairs or len(above) != len(below):
        return None
    return Figure(section, name, measure, tuple(a / b for a, b in pairs))


def _short(number: float) -> str:
    """Three digits that count: 0.0123, 1.23, 12.3, 123."""
    if number == 0 or abs(number) >= 100:
        return f"{number:.0f}"
    places = 2 if abs(number) >= 1 else 3
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.{places}f}" if abs(number) >= 0.1 else f"{number:.3g}"
