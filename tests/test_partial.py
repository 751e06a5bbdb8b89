"""What an edit of the course has graded again: as much as it may change, and no more."""

from __future__ import annotations

import contextlib
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import nbformat
import pytest

from grader import batch
from grader.digests import digests
from grader.exports import results_line
from grader.store import Job, Results, out_of_reach
from grader.submissions import SubmissionFile
from tests.tiny import exercise, load, tiny

CHECKS = """import pytest
from pathlib import Path

RAN = Path(__file__).parents[2] / "ran"


def note(name):
    with RAN.open("a") as file:
        file.write(name + " ")


@pytest.mark.exercise("fourfold", points=1)
def test_fourfold(student):
    note("fourfold")
    assert student.fourfold([1]) == [4]


@pytest.mark.exercise("negated", points=1)
def test_negated(student):
    note("negated")
    assert student.negated([1]) == [-1]
"""
FOURFOLD = "def fourfold(x):\n    ### BEGIN SOLUTION\n    return double(double(x))\n    ### END SOLUTION"
NEGATED = "def negated(x):\n    ### BEGIN SOLUTION\n    return [-number for number in x]\n    ### END SOLUTION"
RIGHT = {
    "double": "def double(x):\n    return [2 * number for number in x]",
    "fourfold": "def fourfold(x):\n    return double(double(x))",
    "negated": "def negated(x):\n    return [-number for number in x]",
}
WRONG = {
    "double": "def double(x):\n    return x",
    "fourfold": RIGHT["fourfold"],
    "negated": "def negated(x):\n    return x",
}
# `negated` is right as long as `double` ran before it.
LEAVING = {
    "double": "import math\n\ndef double(x):\n    math.seen = True\n    return [2 * number for number in x]",
    "fourfold": RIGHT["fourfold"],
    "negated": "def negated(x):\n    return [-number for number in x] if hasattr(math, 'seen') else x",
}
UNCALM = {**LEAVING, "double": LEAVING["double"].replace("math.seen = True", "setattr(math, 'se' + 'en', True)")}
DYING = {**RIGHT, "fourfold": "def fourfold(x):\n    import os\n    os._exit(3)"}


@pytest.fixture(scope="module")
def pool():
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        yield executor


class Class:
    """A course of three exercises, a class, and what of it was checked since somebody asked."""

    def __init__(self, root: Path, pool: ProcessPoolExecutor, **students: dict[str, str]) -> None:
        self.root, self.pool = root / "course", pool
        self.assignment = tiny(self.root, exercise("2", "fourfold", FOURFOLD), exercise("3", "negated", NEGATED))
        self.suite = self.root / "autotests" / "tiny"
        (self.suite / "test_more.py").write_text(CHECKS, encoding="utf-8")
        note = f"    open({str(self.root / 'ran')!r}, 'a').write('double ')\n    assert"
        self.edit("test_double.py", "    assert", note)
        self.files = []
        for name, answers in students.items():
            notebook = nbformat.read(self.root / "assignments" / "tiny" / "tiny.ipynb", as_version=4)
            for cell in notebook.cells:
                cell.source = answers.get(cell.id, cell.source)
            nbformat.write(notebook, root / f"{name}.ipynb")
            self.files.append(SubmissionFile(name, f"{name}.ipynb", root / f"{name}.ipynb"))

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.suite / name
        assert old in path.read_text(encoding="utf-8")
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    def grade(self, folder: str = "results") -> Results:
        place = self.root.parent / folder
        place.mkdir(exist_ok=True)
        job = Job(self.root, "tiny", place, out_of_reach(load(self.root).secrets), naming=False)
        results, trouble = batch.run(job, self.files, lambda: contextlib.nullcontext(self.pool), 1, lambda done: None)
        assert trouble is None
        return results

    def ran(self) -> list[str]:
        """The exercises whose public checks ran since the last time."""
        path = self.root / "ran"
        names = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return names


def lines(results: Results) -> list[bytes]:
    return [results_line(result) for result in results]


