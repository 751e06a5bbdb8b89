"""The pytest plugin of a suite: its marks and fixtures, and one submission behind them.

Whoever runs a suite puts its `Checks` into the session's stash: `grader.ownrun` for a student, `grader.chunk` for a
batch, `grader.inline` in a notebook.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from _pytest.runner import runtestprotocol

import grader
from grader.course import Assignment
from grader.grading import Check, Grading
from grader.languages import chosen, is_chinese
from grader.mistakes import Mistake, library
from grader.notebook import Submission
from grader.observed import Behaviour
from grader.reuse import Reused
from grader.sandbox.client import Transport
from grader.sentences import Text, both
from grader.student import Student, seed_of
from grader.tampering import tampering

GRADING = pytest.StashKey["Checks"]()
_CHECK = pytest.StashKey["Check | None"]()


class Checks:
    """The checks that pytest collected, and the grading of one submission that they run against."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.items: dict[str, pytest.Item] = {}
        self.checks: list[Check] = []
        self.grading: Grading | None = None
        self.reference = SimpleNamespace()

    def collect(self, items: list[pytest.Item]) -> None:
        """Take over the items that belong to an exercise; the others are none of our business."""
        self.items = {}
        self.checks = []
        for item in items:
            check = check_of(item)
            if check is not None and check.exercise in {e.name for e in self.assignment.exercises}:
                self.items[check.id] = item
                self.checks.append(check)
        self.checks.sort(key=lambda check: check.hidden)  # what can be shown comes first

    def run(self, ids: Sequence[str]) -> None:
        """Run these checks through pytest's own protocol."""
        items = [self.items[number] for number in ids]
        for item, following in zip(items, [*items[1:], None], strict=False):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def knower(
        self, start: Callable[[], Transport], keep: Path | None = None
    ) -> Callable[[str, Behaviour], Mistake | None] | None:
        """What tells the known mistake that behaves as an exercise's answer; None where none is known.

        ``start`` makes the workers in which the course's own mistakes are tried out, ``keep`` is a folder for that.
        """
        known = library(self.assignment)
        if known is None:
            return None
        return lambda exercise, seen: known.named(exercise, seen, functools.partial(self.try_out, start), keep)

    def try_out(self, start: Callable[[], Transport], exercise: str, answers: Sequence[Submission]) -> list[Behaviour]:
        """How an exercise's answer behaves in its checks, for each of some submissions of ours. Nobody is told."""
        mine = [check for check in self.checks if check.exercise == exercise]
        before, found = self.grading, []
        with Reused(start) as reused:
            for answer in answers:
                changes_more = tampering([(cell.label, cell.python) for cell in answer.cells])
                worker = start if changes_more else reused.start
                own = Grading([self.assignment.exercise(exercise)], mine, answer, worker)
                self.grading = own
                for check in own.ordered():
                    runtestprotocol(self.items[check.id], log=False, nextitem=None)
                found.append(own.behaviour(exercise))
                own.close()
        self.grading = before
        return found

    def begin(self, item: pytest.Item) -> Student:
        """The student for one check."""
        check = check_of(item)
        if check is None or self.grading is None:
            raise pytest.UsageError(f"{item.name} has no exercise mark, or there is no submission to check")
        return self.grading.begin(check)


_WATCHING = Student.watching.__name__


def check_of(item: pytest.Item) -> Check | None:
    """The check that a collected item is: its first ``exercise`` mark says of what, and for how many points."""
    if _CHECK not in item.stash:
        item.stash[_CHECK] = _read_marks(item)
    return item.stash[_CHECK]


def _read_marks(item: pytest.Item) -> Check | None:
    mark = item.get_closest_marker("exercise")
    if mark is None:
        return None
    hidden = item.get_closest_marker("hidden") is not None
    return Check(
        id=f"hidden:{item.name}" if hidden else item.name,
        exercise=mark.args[0],
        points=float(mark.kwargs.get("points", 1)),
        seconds=float(limit.args[0]) if (limit := item.get_closest_marker("time_limit")) else None,
        hidden=hidden,
        watched=_WATCHING in getattr(getattr(getattr(item, "function", None), "__code__", None), "co_names", ()),
        title=_title(getattr(getattr(item, "function", None), "__doc__", None) or item.name),
    )


