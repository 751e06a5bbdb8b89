"""The processes of a command while it runs: what each kind holds in memory, and what is left of them afterwards."""

from __future__ import annotations

import contextlib
import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.sample import ROOT

COMMAND, GRADING, FORK_SERVER, WORKER, OTHER = "the command", "grading process", "fork server", "worker", "other"
STEP = 0.25
_FORK_SERVER = "grader.sandbox.zygote"
LONG = 20.0  # seconds after which a process that is still there counts as long-lived
_HIGHEST = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


@dataclass
class Life:
    """One long-lived process: what it held each time that somebody looked."""

    role: str
    memory: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    @property
    def grown(self) -> int:
        """Bytes that it held more at last than at first."""
        return self.memory[-1] - self.memory[0]

    def told(self) -> str:
        """First, last and most."""
        mb = [size >> 20 for size in self.memory]
        return (
            f"{self.role}: {mb[0]} MB at first, {mb[-1]} MB at last, {max(mb)} MB at most; "
            f"{self.descriptors[0]}, {self.descriptors[-1]}, {max(self.descriptors)} descriptors"
        )


class Watcher(threading.Thread):
    """Looks at a process and all below it, again and again.

    ``highest`` is by role: the most that any process of that kind ever held, in bytes. What processes share, such as
    torch's code, counts in each.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._top = psutil.Process(pid)
        self._words: list[str] = []
        self.lives: dict[psutil.Process, Life] = {}
        self.seen: set[psutil.Process] = set()
        self.highest: dict[str, int] = {}

    def run(self) -> None:
        """Until the process ends."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._words = self._top.cmdline()
            while self._top.status() != psutil.STATUS_ZOMBIE:
                for process in (self._top, *self._top.children(recursive=True)):
                    self._look(process)
                time.sleep(STEP)

    def _look(self, process: psutil.Process) -> None:
        self.seen.add(process)
        with contextlib.suppress(psutil.Error, OSError):
            role = self._role(process)
            self.highest[role] = max(self.highest.get(role, 0), _highest(process))
            held = process.memory_info().rss
            if held and time.time() - process.create_time() >= LONG:  # one that is ending holds nothing
                life = self.lives.setdefault(process, Life(role))
                life.memory.append(held)
                life.descriptors.append(process.num_fds())

    def _role(self, process: psutil.Process) -> str:
        """By its words, looked at each time: before it has become what it will be, a process has its parent's."""
        words = process.cmdline()
        if _FORK_SERVER in words:  # a worker is forked from the fork server, and keeps its words
            parent = process.parent()
            return WORKER if parent and _FORK_SERVER in parent.cmdline() else FORK_SERVER
        if any("spawn_main" in word for word in words):
            return GRADING
        return COMMAND if words == self._words else OTHER


def _highest(process: psutil.Process) -> int:
    """The most that a process has held so far, as the kernel counts it."""
    status = Path(f"/proc/{process.pid}/status")
    if status.exists() and (found := _HIGHEST.search(status.read_text(encoding="utf-8", errors="replace"))):
        return int(found[1]) << 10
    return int(process.memory_info().rss)


@dataclass(frozen=True)
class Watched:
    """A command that has ended: when it ``began`` (as files' times are told), how long it took, and its processes."""

    began: float
    seconds: float
    code: int
    watcher: Watcher

    @property
    def lives(self) -> list[Life]:
        """Its long-lived processes."""
        return [life for life in self.watcher.lives.values() if len(life.memory) > 1]

    def left(self) -> list[psutil.Process]:
        """Processes of its that are still there ten seconds later."""
        return psutil.wait_procs([process for process in self.watcher.seen if process.is_running()], 10)[1]


def watched(command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Watched:
    """Run a command in our own folder, its output thrown away, and watch it."""
    began, clock = time.time(), time.monotonic()
    running = subprocess.Popen(
        list(map(str, command)), cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    watcher = Watcher(running.pid)
    watcher.start()
    code = running.wait()
    seconds = time.monotonic() - clock
    watcher.join()
    return Watched(began, seconds, code, watcher)
