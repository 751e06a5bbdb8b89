"""nbgrader's gradebook: what a batch writes to it, what it never touches, and what it survives."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_markdown_cell
from nbgrader.server_extensions.formgrader import handlers
from sqlalchemy import create_engine, text
from traitlets.config import Config

from grader import public, record
from grader.cli import main
from grader.course import Assignment
from grader.coursedir import Folders, Handin, fill, handin
from grader.gradebook import Gradebook, GradebookError, rows
from grader.inert import fenced, inert, squeezed
from grader.model import CheckResult, ExerciseResult, SubmissionResult, Written
from grader.nbfile import parse
from grader.recorder import Recorder
from grader.submissions import SubmissionFile
from tests import postgres
from tests.test_sandbox import ROOT
from tests.tiny import tiny

MONDAY = datetime(2026, 2, 2, 12, 0, 0)


def graded(student: str, score: float = 1.0, answer: str = "It stays empty.", **more: object) -> SubmissionResult:
    """A result of the tiny assignment."""
    passed = CheckResult("test_double", "passed", points=0.5, max_points=0.5)
    failed = CheckResult("test_double", "failed", "wrong", "The second number is 3.", max_points=0.5, next_step="Go.")
    checks = tuple(passed if score > at else failed for at in (0.0, 0.5))
    verdict = "passed" if score == 1 else "partial" if score else "failed"
    exercise = ExerciseResult("double", score, 1.0, verdict, checks, source="def double(x): return x + x")
    written = Written("why-double", 1.0, answer or "**Why?**", bool(answer))
    values = {"status": "graded", "flags": (), "problem": None, "exercises": (exercise,), "written": (written,)}
    return SubmissionResult("tiny", student, "tiny.ipynb", score=score, max_score=1.0, **(values | more))


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Assignment:
    return tiny(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A new gradebook's file: making one takes seconds."""
    file = tmp_path_factory.mktemp("blank") / "gradebook.db"
    Gradebook(f"sqlite:///{file}", "fastbook").close()
    return file.read_bytes()


@pytest.fixture
def url(tmp_path: Path, blank: bytes) -> str:
    (tmp_path / "gradebook.db").write_bytes(blank)
    return f"sqlite:///{tmp_path / 'gradebook.db'}"


@pytest.fixture
def gradebook(url: str):
    found = Gradebook(url, "fastbook")
    yield found
    found.close()


@pytest.fixture(scope="module")
def postgresql():
    if reason := postgres.missing():
        pytest.skip(reason)
    with postgres.server() as found:
        yield found


