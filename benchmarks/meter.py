"""What a command costs: wall seconds until it ends, and the CPU seconds of all the processes it started.

The kernel adds a process's CPU time to whoever waits for it, so a process that waits for everything below it knows
the exact sum. One whose parent ended first would be lost: so the command runs under a small process of its own
(``python -m benchmarks.meter CORES -- COMMAND``) to which such orphans fall, and which waits for them too.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


class Failed(Exception):
    """A command that was to be measured did not end well; holds the end of what it printed."""


@dataclass(frozen=True)
class Cost:
    """``wall`` seconds and ``cpu`` seconds."""

    wall: float
    cpu: float

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.wall - other.wall, self.cpu - other.cpu)

    def __truediv__(self, number: float) -> Cost:
        return Cost(self.wall / number, self.cpu / number)

    def __mul__(self, number: float) -> Cost:
        return Cost(self.wall * number, self.cpu * number)


def measure(command: Sequence[str | Path], cores: int, folder: Path) -> Cost:
    """Run ``command`` in ``folder`` on ``cores`` cores. Raises `Failed` when its exit code is not 0."""
    root = Path(__file__).resolve().parents[1]
    wrapped = [sys.executable, "-m", "benchmarks.meter", str(cores), str(folder), "--", *map(str, command)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        wrapped, cwd=root, env={**os.environ, "PATH": path}, capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        words = " ".join(map(str, command))
        raise Failed(f"{words}\nended with exit code {done.returncode}:\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def main(arguments: Sequence[str]) -> int:
    """Entry point of the process in between."""
    cores, folder, _, *command = arguments
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    wall = time.monotonic() - began
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({"wall": wall, "cpu": used.ru_utime + used.ru_stime}))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
