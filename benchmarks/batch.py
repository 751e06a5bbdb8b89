"""Seconds a submission, beside the least it can cost and beside nbgrader: ``python -m benchmarks.batch``.

All in one run, on one class of copies of the reference solution:

- ``grader grade`` with 1 worker on 1 core and with 2 workers on 2;
- the limit: the same checks in the same pytest loop, without the wall (`benchmarks.limit`), on 1 core;
- ``nbgrader autograde`` as it comes, on the same released notebook, on 1 core and on 2.

Each is measured with the class and with one student alone: the difference is what every further submission costs when
everything is warm. nbgrader takes so long that it gets the first ``--peer`` students only.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.meter import Cost, Failed, measure
from benchmarks.sample import ASSIGNMENT, ROOT, Sample

_COURSE = ("assignments", "autotests", "solutions")
_PLAIN = """c = get_config()
c.CourseDirectory.course_id = "fastbook"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "assignments"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError"}
c.ExecutePreprocessor.timeout = 600
"""


@dataclass(frozen=True)
class Timing:
    """What ``students`` cost together, and each of them but the first."""

    name: str
    cores: int
    students: int
    whole: Cost
    each: Cost


class Bench:
    """Classes to grade, in a folder of its own."""

    def __init__(self, folder: Path, students: int, peer: int) -> None:
        self._folder, self._students, self._peer = folder, students, peer
        self._sample = Sample()
        self._flat = {size: self._sample.flat(folder / f"class{size}", size) for size in {1, students}}
        self._runs = 0

    def grader(self, cores: int) -> Timing:
        """Our command, with a worker for each core."""
        return self._timing("grader", cores, self._students, lambda size: self._grade(size, cores))

    def limit(self) -> Timing:
        """No wall."""
        command = [sys.executable, "-m", "benchmarks.limit"]
        return self._timing("limit", 1, self._students, lambda size: measure([*command, self._flat[size]], 1, ROOT))

    def nbgrader(self, cores: int) -> Timing:
        """As it comes: every notebook in a kernel of its own, one after the other."""
        return self._timing("nbgrader", cores, self._peer, lambda size: self._autograde(size, cores))

    def _timing(self, name: str, cores: int, size: int, run: Callable[[int], Cost]) -> Timing:
        one, whole = run(1), run(size)
        return Timing(name, cores, size, whole, (whole - one) / (size - 1))

    def _grade(self, size: int, cores: int) -> Cost:
        self._runs += 1
        out = self._folder / f"out{self._runs}"
        command = ["grader", "grade", ASSIGNMENT, self._flat[size], "--out", out, "--workers", str(cores)]
        return measure(command, cores, ROOT)

    def _autograde(self, size: int, cores: int) -> Cost:
        self._runs += 1
        course = self._folder / f"course{self._runs}"
        course.mkdir()
        for name in _COURSE:
            shutil.copytree(ROOT / name, course / name)
        (course / "nbgrader_config.py").write_text(_PLAIN, encoding="utf-8")  # ours would have our engine run
        self._sample.tree(course / "submitted", "s", size)
        measure(["nbgrader", "generate_assignment", ASSIGNMENT, "--create", "--force"], cores, course)
        cost = measure(["nbgrader", "autograde", ASSIGNMENT], cores, course)
        done = len(list((course / "autograded").glob(f"*/{ASSIGNMENT}/{ASSIGNMENT}.ipynb")))
        if done != size:
            raise Failed(f"nbgrader graded {done} of {size}")
        return cost


def table(timings: Sequence[Timing]) -> Table:
    """One row a command."""
    shown = Table(title="copies of the reference solution")
    for column in (
        "",
        "cores",
        "students",
        "whole, s",
        "a submission, s",
        "CPU, s",
        "each after the first, s",
        "CPU, s",
    ):
        shown.add_column(column, justify="left" if not column else "right")
    for timing in timings:
        mean = timing.whole / timing.students
        figures = (timing.whole.wall, mean.wall, mean.cpu, timing.each.wall, timing.each.cpu)
        shown.add_row(
            timing.name,
            str(timing.cores),
            str(timing.students),
            f"{figures[0]:.1f}",
            *(f"{figure:.3f}" for figure in figures[1:]),
        )
    return shown


def ratios(timings: Sequence[Timing]) -> list[str]:
    """The two promises: at most 2 times the limit, at least 10 times nbgrader on as many cores."""
    by = {(timing.name, timing.cores): timing for timing in timings}
    ours, limit = by["grader", 1], by["limit", 1]
    lines = [
        f"grader / limit, 1 core, each after the first: {ours.each.wall / limit.each.wall:.2f} "
        f"(the whole class: {ours.whole.wall / limit.whole.wall:.2f})"
    ]
    for cores in (1, 2):
        if (peer := by.get(("nbgrader", cores))) is not None:
            ours = by["grader", cores]
            mean = (peer.whole.wall / peer.students) / (ours.whole.wall / ours.students)
            lines.append(
                f"nbgrader / grader, {cores} core{'s' * (cores > 1)}, each after the first: "
                f"{peer.each.wall / ours.each.wall:.1f} (mean of the class: {mean:.1f})"
            )
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; exit code 1 when a command that was to be measured failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.batch",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--students", type=int, default=100, help="size of the class, at least 2 (100)")
    parser.add_argument("--peer", type=int, default=6, help="students that nbgrader gets, at least 2; 0 for none (6)")
    options = parser.parse_args(arguments)
    timings = []
    console = Console()
    with tempfile.TemporaryDirectory(prefix="grader-bench-") as folder:
        bench = Bench(Path(folder), max(options.students, 2), max(options.peer, 2))
        runs = [lambda: bench.grader(1), lambda: bench.grader(2), bench.limit]
        if options.peer:
            runs += [lambda: bench.nbgrader(1), lambda: bench.nbgrader(2)]
        try:
            for run in runs:
                timings.append(run())
                console.print(f"{timings[-1].name}, {timings[-1].cores} core(s): {timings[-1].whole.wall:.1f} s")
        except Failed as failed:
            console.print(str(failed), markup=False)
            return 1
    console.print(table(timings))
    console.print(*ratios(timings), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
