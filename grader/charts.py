"""The class page's charts: drawn by pygal as SVG that stands in the page, is coloured by its style and runs nothing.

pygal comes with the ``instructor`` extra. Without it a page has the figures alone, in a table.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup

_DRAWN = {"svg", "g", "rect", "path", "text"}
_KEPT = {"class", "x", "y", "width", "height", "d", "transform", "viewBox"}
_LOOSE = re.compile(r"\.(\d\d)\d+")  # more of a coordinate than anybody sees


def histogram(counts: Mapping[str, int], says: str) -> Markup:
    """A bar a label, its count above it; ``says`` is read out in its place."""
    return _svg(lambda pygal: _bars(pygal, counts), says)


def stacked(labels: Sequence[str], series: Mapping[str, Sequence[int]], says: str) -> Markup:
    """A column a label, made of one part for each series, in their order from below."""
    return _svg(lambda pygal: _columns(pygal, labels, series), says)


def _bars(pygal: Any, counts: Mapping[str, int]) -> Any:
    chart = pygal.Bar(
        **_PLAIN,
        width=640,
        height=200,
        print_values=True,
        print_values_position="top",
        formatter=lambda value: str(value or ""),
        show_y_labels=False,
        show_y_guides=False,
        range=(0, max(counts.values(), default=0) * 1.15 or 1),
    )
    chart.x_labels = list(counts)
    chart.add("", list(counts.values()))
    return chart


def _columns(pygal: Any, labels: Sequence[str], series: Mapping[str, Sequence[int]]) -> Any:
    chart = pygal.StackedBar(**_PLAIN, width=960, height=200)
    highest = max(map(sum, zip(*series.values(), strict=True)), default=0)
    chart.y_labels = sorted({0, highest // 2, highest})
    chart.x_labels = list(labels)
    for name, values in series.items():
        chart.add(name, list(values))
    return chart


_PLAIN: dict[str, Any] = {"js": (), "css": (), "show_legend": False, "margin": 0, "margin_top": 8}


def _svg(draw: Callable[[Any], Any], says: str) -> Markup:
    """A chart without what pygal adds to it: style and script of its own, tooltips, the date."""
    if (pygal := library()) is None:
        return Markup()
    root = _stripped(draw(pygal).render_tree())
    root.attrib |= {"class": "chart", "role": "img", "aria-label": says}
    return Markup(_LOOSE.sub(r".\1", ElementTree.tostring(root, encoding="unicode")))


@functools.cache
def library() -> Any:
    """pygal; None in a student's install."""
    try:
        import pygal
    except ImportError:
        return None
    # It leaves a finder of a kind that Python warns of at every import.
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != pygal.__name__]
    return pygal


def _stripped(node: ElementTree.Element) -> ElementTree.Element:
    kept = ElementTree.Element(str(node.tag), {key: value for key, value in node.attrib.items() if key in _KEPT})
    kept.text = node.text
    kept.extend(_stripped(child) for child in node if child.tag in _DRAWN and child.get("class") != "background")
    return kept
