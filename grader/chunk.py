"""Some submissions of a batch, graded in one process: one pytest session that loops over them."""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
import torch

from grader.course import Course
from grader.digests import Digests
from grader.engines import engine_for
from grader.findings import grader_failed
from grader.grading import Grading, whole_failure
from grader.languages import LANGUAGES
from grader.mistakes import Mistake
from grader.model import Exercise, ExerciseResult, Flag, SubmissionResult
from grader.notebook import Problem, Submission, read_path
from grader.observed import Behaviour
from grader.partial import put_together, still_known
from grader.plugin import GRADING, Checks, load_reference, record, suite_arguments
from grader.sandbox.client import Engine
from grader.sentences import Text, sentence
from grader.store import Job, Stored, Task, cache_folder, read_result, write_result
from grader.submissions import SubmissionFile

if TYPE_CHECKING:
    from grader.handback import Handback

TRIES = 3
_GARBAGE = 20_000  # objects that come to stay before the collector looks: some times a submission, not thirty


@functools.cache
def _settle() -> None:
    """What is loaded now stays: the collector need not look at it again for each submission, nor often at what is new.

    Once a process: a later chunk's session would be kept for ever, and each takes a megabyte.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE)


class Loop:
    """Runs the collected checks once for each submission of a chunk."""

    def __init__(self, job: Job, state: Digests, tasks: Sequence[Task]) -> None:
        self.job, self.parts, self.tasks = job, state.among(job.only), tasks
        self.checks = Checks(Course(job.root).assignment(job.assignment))
        self.trouble: str | None = None

    def pytest_configure(self, config: pytest.Config) -> None:
        """Tell the plugin that the submissions come from here."""
        config.stash[GRADING] = self.checks
        config.option.tbstyle = "value"  # nobody reads this session's reports: a traceback takes longer than its check

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
            self.trouble = self.trouble or "the suite could not be collected"
            return True
        _settle()
        try:
            for task in self.tasks:
                self._keep(task, self.grade(task))
        except OSError as error:
            where = error.filename or self.job.results
            self.trouble = f"{where}: {error.strerror or error}; make room, and run the same command again"
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
        """Record each check. Nobody reads this session's reports: a traceback would cost more than the check did."""
        record(self.checks, item, call)
        assert call.when != "collect"
        outcome: Literal["passed", "failed"] = "failed" if call.excinfo else "passed"
        return pytest.TestReport(item.nodeid, item.location, {}, outcome, None, call.when)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A suite that does not import is our fault: remember why."""
        if report.failed:
            self.trouble = str(report.longrepr).strip().splitlines()[-1][:300]

    def _keep(self, task: Task, result: SubmissionResult) -> None:
        """Write a result and its page; what cannot be written is not run. Raises `OSError`: a full disk is for all."""
        try:
            self._write(task, result)
        except OSError:
            raise
        except Exception as error:
            self._write(task, self._failed(task.file, error))

    def _write(self, task: Task, result: SubmissionResult) -> None:
        write_result(self.job.results, Stored(task.key, result, self.parts))
        if self.job.pages is not None:
            self._handback.write(result)

    def grade(self, task: Task) -> SubmissionResult:
        """One submission's result, whatever it is made of."""
        try:
            return self._grade(task)
        except Exception as error:
            return self._failed(task.file, error)

    def _failed(self, file: SubmissionFile, error: Exception) -> SubmissionResult:
        """Ours: nothing a student wrote may stop the others."""
        return self._whole(file, grader_failed(error), ("engine",), ours=True)

    def _grade(self, task: Task) -> SubmissionResult:
        file = task.file
        submission = read_path(file.path, self.checks.assignment) if file.path else Problem(file.note, file.flag)
        if isinstance(submission, Problem):
            return self._whole(file, submission.text, (submission.flag,), ours=submission.flag == "engine")
        if task.again is not None and (result := self._grade_again(file, submission, task.again)) is not None:
            return result
        return self._undisturbed(file, submission, {})

    def _grade_again(
        self, file: SubmissionFile, submission: Submission, again: frozenset[str]
    ) -> SubmissionResult | None:
        """Grade some exercises, and keep what is known of the others; None where all has to be graded."""
        stored = read_result(self.job.results, file.student)
        known = stored and still_known(stored.result, again, submission, self.exercises)
        if stored is None or not known:
            return None
        return put_together(stored.result, self._undisturbed(file, submission, known))

    def _undisturbed(
        self, file: SubmissionFile, submission: Submission, known: Mapping[str, ExerciseResult]
    ) -> SubmissionResult:
        engine = engine_for(self.job)
        for _ in range(TRIES):  # whoever killed a worker, the student is not to pay for it
            engine.disturbed = False
            result = self._attempt(file, submission, engine, known)
            if not engine.disturbed:
                break
        return result

    def _attempt(
        self, file: SubmissionFile, submission: Submission, engine: Engine, known: Mapping[str, ExerciseResult]
    ) -> SubmissionResult:
        grading = Grading(self.exercises, self.checks.checks, submission, engine.worker, self.job.limits, before=known)
        self.checks.grading = grading
        if self.job.naming:
            grading.known = self._known
        if self.job.unconfined:
            grading.attempt.note("unconfined", sentence("graded without the whole sandbox, by explicit flag"))
        if file.note:
            grading.attempt.notes.append(file.note)
        try:
            self.checks.run([check.id for check in grading.ordered()])
            self.checks.run([check.id for check in grading.second_chances()])
            return grading.result(self.job.assignment, file.student, file.notebook)
        finally:
            grading.close()
            self.checks.grading = None

    @functools.cached_property
    def _handback(self) -> Handback:
        from grader.handback import Handback  # templates and a highlighter: not for those who write no page

        job = self.job
        assert job.pages is not None
        return Handback(job.pages, job.assignment, self.exercises, LANGUAGES[job.language])

    @functools.cached_property
    def _known(self) -> Callable[[str, Behaviour], Mistake | None] | None:
        return self.checks.knower(engine_for(self.job).worker, cache_folder())

    @property
    def exercises(self) -> list[Exercise]:
        """The exercises that this batch grades."""
        only = self.job.only
        return [e for e in self.checks.assignment.exercises if not only or e.name in only]

    def _whole(
        self, file: SubmissionFile, problem: Text, flags: tuple[Flag, ...], ours: bool = False
    ) -> SubmissionResult:
        return whole_failure(
            self.exercises, self.checks.checks, assignment=self.job.assignment, student=file.student,
            notebook=file.notebook, problem=problem, flags=flags, ours=ours,
        )  # fmt: skip


_imported: list[tuple[Path, Digests]] = []  # the suite that this process has imported, as it was


def _import_anew(suite: Path, state: Digests) -> None:
    """A server's process outlives a batch: pytest is not to find modules of another course, or as they were before."""
    if _imported and _imported != [(suite, state)]:
        folder, _ = _imported.pop()
        for name, module in list(sys.modules.items()):
            path = Path(getattr(module, "__file__", None) or "")
            if folder in path.parents or (path.name == "conftest.py" and path.parent in folder.parents):
                del sys.modules[name]
    _imported[:] = [(suite, state)]


def grade(job: Job, state: Digests, tasks: Sequence[Task]) -> str | None:
    """Grade some submissions in this process; returns what went wrong with the suite itself, if anything."""
    torch.set_num_threads(1)  # the same sums in the same order everywhere, and no threads to wait for
    loop = Loop(job, state, tasks)
    _import_anew(loop.checks.assignment.suite, state)
    pytest.main(suite_arguments(loop.checks.assignment), plugins=[loop])
    return loop.trouble
