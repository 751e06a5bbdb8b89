"""Where the time of a submission goes: ``python -m benchmarks.profile [--students 20] [ch17]``.

Grades copies of the reference solution in this process, as a process of the batch would, with a clock around the
grader's own functions: nothing of the grader knows of it. Each part's time is its own, without that of the parts
inside it. CPU time is counted on both sides of the wall: here, and in fork server and workers.
"""

from __future__ import annotations

import argparse
import functools
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console
from rich.table import Table

from benchmarks.sample import ASSIGNMENT, ROOT, Sample
from grader import chunk, compare
from grader.course import Course
from grader.digests import digests
from grader.grading import Grading
from grader.how import How
from grader.plugin import Checks
from grader.sandbox import client
from grader.store import Job, Task, out_of_reach
from grader.student import Student
from grader.submissions import SubmissionFile

Times = tuple[float, float, float]  # seconds: wall, CPU here, CPU behind the wall
_NONE: Times = (0.0, 0.0, 0.0)


class Parts:
    """Time by part, and how often each was entered."""

    def __init__(self) -> None:
        self.spent: dict[str, Times] = {}
        self.count: dict[str, int] = {}
        self._inner: list[Times] = [_NONE]
        self._engine: client.Engine | None = None
        self._worker: client.Worker | None = None
        self._reaped = 0.0

    def now(self) -> Times:
        """All three clocks."""
        behind = self._reaped
        for pid in (
            self._engine and self._engine._process and self._engine._process.pid,
            getattr(self._worker, "_pid", 0),
        ):
            behind += _process_clock(pid) if pid else 0.0
        return time.perf_counter(), time.process_time(), behind

    def watch_worker(self, worker: client.Worker | None) -> None:
        """Only one worker lives at a time; those that ended are counted by the fork server that reaped them."""
        self._worker = worker
        if self._engine and self._engine._process:
            times = psutil.Process(self._engine._process.pid).cpu_times()
            self._reaped = times.children_user + times.children_system

    def watch_engine(self, engine: client.Engine) -> None:
        """Count what this engine's processes use."""
        self._engine = engine

    def around(self, function: Callable[..., Any], part: Callable[..., str]) -> Callable[..., Any]:
        """``function`` with a clock around it; ``part`` names, from the arguments, what it is part of."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            name = part(*args, **kwargs)
            began = self.now()
            self._inner.append(_NONE)
            try:
                return function(*args, **kwargs)
            finally:
                spent = _minus(self.now(), began)
                inner = self._inner.pop()
                self.spent[name] = _plus(self.spent.get(name, _NONE), _minus(spent, inner))
                self.count[name] = self.count.get(name, 0) + 1
                self._inner[-1] = _plus(self._inner[-1], spent)

        return timed

    def put_around(self, owner: Any, name: str, part: str | Callable[..., str]) -> None:
        """Replace a function of a module or class by itself with a clock around it."""
        named = part if callable(part) else lambda *_, **__: part
        setattr(owner, name, self.around(getattr(owner, name), named))


def _process_clock(pid: int) -> float:
    """The CPU seconds of another process, to the nanosecond; 0 where that cannot be read, or when it is gone."""
    try:
        return time.clock_gettime(~pid << 3 | 2)  # how Linux numbers the CPU clock of a process
    except OSError:
        return 0.0


def _minus(a: Times, b: Times) -> Times:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def _plus(a: Times, b: Times) -> Times:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def instrument(parts: Parts) -> None:
    """Put clocks around the grader's functions. Before pytest imports the suite, which takes `compare`'s by name."""
    parts.put_around(chunk, "read_path", "read the notebook")
    parts.put_around(Grading, "__post_init__", "look for tampering")
    parts.put_around(client.Engine, "worker", "start a worker")
    parts.put_around(client.Worker, "request", lambda worker, request, *_: f"on the wire: {type(request.ask).__name__}")
    for name in ("_call", "_ask", "grad"):
        parts.put_around(Student, name, "encode, decode")
    for name in ("assert_close", "assert_equal"):
        parts.put_around(compare, name, "compare")
    for name in ("must", "must_not", "loops", "indexing_only", "only_builtins", "only_numpy", "must_call"):
        parts.put_around(How, name, "judge the source")
    parts.put_around(Checks, "run", "pytest, and the rest")
    parts.put_around(Grading, "result", "put the result together")
    parts.put_around(chunk, "write_result", "put the result together")
    worker, end = client.Engine.worker, client.Worker.end

    def start_watched(engine: client.Engine) -> client.Worker:
        parts.watch_engine(engine)
        started = worker(engine)
        parts.watch_worker(started)
        return started

    def end_watched(ended: client.Worker) -> None:
        end(ended)
        parts.watch_worker(None)

    client.Engine.worker = start_watched  # type: ignore[method-assign]
    client.Worker.end = end_watched  # type: ignore[method-assign]
    parts.put_around(client.Worker, "end", "end a worker")


class SuiteClock:
    """A pytest plugin with a clock around each check's function: inputs and expected values are made there."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> None:
        """Wrap the function that is about to be called, once."""
        if not hasattr(pyfuncitem.obj, "__wrapped__"):
            pyfuncitem.obj = self._parts.around(pyfuncitem.obj, lambda *_, **__: "the suite's own code")


def grade(folder: Path, assignment: str, students: int, parts: Parts) -> None:
    """Grade a class, after one more submission that warms everything up and is not counted."""
    paths = sorted(Sample(assignment).flat(folder / "in", students + 1).glob("*.ipynb"))
    results = folder / "results"
    results.mkdir()
    course = Course(ROOT).assignment(assignment)
    job, state = Job(ROOT, assignment, results, out_of_reach(course.secrets)), digests(course)
    tasks = [Task(SubmissionFile(path.stem, path.name, path), path.stem) for path in paths]
    instrument(parts)
    main = functools.partial(pytest.main)
    chunk.pytest.main = lambda args, plugins: main(args, plugins=[*plugins, SuiteClock(parts)])  # type: ignore[assignment]
    chunk.grade(job, state, tasks[:1])
    parts.spent.clear(), parts.count.clear()
    chunk.grade(job, state, tasks[1:])


def table(parts: Parts, students: int) -> Table:
    """Parts by CPU time on both sides, the most expensive first; all numbers are for one submission."""
    shown = Table(title=f"one submission (mean of {students}), milliseconds")
    shown.add_column("part")
    for column in ("times", "wall", "CPU here", "CPU behind the wall", "CPU"):
        shown.add_column(column, justify="right")
    rows = sorted(parts.spent.items(), key=lambda item: -(item[1][1] + item[1][2]))
    total = functools.reduce(_plus, parts.spent.values(), _NONE)
    for name, spent in [*rows, ("all", total)]:
        times = f"{parts.count[name] / students:.1f}" if name in parts.count else ""
        wall, here, behind = (seconds / students * 1000 for seconds in spent)
        shown.add_row(name, times, *(f"{ms:.1f}" for ms in (wall, here, behind, here + behind)))
        if name == (rows[-1][0] if rows else ""):
            shown.add_section()
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__.split("\n")[0])
    parser.add_argument("--students", type=int, default=20, help="submissions to take the mean of (20)")
    parser.add_argument("assignment", nargs="?", default=ASSIGNMENT, help=f"which one ({ASSIGNMENT})")
    options = parser.parse_args(arguments)
    parts = Parts()
    with tempfile.TemporaryDirectory(prefix="grader-bench-") as folder:
        grade(Path(folder), options.assignment, options.students, parts)
    Console().print(table(parts, options.students))
    return 0


if __name__ == "__main__":
    sys.exit(main())
