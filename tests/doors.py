"""One class of sixty through every door: ``python -m tests.doors`` (minutes; `tests.test_doors` takes a part of it).

``grader grade``, ``nbgrader autograde`` with our config, ``pytest`` on each notebook, and ``check()`` in a real kernel
for those that are honest: the same points for each exercise of each student, and the same in the gradebook.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from grader.course import CHECK, Assignment
from grader.gradebook import Gradebook
from tests.test_sandbox import ROOT
from tests.tiny import DOUBLE, exercise, marks, tiny

Points = dict[str, float]
SETUP = "from grader import check"
TOTAL = DOUBLE.replace("double", "total").replace("[2 * number for number in x]", "sum(x)")
SHOUT = DOUBLE.replace("double(x)", "shout(text)").replace("[2 * number for number in x]", "text.upper()")
CHECKS = """import pytest

@pytest.mark.exercise("total", points=0.5)
def test_total(student):
    assert student.total([1, 2]) == 3

@pytest.mark.exercise("shout", points=0.5)
def test_shout(student):
    assert student.shout("a b") == "A B"
"""
HIDDEN = """import pytest

pytestmark = pytest.mark.hidden

@pytest.mark.exercise("total", points=0.5)
def test_total_of_nothing(student):
    assert student.total([]) == 0

@pytest.mark.exercise("shout", points=0.5)
def test_shout_of_others(student):
    assert student.shout("ß é") == "SS É"
"""

# Answers by exercise: what earns all points, half of them, none.
RIGHT = {
    "double": ["return [2 * n for n in x]", "return [n + n for n in x]", "return list(map(lambda n: n * 2, x))"],
    "total": ["return sum(x)", "t = 0\n    for n in x:\n        t += n\n    return t", "return sum(n for n in x)"],
    "shout": ["return text.upper()", "return str.upper(text)", "return ''.join(c.upper() for c in text)"],
}
HALF = {"double": "return [2, 4]", "total": "return x[0] + sum(x[1:])", "shout": "return 'A B'"}
WRONG = {"double": "return x * 2", "total": "return len(x) + 2", "shout": "return text.lower()"}
PARAMETER = {"double": "x", "total": "x", "shout": "text"}

# What stands above the answers, or in place of one; none of it earns or costs a point.
HOSTILE = {
    "patches": "import builtins\nbuiltins.sum = lambda *a: 3",
    "exits": "import os\nos._exit(0)",
    "leaves": "import sys\nsys.exit()",
    "looks": "print(open('/etc/passwd').read(), open('solutions').read())",
    "kills": "import os, signal\nos.kill(os.getppid(), 9)",
    "imports": "import pytest, grader.grading\ngrader.grading.failed = None",
    "equals": "class Same(list):\n    __eq__ = lambda *a: True\ndef double(x): return Same()",
    "hides": "import sys\nsys.modules['grader'] = None",
    "writes": "open('/tmp/grader-was-here', 'w').write('x')",
    "spins": "def total(x):\n    while True: pass",
}
NOISY = "import warnings, sys\nwarnings.warn('careful')\nprint('noise', file=sys.stderr)"


def course(root: Path) -> Assignment:
    """Three exercises and a written question, with nbgrader's configuration."""
    root.mkdir()
    settings = (ROOT / "nbgrader_config.py").read_text(encoding="utf-8")
    (root / "nbgrader_config.py").write_text(settings + "\nc.Grade.time_limit = 1.0\n", encoding="utf-8")
    setup = new_code_cell(SETUP, id="setup", metadata=marks("setup", locked=True))
    more = [exercise("2", "total", TOTAL, "total(x)"), exercise("3", "shout", SHOUT, "shout(text)")]
    for name, text in (("test_more.py", CHECKS), ("hidden/test_more.py", HIDDEN)):
        (root / "autotests" / "tiny" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "autotests" / "tiny" / name).write_text(text, encoding="utf-8")
    return tiny(root, [setup], *more)


