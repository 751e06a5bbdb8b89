"""otter-grader on the same class: the same answers, and a test file for each exercise that calls the same ``check``.

A notebook for otter has ``grader.check("relu")`` where the released one has ``check("relu")``, so its tests run at
their place there, too. otter lives in an environment of its own, made when it is wanted: what it needs may not go with
what we need. From there it sees our installation behind its own, since the notebook needs torch, and the tests us.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import nbformat

from benchmarks.meter import Cost, Failed, measure
from benchmarks.sample import ASSIGNMENT, ROOT, Sample, students
from grader.course import CHECK, Assignment, Course

_NEEDED = ("otter-grader>=7,<8", "ipykernel")
_OPENING = "import otter\n\ngrader = otter.Notebook()"
_TEST = """from otter.test_files import test_case

from grader import check

OK_FORMAT = False
name = {name!r}
points = {points!r}


@test_case()
def all_points():
    assert check({name!r}) == points
"""


class Missing(Exception):
    """otter-grader could not be installed; says why, in a line."""


def notebook(text: str) -> str:
    """A student's notebook as otter would have handed it out."""
    made = nbformat.reads(text, 4)
    for cell in made.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if cell.cell_type == "code" and name.startswith(CHECK):
            cell.source = f'grader.check("{name.removeprefix(CHECK)}")'
    made.cells.insert(0, nbformat.v4.new_code_cell(_OPENING, id="otter"))
    return nbformat.writes(made)


def tests(assignment: Assignment) -> dict[str, str]:
    """otter's test files, one for each exercise."""
    return {f"tests/{e.name}.py": _TEST.format(name=e.name, points=e.points) for e in assignment.exercises}


def write_autograder(path: Path, assignment: Assignment) -> None:
    """The zip that otter grades by: its tests, and the course, which our ``check`` reads."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("otter_config.json", "{}")
        for name, text in tests(assignment).items():
            made.writestr(name, text)
        for file in _course_files(assignment):
            made.write(file, Path("files", file.relative_to(assignment.root)))


def _course_files(assignment: Assignment) -> list[Path]:
    found = [file for file in assignment.suite.rglob("*") if file.suffix in {".py", ".toml"}]
    return sorted({*found, *assignment.notebooks})


class Otter:
    """otter-grader, installed in ``folder``, and a class of ``size`` for it. Raises `Missing`."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder, self._numbers = folder, itertools.count(1)
        self._command = _installed(folder / "environment")
        self._assignment = Course(ROOT).assignment(ASSIGNMENT)
        write_autograder(folder / "autograder.zip", self._assignment)
        sample = Sample()
        for student in students(size):
            (folder / f"{student}.ipynb").write_text(notebook(sample.text(student)), encoding="utf-8")

    def grade(self, size: int, cores: int) -> Cost:
        """Run it on the first ``size`` notebooks, ``cores`` of them at a time."""
        out = self._folder / f"out{next(self._numbers)}"
        for student in students(size):
            (out / student).mkdir(parents=True)
        (out / "names").write_text("\n".join(students(size)), encoding="utf-8")
        run = [self._command, "run", "{}.ipynb", "-a", "autograder.zip", "-o", f"{out}/{{}}", "--no-logo"]
        cost = measure(["xargs", "-a", out / "names", "-P", str(cores), "-I", "{}", *run], cores, self._folder)
        for student in students(size):
            self._expect_all_points(out / student / "results.json")
        return cost

    def _expect_all_points(self, path: Path) -> None:
        """Whoever leaves checks out is fast. Raises `Failed`."""
        graded = [test for test in json.loads(path.read_bytes())["tests"] if "max_score" in test]
        lost = [test["name"] for test in graded if test["score"] != test["max_score"]]
        if lost or len(graded) != len(self._assignment.exercises):
            raise Failed(f"otter ran {len(graded)} of {len(self._assignment.exercises)} exercises; wrong: {lost}")


def _installed(folder: Path) -> Path:
    """Make the environment; the command in it."""
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    own = [folder / "bin" / "python", *pip, "--constraint", ROOT / "constraints.txt", *_NEEDED]
    for command in ([sys.executable, "-m", "venv", folder], own):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace")
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
            raise Missing(f"otter-grader could not be installed: {said[-1]}")
    [packages] = folder.glob("lib/python*/site-packages")
    ours = sysconfig.get_path("purelib")
    (packages / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n", encoding="utf-8")
    return folder / "bin" / "otter"
