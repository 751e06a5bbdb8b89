"""Who grades the class, and how: each as its own documentation says, on the same notebooks, with the same checks.

- ``grader grade`` with a worker for each core;
- the limit: the same checks in the same pytest loop, without the wall (`benchmarks.limit`);
- ``nbgrader autograde`` as it comes: every notebook in a kernel of its own, one after the other, its check cells ours;
- ``otter run`` (`benchmarks.otter`), as many side by side as there are cores.
"""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat

from benchmarks.meter import Cost, Failed, measure
from benchmarks.otter import Otter
from benchmarks.sample import ASSIGNMENT, GRADE, ROOT, Sample, copy_course
from grader.store import read_results

_PLAIN = """c = get_config()
c.CourseDirectory.course_id = "fastbook"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "assignments"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError"}
c.ExecutePreprocessor.timeout = 600
"""


@dataclass(frozen=True)
class Contender:
    """Grades the first ``size`` of a class on ``cores`` cores when asked; ``students`` is the whole class."""

    name: str
    cores: int
    students: int
    grade: Callable[[int], Cost]

    def __str__(self) -> str:
        return f"{self.name}, {on(self.cores)}"


def on(cores: int) -> str:
    """``1 core``, ``2 cores``."""
    return f"{cores} core{'s' * (cores > 1)}"


class Contenders:
    """A class in a folder, and all who grade it. What takes long gets the first ``peer`` students only."""

    def __init__(self, folder: Path, students: int, peer: int) -> None:
        self._folder, self._students, self._peer = folder, students, peer
        self._sample = Sample()
        self._flat = {size: self._sample.flat(folder / f"class{size}", size) for size in {1, 2, students}}
        self._numbers = itertools.count(1)

    def ours(self, cores: int) -> Contender:
        """Our command, with a worker for each core."""
        return Contender("grader", cores, self._students, lambda size: self._grade(size, cores))

    def limit(self) -> Contender:
        """No wall."""
        command = [sys.executable, "-m", "benchmarks.limit"]
        return Contender("limit", 1, self._students, lambda size: measure([*command, self._flat[size]], 1, ROOT))

    def nbgrader(self, cores: int) -> Contender:
        """As it comes."""
        return Contender("nbgrader", cores, self._peer, lambda size: self._autograde(size, cores))

    def otter(self, installed: Otter, cores: int) -> Contender:
        """One command for each notebook."""
        return Contender("otter", cores, self._peer, lambda size: installed.grade(size, cores))

    def _grade(self, size: int, cores: int) -> Cost:
        out = self._fresh("out")
        cost = measure([*GRADE, self._flat[size], "--out", out, "--workers", str(cores)], cores, ROOT)
        results = [stored.result for stored in read_results(out / "results")]
        _expect(size, sum(result.score == result.max_score for result in results))
        return cost

    def _autograde(self, size: int, cores: int) -> Cost:
        course = self._fresh("course")
        shutil.copytree(self._released(cores), course)
        self._sample.tree(course / "submitted", size)
        cost = measure(["nbgrader", "autograde", ASSIGNMENT], cores, course)
        graded = (course / "autograded").glob(f"*/{ASSIGNMENT}/{ASSIGNMENT}.ipynb")
        _expect(size, sum(not _errors(path) for path in graded))
        return cost

    def _released(self, cores: int) -> Path:
        """A course whose gradebook knows the assignment; made once, copied for each run."""
        course = self._folder / "released"
        if not course.exists():
            copy_course(course)
            (course / "nbgrader_config.py").write_text(_PLAIN, encoding="utf-8")  # ours would have our engine run
            measure(["nbgrader", "generate_assignment", ASSIGNMENT, "--create", "--force"], cores, course)
        return course

    def _fresh(self, kind: str) -> Path:
        return self._folder / f"{kind}{next(self._numbers)}"


def _errors(path: Path) -> bool:
    outputs = [output for cell in nbformat.read(path, 4).cells for output in cell.get("outputs", ())]
    return any(output.output_type == "error" for output in outputs)


def _expect(size: int, right: int) -> None:
    """The reference is right; whoever leaves checks out is fast, and who finds faults in it is not the same grader."""
    if right != size:
        raise Failed(f"{right} of {size} came out right")
