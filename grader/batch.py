"""Many submissions over an executor: one pytest session a chunk, one result file a submission, resumable.

A result is keyed by what made it (notebook, suite, reference, grader, options), so a second run grades only what
changed, an exercise alone where only its checks did, and a killed run goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import multiprocessing
import os
import platform
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from grader.course import Assignment, Course
from grader.digests import Digests, digests
from grader.engines import engine_for
from grader.model import Exercise, ExerciseResult, Flag, SubmissionResult
from grader.notebook import Submission
from grader.sandbox.confine import die_with_parent
from grader.sentences import Text, sentence
from grader.store import Job, Results, Task, read_heads, sweep
from grader.submissions import SubmissionFile

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

PROGRESS_SECONDS = 0.2
MAX_CHUNK = 16
TRIES = 3


def processes(workers: int) -> Callable[[], Executor]:
    """What makes the processes that grade. They end with this one, however it ends.

    Where every core has one (or two, ...), each keeps to its core: a grading process and its worker take turns, and one
    that wakes up on a core of its own is a tenth slower.
    """
    os.environ["PYTHONSAFEPATH"] = "1"  # or each would import from the current folder first: a student's, perhaps
    return functools.partial(_pool, workers)


class _Pool(ProcessPoolExecutor):
    """Processes that nobody waits for when the command is stopped: what they have written is whole."""

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if kind is not None and not issubclass(kind, Exception):
            self.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.kill()
        return super().__exit__(kind, value, trace)


def _pool(workers: int) -> Executor:
    spawn = multiprocessing.get_context("spawn")
    homes = spawn.SimpleQueue()
    for core in shares(workers, _cores()):
        homes.put(core)
    return _Pool(workers, spawn, initializer=_at_home, initargs=(os.getpid(), homes))


def _at_home(parent: int, homes: SimpleQueue[int | None]) -> None:
    die_with_parent(parent)
    if (core := homes.get()) is not None:
        with contextlib.suppress(OSError):  # it has been taken away meanwhile
            os.sched_setaffinity(0, {core})


def shares(workers: int, cores: Sequence[int]) -> list[int | None]:
    """The core of each process; None for all when they cannot be shared out evenly."""
    even = bool(cores) and workers % len(cores) == 0
    return [cores[number % len(cores)] if even else None for number in range(workers)]


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


def probe(job: Job) -> None:
    """In a process of the pool: warm its engine, and raise `EngineError` when student code cannot be confined."""
    engine = engine_for(job)
    engine.prepare()
    importlib.import_module("grader.chunk")  # torch, pytest: meanwhile, and not in the process that only waits
    engine.worker().end()


def grade_chunk(job: Job, state: Digests, tasks: Sequence[Task]) -> str | None:
    """In a process of the pool: grade some submissions; what went wrong, if anything, that is no student's fault.

    Only what is seen here as it was when it got its key: a file that is gone, or cannot be read, is nobody's zero.
    """
    from grader.chunk import grade

    if digests(Course(job.root).assignment(job.assignment)) != state:
        return _CHANGED
    base = base_key(job, state)
    same = [task for task in tasks if key_of(task.file, base) == task.key]
    trouble = grade(job, state, same) if same else None
    return trouble or (_CHANGED if len(same) < len(tasks) else None)


_CHANGED = "a notebook or the course changed while it was graded, or could not be read; run the same command again"


def key_of(file: SubmissionFile, base: str) -> str:
    """The key of a submission's result."""
    digest = hashlib.sha256(base.encode())
    digest.update(repr((file.student, file.notebook, file.note)).encode(errors="replace"))
    try:
        if file.path and file.path.is_file() and not file.path.is_symlink():
            with file.path.open("rb") as handle:
                digest.update(handle.read(64 << 20))
    except OSError:
        pass
    return digest.hexdigest()


def base_key(job: Job, state: Digests) -> str:
    """What all results of a batch depend on, whatever is asked: options, and what all exercises share."""
    options = job.only, job.limits, job.unconfined, job.naming
    return hashlib.sha256(repr((versions(), options, state.shared)).encode()).hexdigest()


def versions() -> str:
    """Of all that a result may depend on: with others it may be another."""
    packages = (f"{name} {version(name)}" for name in ("torch", "numpy", "pytest", "ch17-grader"))
    return ", ".join([f"Python {platform.python_version()}", *packages])


