"""What the benchmarks say of given numbers, and that otter-grader gets every exercise; nothing is measured here."""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from rich.console import Console

from benchmarks import otter, publication
from benchmarks.contenders import Contender
from benchmarks.figures import Figure, ratio
from benchmarks.meter import Cost, Failed
from benchmarks.race import CPU, EACH, RATIOS, WHOLE, costs, race, ratios
from benchmarks.sample import ASSIGNMENT, ROOT, Sample
from benchmarks.scale import rates
from grader.course import Course

SECONDS = {"grader": 2.0, "limit": 1.0, "nbgrader": 20.0}  # for each submission; the start takes ten


def contender(name: str, students: int = 5) -> Contender:
    return Contender(name, 1, students, lambda size: Cost(10 + SECONDS[name] * size, 5 + SECONDS[name] * size / 2))


def figures() -> list[Figure]:
    timed = race([contender(name) for name in SECONDS], 2, lambda text: None)
    return [*costs(timed), *ratios(timed), Figure("Memory at most", "worker", "MB", (300.0, 310.0, 290.0))]


def test_ratios_are_of_what_each_further_submission_takes():
    found = {(f.name, f.measure): f.values for f in figures() if f.section == RATIOS}
    assert found["grader / limit, 1 core", EACH] == found["grader / limit, 1 core", CPU] == (2.0, 2.0)
    assert found["nbgrader / grader, 1 core", EACH] == (10.0, 10.0)
    assert found["nbgrader / grader, 1 core", WHOLE] == (22 / 4, 22 / 4)
    assert len(found) == 6, "whoever did not take part is compared with nobody"


def test_who_fails_is_left_out_and_the_others_go_on():
    def fail(size: int) -> Cost:
        raise Failed("no kernel")

    said: list[str] = []
    timed = race([Contender("otter", 2, 3, fail), contender("limit")], 2, said.append)
    assert [(c.name, len(turns)) for c, turns in timed.items()] == [("limit", 2)]
    assert "otter, 2 cores: left out: no kernel" in said


def test_no_ratio_comes_of_a_difference_below_zero():
    found = ratio("s", "n", "m", [1.0, 4.0, 3.0], [-1.0, 2.0, 1.0])
    assert found is not None
    assert (found.values, str(found)) == ((2.0, 3.0), "2.50 (2.00–3.00)")
    assert ratio("s", "n", "m", [1.0], [-1.0]) is None


def test_tables_have_a_row_a_name_and_a_column_a_measure():
    console = Console(file=io.StringIO(), width=160)
    console.print(*publication.tables(figures()), sep="\n")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(r"nbgrader, 1 core +│ +20.0 \(20.0–20.0\) │ +10.0 \(10.0–10.0\)", shown), shown
    assert re.search(r"worker │ 300 \(290–310\)", shown), shown


def test_json_holds_every_value():
    told = json.loads(publication.as_json({"cores": 2}, figures()))
    assert told["facts"] == {"cores": 2}
    assert len(told["figures"]) == len(figures())
    memory = told["figures"][-1]
    assert memory == {
        "section": "Memory at most", "name": "worker", "measure": "MB",
        "median": 300.0, "least": 290.0, "most": 310.0, "values": [300.0, 310.0, 290.0],
    }  # fmt: skip


def test_the_picture_is_an_svg_that_runs_nothing():
    pytest.importorskip("pygal")
    drawn = publication.picture(figures())
    assert drawn
    assert "nbgrader, 1 core: 20.0 (20.0–20.0)" in drawn
    root = ElementTree.fromstring(drawn)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))


def test_rates_count_from_the_first_result():
    times = [100.0 + second for second in (0, 1, 2, 3, 4, 6, 8, 10, 12)]
    assert [(r.first, r.last, r.a_second) for r in rates(times, 2)] == [(1, 5, 1.0), (5, 9, 0.5)]


def test_otter_gets_every_exercise_with_its_points(tmp_path: Path):
    assignment = Course(ROOT).assignment(ASSIGNMENT)
    tests = otter.tests(assignment)
    assert list(tests) == [f"tests/{exercise.name}.py" for exercise in assignment.exercises]
    for exercise in assignment.exercises:
        values = assigned(tests[f"tests/{exercise.name}.py"])
        assert values == {"OK_FORMAT": False, "name": exercise.name, "points": exercise.points}
        assert f"assert check({exercise.name!r}) == points" in tests[f"tests/{exercise.name}.py"]
    otter.write_autograder(tmp_path / "autograder.zip", assignment)
    names = zipfile.ZipFile(tmp_path / "autograder.zip").namelist()
    assert {*tests, f"files/assignments/{ASSIGNMENT}/{ASSIGNMENT}.ipynb"} <= set(names)


def assigned(source: str) -> dict[str, object]:
    """The constants that a test file sets."""
    found = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    return {ast.unparse(node.targets[0]): ast.literal_eval(node.value) for node in found}


def test_where_otter_cannot_be_installed_a_line_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: looked\nERROR: No matching distribution found")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(otter.Missing, match=r"^otter-grader could not be installed: ERROR: No matching .* found$"):
        otter.Otter(tmp_path, 3)


def test_otters_notebook_checks_each_exercise_at_its_place():
    assignment = Course(ROOT).assignment(ASSIGNMENT)
    text = Sample().text("ada")
    before, after = nbformat.reads(text, 4), nbformat.reads(otter.notebook(text), 4)
    assert after.cells[0].source == "import otter\n\ngrader = otter.Notebook()"
    assert [cell.source.replace("grader.check(", "check(") for cell in after.cells[1:]] == [
        cell.source for cell in before.cells
    ]
    checks = re.findall(r'^grader\.check\("(\w+)"\)$', "\n".join(cell.source for cell in after.cells), re.MULTILINE)
    assert checks == [exercise.name for exercise in assignment.exercises]
    assert text.count("# ada") == len(assignment.exercises), "each copy is its student's own"
