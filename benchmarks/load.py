"""A large class in which every fifth submission is hostile: ``python -m benchmarks.load [--students 500]``.

Grades copies of the reference solution, then the same class with attacks from the corpus in every fifth place, both
with 2 workers, and watches the processes meanwhile. Prints times, and what the long-lived processes (the pool's and
their fork servers) held in memory and descriptors when they had begun and when they ended; the exit code is 1 when a
process or a temporary folder is left over.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import Watched, watched
from benchmarks.sample import GRADE, Sample
from tests.attacks.entries import Entry, attacks
from tests.attacks.range import Range

WORKERS = 2


def grade(folder: Path, home: Path, options: Sequence[str]) -> tuple[Watched, list[str]]:
    """Grade a folder with a TMPDIR of its own; what came of it, and what is left over."""
    scratch = home / "tmp"
    scratch.mkdir(parents=True)
    command = [*GRADE, folder, "--out", home / "out", "--workers", str(WORKERS), *options]
    outcome = watched(command, {**os.environ, "TMPDIR": str(scratch)})
    left = [f"process {process.pid}" for process in outcome.left()] + [path.name for path in scratch.iterdir()]
    return outcome, left


def hostile(home: Path, students: int) -> Path:
    """The class with an attack in every fifth place, from those that are a notebook and nothing else."""
    folder = Sample().flat(home / "hostile", students)
    entries: list[Entry] = [entry for entry in attacks() if not entry.file]
    with Range(home) as place:
        place.hand_in(entries)
        for number, path in enumerate(sorted(folder.glob("*.ipynb"))[::5]):
            entry = entries[number % len(entries)]
            path.write_bytes((place.submissions / f"{entry.handed_in_as}.ipynb").read_bytes())
    return folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--students", type=int, default=500, help="size of the class (500)")
    parser.add_argument("--time-limit", default="1", help="seconds of CPU time of a call (1)")
    options = parser.parse_args(arguments)
    outcomes, off = {}, False
    with tempfile.TemporaryDirectory(prefix="grader-load-") as name:
        home = Path(name)
        (home / "range").mkdir()
        classes = {
            "honest": Sample().flat(home / "honest", options.students),
            "one in five hostile": hostile(home / "range", options.students),
        }
        for kind, folder in classes.items():
            outcome, left = grade(folder, home / f"{kind} run", ["--time-limit", options.time_limit])
            outcomes[kind] = outcome
            off |= bool(left or outcome.code)
            print(f"{kind}: {options.students} submissions in {outcome.seconds:.1f} s, exit code {outcome.code}")
            print(f"  left over: {', '.join(left) or 'nothing'}")
            for life in outcome.lives:
                print(f"  {life.told()}")
    first, second = outcomes.values()
    print(f"the hostile class took {second.seconds / first.seconds:.2f} times the honest one")
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main())