def notebook(assignment: Assignment, answers: Mapping[str, str], above: str = "") -> Any:
    """The released notebook, answered."""
    made = nbformat.read(assignment.notebooks[0], as_version=4)
    for cell in made.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in answers:
            cell.source = f"def {name}({PARAMETER[name]}):\n    {answers[name]}"
    if above:
        made.cells.insert(0, new_code_cell(above, id="above"))
    return made


def sixty(assignment: Assignment) -> dict[str, bytes]:
    """The class, by student."""
    found: dict[str, Any] = {}
    for number in range(15):
        answers = {name: ways[(number + at) % 3] for at, (name, ways) in enumerate(RIGHT.items())}
        found[f"right{number:02}"] = notebook(assignment, answers, NOISY if number % 5 == 0 else f"mine = {number}")
    best = {name: ways[0] for name, ways in RIGHT.items()}
    for number in range(12):
        wrong = [name for at, name in enumerate(RIGHT) if (number + 1) >> at & 1] or list(RIGHT)
        found[f"wrong{number:02}"] = notebook(assignment, best | {name: WRONG[name] for name in wrong})
    for number in range(11):
        half = [name for at, name in enumerate(RIGHT) if (number + 1) >> at & 1] or list(RIGHT)
        found[f"partial{number:02}"] = notebook(assignment, best | {name: HALF[name] for name in half})
    for name, source in HOSTILE.items():
        found[f"hostile_{name}"] = notebook(assignment, {**best, **dict.fromkeys(_taken(source), "pass")}, source)
    for name, change in AWKWARD.items():
        found[f"awkward_{name}"] = change(notebook(assignment, best))
    return {name: made if isinstance(made, bytes) else json.dumps(made).encode() for name, made in found.items()}


def _taken(source: str) -> list[str]:
    return re.findall(r"^def (\w+)", source, re.MULTILINE)


