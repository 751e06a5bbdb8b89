"""A large class in which every fifth submission is hostile: ``python -m benchmarks.load [--students 500]``.

Grades copies of the reference solution, then the same class with attacks from the corpus in every fifth place, both
with 2 workers, and watches the processes meanwhile. Prints times, and what the long-lived processes (the pool's and
their fork servers) held in memory and descriptors when they had begun and when they ended; the exit code is 1 when a
process or a temporary folder is left over.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.sample import ASSIGNMENT, ROOT, Sample
from tests.attacks.entries import Entry, attacks
from tests.attacks.range import Range

STEP = 0.5
LONG = 20.0  # seconds after which a process that is still there counts as long-lived
WORKERS = 2


@dataclass
class Life:
    """One process: what it held each time that somebody looked."""

    role: str
    memory: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def told(self) -> str:
        """First, last and most."""
        mb = [size >> 20 for size in self.memory]
        return (
            f"{self.role}: {mb[0]} MB at first, {mb[-1]} MB at last, {max(mb)} MB at most; "
            f"{self.descriptors[0]}, {self.descriptors[-1]}, {max(self.descriptors)} descriptors"
        )


class Watcher(threading.Thread):
    """Looks at all processes below one, twice a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._top = psutil.Process(pid)
        self.lives: dict[tuple[int, float], Life] = {}
        self.seen: set[psutil.Process] = set()

    def run(self) -> None:
        """Until the process ends."""
        while self._top.is_running() and self._top.status() != psutil.STATUS_ZOMBIE:
            try:
                below = self._top.children(recursive=True)
            except psutil.Error:
                return
            for process in below:
                self._look(process)
            time.sleep(STEP)

    def _look(self, process: psutil.Process) -> None:
        self.seen.add(process)
        try:
            if time.time() - process.create_time() < LONG:
                return
            key = process.pid, process.create_time()
            life = self.lives.setdefault(key, Life(_role(process)))
            life.memory.append(process.memory_info().rss)
            life.descriptors.append(process.num_fds())
        except psutil.Error:
            return


def _role(process: psutil.Process) -> str:
    words = " ".join(process.cmdline())
    if "zygote" in words:
        return "fork server"
    return "grading process" if "spawn_main" in words else "other"


@dataclass(frozen=True)
class Outcome:
    """What came of one class."""

    seconds: float
    code: int
    left: list[str]
    lives: list[Life]


def grade(folder: Path, home: Path, options: Sequence[str]) -> Outcome:
    """Grade a folder with a TMPDIR of its own, and look at what is left in it."""
    scratch = home / "tmp"
    scratch.mkdir(parents=True)
    command = ["grade", ASSIGNMENT, str(folder), "--out", str(home / "out"), "--workers", str(WORKERS), *options]
    began = time.monotonic()
    running = subprocess.Popen(
        [sys.executable, "-m", "grader.cli", *command], cwd=ROOT, env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    watcher = Watcher(running.pid)
    watcher.start()
    code = running.wait()
    seconds = time.monotonic() - began
    watcher.join()
    _, alive = psutil.wait_procs(list(watcher.seen), 10)
    left = [f"process {process.pid}" for process in alive] + [path.name for path in scratch.iterdir()]
    return Outcome(seconds, code, left, [life for life in watcher.lives.values() if len(life.memory) > 1])


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
    outcomes = {}
    with tempfile.TemporaryDirectory(prefix="grader-load-") as name:
        home = Path(name)
        (home / "range").mkdir()
        classes = {
            "honest": Sample().flat(home / "honest", options.students),
            "one in five hostile": hostile(home / "range", options.students),
        }
        for kind, folder in classes.items():
            outcome = grade(folder, home / f"{kind} run", ["--time-limit", options.time_limit])
            outcomes[kind] = outcome
            print(f"{kind}: {options.students} submissions in {outcome.seconds:.1f} s, exit code {outcome.code}")
            print(f"  left over: {', '.join(outcome.left) or 'nothing'}")
            for life in outcome.lives:
                print(f"  {life.told()}")
    first, second = outcomes.values()
    print(f"the hostile class took {second.seconds / first.seconds:.2f} times the honest one")
    return 1 if first.left or second.left or first.code or second.code else 0


if __name__ == "__main__":
    sys.exit(main())