def by_hand(url: str, statement: str, **values: object) -> None:
    """What a person does in the formgrader, or an older program did."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement), values)
    engine.dispose()


GIVE = """UPDATE grade SET manual_score = :score, needs_manual_grade = :review
          WHERE cell_id IN (SELECT id FROM base_cell WHERE name = :cell)"""
SAY = "UPDATE comment SET manual_comment = :said WHERE cell_id IN (SELECT id FROM base_cell WHERE name = :cell)"


def marks(gradebook: Gradebook, student: str = "ada") -> dict[str, tuple[float | None, float | None]]:
    return {mark.name: (mark.automatic, mark.score) for mark in gradebook.read("tiny")[student].marks}


def test_scores_comments_and_what_waits_for_a_person(gradebook, course):
    gradebook.write(course, [graded("ada"), graded("bob", 0.5, answer="")], add_students=True)
    records = gradebook.read("tiny")
    assert {mark.name: mark.score for mark in records["ada"].marks} == {"check-double": 1.0, "why-double": None}
    assert records["ada"].needs_review
    assert {mark.name: mark.score for mark in records["bob"].marks} == {"check-double": 0.5, "why-double": 0.0}
    assert not records["bob"].needs_review
    assert (records["bob"].score, records["bob"].max_score) == (0.5, 2.0)
    with rows.Gradebook(gradebook.url, "fastbook") as theirs:  # as nbgrader itself reads it
        submission = theirs.find_submission_notebook("tiny", "tiny", "bob")
        comments = {comment.name: comment.comment for comment in submission.comments}
        assert submission.score == 0.5
    assert comments == {
        "double": "0.5 of 1 points. The second number is 3. Go.",
        "why-double": "No response.",
    }


def test_what_a_person_gave_survives_and_is_looked_at_again_when_it_must_be(gradebook, course):
    gradebook.write(course, [graded("ada", 0.5)], add_students=True)
    by_hand(gradebook.url, GIVE, score=0.25, review=False, cell="why-double")
    by_hand(gradebook.url, GIVE, score=0.75, review=False, cell="check-double")
    by_hand(gradebook.url, SAY, said="Nicely put.", cell="why-double")
    gradebook.write(course, [graded("ada", 0.5)])
    record = gradebook.read("tiny")["ada"]
    assert marks(gradebook) == {"check-double": (0.5, 0.75), "why-double": (None, 0.25)}
    assert (record.score, record.needs_review) == (1.0, False)
    assert {mark.comment for mark in record.marks} == {None, "Nicely put."}
    gradebook.write(course, [graded("ada", 1.0)])  # the checks say otherwise now
    assert marks(gradebook)["check-double"] == (1.0, 0.75)
    assert gradebook.read("tiny")["ada"].needs_review
    by_hand(gradebook.url, "UPDATE grade SET needs_manual_grade = :no", no=False)
    gradebook.write(course, [graded("ada", 1.0)], submitted={"ada": MONDAY})  # handed in again
    assert gradebook.read("tiny")["ada"].needs_review
    assert marks(gradebook)["why-double"] == (None, 0.25)


def test_our_fault_is_nobodys_zero(gradebook, course):
    gradebook.write(course, [graded("ada")], add_students=True)
    lost = ExerciseResult("double", 0.0, 1.0, "not_run", ())
    broken = graded("ada", 0.0, status="error", flags=("engine",), problem="killed", exercises=(lost,), written=())
    gradebook.write(course, [broken, graded("bob", exercises=(lost,), written=())], add_students=True)
    assert marks(gradebook)["check-double"] == (1.0, 1.0)
    assert marks(gradebook, "bob")["check-double"] == (None, None)
    assert gradebook.read("tiny")["bob"].needs_review


def test_an_ungradable_file_scores_zero_and_says_why(gradebook, course):
    zero = ExerciseResult("double", 0.0, 1.0, "failed", ())
    bad = graded("ada", 0.0, status="ungradable", problem="Not JSON.", exercises=(zero,), written=())
    gradebook.write(course, [bad], add_students=True)
    assert marks(gradebook)["check-double"] == (0.0, 0.0)
    with rows.Gradebook(gradebook.url, "fastbook") as theirs:
        assert "Not JSON." in theirs.find_comment("double", "tiny", "tiny", "ada").comment


def test_a_student_unknown_to_the_gradebook_is_left_out_unless_asked_for(gradebook, course):
    assert gradebook.write(course, [graded("ada")]) == {}
    assert gradebook.read("tiny") == {}
    assert gradebook.write(course, [graded("ada")], add_students=True) == {"ada": "ada"}
    assert gradebook.write(course, [graded("ada")]) == {"ada": "ada"}


def test_being_late_costs_what_the_course_says(gradebook, course):
    gradebook.write(course, [graded("ada")], add_students=True)
    by_hand(gradebook.url, "UPDATE assignment SET duedate = :due", due=str(MONDAY))
    half = []
    gradebook.write(
        course, [graded("ada")], submitted={"ada": MONDAY + timedelta(hours=2)},
        penalty=lambda student, score, seconds: half.append((student, score, seconds)) or score / 2,
    )  # fmt: skip
    assert half == [("ada", 1.0, 7200.0)]
    assert (gradebook.read("tiny")["ada"].late_penalty, gradebook.read("tiny")["ada"].score) == (0.5, 0.5)
    gradebook.write(course, [graded("ada")], submitted={"ada": MONDAY}, penalty=lambda *_: 1.0)
    assert gradebook.read("tiny")["ada"].late_penalty == 0.0


def test_the_penalty_is_the_configured_one(tmp_path):
    assert Folders(tmp_path).penalty("ada", 3.0, 60.0) is None
    (tmp_path / "nbgrader_config.py").write_text("c.LateSubmissionPlugin.penalty_method = 'zero'")
    assert Folders(tmp_path).penalty("ada", 3.0, 60.0) == 3.0


CLASS = 40
WRITE = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event, Engine
from grader.course import Course
from grader.gradebook import Gradebook
from tests.test_gradebook import CLASS, graded
book = Gradebook(sys.argv[1], "fastbook")
count = 0
def die(*_):
    global count
    count += 1
    if count == 12:  # some of the rows are sent, the transaction is not closed
        os.kill(os.getpid(), signal.SIGKILL)
event.listen(Engine, "after_cursor_execute", die)
book.write(Course(Path(sys.argv[2])).assignment("tiny"), [graded(f"s{n}") for n in range(CLASS)], add_students=True)
"""


