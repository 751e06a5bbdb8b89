"""Many submissions over an executor: one pytest session a chunk, one result file a submission, resumable.

A result is keyed by what made it (notebook, suite, reference, grader, options), so a second run grades only what
changed, and a killed run goes on where it stopped.
"""

from __future__ import annotations

import functools
import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path

from grader.course import Assignment, Course, digest
from grader.model import Exercise, ExerciseResult, Flag, SubmissionResult
from grader.notebook import Submission
from grader.sandbox.confine import die_with_parent
from grader.sentences import Text, sentence
from grader.store import Job, read_results, sweep
from grader.submissions import SubmissionFile

PROGRESS_SECONDS = 0.2
MAX_CHUNK = 16
TRIES = 3


def processes(workers: int) -> Callable[[], Executor]:
    """What makes the processes that grade. They end with this one, however it ends."""
    os.environ["PYTHONSAFEPATH"] = "1"  # or each would import from the current folder first: a student's, perhaps
    spawn = multiprocessing.get_context("spawn")
    return functools.partial(ProcessPoolExecutor, workers, spawn, initializer=die_with_parent, initargs=(os.getpid(),))


def probe(job: Job) -> None:
    """In a process of the pool: warm its engine, and raise `EngineError` when student code cannot be confined."""
    from grader.chunk import engine_for  # torch and pytest are for the pool's processes, not for the one that waits

    engine_for(job).worker().end()


def grade_chunk(job: Job, files: Sequence[tuple[SubmissionFile, str]]) -> str | None:
    """In a process of the pool: grade some submissions; what went wrong, if anything, that is no student's fault.

    Only what is seen here as it was when it got its key: a file that is gone, or cannot be read, is nobody's zero.
    """
    from grader.chunk import grade

    base = base_key(job, Course(job.root).assignment(job.assignment))
    same = [(file, key) for file, key in files if key_of(file, base) == key]
    trouble = grade(job, same) if same else None
    return trouble or (_CHANGED if len(same) < len(files) else None)


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


def base_key(job: Job, assignment: Assignment) -> str:
    """What all results of a batch depend on: suite, notebooks of ours, grader, options."""
    options = version("ch17-grader"), job.only, job.limits, job.unconfined, job.naming
    return hashlib.sha256(repr(options).encode() + digest(assignment)).hexdigest()


def run(
    job: Job,
    files: Sequence[SubmissionFile],
    executor: Callable[[], AbstractContextManager[Executor]],
    workers: int,
    progress: Callable[[int], None],
) -> tuple[list[SubmissionResult], str | None]:
    """Grade what has no current result yet; ``executor`` makes the pool, again when a process of it was killed.

    The results of all ``files``, sorted by student, and what went wrong with the suite itself, if anything. Raises
    `EngineError` when student code cannot be confined.
    """
    assignment = Course(job.root).assignment(job.assignment)
    base = base_key(job, assignment)
    keyed = {file.student: (file, key_of(file, base)) for file in files}
    trouble = None
    sweep(job.results)
    for _ in range(TRIES):
        current = _current(job, keyed)
        todo = [pair for name, pair in keyed.items() if name not in current]
        if not todo:
            break
        forget(job, (file for file, _key in todo))  # what there is of them was made by something else
        with executor() as pool:
            trouble, broken = _grade(job, todo, pool, workers, functools.partial(_shift, progress, len(current)))
        if not broken:
            break
    current = _current(job, keyed)
    why = trouble or sentence("the process that graded it ended")
    lost = functools.partial(_lost, assignment, job, why)
    results = [current.get(name) or lost(file) for name, (file, _key) in keyed.items()]
    return sorted(results, key=lambda result: result.student), trouble


def forget(job: Job, files: Iterable[SubmissionFile]) -> None:
    """Remove what results there are of these submissions, so that all are graded."""
    for file in files:
        (job.results / f"{file.student}.json").unlink(missing_ok=True)


def _shift(progress: Callable[[int], None], before: int, fresh: int) -> None:
    progress(before + fresh)


def _current(job: Job, keyed: Mapping[str, tuple[SubmissionFile, str]]) -> dict[str, SubmissionResult]:
    """The results on disk that still hold. One that failed through our fault does not."""
    return {
        name: stored.result
        for name, stored in read_results(job.results).items()
        if name in keyed and stored.key == keyed[name][1] and "engine" not in stored.result.flags
    }


def _grade(
    job: Job, todo: Sequence[tuple[SubmissionFile, str]], pool: Executor, workers: int, progress: Callable[[int], None]
) -> tuple[str | None, bool]:
    """Grade in chunks. What went wrong, and whether it was the pool that broke."""
    try:
        pool.submit(probe, job).result()
        size = max(1, min(MAX_CHUNK, -(-len(todo) // (workers * 2))))
        waiting = {pool.submit(grade_chunk, job, todo[at : at + size]) for at in range(0, len(todo), size)}
        trouble = None
        while waiting:
            ready, waiting = wait(waiting, PROGRESS_SECONDS, FIRST_COMPLETED)
            for future in ready:
                trouble = trouble or future.result()
            progress(_fresh(job.results, todo))
        return trouble, False
    except BrokenExecutor as error:
        return f"a grading process was killed ({error})", True


def _fresh(folder: Path, todo: Sequence[tuple[SubmissionFile, str]]) -> int:
    names = {f"{file.student}.json" for file, _ in todo}
    return sum(1 for entry in os.scandir(folder) if entry.name in names)


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
