"""A student's own run: ``pytest`` in the folder of the notebook, and a summary by exercise."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from _pytest.unraisableexception import gc_collect_iterations_key

from grader import traced
from grader.course import Assignment
from grader.grading import Grading, exercise_result, not_run
from grader.languages import Language, chosen
from grader.model import CheckResult, SubmissionResult
from grader.names import safe_name
from grader.notebook import Problem, Submission, read_path
from grader.plugin import GRADING, Checks, check_of, load_reference, record
from grader.sandbox.client import Engine
from grader.sentences import sentence
from grader.store import cache_folder, write_whole

_RESULT = "grader-result"


class OwnRun:
    """A student's own run: ``pytest`` in the folder of the notebook."""

    def __init__(self, config: pytest.Config, assignment: Assignment, path: Path, engine: Engine) -> None:
        torch.set_num_threads(1)  # as in the batch
        self.config, self.path, self.engine = config, path, engine
        self.language = chosen(config.getoption("lang"))
        self.checks = Checks(assignment)
        config.stash[GRADING] = self.checks
        config.stash[gc_collect_iterations_key] = 0  # pytest's search for lost exceptions: with torch, a quarter second
        self.result: SubmissionResult | None = None
        self.reports: dict[str, pytest.TestReport] = {}
        self.told: dict[str, list[CheckResult]] = {}  # by exercise, as the processes of xdist tell it

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Exercises in the order in which the notebook answers them, so that ``-k`` runs no further than it must."""
        self.checks.collect(items)
        submission = read_path(self.path, self.checks.assignment)
        if isinstance(submission, Problem):
            raise pytest.UsageError(f"{self.path.name}: {self.language.say(submission.text)}")
        load_reference(self.checks)
        self.checks.grading = Grading(
            self.checks.assignment.exercises, self.checks.checks, submission, self.engine.worker
        )
        self.engine.load(self._modules(submission))
        self.checks.grading.known = self.checks.knower(self.engine.worker, cache_folder())
        order = {check.id: number for number, check in enumerate(self.checks.grading.ordered())}
        items.sort(key=lambda item: order.get(check.id if (check := check_of(item)) else "", len(order)))

    def _modules(self, submission: Submission) -> tuple[str, ...]:
        """What these checks, and the answers that they call, will use."""
        answers = {check.exercise: submission.sources[check.exercise] for check in self.checks.checks}
        return self.checks.assignment.modules_for(
            "\n".join(answers.values()), {item.path for item in self.checks.items.values()}
        )

    def pytest_collection_finish(self) -> None:
        """Make a page that nobody sees: all that one takes is at hand then, and the fork server loads meanwhile."""
        writes = hasattr(self.config, "cache") and not hasattr(self.config, "workerinput")
        if writes and self.checks.grading is not None:
            told = {check.exercise: [not_run(check)] for check in self.checks.checks[:1]}
            self._html(self._result_of(self.checks.grading.submission, told))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """After the checks, run those again that only lacked a name defined later."""
        outcome = yield
        grading = self.checks.grading
        if grading is not None and not session.shouldstop and not session.shouldfail:
            self.checks.run([check.id for check in grading.second_chances()])
        if grading is not None:
            self.result = grading.result(self.checks.assignment.name, "", self.path.name)
            for check in (check for exercise in self.result.exercises for check in exercise.checks):
                if check.verdict != "passed" and check.id in self.reports:  # told once all checks have been seen
                    self.reports[check.id].longrepr = _told(check, self.language)
        return outcome

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Record the check; what a student reads is the finding, never a traceback of ours."""
        report = yield
        result = record(self.checks, item, call)
        if result is not None and result.verdict != "passed":
            report.longrepr = _told(result, self.language)
            self.reports[result.id] = report
        if result is not None and (check := check_of(item)) and hasattr(self.config, "workerinput"):
            report.user_properties.append((_RESULT, [check.exercise, msgspec.json.encode(result).decode()]))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """With ``-n`` checks run in other processes, and come here with their reports."""
        for name, value in report.user_properties:
            if name == _RESULT and isinstance(value, list):
                self.told.setdefault(value[0], []).append(msgspec.json.decode(value[1], type=CheckResult))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Put together what other processes told, in the notebook's order."""
        if self.told and self.result is None and not hasattr(self.config, "workerinput"):
            self.result = self._put_together()

    def _put_together(self) -> SubmissionResult | None:
        submission = read_path(self.path, self.checks.assignment)
        if isinstance(submission, Problem):
            return None
        return self._result_of(submission, self.told)

    def _result_of(self, submission: Submission, told: Mapping[str, list[CheckResult]]) -> SubmissionResult:
        assignment, sources = self.checks.assignment, submission.sources
        parts = [exercise_result(e, told[e.name], sources[e.name]) for e in assignment.exercises if e.name in told]
        return SubmissionResult(
            assignment=assignment.name,
            student="",
            notebook=self.path.name,
            status="graded",
            score=sum(part.score for part in parts),
            max_score=sum(part.max_score for part in parts),
            flags=submission.flags,
            problem=None,
            exercises=tuple(parts),
            notes=submission.notes,
        )

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """The table by exercise, and where the whole report is."""
        from grader.terminal import summary

        if self.result is not None:
            totals = {exercise.name: exercise.points for exercise in self.checks.assignment.exercises}
            terminalreporter.section(self.language.gettext("points by exercise"))
            for line in summary(self.result, totals, self.engine.missing, self.language):
                terminalreporter.write_line(line)
            if (page := self._page(self.result)) is not None:
                terminalreporter.write_line(self.language.say(sentence("the whole report: %(page)s", page=page)))

    def _page(self, result: SubmissionResult) -> str | None:
        """Write the report into pytest's cache folder; None where there is none, or no room in it."""
        if (cache := getattr(self.config, "cache", None)) is None:
            return None
        ran = tuple(exercise for exercise in result.exercises if exercise.verdict != "not_run")
        try:
            page = cache.mkdir("report") / f"{safe_name(self.path.stem)}.html"
            write_whole(page, self._html(msgspec.structs.replace(result, exercises=ran)).encode())
        except OSError:
            return None
        return str(page.as_uri())

    def _html(self, result: SubmissionResult) -> str:
        from grader.report import student_page

        return student_page(result, self.checks.assignment.exercises, self.language)

    def pytest_unconfigure(self) -> None:
        """End the worker."""
        if self.checks.grading is not None:
            self.checks.grading.close()


def _told(result: CheckResult, language: Language) -> str:
    said = language.check(result)
    lines = [said.title, said.message or "", *traced.lines(result, language), said.next_step or ""]
    return "\n".join(map(str, lines)).rstrip()
