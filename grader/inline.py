"""``check("relu")`` in a notebook: one exercise's checks on what the kernel holds now, shown inline.

The student's own kernel on the student's own machine: the same suite and the same messages as behind the wall, served
by the same `Session`, without the wall.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch

from grader import report
from grader.course import Assignment, Course, CourseError
from grader.grading import Grading
from grader.languages import ENGLISH, Language, chosen
from grader.model import ExerciseResult
from grader.notebook import RunCell, Submission
from grader.plugin import GRADING, Checks, load_reference, record, suite_arguments
from grader.sandbox.client import Engine, Limits, Policy, WorkerGone
from grader.sandbox.wire import Reply, Request, Returned, Run
from grader.sandbox.worker import Printed, Session
from grader.sentences import sentence
from grader.source import MAX_WORK, Reader
from grader.store import cache_folder, out_of_reach
from grader.terminal import points, reasons


class NoPoints(Exception):
    """An answer that earned nothing. Shown as its message alone, also by nbgrader's Validate."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Local:
    """Requests answered in this process, on the kernel's own names; its random state is left as it was."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._out = Printed()
        self._session = Session(namespace, None, self._out, passing=(_Late,))

    def request(
        self, request: Request, blobs: Sequence[memoryview], limits: Limits
    ) -> tuple[Reply, dict[int, memoryview]]:
        """As a worker would answer. Raises `WorkerGone` ("late")."""
        if isinstance(request.ask, Run):  # the kernel has run its cells already
            return Reply(request.seq, Returned(None)), {}
        parts = {number: memoryview(blob) for (number, _), blob in zip(request.blobs, blobs, strict=True)}
        try:
            with contextlib.redirect_stdout(self._out), contextlib.redirect_stderr(self._out), _alarm(limits):
                reply, out = self._session.handle(request, parts)
        except _Late:
            raise WorkerGone("late", f"{limits.wall:g}") from None
        return reply, {number: blob for (number, _), blob in zip(reply.blobs, out, strict=True)}

    def end(self) -> None:
        """There is no process to end."""


class _Late(BaseException):
    """The call took too long; not an `Exception`, so that the student's own ``except`` does not swallow it."""


@contextlib.contextmanager
def _alarm(limits: Limits) -> Iterator[None]:
    """Interrupt what runs inside after the limit; only the main thread can be interrupted."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def late(number: int, frame: FrameType | None) -> None:
        raise _Late

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, limits.wall)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Once:
    """Runs the checks of one exercise, once."""

    def __init__(self, assignment: Assignment, name: str, submission: Submission, namespace: dict[str, Any]) -> None:
        self.checks = Checks(assignment)
        self.name, self.submission, self.namespace = name, submission, namespace
        self.result: ExerciseResult | None = None

    def pytest_configure(self, config: pytest.Config) -> None:
        """Tell the plugin that the submission comes from here."""
        config.stash[GRADING] = self.checks
        config.option.tbstyle = "value"  # as in the batch: nobody reads this session's reports

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the checks of the one exercise."""
        self.checks.collect(items)
        self.checks.checks = [check for check in self.checks.checks if check.exercise == self.name]
        load_reference(self.checks)

    def pytest_runtestloop(self) -> bool:
        """Run them."""
        exercise = self.checks.assignment.exercise(self.name)
        grading = Grading([exercise], self.checks.checks, self.submission, lambda: Local(self.namespace))
        self.checks.grading = grading
        self.checks.run([check.id for check in self.checks.checks])
        policy = Policy(out_of_reach(self.checks.assignment.secrets), required=False)
        with Engine(policy) as engine:  # starts nothing unless known mistakes are there to be tried out
            grading.known = self.checks.knower(engine.worker, cache_folder())
            [self.result] = grading.result(self.checks.assignment.name, "", "").exercises
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Record each check."""
        outcome = yield
        record(self.checks, item, call)
        return outcome


class Shown:
    """An exercise's result as a notebook shows it: HTML where that can be shown, text elsewhere."""

    def __init__(self, result: ExerciseResult, total: float, language: Language = ENGLISH) -> None:
        self.result, self.total, self.language = result, total, language

    def __repr__(self) -> str:
        head = f"{self.result.name}: {points(self.result, self.total, self.language)}"
        return "\n".join([head, *reasons(self.result, self.language)])

    def _repr_html_(self) -> str:
        return report.inline(self.result, self.total, self.language)


def check(name: str, lang: str | None = None) -> float:
    """Check one exercise on what the notebook holds now; shows what is wrong and returns the points.

    ``lang`` is ``"en"`` or ``"zh"``; without it, the language is the locale's.
    Raises `NoPoints` when the answer earned nothing, so that a cell that must pass does not.
    """
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    language = chosen(lang)
    shell = get_ipython()
    namespace: dict[str, Any] = shell.user_ns if shell else {}
    try:
        assignment = _assignment(name)
        exercise = assignment.exercise(name)
    except CourseError as error:
        raise NoPoints(language.say(error.said)) from None
    cells = [str(source) for source in namespace.get("In", [])]
    once = Once(assignment, name, executed(cells, name), namespace)
    with _state_kept():
        pytest.main(suite_arguments(assignment), plugins=[once])
    if once.result is None:
        text = sentence("the checks of %(name)s could not be run; tell your instructor", name=name)
        raise NoPoints(language.say(text))
    shown = Shown(once.result, exercise.points, language)
    if once.result.max_score > 0 and once.result.score == 0:
        raise NoPoints(repr(shown))
    display(shown)
    return float(min(once.result.score, exercise.points))


def executed(sources: Sequence[str], name: str) -> Submission:
    """The cells that a kernel has run, as a submission whose one answer has its place after the last of them."""
    reader = Reader(words=MAX_WORK)  # all that a kernel has run in a long session, and nothing hostile
    cells = []
    for number, source in enumerate(sources):
        code = reader.read(source)
        cells.append(RunCell(f"In [{number}]", code.text, code.python, "own"))
    return Submission(tuple(cells), {name: len(cells)}, {name: ""})


def _assignment(name: str) -> Assignment:
    course = Course.find(Path())
    for known in course.names:
        assignment = course.assignment(known)
        if any(exercise.name == name for exercise in assignment.exercises):
            return assignment
    raise CourseError(sentence("no exercise %(name)s in %(where)s", name=repr(name), where=", ".join(course.names)))


@contextlib.contextmanager
def _state_kept() -> Iterator[None]:
    """Checks seed and reset; the notebook must not notice."""
    import random

    import numpy as np

    dtype, grad, rng = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_rng_state()
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        torch.set_rng_state(rng)
        random.setstate(python)
        np.random.set_state(numpy)
