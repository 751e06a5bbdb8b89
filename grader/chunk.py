"""Some submissions of a batch, graded in one process: one pytest session that loops over them."""

from __future__ import annotations

import atexit
import functools
import gc
from collections.abc import Callable, Sequence
from typing import Literal

import pytest
import torch

from grader.course import Course
from grader.grading import Grading, whole_failure
from grader.mistakes import Mistake
from grader.model import Exercise, Flag, SubmissionResult
from grader.notebook import Problem, Submission, read_path
from grader.observed import Behaviour
from grader.plugin import GRADING, Checks, load_reference, record, suite_arguments
from grader.sandbox.client import Engine, Policy
from grader.sentences import Text, sentence
from grader.store import Job, Stored, cache_folder, write_result
from grader.submissions import SubmissionFile

TRIES = 3


@functools.cache
def _engine(policy: Policy) -> Engine:
    """One warm engine a process: it holds no state that a submission could reach."""
    engine = Engine(policy)
    atexit.register(engine.close)
    return engine


@functools.lru_cache(maxsize=8)
def _policy(job: Job) -> Policy:
    modules = Course(job.root).assignment(job.assignment).modules
    return Policy(job.protected, not job.unconfined, not job.unconfined, job.limits, modules)


def engine_for(job: Job) -> Engine:
    """This process's engine for a batch."""
    return _engine(_policy(job))


class Loop:
    """Runs the collected checks once for each submission of a chunk."""

    def __init__(self, job: Job, files: Sequence[tuple[SubmissionFile, str]]) -> None:
        self.job, self.files = job, files
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
        gc.collect()
        gc.freeze()  # what is loaded now stays: the collector need not look at it again for each submission
        try:
            for file, key in self.files:
                write_result(self.job.results, Stored(key, self.grade(file)))
        except OSError as error:
            self.trouble = f"{self.job.results}: {error.strerror or error}; make room, and run the same command again"
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

    def grade(self, file: SubmissionFile) -> SubmissionResult:
        """One submission's result, whatever it is made of."""
        try:
            return self._grade(file)
        except Exception as error:  # ours: nothing a student wrote may stop the others
            problem = sentence("the grader failed: %(why)s", why=f"{type(error).__name__}: {error}"[:480])
            return self._whole(file, problem, ("engine",), ours=True)

    def _grade(self, file: SubmissionFile) -> SubmissionResult:
        submission = read_path(file.path, self.checks.assignment) if file.path else Problem(file.note, "ungradable")
        if isinstance(submission, Problem):
            return self._whole(file, submission.text, (submission.flag,))
        engine = engine_for(self.job)
        for _ in range(TRIES):  # whoever killed a worker, the student is not to pay for it
            engine.disturbed = False
            result = self._attempt(file, submission, engine)
            if not engine.disturbed:
                break
        return result

    def _attempt(self, file: SubmissionFile, submission: Submission, engine: Engine) -> SubmissionResult:
        grading = Grading(self.exercises, self.checks.checks, submission, engine.worker, self.job.limits)
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


def grade(job: Job, files: Sequence[tuple[SubmissionFile, str]]) -> str | None:
    """Grade some submissions in this process; returns what went wrong with the suite itself, if anything."""
    torch.set_num_threads(1)  # the same sums in the same order everywhere, and no threads to wait for
    loop = Loop(job, files)
    pytest.main(suite_arguments(loop.checks.assignment), plugins=[loop])
    return loop.trouble
