"""A class of ten thousand: ``python -m benchmarks.scale [--students 10000] [--only relu,mse] [--workers 2]``.

Does the last thousand go as fast as the first, and in the same memory? Grades a few exercises of copies of the
reference solution. Prints submissions a second, for each thousand; what each kind of process held in memory, and
whether the long-lived ones grew; how large the results are, and how long class page and grades took to write. The exit
code is 1 when grading failed, when it became slower or when a process grew.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import FORK_SERVER, GRADING, Watched, watched
from benchmarks.sample import GRADE, Sample

PARTS = 10
SLOWER = 0.8  # of the rate of the first part
GROWTH = 64 << 20


@dataclass(frozen=True)
class Rate:
    """How many submissions a second, from the one after ``first`` to ``last``."""

    first: int
    last: int
    a_second: float


def rates(times: Sequence[float], parts: int = PARTS) -> list[Rate]:
    """The rate of each part of a class, given when each result was written, sorted.

    It counts from the first result on: what comes before that is the start.
    """
    ends = [round(part * (len(times) - 1) / parts) for part in range(parts + 1)]
    return [
        Rate(first + 1, last + 1, (last - first) / max(times[last] - times[first], 1e-9))
        for first, last in itertools.pairwise(ends)
        if last > first
    ]


def written(out: Path, ended: float) -> Iterator[str]:
    """What took how long after the last page, as the files' times tell, in the order in which they are written."""
    graded = [path for folder in ("results", "feedback") for path in (out / folder).rglob("*.*")]
    last = max(path.stat().st_mtime for path in graded)
    steps = {
        "the end of the processes, all results read, results.jsonl": (out / "results.jsonl").stat().st_mtime,
        "grades.csv": (out / "grades.csv").stat().st_mtime,
        "class page": (out / "index.html").stat().st_mtime,
        "to the end": ended,
    }
    for name, moment in steps.items():
        yield f"{name}: {moment - last:.2f} s"
        last = moment


def sizes(out: Path) -> Iterator[str]:
    """How much there is of everything."""
    for path in sorted(path for path in out.iterdir() if not path.name.startswith(".")):
        files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
        size = sum(file.stat().st_size for file in files)
        yield f"{path.name}: {size / 2**20:.2f} MB in {len(files)} file{'s' * (len(files) != 1)}"


def faults(found: Sequence[Rate], outcome: Watched) -> Iterator[str]:
    """What must not be."""
    if outcome.code:
        yield f"grader grade ended with exit code {outcome.code}"
    if found and found[-1].a_second < SLOWER * found[0].a_second:
        yield f"the last part went at {found[-1].a_second / found[0].a_second:.2f} times the rate of the first"
    for life in outcome.lives:
        if life.role in (GRADING, FORK_SERVER) and life.grown > GROWTH:
            yield f"a {life.role} grew by {life.grown >> 20} MB"


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="grader-scale-") as scratch:
        class_, out = Path(scratch, "class"), Path(scratch, "out")
        Sample().flat(class_, options.students)
        words = ["--only", options.only, "--workers", str(options.workers)]
        outcome = watched([*GRADE, class_, "--out", out, *words])
        times = sorted(path.stat().st_mtime for path in (out / "results").glob("*.json"))
        found = rates(times) if len(times) > 1 else []
        print(f"{len(times)} of {options.students} submissions in {outcome.seconds:.0f} s, exit code {outcome.code}")
        _section("submissions a second", (f"{r.first} to {r.last}: {r.a_second:.2f}" for r in found))
        _section("memory at most", (f"{role}: {size >> 20} MB" for role, size in outcome.watcher.highest.items()))
        _section("long-lived processes", (life.told() for life in outcome.lives))
        if not outcome.code:
            _section("written after the last student's page", written(out, outcome.began + outcome.seconds))
            _section("sizes", sizes(out))
    wrong = list(faults(found, outcome))
    _section("faults", wrong or ["none"])
    return 1 if wrong else 0


def _section(title: str, lines: Iterator[str] | Sequence[str]) -> None:
    print(f"{title}:", *lines, sep="\n  ")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--students", type=int, default=10_000, help="size of the class (10000)")
    parser.add_argument("--only", default="relu,mse", metavar="NAMES", help="these exercises only (relu,mse)")
    parser.add_argument("--workers", type=int, default=2, help="processes that grade (2)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
