"""Figures for people and programs: tables for the terminal, JSON, and a picture of what a submission costs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from rich.table import Table

from benchmarks.figures import Figure
from benchmarks.race import COSTS, EACH
from grader import charts

_COLOURS = ("#0b6e4f",)
_DIGITS = 6


def tables(figures: Sequence[Figure]) -> list[Table]:
    """One for each section: a row a name, a column a measure; median, and least to most where there are several."""
    return [_table(title, [f for f in figures if f.section == title]) for title in _each(f.section for f in figures)]


def _table(title: str, figures: Sequence[Figure]) -> Table:
    shown = Table(title=title, title_justify="left")
    measures = _each(figure.measure for figure in figures)
    shown.add_column("")
    for measure in measures:
        shown.add_column(measure, justify="right")
    cells = {(figure.name, figure.measure): str(figure) for figure in figures}
    for name in _each(figure.name for figure in figures):
        shown.add_row(name, *(cells.get((name, measure), "") for measure in measures))
    return shown


def as_json(facts: Mapping[str, Any], figures: Sequence[Figure]) -> str:
    """Everything, each value included; ``facts`` say on what machine, how many students and so on."""
    told = [
        {
            "section": figure.section,
            "name": figure.name,
            "measure": figure.measure,
            "median": round(figure.median, _DIGITS),
            "least": round(figure.least, _DIGITS),
            "most": round(figure.most, _DIGITS),
            "values": [round(value, _DIGITS) for value in figure.values],
        }
        for figure in figures
    ]
    return json.dumps({"facts": facts, "figures": told}, indent=1, ensure_ascii=False) + "\n"


def picture(figures: Sequence[Figure]) -> str | None:
    """An SVG: seconds for each further submission, a bar a contender, with its spread; None without pygal."""
    pygal = charts.library()
    bars = [figure for figure in figures if (figure.section, figure.measure) == (COSTS, EACH)]
    if pygal is None or not bars:
        return None
    from pygal.style import CleanStyle

    chart = pygal.HorizontalBar(
        title=f"{COSTS}, {EACH}", width=800, height=60 + 50 * len(bars), range=(0, _end(bars)), show_legend=False,
        style=CleanStyle(colors=_COLOURS, background="white", plot_background="white", label_font_size=13),
        no_prefix=True,
    )  # fmt: skip
    upwards = bars[::-1]  # as pygal draws them
    chart.x_labels = [f"{figure.name}: {figure}" for figure in upwards]
    chart.add("", [{"value": max(f.median, 0), "ci": {"low": f.least, "high": f.most}} for f in upwards])
    return _without_scripts(chart.render_tree())


def _without_scripts(root: ElementTree.Element) -> str:
    for above in root.iter():
        for script in above.findall("script"):
            above.remove(script)
    return ElementTree.tostring(root, encoding="unicode")


def _end(bars: Sequence[Figure]) -> float:
    return max(figure.most for figure in bars) * 1.1 or 1.0


def _each(names: Any) -> list[str]:
    return list(dict.fromkeys(names))