def run(
    job: Job,
    files: Sequence[SubmissionFile],
    executor: Callable[[], AbstractContextManager[Executor]],
    workers: int,
    progress: Callable[[int], None],
) -> tuple[Results, str | None]:
    """Grade what has no current result yet; ``executor`` makes the pool, again when a process of it was killed.

    The results of all ``files``, sorted by student, and what went wrong with the suite itself, if anything. Raises
    `EngineError` when student code cannot be confined.
    """
    assignment = Course(job.root).assignment(job.assignment)
    state = digests(assignment)
    base = base_key(job, state)
    keyed = {file.student: Task(file, key_of(file, base)) for file in files}
    trouble = None
    sweep(job.results)
    for _ in range(TRIES):
        todo = _todo(job, state, keyed)
        if not todo:
            break
        forget(job, (task.file for task in todo if task.again is None))  # what there is was made by something else
        shifted = functools.partial(_shift, progress, len(keyed) - len(todo))
        with executor() as pool:
            trouble, broken = _grade(job, state, todo, pool, workers, shifted)
        if not broken:
            break
    why = trouble or sentence("the process that graded it ended")
    left = [task.file for task in _todo(job, state, keyed, failed=False)]
    lost = {file.student: _lost(assignment, job, why, file) for file in left}
    return Results(job.results, keyed, lost), trouble


def forget(job: Job, files: Iterable[SubmissionFile]) -> None:
    """Remove what results there are of these submissions, so that all are graded."""
    for file in files:
        (job.results / f"{file.student}.json").unlink(missing_ok=True)


def _shift(progress: Callable[[int], None], before: int, fresh: int) -> None:
    progress(before + fresh)


def _todo(job: Job, state: Digests, keyed: Mapping[str, Task], failed: bool = True) -> list[Task]:
    """What has no result on disk that still holds; ``failed``: or one that failed through our fault."""
    now, todo = state.among(job.only), dict(keyed)
    for head in read_heads(job.results):
        student = head.result.student
        if student not in keyed or head.key != keyed[student].key or (failed and "engine" in head.result.flags):
            continue
        if head.parts == now:
            del todo[student]
        elif head.parts.keys() == now.keys():
            again = frozenset(name for name, part in now.items() if head.parts[name] != part)
            todo[student] = replace(keyed[student], again=again)
    return list(todo.values())


def _grade(
    job: Job, state: Digests, todo: Sequence[Task], pool: Executor, workers: int, progress: Callable[[int], None]
) -> tuple[str | None, bool]:
    """Grade in chunks. What went wrong, and whether it was the pool that broke."""
    names = {f"{task.file.student}.json" for task in todo}
    before = _inodes(job.results, names)
    try:
        for probed in [pool.submit(probe, job) for _ in range(min(workers, len(todo)))]:  # all start at once
            probed.result()
        size = max(1, min(MAX_CHUNK, -(-len(todo) // (workers * 2))))
        waiting = {pool.submit(grade_chunk, job, state, todo[at : at + size]) for at in range(0, len(todo), size)}
        trouble = None
        while waiting:
            ready, waiting = wait(waiting, PROGRESS_SECONDS, FIRST_COMPLETED)
            for future in ready:
                trouble = trouble or future.result()
            progress(len(_inodes(job.results, names).items() - before.items()))
        return trouble, False
    except BrokenExecutor as error:
        return f"a grading process was killed ({error})", True


def _inodes(folder: Path, names: Collection[str]) -> dict[str, int]:
    """Those of some files that are there: one that is written anew is another."""
    return {entry.name: entry.inode() for entry in os.scandir(folder) if entry.name in names}


def _lost(assignment: Assignment, job: Job, why: Text, file: SubmissionFile) -> SubmissionResult:
    exercises = [e for e in assignment.exercises if not job.only or e.name in job.only]
    problem = sentence("not graded: %(why)s", why=why[:480] if isinstance(why, str) else why)
    return ungraded(job.assignment, exercises, file, problem, ("engine",))


def ungraded(
    assignment: str,
    exercises: Sequence[Exercise],
    file: SubmissionFile,
    problem: Text,
    flags: tuple[Flag, ...] = (),
    submission: Submission | None = None,
) -> SubmissionResult:
    """The result of a submission that has none: *not run*, every exercise of it; with the answers, where known."""
    sources = submission.sources if submission else {}
    return SubmissionResult(
        assignment=assignment,
        student=file.student,
        notebook=file.notebook,
        status="error",
        score=0.0,
        max_score=sum(exercise.points for exercise in exercises),
        flags=flags,
        problem=problem,
        exercises=tuple(
            ExerciseResult(e.name, 0.0, e.points, "not_run", (), e.title, sources.get(e.name, "")) for e in exercises
        ),
        written=submission.written if submission else (),
    )
