"""Many submissions over an executor: one pytest session a chunk, one result file a submission, resumable.

A result is keyed by what made it (notebook, suite, reference, grader, options), so a second run grades only what
changed, and a killed run goes on where it stopped.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest

from grader.course import Assignment, Course
from grader.grading import Grading, whole_failure
from grader.model import Flag, SubmissionResult
from grader.notebook import Problem, read_path
from grader.plugin import GRADING, Checks, load_reference, record, suite_arguments
from grader.sandbox.client import Engine, Limits, Policy
from grader.submissions import SubmissionFile

PROGRESS_SECONDS = 0.2
MAX_CHUNK = 16


class Stored(msgspec.Struct, frozen=True):
    """A result as it lies on disk, with the key of what made it."""

    key: str
    result: SubmissionResult


@dataclass(frozen=True)
class Job:
    """What every chunk of a batch has in common; plain data, so that it can go to another process or machine."""

    root: Path
    assignment: str
    results: Path
    protected: tuple[str, ...]
    only: tuple[str, ...] = ()
    limits: Limits = Limits()
    unconfined: bool = False


# ---------------------------------------------------------------- one chunk, in a process of its own


@functools.cache
def _engine(policy: Policy) -> Engine:
    """One warm engine a process: it holds no state that a submission could reach."""
    engine = Engine(policy)
    atexit.register(engine.close)
    return engine


class Loop:
    """Runs the collected checks once for each submission of a chunk."""

    def __init__(self, job: Job, files: Sequence[tuple[SubmissionFile, str]]) -> None:
        self.job, self.files = job, files
        self.checks = Checks(Course(job.root).assignment(job.assignment))
        self.trouble: str | None = None

    def pytest_configure(self, config: pytest.Config) -> None:
        """Tell the plugin that the submissions come from here."""
        config.stash[GRADING] = self.checks

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the checks of the chosen exercises."""
        self.checks.collect(items)
        if self.job.only:
            self.checks.checks = [check for check in self.checks.checks if check.exercise in self.job.only]
        load_reference(self.checks)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """The loop over submissions."""
        if session.testsfailed:
            self.trouble = "the suite could not be collected"
            return True
        for file, key in self.files:
            write_result(self.job.results, Stored(key, self.grade(file)))
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Iterator[None]:
        """Record each check; nobody reads this session's reports."""
        report = yield
        record(self.checks, item, call)
        return report  # type: ignore[return-value]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A suite that does not import is our fault: remember why."""
        if report.failed:
            self.trouble = str(report.longrepr).strip().splitlines()[-1][:300]

    def grade(self, file: SubmissionFile) -> SubmissionResult:
        """One submission's result, whatever it is made of."""
        try:
            return self._grade(file)
        except Exception as error:  # ours: nothing a student wrote may stop the others
            problem = f"the grader failed: {type(error).__name__}: {error}"[:500]
            return self._whole(file, problem, ("engine",), ours=True)

    def _grade(self, file: SubmissionFile) -> SubmissionResult:
        submission = read_path(file.path, self.checks.assignment) if file.path else Problem(file.note, "ungradable")
        if isinstance(submission, Problem):
            return self._whole(file, submission.text, (submission.flag,))
        policy = Policy(self.job.protected, not self.job.unconfined, not self.job.unconfined, self.job.limits)
        grading = Grading(
            self.exercises, self.checks.checks, submission, _engine(policy).worker, self.job.limits
        )
        self.checks.grading = grading
        if self.job.unconfined:
            grading.attempt.note("unconfined", "graded without the whole sandbox, by explicit flag")
        if file.note:
            grading.attempt.notes.append(file.note)
        try:
            self.checks.run([check.id for check in grading.ordered()])
            self.checks.run([check.id for check in grading.second_chances()])
            return grading.result(self.job.assignment, file.student, file.notebook)
        finally:
            grading.close()
            self.checks.grading = None

    @property
    def exercises(self) -> list[object]:
        """The exercises that this batch grades."""
        only = self.job.only
        return [e for e in self.checks.assignment.exercises if not only or e.name in only]

    def _whole(
        self, file: SubmissionFile, problem: str, flags: tuple[Flag, ...], ours: bool = False
    ) -> SubmissionResult:
        return whole_failure(
            self.exercises, self.checks.checks, assignment=self.job.assignment, student=file.student,
            notebook=file.notebook, problem=problem, flags=flags, ours=ours,
        )  # fmt: skip


