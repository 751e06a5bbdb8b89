"""All measurements in one go: ``python -m benchmarks [--students 50] [--peer 4] [--repeats 3] [--out bench]``.

First who grades the same class, with the same checks, and how fast (`benchmarks.race`, `benchmarks.contenders`); then
what students and instructors wait for, and what the processes hold in memory (`benchmarks.timings`). Prints tables of
medians, with the least and the most of the repeats in brackets; ``--out`` gets ``figures.json``, with every value, and
``seconds.svg``. Whatever else runs on the machine meanwhile makes figures larger, and their spread.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from benchmarks import publication
from benchmarks.contenders import Contender, Contenders
from benchmarks.figures import Figure
from benchmarks.otter import Missing, Otter
from benchmarks.race import costs, race, ratios
from benchmarks.timings import Timings

_SIZES = {
    "students": (50, "size of the class, at least 4"),
    "peer": (4, "students that nbgrader and otter get, an even number from 4 on; 0 to leave them out"),
    "repeats": (3, "how often everything is measured"),
}


def contenders(folder: Path, students: int, peer: int, console: Console) -> list[Contender]:
    """Who there is to compare; otter only where it can be installed."""
    who = Contenders(folder, students, peer)
    found = [who.ours(1), who.ours(2), who.limit()]
    if peer:
        found += [who.nbgrader(1), who.nbgrader(2)]
        try:
            (folder / "otter").mkdir()
            installed = Otter(folder / "otter", peer)
        except Missing as missing:
            console.print(str(missing), markup=False)
        else:
            found += [who.otter(installed, 1), who.otter(installed, 2)]
    return found


def facts(options: argparse.Namespace) -> dict[str, Any]:
    """On what all of it was measured, and how; ``load`` is what the machine had to do anyway."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        **{package: version(package) for package in ("ch17-grader", "torch", "pytest", "nbgrader")},
        "load": round(os.getloadavg()[0], 2),
        **{name: getattr(options, name) for name in _SIZES},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; exit code 1 when something that was to be measured failed."""
    options = _options(arguments)
    console, known = Console(), facts(options)
    console.print(*(f"{name}: {value}" for name, value in known.items()), sep="; ", highlight=False)
    with tempfile.TemporaryDirectory(prefix="grader-bench-") as scratch:

        def say(text: str) -> None:
            console.print(text, markup=False, highlight=False)

        entered = contenders(Path(scratch), options.students, options.peer, console)
        timed = race(entered, options.repeats, say)
        timings = Timings(Path(scratch), options.students, say)
        for _ in range(options.repeats):
            timings.take()
    _publish(console, options.out, known, [*costs(timed), *ratios(timed), *timings.figures()])
    return 1 if timings.failed or len(timed) < len(entered) else 0


def _publish(console: Console, out: Path, known: dict[str, Any], figures: Sequence[Figure]) -> None:
    console.print(*publication.tables(figures), sep="\n")
    out.mkdir(parents=True, exist_ok=True)
    (out / "figures.json").write_text(publication.as_json(known, figures), encoding="utf-8")
    if drawn := publication.picture(figures):
        (out / "seconds.svg").write_text(drawn, encoding="utf-8")
    console.print(f"written: {out}", markup=False, highlight=False)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, (default, text) in _SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{text} ({default})")
    parser.add_argument("--out", type=Path, default=Path("bench"), help="where figures.json and seconds.svg go (bench)")
    options = parser.parse_args(arguments)
    peer_fits = options.peer == 0 or (options.peer >= 4 and options.peer % 2 == 0)  # otter runs two at a time
    if options.students < 4 or options.repeats < 1 or not peer_fits:
        parser.error("--students 4 or more, --peer 4, 6, 8 ... or 0 for none, --repeats 1 or more")
    return options


if __name__ == "__main__":
    sys.exit(main())
