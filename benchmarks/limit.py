"""The least a grader of this kind can cost: the same checks in the same pytest loop, and no wall.

``python -m benchmarks.limit FOLDER`` grades every notebook of a folder in one warm process. Each one's cells run once,
in an IPython shell; then the checks call its functions directly. It trusts what it runs, reads no marks, repairs
nothing and reports nothing but the number of checks that failed.
"""

from __future__ import annotations

import functools
import gc
import inspect
import json
import random
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.sample import ASSIGNMENT, ROOT
from grader.course import Course
from grader.findings import Mismatch, StudentRaised
from grader.grading import Check
from grader.how import How
from grader.model import Finding
from grader.plugin import GRADING, Checks, load_reference, record, suite_arguments
from grader.sandbox import shell, worker
from grader.sandbox.watch import Watch
from grader.sandbox.wire import Source
from grader.student import seed_of

_FEW = 0.03  # checks that cannot do without the wall


class Direct:
    """The ``student`` of a suite, in this very process: a name of the notebook is the object itself.

    ``cells`` are (label, source); the answer of an exercise is the cell number ``places[exercise]``, from 1.
    """

    def __init__(self, namespace: dict[str, Any], cells: Sequence[tuple[str, str]], places: dict[str, int]) -> None:
        self._namespace, self._cells, self._places = namespace, cells, places
        self._exercise = ""

    def __getattr__(self, name: str) -> Any:
        try:
            found = self._namespace[name]
        except KeyError:
            raise AttributeError(name) from None
        return functools.partial(_called, found) if inspect.isfunction(found) else found

    def value(self, name: str) -> Any:
        """As `grader.student.Student.value`."""
        return self._namespace[name]

    def raises(self, name: str, *args: object, **kwargs: object) -> StudentRaised:
        """As `grader.student.Student.raises`."""
        try:
            self._namespace[name](*args, **kwargs)
        except NotImplementedError:
            raise
        except Exception as error:
            return StudentRaised(Finding("raised", "raised"), type(error).__name__, str(error))
        raise Mismatch(Finding("wrong", "did_not_raise", {"name": name}))

    def each(self, name: str, cases: Iterable[Sequence[Any]]) -> Iterator[tuple[Sequence[Any], Any]]:
        """As `grader.student.Student.each`."""
        for case in list(cases):
            yield case, _called(self._namespace[name], *case)

    def raises_each(self, name: str, cases: Iterable[Sequence[Any]]) -> Iterator[tuple[Sequence[Any], StudentRaised]]:
        """As `grader.student.Student.raises_each`."""
        for case in list(cases):
            yield case, self.raises(name, *case)

    def grad(self, outputs: Any, inputs: Any, grad_outputs: Any = None) -> tuple[torch.Tensor | None, ...]:
        """As `grader.student.Student.grad`."""
        return torch.autograd.grad(outputs, inputs, grad_outputs, allow_unused=True, retain_graph=True)

    def shares_storage(self, result: torch.Tensor, argument: torch.Tensor) -> bool:
        """As `grader.student.Student.shares_storage`."""
        return result.untyped_storage().data_ptr() == argument.untyped_storage().data_ptr()

    @contextmanager
    def watching(self) -> Iterator[SimpleNamespace]:
        """As `grader.student.Student.watching`."""
        watched = SimpleNamespace(seen=None)
        with Watch() as watch:
            yield watched
        watched.seen = watch.seen

    def how(self, name: str, watched: Any = None) -> How:
        """As `grader.student.Student.how`."""
        cells = self._cells[: self._places[self._exercise]]
        return How(name, cells, watched.seen if watched else None)

    def begin(self, check: Check) -> None:
        """The same fresh start as in a worker."""
        self._exercise = check.exercise
        seed = seed_of(check.id)
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)


def _called(function: Any, *args: object, **kwargs: object) -> Any:
    """A call in which the suite's own sources become what they define, as a worker does it."""
    made = [worker.make(arg) if isinstance(arg, Source) else arg for arg in args]
    try:
        return function(*made, **kwargs)
    except Exception as error:
        raise StudentRaised(Finding("raised", "raised"), type(error).__name__, str(error)) from error


class DirectGrading:
    """What the plugin asks of a `grader.grading.Grading`: a student before each check, and to be told how it went."""

    def __init__(self, student: Direct) -> None:
        self.student = student
        self.failed: list[str] = []

    def begin(self, check: Check) -> Direct:
        """The student for one check."""
        self.student.begin(check)
        return self.student

    def record(self, check: Check, error: BaseException | None) -> None:
        """Only failures are kept: there should be none."""
        if error is not None:
            self.failed.append(f"{check.id}: {error!r}")


class Loop:
    """The pytest plugin that runs the collected checks once for each notebook."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self.checks = Checks(Course(ROOT).assignment(ASSIGNMENT))
        self.failed: list[str] = []
        self.graded = 0

    def pytest_configure(self, config: pytest.Config) -> None:
        """Tell the grader's plugin that the submissions come from here."""
        config.stash[GRADING] = self.checks

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """The same checks, the same reference."""
        self.checks.collect(items)
        load_reference(self.checks)

    def pytest_runtestloop(self) -> bool:
        """The loop over submissions."""
        gc.collect()
        gc.freeze()
        for path in self.paths:
            grading = DirectGrading(run_notebook(path))
            self.checks.grading = grading  # type: ignore[assignment]
            self.checks.run([check.id for check in self.checks.checks])
            self.failed += grading.failed
            self.graded += 1
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Record each check."""
        report = yield
        record(self.checks, item, call)
        return report


def run_notebook(path: Path) -> Direct:
    """Run a notebook's code cells, all but the check cells, in a shell with an empty namespace."""
    ipython = shell.Shell.instance()
    ipython.user_ns.clear()  # `reset` would collect the whole process's garbage, too
    ipython.init_user_ns()
    runner = worker.Runner(ipython)
    cells: list[tuple[str, str]] = []
    places = {}
    for number, cell in enumerate(json.loads(path.read_bytes())["cells"], 1):
        marks, source = cell["metadata"].get("nbgrader", {}), "".join(cell["source"])
        if cell["cell_type"] != "code" or marks.get("grade"):
            continue
        cells.append((f"cell {number}", source))
        if error := worker.run_cell(runner, source, f"cell {number}"):
            raise error
        places[marks["grade_id"]] = len(cells)
    return Direct(ipython.user_ns, cells, places)


def main(arguments: Sequence[str]) -> int:
    """Grade a folder; the exit code is 1 when any check of any notebook failed."""
    loop = Loop(sorted(Path(arguments[0]).glob("*.ipynb")))
    worker.warm(loop.checks.assignment.modules)
    pytest.main(suite_arguments(loop.checks.assignment), plugins=[loop])
    if loop.failed:  # they ask for handles of objects that stay behind a wall
        print(f"{len(loop.failed)} checks of {loop.graded} notebooks failed", *dict.fromkeys(loop.failed), sep="\n")
    ran = loop.graded * len(loop.checks.checks)
    return 0 if loop.graded == len(loop.paths) and ran and len(loop.failed) <= _FEW * ran else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