def grade_chunk(job: Job, files: Sequence[tuple[SubmissionFile, str]]) -> str | None:
    """Grade some submissions in this process; returns what went wrong with the suite itself, if anything."""
    loop = Loop(job, files)
    pytest.main(suite_arguments(loop.checks.assignment), plugins=[loop])
    return loop.trouble


def write_result(folder: Path, stored: Stored) -> None:
    """Write one result so that it is there whole, or not at all."""
    target = folder / f"{stored.result.student}.json"
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".", delete=False) as file:
        file.write(msgspec.json.encode(stored))
    os.replace(file.name, target)


# ---------------------------------------------------------------- the whole batch


def read_results(folder: Path) -> dict[str, Stored]:
    """The results that are on disk, by student; what cannot be read is as if it were not there."""
    found = {}
    for path in folder.glob("*.json"):
        try:
            stored = msgspec.json.decode(path.read_bytes(), type=Stored)
        except (OSError, msgspec.DecodeError, UnicodeError):
            continue
        found[stored.result.student] = stored
    return found


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
    import grader

    digest = hashlib.sha256(repr((version("ch17-grader"), job.only, job.limits, job.unconfined)).encode())
    ours = Path(grader.__file__).parent
    files = [path for folder in (*assignment.suites, ours) for path in folder.rglob("*.py")]
    files += [path for path in assignment.notebooks if path.exists()]
    for path in sorted(files):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def run(
    job: Job,
    files: Sequence[SubmissionFile],
    executor: Executor,
    workers: int,
    progress: Callable[[int, int], None],
) -> tuple[list[SubmissionResult], str | None]:
    """Grade what has no current result yet. The results of all ``files``, sorted, and what went wrong with the suite."""
    assignment = Course(job.root).assignment(job.assignment)
    base = base_key(job, assignment)
    keyed = {file.student: (file, key_of(file, base)) for file in files}
    stored = read_results(job.results)
    done = {
        name
        for name, (_, key) in keyed.items()
        if name in stored and stored[name].key == key and stored[name].result.status != "error"
    }
    todo = [pair for name, pair in keyed.items() if name not in done]
    for file, _ in todo:  # what is there of it was made by something else
        (job.results / f"{file.student}.json").unlink(missing_ok=True)
    size = max(1, min(MAX_CHUNK, -(-len(todo) // (workers * 2))))
    chunks = [todo[at : at + size] for at in range(0, len(todo), size)]
    pending = {executor.submit(grade_chunk, job, chunk): chunk for chunk in chunks}
    trouble = _wait(pending, lambda: progress(len(done) + _fresh(job.results, todo), len(keyed)))
    stored = read_results(job.results)
    results = [
        stored[name].result
        if name in stored and stored[name].key == key
        else _lost(assignment, job, file, trouble or "the process that graded it ended")
        for name, (file, key) in keyed.items()
    ]
    return sorted(results, key=lambda result: result.student), trouble


def _wait(pending: dict[Future[str | None], object], show: Callable[[], None]) -> str | None:
    trouble = None
    waiting = set(pending)
    while waiting:
        ready, waiting = wait(waiting, PROGRESS_SECONDS, FIRST_COMPLETED)
        for future in ready:
            error = future.exception()
            trouble = trouble or (f"{type(error).__name__}: {error}" if error else future.result())
        show()
    return trouble


def _fresh(folder: Path, todo: Sequence[tuple[SubmissionFile, str]]) -> int:
    names = {f"{file.student}.json" for file, _ in todo}
    return sum(1 for entry in os.scandir(folder) if entry.name in names)


def _lost(assignment: Assignment, job: Job, file: SubmissionFile, why: str) -> SubmissionResult:
    exercises = [e for e in assignment.exercises if not job.only or e.name in job.only]
    return whole_failure(
        exercises, [], assignment=job.assignment, student=file.student, notebook=file.notebook,
        problem=f"not graded: {why}"[:500], flags=("engine",), ours=True,
    )  # fmt: skip