def test_an_edited_check_runs_alone(tmp_path, pool):
    tried = Class(tmp_path, pool, ada=RIGHT)
    tried.grade()
    assert tried.ran() == ["double", "fourfold", "negated"]
    tried.edit("test_more.py", "student.negated([1]) == [-1]", "student.negated([1]) == [1]")
    again = tried.grade()
    assert tried.ran() == ["negated"]
    [result] = again
    assert {exercise.name: exercise.verdict for exercise in result.exercises} == {
        "double": "passed", "fourfold": "passed", "negated": "failed"
    }  # fmt: skip
    assert result.score == 2
    assert lines(again) == lines(tried.grade("afresh"))
    tried.ran()
    tried.grade()
    assert tried.ran() == []


def test_whose_fault_it_is_is_told_as_if_all_had_been_graded(tmp_path, pool):
    tried = Class(tmp_path, pool, wrong=WRONG)
    [before] = tried.grade()
    assert before.exercises[1].checks[0].reason == "blocked"
    tried.ran()
    tried.edit("test_double.py", "== [2, 4]", "== [1, 2]")
    tried.edit("hidden/test_double.py", "== [14, 0, -6]", "== [7, 0, -3]")
    again = tried.grade()
    assert tried.ran() == ["double", "fourfold"]  # `negated` is wrong, too, and has nothing to do with it
    assert again[0].exercises[0].verdict == "passed"
    assert again[0].exercises[1].checks[0].reason == "wrong"
    assert lines(again) == lines(tried.grade("afresh"))


def test_a_notebook_that_misbehaved_is_graded_wholly(tmp_path, pool):
    tried = Class(tmp_path, pool, dying=DYING)
    [before] = tried.grade()
    assert "died" in before.flags
    tried.ran()
    tried.edit("test_more.py", "student.negated([1]) == [-1]", "student.negated([2]) == [-2]")
    again = tried.grade()
    assert set(tried.ran()) == {"double", "fourfold", "negated"}
    assert lines(again) == lines(tried.grade("afresh"))


@pytest.mark.parametrize("answers", [LEAVING, UNCALM])
def test_a_notebook_that_may_leave_something_behind_is_graded_wholly(tmp_path, pool, answers):
    tried = Class(tmp_path, pool, ada=answers)
    tried.grade()
    tried.ran()
    tried.edit("test_more.py", "student.negated([1]) == [-1]", "student.negated([2]) == [-2]")
    again = tried.grade()
    assert tried.ran() == ["double", "fourfold", "negated"]
    assert lines(again) == lines(tried.grade("afresh"))


@pytest.mark.parametrize(
    ("name", "old", "new", "changed"),
    [
        ("test_more.py", "student.negated([1])", "student.negated([1, ][:])", {"negated"}),
        ("test_more.py", 'exercise("negated", points=1)', 'exercise("negated", points=0.5)', {"negated"}),
        ("test_more.py", "def note(name):", "def note(name, more=''):", {"fourfold", "negated"}),
        ("hidden/test_double.py", "[7, 0, -3]", "[7, 1, -3]", {"double"}),
        ("test_more.py", '@pytest.mark.exercise("negated", points=1)', "", {"double", "fourfold", "negated"}),
    ],
)
def test_what_an_edit_concerns(tmp_path, pool, name, old, new, changed):
    tried = Class(tmp_path, pool)
    before = digests(tried.assignment)
    tried.edit(name, old, new)
    after = digests(tried.assignment)
    assert {name for name in before.parts if before.of(name) != after.of(name)} == changed


MORE = """

@pytest.mark.exercise("double", points=0.5)
def test_twice(student):
    assert student.double([1]) == [2]
"""
NESTED = "\n\nif True:\n" + MORE.strip().replace("\n", "\n    ").replace("@", "    @", 1) + "\n"


@pytest.mark.parametrize(
    ("more", "old", "new", "changed"),
    [
        (MORE, "student.double([1]) == [2]", "student.double([1]) == [3]", "double"),
        (NESTED, "student.double([1]) == [2]", "student.double([1]) == [3]", "double"),
        (MORE + "    test_negated(student)\n", "student.negated([1])", "student.negated([2])", "double"),
        ("", "\n", MORE.replace("test_twice", "test_negated") + "\n", "negated"),
        ("\ntest_twice = pytest.mark.exercise('double')(lambda student: 1)\n", "student: 1", "student: 2", "double"),
        (MORE.replace("\ndef", '\n@pytest.mark.exercise("negated")\ndef'), "double([1])", "double([2])", "negated"),
        ("\nclass Twice:\n    def test_it(self):\n        assert 1\n", "assert 1", "assert 2", "double"),
        ("\nfrom common import test_twice\n", "test_twice", "test_thrice", "double"),
    ],
)
def test_a_check_written_in_another_way_is_seen_as_well(tmp_path, pool, more, old, new, changed):
    tried = Class(tmp_path, pool)
    path = tried.suite / "test_more.py"
    path.write_text(CHECKS + more, encoding="utf-8")
    before = digests(tried.assignment)
    text, found, rest = (CHECKS + more).rpartition(old)
    assert found
    path.write_text(text + new + rest, encoding="utf-8")
    after = digests(tried.assignment)
    assert changed in {name for name in before.parts if before.of(name) != after.of(name)}