@pytest.mark.parametrize("server", ["sqlite", "postgresql"])
def test_killed_half_way_and_run_again_it_is_complete_and_nothing_is_doubled(server, url, course, request):
    address = url if server == "sqlite" else request.getfixturevalue("postgresql")
    gradebook = Gradebook(address, "fastbook")
    command = [sys.executable, "-W", "ignore", "-c", WRITE, address, str(course.root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert gradebook.read("tiny") == {}
    results = [graded(f"s{number}", number % 3 / 2) for number in range(CLASS)]
    for _ in range(2):
        gradebook.write(course, results, add_students=True)
    records = gradebook.read("tiny")
    assert {name: record.score for name, record in records.items()} == {r.student: r.score for r in results}
    assert all(len(record.marks) == 2 for record in records.values())
    gradebook.close()


def test_postgresql_takes_whatever_a_student_can_write(postgresql, course):
    gradebook = Gradebook(postgresql, "fastbook")
    check = CheckResult("t", "failed", "raised", "\x00 \ud800 \u202e" + "x" * 10_000)
    nasty = ExerciseResult("double", 0.0, 1.0, "failed", (check,))
    gradebook.write(course, [graded("王思远", 0.0, exercises=(nasty,))], add_students=True)
    assert marks(gradebook, "王思远")["check-double"] == (0.0, 0.0)
    gradebook.close()


def test_a_gradebook_of_plain_nbgrader_is_taken_over(tmp_path, url, course):
    """Written by nbgrader's own methods, of a release with other cells, and with grades by hand."""
    with rows.Gradebook(url, "fastbook") as theirs:
        theirs.add_assignment("tiny", course_id="fastbook")
        theirs.add_notebook("tiny", "tiny")
        theirs.add_grade_cell("why-double", "tiny", "tiny", max_score=1, cell_type="markdown")
        theirs.add_grade_cell("check-gone", "tiny", "tiny", max_score=3, cell_type="code")
        theirs.add_solution_cell("why-double", "tiny", "tiny")
        theirs.add_student("ada")
        submission = rows.SubmittedAssignment(
            assignment=theirs.find_assignment("tiny"), student=theirs.find_student("ada")
        )
        theirs.db.add(submission)
        book = rows.SubmittedNotebook(notebook=theirs.find_notebook("tiny", "tiny"), assignment=submission)
        theirs.db.add(book)
        for cell in theirs.find_notebook("tiny", "tiny").grade_cells:
            theirs.db.add(rows.Grade(cell_id=cell.id, notebook=book, manual_score=0.5, needs_manual_grade=False))
        theirs.db.commit()
    gradebook = Gradebook(url, "fastbook")
    gradebook.write(course, [graded("ada")])
    expected = {"check-double": (1.0, 1.0), "why-double": (None, 0.5), "check-gone": (None, 0.5)}
    assert marks(gradebook) == expected
    gradebook.close()


def test_an_older_gradebook_is_upgraded_and_a_copy_kept(tmp_path, course, blank):
    file = tmp_path / "gradebook.db"
    file.write_bytes(blank)
    gradebook = Gradebook(f"sqlite:///{file}", "fastbook")
    gradebook.write(course, [graded("ada")], add_students=True)
    by_hand(gradebook.url, GIVE, score=0.25, review=False, cell="why-double")
    gradebook.close()
    age(file)
    gradebook = Gradebook(f"sqlite:///{file}", "fastbook")
    assert marks(gradebook)["why-double"] == (None, 0.25)
    gradebook.write(course, [graded("ada")])
    assert marks(gradebook)["why-double"] == (None, 0.25)
    gradebook.close()
    assert len(list(tmp_path.glob("gradebook.db.*"))) == 1


def test_a_gradebook_whose_making_was_cut_short_is_finished(url, course):
    by_hand(url, "DROP TABLE alembic_version")
    gradebook = Gradebook(url, "fastbook")
    assert gradebook.write(course, [graded("ada")], add_students=True)
    gradebook.close()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("nonsense", "give a URL as in sqlite:///gradebook.db"),
        ("mysql+nothing://x", "give a URL as in"),
        ("sqlite:////nowhere/at/all/gradebook.db", "sqlite:////nowhere/at/all/gradebook.db: unable to open"),
        ("sqlite:///FILE", "file is not a database"),
        ("sqlite:///OTHER", "holds other tables than a gradebook's"),
    ],
)
def test_a_gradebook_that_cannot_be_used_is_one_line(tmp_path, course, capsys, address, says):
    (tmp_path / "file").write_text("no database" * 100)
    with sqlite3.connect(tmp_path / "other") as other:
        other.execute("CREATE TABLE cats (name)")
    address = address.replace("FILE", str(tmp_path / "file")).replace("OTHER", str(tmp_path / "other"))
    arguments = ["grade", "tiny", str(tmp_path), "--out", str(tmp_path / "out"), "--course", str(course.root)]
    assert main([*arguments, "--gradebook", address]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_password_is_never_shown():
    with pytest.raises(GradebookError) as error:
        Gradebook("postgresql+psycopg://me:sesame@127.0.0.1:9/none", "fastbook")
    assert "sesame" not in str(error.value)


# ---------------------------------------------------------------- the folders


@pytest.fixture
def own(tmp_path: Path, blank: bytes) -> Assignment:
    """A course of one's own, its gradebook made."""
    assignment = tiny(tmp_path / "course")
    (tmp_path / "course" / "gradebook.db").write_bytes(blank)
    return assignment


def submitted(assignment: Assignment, student: str, *cells: object) -> SubmissionFile:
    folder = assignment.root / "submitted" / student / "tiny"
    folder.mkdir(parents=True)
    notebook = nbformat.read(assignment.notebooks[0], as_version=4)
    notebook.cells += cells
    nbformat.write(notebook, folder / "tiny.ipynb")
    (folder / "timestamp.txt").write_text("2026-02-02 12:00:00 UTC")
    (folder / "submission_secret.txt").write_text("sesame")
    return SubmissionFile(student, "tiny.ipynb", folder / "tiny.ipynb")


def test_the_folders_are_what_nbgrader_looks_for(own):
    recorder = Recorder(own, add_students=True)
    file = submitted(own, "ada", nbformat.v4.new_code_cell("print('mine')"))
    assert recorder.write([file], [graded("ada")]) == []
    folder = own.root / "autograded" / "ada" / "tiny"
    notebook = nbformat.read(folder / "tiny.ipynb", as_version=4)
    nbformat.validate(notebook)
    ids = [cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert ids == ["double", "check-double", "why-double"]
    sources = [cell.source for cell in notebook.cells]
    assert sources[1] == "def double(x): return x + x"
    assert sources[3] == "It stays empty."
    assert "Model answer" in sources[4]
    assert sources[5] == "print('mine')"
    assert "1 of 1 points" in notebook.cells[2].outputs[0].data["text/plain"]
    assert record.result_of(notebook) == public.public_result(graded("ada"))
    feedback = own.root / "feedback" / "ada" / "tiny"
    for place in (folder, feedback):
        assert (place / "timestamp.txt").read_text() == "2026-02-02 12:00:00 UTC"
        assert (place / "submission_secret.txt").read_text() == "sesame"
    page = (feedback / "tiny.html").read_text(encoding="utf-8")
    assert "Model answer" not in page
    assert "Not read yet" in page
    with rows.Gradebook(recorder.gradebook.url, "fastbook") as theirs:
        assert theirs.find_submission("tiny", "ada").timestamp == MONDAY
    recorder.gradebook.close()


def test_the_report_after_grading_by_hand_shows_both(own):
    recorder = Recorder(own, add_students=True)
    file = submitted(own, "ada")
    recorder.write([file], [graded("ada", 0.5)])
    by_hand(recorder.gradebook.url, GIVE, score=0.75, review=False, cell="why-double")
    by_hand(recorder.gradebook.url, SAY, said="Say <b>why</b>.", cell="why-double")
    recorder.write([file], [graded("ada", 0.5)])
    page = (own.root / "feedback" / "ada" / "tiny" / "tiny.html").read_text(encoding="utf-8")
    assert "<strong>1.25</strong> of 2 points, written answers included" in page
    assert "Say &lt;b&gt;why&lt;/b&gt;." in page
    assert "given by a person" in page
    assert "The second number is 3." in page
    assert "It stays empty." in page
    recorder.gradebook.close()


def test_unknown_students_are_reported_and_get_no_folder(own):
    recorder = Recorder(own)
    file = submitted(own, "ada")
    [line] = recorder.write([file], [graded("ada")])
    assert str(line) == "not in the gradebook, and not written to it: ada; add them there, or with --add-students"
    assert not (own.root / "autograded").exists()
    recorder.gradebook.close()


@pytest.mark.parametrize("name", ["..", "../x", "a/b", ".", "", "a\0b", "link"])
def test_no_name_leads_out_of_a_folder(tmp_path, name):
    (tmp_path / "autograded").mkdir()
    (tmp_path / "autograded" / "link").symlink_to("/tmp")
    assert Folders(tmp_path).autograded(name, "tiny") is None
    assert Folders(tmp_path).autograded("José Ñ (2)", "tiny") == tmp_path / "autograded" / "José Ñ (2)" / "tiny"


def test_what_lies_beside_a_submission_is_read_with_care(tmp_path):
    folder = tmp_path / "ada" / "tiny"
    folder.mkdir(parents=True)
    file = SubmissionFile("ada", "tiny.ipynb", folder / "tiny.ipynb")
    assert handin(file, "tiny") == Handin()
    (tmp_path / "secret").write_text("not to be read")
    (folder / "submission_secret.txt").symlink_to(tmp_path / "secret")
    (folder / "timestamp.txt").write_text("next Tuesday, perhaps" * 1000)
    assert handin(file, "tiny").secret == ""
    assert handin(file, "tiny").time is None
    (folder / "timestamp.txt").write_text("2026-02-02T14:00:00+02:00")
    assert handin(file, "tiny").time == MONDAY
    assert handin(SubmissionFile("ada", "ada.ipynb", tmp_path / "ada.ipynb"), "tiny") == Handin()


def test_a_submission_from_elsewhere_can_be_released_too(tmp_path):
    fill(tmp_path, "tiny.html", b"page", Handin())
    secret = (tmp_path / "submission_secret.txt").read_text()
    assert len(secret) == 32
    fill(tmp_path, "tiny.html", b"page", Handin())
    assert (tmp_path / "submission_secret.txt").read_text() == secret
    assert (tmp_path / "timestamp.txt").read_text().startswith(str(datetime.now(UTC).year))


def test_the_notebook_of_record_is_whole_whatever_was_handed_in(course):
    released = nbformat.read(course.notebooks[0], as_version=4)
    doubled = nbformat.from_dict({**released, "cells": [*released.cells, *released.cells]})
    for handed_in in (released, doubled, nbformat.v4.new_notebook()):
        parsed = parse(json.dumps(handed_in).encode())
        notebook = record.notebook(course, parsed.cells, graded("ada"))
        nbformat.validate(notebook)
        ids = [cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata]
        assert ids == ["double", "check-double", "why-double"]
        assert len(notebook.cells) == 5
    assert record.result_of(released) is None


class Live(HTMLParser):
    """What of a page runs, or leads somewhere: its elements with what they do, and the places of links."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style", "iframe", "object", "embed", "img", "svg", "form", "base", "link", "meta", "b"):
            self.found.append((tag, "", ""))
        self.found += [(tag, name, "") for name, value in attrs if "mermaid" in (value or "")]  # drawn as it stands
        places = [(name, value or "") for name, value in attrs if name in ("href", "src", "style", "action")]
        self.found += [(tag, *place) for place in places if not place[1].startswith("#")]
        self.found += [(tag, name, value or "") for name, value in attrs if name.startswith("on")]


def rendered(cells: Sequence[Any], course: Assignment, answer: str = "It stays empty.") -> str:
    """A notebook of record as the formgrader shows it."""
    own = nbformat.v4.new_notebook(cells=[*nbformat.read(course.notebooks[0], as_version=4).cells, *cells])
    parsed = parse(json.dumps(own).encode())
    config = Config()
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    names = ("assignment_id", "notebook_id", "submission_id", "base_url", "student", "last_name", "first_name")
    resources = {"index": 0, "total": 1, "notebook_path": "", **dict.fromkeys(names, "")}
    made = record.notebook(course, parsed.cells, graded("ada", answer=answer))
    html, _ = HTMLExporter(config=config).from_notebook_node(made, resources=resources)
    return str(html)


HOSTILE = [
    "because <script>alert(1)</script> <img src=x onerror=alert(2)> <b>bold</b>",
    "<div>\n<style>*{}</style><iframe src='x'></iframe>\n</div>",
    "[x](javascript:alert(3)) ![x](attachment:missing.png) [x](JaVaScRiPt:alert(3)) [x]( \n vbscript:x)",
    "[x](&#106;avascript:alert(3)) [x](java&Tab;script:alert(3)) [x](javascript&colon;alert(3)) [x](data:text/html,x)",
    "[x](<java\tscript:alert(3)>) [x](javascript\\:alert(3)) [[x]](javascript:alert(3)) [x](<javascript:alert(3)>)",
    "[x][a] [a] ![a]\n\n[a]: javascript:alert(3)\n\n[b]:\n  <javascript:alert(3)>\n\n[b] <javascript:alert(3)>",
    "```mermaid\n<img src=x onerror=alert(2)>\n```\n\n~~~ &#109;ermaid\n<script>alert(1)</script>\n~~~",
    "`<script>` `` ` <img src=x> `` \n\n    <script>alert(1)</script>\n\n| a |\n|---|\n| <script>alert(1)</script> |",
    "$a <img src=x onerror=alert(1)> b$ $$</script><script>alert(1)</script>$$ \\\\(<svg/onload=alert(1)>\\\\)",
    "\\begin{a}<img src=x onerror=alert(1)>\\end{a} \\<b> &lt;script&gt;alert(1)&lt;/script&gt; <!-- --><?x ?>",
    "# <img src=x onerror=alert(1)>\n\n> <b>\n\n* <b>\n\n<a href='javascript:alert(1)'>x</a>",
]


@pytest.mark.parametrize("place", ["answer", "markdown", "raw", "code"])
def test_nothing_a_student_wrote_comes_alive_in_the_formgrader(course, place):
    make: Any = {"raw": nbformat.v4.new_raw_cell, "code": nbformat.v4.new_code_cell}.get(place, new_markdown_cell)
    harmless = Live(rendered([make("word")], course)).found
    for hostile in HOSTILE:
        own = make("word" if place == "answer" else hostile, metadata={"raw_mimetype": "text/html"})
        html = rendered([own], course, hostile if place == "answer" else "It stays empty.")
        assert Live(html).found == harmless, hostile


HONEST = """## Why

It stays **empty**, *since*:

1. there is `a < b` and `x<y`
2. $a < b$, and $\\sum_{i<n} x_i$

```python
if a[0] < b: print({"k[1]": 2})
```

See [the book](https://example.org/a?b=1&c=2#d) or [below](#x), and [me](mailto:me@example.org)."""


def test_honest_markdown_reads_as_before_in_the_formgrader(course):
    html = rendered([], course, HONEST)
    for part in ("<strong>empty</strong>", "<em>since</em>", "<ol>", "<code>a &lt; b</code>", "$a &lt; b$"):
        assert part in html
    assert r"$\sum_{i&lt; n} x_i$" in html
    for place in ("https://example.org/a?b=1&amp;c=2#d", "#x", "mailto:me@example.org"):
        assert f'href="{place}"' in html
    text = "a<b\n````\n</code><script>"
    assert inert(fenced(text)).startswith("`````text\n")
    assert squeezed("a\n" + " \n" * 5_000 + "b") == "a\n" + "\n" * 20 + "b"


def age(file: Path) -> None:
    """Make a gradebook what nbgrader 0.6 would have left: no courses, no names for other systems."""
    with sqlite3.connect(file) as database:
        database.executescript("""
            CREATE TABLE older (
                id VARCHAR(32) NOT NULL PRIMARY KEY, name VARCHAR(128) NOT NULL UNIQUE, duedate DATETIME
            );
            INSERT INTO older SELECT id, name, duedate FROM assignment;
            DROP TABLE assignment;
            ALTER TABLE older RENAME TO assignment;
            DROP TABLE course;
            ALTER TABLE student DROP COLUMN lms_user_id;
            UPDATE alembic_version SET version_num = '167914646830';
        """)
    database.close()
