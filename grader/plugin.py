"""The pytest plugin: the fixtures of a suite, one submission behind them, and a summary by exercise.

It stays out of the way of any pytest run that has no submission: one is named by ``--submission``, or is the one
notebook of a known assignment in the folder where ``pytest`` was called without arguments.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import torch
from _pytest.runner import runtestprotocol

import grader
from grader import traced
from grader.course import Assignment, Course, CourseError
from grader.grading import Check, Grading, exercise_result
from grader.languages import LANGUAGES, Language, chosen, is_chinese
from grader.mistakes import Mistake, library
from grader.model import CheckResult, SubmissionResult
from grader.names import safe_name
from grader.notebook import Problem, Submission, read_path
from grader.observed import Behaviour
from grader.reuse import Reused
from grader.sandbox.client import Engine, Policy, Transport
from grader.sentences import N_, Text, both, sentence
from grader.store import cache_folder, out_of_reach, write_whole
from grader.student import Student, seed_of
from grader.tampering import tampering

GRADING = pytest.StashKey["Checks"]()
_RESULT = "grader-result"
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
        text = _language(request.config).gettext("no submission: name one with --submission FILE")
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


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--submission``, ``--assignment`` and ``--lang``."""
    _ = chosen().gettext
    group = parser.getgroup("grader", _("check a notebook"))
    group.addoption("--submission", metavar="FILE", help=_("the notebook to check"))
    group.addoption("--assignment", metavar="NAME", help=_("its assignment, when the file's name does not tell"))
    group.addoption("--lang", choices=sorted(LANGUAGES), help=_("language of the messages (default: the locale's)"))


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks; set up the student's own run when there is a submission."""
    config.addinivalue_line("markers", "exercise(name, points): the exercise a check belongs to, and what it is worth")
    config.addinivalue_line("markers", "time_limit(seconds): CPU time a call of this check may take")
    config.addinivalue_line("markers", "hidden: not among what students get; its inputs are never shown")
    if GRADING in config.stash or getattr(config.option, "collectonly", False):
        return
    try:
        found = _own_submission(config)
    except CourseError as error:
        raise pytest.UsageError(_language(config).say(error.said)) from None
    if found is not None:
        config.pluginmanager.register(SelfCheck(config, *found), "grader-self-check")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let ``-k`` find a check by its exercise too: those of `layer_classes` are named after the classes."""
    if (check := check_of(item)) is not None:
        item.extra_keyword_matches.add(check.exercise)


def _language(config: pytest.Config) -> Language:
    return chosen(config.getoption("lang"))


def _own_submission(config: pytest.Config) -> tuple[Assignment, Path] | None:
    named = config.getoption("submission")
    bare = config.args_source is not pytest.Config.ArgsSource.ARGS
    folder = config.invocation_params.dir
    if named:
        path = folder / named
        course = _course(path.parent, folder)
    elif bare and len(notebooks := sorted(folder.glob("*.ipynb"))) == 1:
        path = notebooks[0]
        try:
            course = Course.find(folder)
        except CourseError:
            return None
    else:
        return None
    if name := config.getoption("assignment"):
        assignment = course.assignment(name)
    else:
        assignment, known = _assignment(course, path)
        if not (known or named):
            return None
    config.option.importmode = "importlib"  # public and hidden suites have files of the same name
    if bare:
        config.args[:] = [str(folder) for folder in assignment.suites]
    return assignment, path


def _assignment(course: Course, path: Path) -> tuple[Assignment, bool]:
    """The assignment that a notebook answers, told by its own name or its folder's, else by what it holds.

    The second is whether that is known; where nothing tells, the first assignment will say what it misses.
    """
    for name in (path.stem, path.absolute().parent.name):
        if name in course.names:
            return course.assignment(name), True
    answered = [(_answered(path, assignment), assignment) for assignment in map(course.assignment, course.names)]
    if not answered:
        text = N_("no assignment is released; put the notebooks into %(path)s")
        raise CourseError(sentence(text, path=course.root / "assignments"))
    count, assignment = max(answered, key=lambda pair: pair[0])
    return assignment, count > 0


def _answered(path: Path, assignment: Assignment) -> int:
    """How many of the assignment's exercises a notebook holds a cell of."""
    submission = read_path(path, assignment)
    return 0 if isinstance(submission, Problem) else sum(map(bool, submission.sources.values()))


def _course(*places: Path) -> Course:
    """The course that the first of these places lies in that lies in one. Raises `CourseError`."""
    for place in places[:-1]:
        with contextlib.suppress(CourseError):
            return Course.find(place)
    return Course.find(places[-1])


class Warm:
    """A fork server that outlives one pytest session: pass it among the plugins, and close it at the end."""

    def __init__(self) -> None:
        self._engine: Engine | None = None

    def engine(self, policy: Policy) -> Engine:
        """The one engine, made when it is first asked for; another course has another."""
        if self._engine is None or self._engine.policy != policy:
            self.close()
            self._engine = Engine(policy)
        return self._engine

    def close(self) -> None:
        """End the fork server."""
        if self._engine is not None:
            self._engine.close()

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SelfCheck:
    """A student's own run: ``pytest`` in the folder of the notebook."""

    def __init__(self, config: pytest.Config, assignment: Assignment, path: Path) -> None:
        torch.set_num_threads(1)  # as in the batch
        self.config, self.path = config, path
        self.language = _language(config)
        self.checks = Checks(assignment)
        config.stash[GRADING] = self.checks
        mine = Warm()
        warm = next((one for one in config.pluginmanager.get_plugins() if isinstance(one, Warm)), mine)
        self.engine = warm.engine(Policy(out_of_reach(assignment.secrets), required=False, modules=assignment.modules))
        config.add_cleanup(mine.close)
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
        self.checks.grading.known = self.checks.knower(self.engine.worker, cache_folder())
        order = {check.id: number for number, check in enumerate(self.checks.grading.ordered())}
        items.sort(key=lambda item: order.get(check.id if (check := check_of(item)) else "", len(order)))

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
        assignment, submission = self.checks.assignment, read_path(self.path, self.checks.assignment)
        if isinstance(submission, Problem):
            return None
        told, sources = self.told, submission.sources
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
        from grader.report import student_page

        if (cache := getattr(self.config, "cache", None)) is None:
            return None
        ran = {exercise.name for exercise in result.exercises if exercise.verdict != "not_run"}
        kept = msgspec.structs.replace(result, exercises=tuple(e for e in result.exercises if e.name in ran))
        exercises = [exercise for exercise in self.checks.assignment.exercises if exercise.name in ran]
        try:
            page = cache.mkdir("report") / f"{safe_name(self.path.stem)}.html"
            write_whole(page, student_page(kept, exercises, self.language).encode())
        except OSError:
            return None
        return str(page.as_uri())

    def pytest_unconfigure(self) -> None:
        """End the worker."""
        if self.checks.grading is not None:
            self.checks.grading.close()


def _told(result: CheckResult, language: Language) -> str:
    said = language.check(result)
    lines = [said.title, said.message or "", *traced.lines(result, language), said.next_step or ""]
    return "\n".join(map(str, lines)).rstrip()


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