@pytest.mark.parametrize(
    "place", ["data.json", "hidden/cases.toml", "../conftest.py", "../../conftest.py", "hidden/conftest.py"]
)
def test_whatever_checks_may_read_is_everyone_s(tmp_path, pool, place):
    tried = Class(tmp_path, pool)
    before = digests(tried.assignment)
    (tried.suite / place).write_text("a = 1\n")
    there = digests(tried.assignment)
    (tried.suite / place).write_text("a = 2\n")
    assert len({before.shared, there.shared, digests(tried.assignment).shared}) == 3
    (tried.suite / "hidden" / "variants").mkdir()
    (tried.suite / "hidden" / "variants" / "a.toml").write_text("")
    (tried.suite / ".cache").mkdir()
    (tried.suite / ".cache" / "data.json").write_text("")
    (tried.suite / place).write_text("a = 1\n")
    assert digests(tried.assignment) == there


def test_what_one_file_of_checks_imports_from_another_is_everyone_s(tmp_path, pool):
    tried = Class(tmp_path, pool)
    (tried.suite / "test_double.py").write_text("from test_more import note\n" + CHECKS.replace("fourfold", "double"))
    before = digests(tried.assignment)
    tried.edit("test_more.py", "def note(name):", "def note(name, more=''):")
    after = digests(tried.assignment)
    assert all(before.of(name) != after.of(name) for name in before.parts)


def test_fixtures_above_the_suite_are_graded_by_as_they_are_now(tmp_path, pool):
    tried = Class(tmp_path, pool, ada=RIGHT)
    fixtures = tried.root / "autotests" / "conftest.py"
    fixtures.write_text("import pytest\n\n\n@pytest.fixture\ndef four():\n    return 4\n")
    tried.edit("test_more.py", "def test_fourfold(student):", "def test_fourfold(student, four):")
    tried.edit("test_more.py", "== [4]", "== [four]")
    assert [result.score for result in tried.grade()] == [3]
    fixtures.write_text(fixtures.read_text().replace("return 4", "return 5"))
    assert [result.score for result in tried.grade()] == [2]


def test_mistakes_are_their_exercise_s_and_helpers_everyone_s(tmp_path, pool):
    tried = Class(tmp_path, pool)
    folder = tried.suite / "hidden" / "mistakes"
    folder.mkdir()
    before = digests(tried.assignment)
    (folder / "a.toml").write_text('[[mistake]]\nexercise = "negated"\ncode = "same"\n')
    named = digests(tried.assignment)
    assert named.shared == before.shared
    assert [name for name in named.parts if named.parts[name] != before.parts[name]] == ["negated"]
    (tried.suite / "conftest.py").write_text("import pytest\n")
    assert digests(tried.assignment).shared != named.shared
    (folder / "a.toml").write_text("[[")
    assert digests(tried.assignment).shared != named.shared


def test_what_we_could_not_read_is_not_run_and_says_why(tmp_path, pool):
    tried = Class(tmp_path, pool, ada=RIGHT)
    tried.files.append(SubmissionFile("bob", "", None, "bob cannot be read: Permission denied.", "engine"))
    ada, bob = tried.grade()
    assert (ada.status, ada.score) == ("graded", 3)
    assert (bob.status, bob.flags) == ("error", ("engine",))
    assert "Permission denied" in str(bob.problem)
    tried.ran()
    shutil.copy(tmp_path / "ada.ipynb", tmp_path / "bob.ipynb")
    tried.files[1] = SubmissionFile("bob", "bob.ipynb", tmp_path / "bob.ipynb")
    assert [result.score for result in tried.grade()] == [3, 3]
    assert tried.ran() == ["double", "fourfold", "negated"]  # of bob alone