def _changed(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def changed(made: Any) -> Any:
        change(made)
        return made

    return changed


def _unmarked(made: Any) -> None:
    for cell in made.cells:
        cell.metadata = {}


def _checks_gone(made: Any) -> None:
    made.cells = [cell for cell in made.cells if not cell.source.startswith("check(")]


def _locked_changed(made: Any) -> None:
    for cell in made.cells:
        if cell.source.startswith("check("):
            cell.source = "1000.0"


def _more_points(made: Any) -> None:
    for cell in made.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.metadata.nbgrader.points = 1000


def _old_schema(made: Any) -> None:
    for cell in made.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.schema_version = 1


AWKWARD: dict[str, Callable[[Any], Any]] = {
    "unmarked": _changed(_unmarked),
    "doubled": _changed(lambda made: made.cells.extend(list(made.cells))),
    "checks_gone": _changed(_checks_gone),
    "locked_changed": _changed(_locked_changed),
    "more_points": _changed(_more_points),
    "old_schema": _changed(_old_schema),
    "no_json": lambda made: b"<<<<<<< HEAD",
    "empty": lambda made: b"",
    "list": lambda made: b"[1, 2, 3]",
    "reversed": _changed(lambda made: made.cells.reverse()),
    "prose": _changed(lambda made: made.cells.append(new_code_cell("this is not Python", id="prose"))),
    "forged": _changed(lambda made: made.metadata.update(grader={"result": {"score": 1000}})),
}
HONEST = ("right", "wrong", "partial")


def lay_out(assignment: Assignment, notebooks: Mapping[str, bytes]) -> Path:
    """The class in nbgrader's tree."""
    for student, data in notebooks.items():
        folder = assignment.root / "submitted" / student / assignment.name
        folder.mkdir(parents=True)
        (folder / f"{assignment.name}.ipynb").write_bytes(data)
    return assignment.root / "submitted"


def in_gradebook(assignment: Assignment, url: str) -> dict[str, Points]:
    """Points of each exercise of each student, as a gradebook has them."""
    gradebook = Gradebook(url, "fastbook")
    records = gradebook.read(assignment.name)
    gradebook.close()
    return {
        student: {m.name.removeprefix(CHECK): m.score or 0.0 for m in record.marks if m.name.startswith(CHECK)}
        for student, record in records.items()
    }


def by_pytest(assignment: Assignment, student: str) -> Points:
    """What ``pytest`` says of one notebook in the instructor's tree."""
    file = assignment.root / "submitted" / student / assignment.name / f"{assignment.name}.ipynb"
    command = [sys.executable, "-m", "pytest", "--submission", str(file), "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=assignment.root, capture_output=True, text=True, timeout=200, check=False)
    found = re.findall(r"^[✓✗◐–] (\w+) +([\d.]+) of [\d.]+ points", done.stdout, re.MULTILINE)
    return dict.fromkeys((e.name for e in assignment.exercises), 0.0) | {name: float(score) for name, score in found}


def by_kernel(assignment: Assignment, data: bytes) -> Points:
    """What the check cells of a notebook return in a kernel."""
    made = nbformat.reads(data.decode(), 4)
    folder = str(assignment.notebooks[0].parent)
    made.cells.insert(0, nbformat.v4.new_code_cell("from grader import check"))  # the small course does so too late
    NotebookClient(made, timeout=200, allow_errors=True, resources={"metadata": {"path": folder}}).execute()
    points: Points = {}
    for cell in made.cells:
        if name := re.fullmatch(r'check\("(\w+)"\)', cell.source.strip()):
            given = [output for output in cell.outputs if output["output_type"] == "execute_result"]
            points[name[1]] = float(given[0]["data"]["text/plain"]) if given else 0.0
    return points


def differences(expected: Mapping[str, Points], door: str, found: Mapping[str, Points]) -> Iterable[str]:
    """Whoever gets other points through a door."""
    for student, points in found.items():
        if points != expected[student]:
            yield f"{door}: {student}: {points}, not {expected[student]}"


def main() -> int:
    """Everyone through every door; 1 when somebody's points differ."""
    from tests.shell import Shell

    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        assignment = course(place / "course")
        notebooks = sixty(assignment)
        expected, nbgraded = through_both(assignment, notebooks, place, Shell)
        off = list(differences(expected, "nbgrader autograde", nbgraded))
        readable = {name for name in notebooks if name not in ("awkward_no_json", "awkward_empty", "awkward_list")}
        off += differences(expected, "pytest", {name: by_pytest(assignment, name) for name in sorted(readable)})
        honest = [name for name in notebooks if name.startswith(HONEST)]
        off += differences(expected, "check()", {name: by_kernel(assignment, notebooks[name]) for name in honest})
    print("\n".join(off) or "no difference")
    print(f"{len(notebooks)} students; pytest on {len(readable)}, a kernel for {len(honest)}; {len(off)} differ")
    return 1 if off else 0


def through_both(
    assignment: Assignment, notebooks: Mapping[str, bytes], place: Path, shell: Any
) -> tuple[dict[str, Points], dict[str, Points]]:
    """Points by ``grader grade --gradebook`` and by ``nbgrader autograde``, each in a gradebook of its own."""
    root, ours = assignment.root, f"sqlite:///{place / 'ours.db'}"
    environment = {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    grade = ["grader", "grade", "tiny", str(lay_out(assignment, notebooks)), "--out", str(place / "out")]
    with shell(place / "log", **environment) as person:
        for command in (
            ["nbgrader", "generate_assignment", "tiny", "--force"],
            [*grade, "--time-limit", "1", "--gradebook", ours, "--add-students"],
            ["nbgrader", "autograde", "tiny", "--force"],
        ):
            code, said = person.run(command, root)
            assert code == 0, said
            assert "checksum" not in said
            assert "Traceback" not in said
    return in_gradebook(assignment, ours), in_gradebook(assignment, f"sqlite:///{root / 'gradebook.db'}")


if __name__ == "__main__":
    sys.exit(main())
