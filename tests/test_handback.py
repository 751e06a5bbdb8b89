"""A class's files: each page written once for what it shows, and results held in little memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader import handback
from grader.commands import write_outputs
from grader.gist import Gist
from grader.handback import Handback
from grader.languages import LANGUAGES
from grader.model import CheckResult, ExerciseResult, SubmissionResult
from grader.report import student_page
from grader.store import Results, Stored, write_result
from tests.tiny import tiny


def result(student: str, message: str = "It is the transpose.") -> SubmissionResult:
    checks = (
        CheckResult("test_a", "passed", points=1.0, max_points=1.0),
        CheckResult("hidden:test_b", "failed", reason="wrong", message=message, hidden=True, max_points=1.0),
        CheckResult("test_c", "failed", reason="wrong", message=message, max_points=1.0, got="secret " * 9),
    )
    exercise = ExerciseResult("double", 1.0, 3.0, "partial", checks, source=f"def double(x): return x  # {student}")
    return SubmissionResult(
        "tiny", student, "tiny.ipynb", "graded", 1.0, 3.0, (), None, (exercise,), printed=f"{student} prints"
    )


@pytest.fixture
def exercises(tmp_path):
    return tiny(tmp_path / "course").exercises


def test_a_page_is_written_once_for_what_it_shows(tmp_path, exercises):
    def written(made: Handback, of: SubmissionResult) -> int:
        made.write(of)
        return made.path("ada").stat().st_ino

    english, chinese = (Handback(tmp_path, "tiny", exercises, LANGUAGES[code]) for code in ("en", "zh"))
    first = written(english, result("ada"))
    assert written(english, result("ada")) == first
    other = written(english, result("ada", "You left out 1/n."))
    assert other != first
    assert "You left out 1/n." in english.path("ada").read_text(encoding="utf-8")
    translated = written(chinese, result("ada", "You left out 1/n."))
    assert translated != other
    assert 'lang="zh' in chinese.path("ada").read_text(encoding="utf-8")
    page = chinese.path("ada")
    page.write_bytes(page.read_bytes()[:-200])
    assert written(chinese, result("ada", "You left out 1/n.")) == page.stat().st_ino
    assert page.read_bytes().rstrip().endswith(b"-->")
    (page.parent / ".tiny.html.0123.new").write_text("half")
    chinese.sweep("ada")
    assert [path.name for path in page.parent.iterdir()] == ["tiny.html"]


def test_what_is_equal_in_many_results_is_held_once():
    gist = Gist()
    ada, bob, eve = gist.of(result("ada")), gist.of(result("bob")), gist.of(result("eve", "Something else."))
    assert ada.student == "ada"
    assert ada.exercises[0] is bob.exercises[0]
    assert ada.exercises[0].checks[0] is eve.exercises[0].checks[0]
    assert ada.exercises[0] != eve.exercises[0]
    assert [check.message for check in eve.exercises[0].checks] == [None, "Something else.", "Something else."]


def test_nothing_that_takes_room_stays_in_memory():
    kept = repr(Gist().of(result("ada")))
    assert "secret" not in kept
    assert "def double" not in kept
    assert "prints" not in kept


def test_results_come_from_disk_and_the_lost_ones_from_memory(tmp_path):
    write_result(tmp_path, Stored("key", result("bob")))
    found = Results(tmp_path, ["eve", "bob"], {"eve": result("eve")})
    assert [one.student for one in found] == ["bob", "eve"]
    assert [one.student for one in found[:1]] == ["bob"]
    assert len(found) == 2
    (tmp_path / "bob.json").unlink()
    with pytest.raises(OSError, match="run the same command again"):
        found[0]


def test_a_folder_holds_lines_table_pages_and_the_class_page(tmp_path):
    assignment = tiny(tmp_path / "course")
    out: Path = tmp_path / "out"
    out.mkdir()
    kept = write_outputs(out, assignment, (), iter([result("ada"), result("bob")]), LANGUAGES["en"])
    assert [one.student for one in kept] == ["ada", "bob"]
    assert len((out / "results.jsonl").read_text().splitlines()) == 2
    page = (out / "index.html").read_text(encoding="utf-8")
    for student in ("ada", "bob"):
        assert f"./feedback/{student}/tiny/tiny.html" in page
        assert f"# {student}" in (out / "feedback" / student / "tiny" / "tiny.html").read_text(encoding="utf-8")


def test_what_cannot_be_told_of_one_student_is_not_run_and_stops_nobody(tmp_path, monkeypatch):
    def page(result, *more):
        if "ada" in result.exercises[0].source:
            raise UnicodeEncodeError("utf-8", "\udce9", 0, 1, "surrogates not allowed")
        return student_page(result, *more)

    monkeypatch.setattr(handback, "student_page", page)
    assignment, out = tiny(tmp_path / "course"), tmp_path / "out"
    out.mkdir()
    ada, bob = write_outputs(out, assignment, (), iter([result("ada"), result("bob")]), LANGUAGES["en"])
    assert (ada.status, ada.flags, bob.status) == ("error", ("engine",), "graded")
    assert "the grader failed: UnicodeEncodeError" in str(ada.problem)
    assert [line.split(",")[:3] for line in (out / "grades.csv").read_text().splitlines()[1:]] == [
        ["ada", "error", ""],
        ["bob", "graded", "1"],
    ]
    assert (out / "feedback" / "ada" / "tiny" / "tiny.html").exists()