def _title(text: str) -> Text:
    """The first paragraph of a check's docstring, and the second where that says the same in Chinese."""
    english, *others = (" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))
    return both(english, zh=others[0]) if others and is_chinese(others[0]) else english


# ---------------------------------------------------------------- fixtures


@pytest.fixture
def student(request: pytest.FixtureRequest) -> Student:
    """The submission's answers, across the wall."""
    checks = request.config.stash.get(GRADING, None)
    if checks is None:
        text = chosen(request.config.getoption("lang", None)).gettext("no submission: name one with --submission FILE")
        raise pytest.UsageError(text)
    return checks.begin(request.node)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> torch.Generator:
    """A generator seeded by the check's name: the same numbers everywhere, always."""
    check = check_of(request.node)
    return torch.Generator().manual_seed(seed_of(check.id if check else request.node.name))


@pytest.fixture
def randn(rng: torch.Generator) -> Callable[..., torch.Tensor]:
    """``randn(*shape, dtype=torch.float32)``: normal numbers from the check's own generator."""

    def make(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64).to(dtype)

    return make


@pytest.fixture
def reference(request: pytest.FixtureRequest) -> SimpleNamespace:
    """The reference solution's names; for hidden checks, on the instructor's side only."""
    return request.config.stash[GRADING].reference


# ---------------------------------------------------------------- hooks


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks."""
    config.addinivalue_line("markers", "exercise(name, points): the exercise a check belongs to, and what it is worth")
    config.addinivalue_line("markers", "time_limit(seconds): CPU time a call of this check may take")
    config.addinivalue_line("markers", "hidden: not among what students get; its inputs are never shown")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let ``-k`` find a check by its exercise too: those of `layer_classes` are named after the classes."""
    if (check := check_of(item)) is not None:
        item.extra_keyword_matches.add(check.exercise)


def record(checks: Checks, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Record a check's outcome when this phase decides it; the `CheckResult`, or None."""
    check = check_of(item)
    if check is None or checks.grading is None or check.id not in checks.items:
        return None
    if call.when == "call" or (call.when == "setup" and call.excinfo is not None):
        return checks.grading.record(check, call.excinfo.value if call.excinfo else None)
    return None


def load_reference(checks: Checks) -> None:
    """Run the reference solution on the trusted side, for hidden checks; nothing where there is none."""
    cells = checks.assignment.reference_source()
    if cells and any(check.hidden for check in checks.checks):
        space: dict[str, Any] = {"__name__": "reference"}
        with _checking_nothing():
            for source in cells:
                exec(compile(source, "<reference>", "exec"), space)
        checks.reference = SimpleNamespace(**{k: v for k, v in space.items() if not k.startswith("__")})


@contextlib.contextmanager
def _checking_nothing() -> Iterator[None]:
    """``from grader import check`` gives a stand-in: the real one would load pages, languages and a highlighter."""
    vars(grader)["check"] = lambda *_: None
    try:
        yield
    finally:
        del vars(grader)["check"]


def suite_arguments(assignment: Assignment) -> list[str]:
    """Arguments for a `pytest.main` that runs an assignment's suite and nothing else: no ini file, no other plugin."""
    os.environ.pop("PYTEST_ADDOPTS", None)
    without = [
        "cacheprovider",
        "terminal",
        "logging",
        "capture",
        "unraisableexception",
        "threadexception",
        "warnings",
        "faulthandler",
    ]
    return [
        "-c", os.devnull, "--rootdir", str(assignment.root), "--import-mode=importlib", "--disable-plugin-autoload",
        "-p", "grader.plugin", *(word for name in without for word in ("-p", f"no:{name}")),
        *(str(folder) for folder in assignment.suites),
    ]  # fmt: skip
