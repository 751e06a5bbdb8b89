"""A student's notebook, rebuilt: honest answers are found whatever happened to the file, and no bytes do harm."""

from __future__ import annotations

import copy
import errno
import json
import os
import random
import socket
import time
import tracemalloc
from pathlib import Path
from unittest.mock import Mock

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat import v4

from grader import nbfile
from grader.course import Course
from grader.model import FLAGS
from grader.notebook import Problem, Submission, read, read_path

SETUP = "import math\nfrom grader import check\nBASE = 10"
STUBS = {
    "double": "def double(x):\n    raise NotImplementedError",
    "triple": "def triple(x):\n    raise NotImplementedError",
    "layers": "class Lin:\n    pass\n\nclass Mse:\n    pass",
    "total": "def total(x):\n    raise NotImplementedError",
}
ANSWERS = {
    "double": "def double(x):\n    return 2 * x",
    "triple": "triple = lambda x: 3 * x",
    "layers": "class Lin:\n    n = 1\n\nclass Mse:\n    n = 2",
    "total": "def total(x):\n    return double(x) + triple(x)",
}
WORKS = {
    "double": lambda space: space["double"](4) == 8,
    "triple": lambda space: space["triple"](4) == 12,
    "layers": lambda space: (space["Lin"].n, space["Mse"].n) == (1, 2),
    "total": lambda space: space["total"](4) == 20,
}


def cell(text, grade_id=None, kind="code", **marks):
    make = {"code": v4.new_code_cell, "markdown": v4.new_markdown_cell, "raw": v4.new_raw_cell}[kind]
    return make(text, metadata={"nbgrader": {"grade_id": grade_id, "schema_version": 3, **marks}} if grade_id else {})


def answer(name, text):
    return cell(text, name, grade=False, solution=True, locked=False)


def check(name):
    return cell(f'check("{name}")', f"check-{name}", grade=True, solution=False, locked=True, points=1)


def notebook(answers=ANSWERS):
    cells = [cell("# Homework", kind="markdown"), cell(SETUP, "setup", grade=False, solution=False, locked=True)]
    for number, name in enumerate(STUBS, 1):
        cells.append(cell(f"### {number}. `{name}(x)`\n\nWrite it.\n\n写出来。", kind="markdown"))
        cells += [answer(name, answers.get(name, STUBS[name])), check(name)]
    return v4.new_notebook(cells=cells)


@pytest.fixture(scope="module")
def assignment(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    (root / "assignments" / "hw").mkdir(parents=True)
    (root / "autotests" / "hw").mkdir(parents=True)
    nbformat.write(notebook({}), root / "assignments" / "hw" / "hw.ipynb")
    return Course(root).assignment("hw")


def dumped(book):
    return json.dumps(book).encode()


def index(book, grade_id):
    return next(i for i, c in enumerate(book.cells) if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


def find(book, grade_id):
    return book.cells[index(book, grade_id)]


def strip(book):
    for each in book.cells:
        each.metadata = {}


def works(submission, name):
    """Does the exercise's answer work at its place? Cells run as after "Restart and run all", failing ones skipped."""
    if submission.places[name] is None:
        return False
    space = {"check": lambda name: 0.0, "get_ipython": Mock()}
    for each in submission.cells[: submission.places[name]]:
        try:
            exec(compile(each.python.replace("from grader import check", ""), each.label, "exec"), space)
        except Exception:
            continue
    try:
        return WORKS[name](space)
    except Exception:
        return False


def graded(book, assignment, *flags, but=()):
    """The submission, all of whose exercises ``but`` some work and which has just these flags."""
    submission = read(book if isinstance(book, bytes) else dumped(book), assignment)
    assert isinstance(submission, Submission), submission
    assert {name for name in WORKS if not works(submission, name)} == set(but)
    assert submission.flags == flags
    valid(submission)
    return submission


def notes(submission):
    return [str(note) for note in submission.notes]


def valid(submission):
    assert list(submission.places) == list(submission.sources) == list(WORKS)
    assert all(place is None or 1 <= place <= len(submission.cells) for place in submission.places.values())
    assert len({each.label for each in submission.cells}) == len(submission.cells)
    assert set(submission.flags) <= set(FLAGS)
    assert len(submission.notes) <= 31
    for note in notes(submission):
        assert note.endswith(".")
        assert note.isprintable()
        assert len(note) < 700
    json.dumps([submission.sources, notes(submission)]).encode()
    for each in submission.cells:
        (each.label + each.source + each.python + str(each.exercise)).encode()


# ---------------------------------------------------------------- as it should be


def test_a_plain_submission(assignment):
    submission = graded(notebook(), assignment)
    assert [(c.label, c.kind, c.exercise) for c in submission.cells] == [
        ("cell 2", "locked", None),
        ("cell 4", "answer", "double"),
        ("cell 7", "answer", "triple"),
        ("cell 10", "answer", "layers"),
        ("cell 13", "answer", "total"),
    ]
    assert submission.places == {"double": 2, "triple": 3, "layers": 4, "total": 5}
    assert submission.sources == ANSWERS
    assert submission.notes == ()


def test_the_released_notebook(assignment):
    submission = graded(notebook({}), assignment, but=WORKS)
    assert submission.places == {"double": 2, "triple": 3, "layers": 4, "total": 5}
    assert submission.sources == STUBS


def test_own_cells_run_in_order_and_belong_to_the_exercise_above(assignment):
    book = notebook(ANSWERS | {"double": "def double(x):\n    return helper(x)"})
    book.cells.insert(index(book, "check-double"), cell("def helper(x):\n    return 2 * x"))
    book.cells.insert(index(book, "check-double"), cell("   "))
    book.cells.append(cell("double = None"))
    submission = graded(book, assignment)
    assert submission.cells[-1].kind == "own"
    assert submission.places["double"] == 3


def test_a_definition_between_answer_and_check_is_shown_too(assignment):
    book = notebook(ANSWERS | {"double": "def double(x):\n    return 0"})
    book.cells.insert(index(book, "check-double"), cell("def double(x):\n    return x + x"))
    assert graded(book, assignment).sources["double"] == (
        "def double(x):\n    return 0\n\ndef double(x):\n    return x + x"
    )


def test_calls_of_check_in_own_cells_stay(assignment):
    book = notebook()
    book.cells.append(cell('check("double")'))
    submission = graded(book, assignment)
    assert submission.cells[-1].source == 'check("double")'


def test_magics_do_not_hide_an_answer(assignment):
    book = notebook(ANSWERS | {"double": "%%time\n" + ANSWERS["double"], "triple": "%time triple = lambda x: 3 * x"})
    submission = graded(book, assignment)
    assert submission.cells[1].source.startswith("%%time")
    assert submission.cells[1].python == "\n" + ANSWERS["double"] + "\n"


# ---------------------------------------------------------------- what happens to cells


def test_doubled_cells_all_run_and_the_last_answer_counts(assignment):
    book = notebook()
    first = index(book, "double")
    book.cells.insert(first, answer("double", "def double(x):\n    return 0"))
    book.cells.append(copy.deepcopy(find(book, "check-total")))
    submission = graded(book, assignment, "cells_doubled")
    assert [c.exercise for c in submission.cells].count("double") == 2
    assert notes(submission) == ["Cells stand more than once: double, check-total; all of them ran."]


def test_a_doubled_stub_never_takes_an_answers_place(assignment):
    book = notebook()
    book.cells.insert(index(book, "total"), answer("double", STUBS["double"]))
    graded(book, assignment, "cells_doubled")


def test_deleted_cells(assignment):
    book = notebook()
    for grade_id in ("setup", "double", "check-triple", "check-total"):
        del book.cells[index(book, grade_id)]
    submission = graded(book, assignment, "cells_deleted", but={"double", "total"})
    assert submission.places["double"] is None
    assert submission.sources["double"] == ""
    assert submission.cells[0].label == "released setup cell"
    assert notes(submission) == ["Cells were deleted: setup, double, check-triple, check-total."]


def test_all_cells_but_one(assignment):
    book = v4.new_notebook(cells=[answer("double", ANSWERS["double"])])
    graded(book, assignment, "cells_deleted", but={"triple", "layers", "total"})


def test_reordered_cells(assignment):
    book = notebook()
    head, groups = book.cells[:2], [book.cells[i : i + 3] for i in range(2, 14, 3)]
    book.cells = head + groups[1] + groups[0] + groups[2] + groups[3]
    graded(book, assignment, "cells_reordered")


def test_answers_first_and_checks_last(assignment):
    book = notebook()
    book.cells.sort(key=lambda c: c.metadata.get("nbgrader", {}).get("grade_id", "").startswith("check-"))
    submission = graded(book, assignment, "cells_reordered")
    assert submission.places == {"double": 2, "triple": 3, "layers": 4, "total": 5}


def test_two_answers_in_one_cell(assignment):
    book = notebook(ANSWERS | {"double": ANSWERS["double"] + "\n" + ANSWERS["triple"]})
    del book.cells[index(book, "triple")]
    submission = graded(book, assignment, "cells_deleted")
    assert submission.places["triple"] == submission.places["double"] + 0
    assert "The answer to triple was found in cell 4." in notes(submission)


def test_all_answers_in_the_last_cell(assignment):
    book = notebook(ANSWERS | dict.fromkeys(["double", "triple", "layers"], ""))
    find(book, "total").source = "\n\n".join(ANSWERS.values())
    graded(book, assignment)


def test_answers_in_each_others_cells(assignment):
    book = notebook(ANSWERS | {"double": ANSWERS["triple"], "triple": ANSWERS["double"]})
    submission = graded(book, assignment)
    assert len(submission.notes) == 2


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_an_answer_beside_an_unchanged_stub(assignment, offset):
    book = notebook(ANSWERS | {"double": STUBS["double"].replace("):", "): # mine\n") + "\n"})
    book.cells.insert(index(book, "double") + offset, cell(ANSWERS["double"]))
    submission = graded(book, assignment)
    assert submission.sources["double"] == ANSWERS["double"]
    assert notes(submission) == [f"The answer to double was found in cell {4 + offset}."]


def test_an_answer_far_from_its_unchanged_stub(assignment):
    book = notebook(ANSWERS | {"double": STUBS["double"]})
    book.cells += [cell("def double(x): return 1"), cell(ANSWERS["double"]), cell("x = 1")]
    submission = graded(book, assignment, but={"total"})
    assert submission.places["double"] == len(submission.cells) - 1


def test_an_answer_typed_into_the_check_cell(assignment):
    book = notebook(ANSWERS | {"double": STUBS["double"]})
    find(book, "check-double").source += "\n" + ANSWERS["double"]
    graded(book, assignment, "locked_changed")


def test_an_edited_check_cell_is_dropped(assignment):
    book = notebook()
    find(book, "check-double").source = "1 / 0"
    find(book, "check-double").metadata["tags"] = ["skip-execution"]
    submission = graded(book, assignment, "locked_changed")
    assert not any("1 / 0" in c.source for c in submission.cells)


def test_a_class_split_over_cells(assignment):
    first, second = ANSWERS["layers"].split("\n\n")
    book = notebook(ANSWERS | {"layers": first})
    book.cells.append(cell(second))
    submission = graded(book, assignment)
    assert submission.sources["layers"] == ANSWERS["layers"]


@pytest.mark.parametrize("kind", ["markdown", "raw"])
def test_relabelled_answers(assignment, kind):
    book = notebook()
    i = index(book, "double")
    book.cells[i] = cell(ANSWERS["double"], "double", kind, grade=False, solution=True)
    graded(book, assignment, "cells_relabelled")


def test_a_cell_that_does_not_parse_costs_itself(assignment):
    book = notebook()
    book.cells.insert(2, cell("This is prose, and here is my plan:"))
    book.cells.insert(2, cell("<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> branch"))
    submission = graded(book, assignment, "cell_not_parsed")
    assert [c.python for c in submission.cells[1:3]] == ["", ""]


def test_an_answer_that_does_not_parse(assignment):
    broken = "def double(x)\n    return 2 * x"
    submission = graded(notebook(ANSWERS | {"double": broken}), assignment, "cell_not_parsed", but={"double", "total"})
    assert submission.places["double"] == 2
    assert submission.sources["double"] == broken
    assert notes(submission) == ["Cell 4 is not Python as a whole; it was left out."]


def test_a_command_without_its_mark_costs_nothing(assignment):
    text = "pip install torch\n" + ANSWERS["double"]
    submission = graded(notebook(ANSWERS | {"double": text}), assignment)
    assert submission.cells[1].source == "!" + text
    assert submission.sources["double"] == text
    assert len(submission.notes) == 1


# ---------------------------------------------------------------- the instructor's cells


def test_an_edited_setup_cell_is_replaced(assignment):
    book = notebook()
    find(book, "setup").source = "import math\nBASE = 11"
    submission = graded(book, assignment, "locked_changed")
    assert submission.cells[0].source == SETUP
    assert submission.cells[0].kind == "locked"
    assert not any("11" in c.source for c in submission.cells)


def test_imports_added_to_the_setup_cell_run_too(assignment):
    book = notebook(ANSWERS | {"double": "def double(x):\n    return operator.mul(2, x)"})
    find(book, "setup").source += "\nimport operator"
    submission = graded(book, assignment, "locked_changed")
    assert [(c.label, c.kind) for c in submission.cells[:2]] == [("cell 2 as released", "locked"), ("cell 2", "own")]


def test_an_answer_typed_into_the_setup_cell(assignment):
    book = notebook(ANSWERS | {"double": STUBS["double"]})
    find(book, "setup").source += "\n" + ANSWERS["double"]
    graded(book, assignment, "locked_changed")


def test_a_setup_cell_that_does_not_parse_any_more(assignment):
    book = notebook()
    find(book, "setup").source = "import (math"
    graded(book, assignment, "locked_changed")


# ---------------------------------------------------------------- lost metadata


def test_lost_metadata(assignment):
    book = notebook()
    strip(book)
    submission = graded(book, assignment, "metadata_lost")
    assert submission.places == {"double": 2, "triple": 3, "layers": 4, "total": 5}
    assert submission.sources == ANSWERS
    assert [c.kind for c in submission.cells] == ["locked"] + ["answer"] * 4
    assert len(submission.notes) == 1


def test_lost_metadata_of_stubs(assignment):
    book = notebook({"double": ANSWERS["double"]})
    strip(book)
    submission = graded(book, assignment, "metadata_lost", but={"triple", "layers", "total"})
    assert submission.places["triple"] == 3


def test_lost_metadata_and_headings_changed_or_checks_gone(assignment):
    book = notebook()
    strip(book)
    for each in book.cells:
        each.source = each.source.replace("(x)`\n", "(x)` ✓ done\n")
    book.cells = [c for c in book.cells if not c.source.startswith("check(")]
    submission = graded(book, assignment, "metadata_lost", "cells_deleted")
    assert submission.places == {"double": 2, "triple": 3, "layers": 4, "total": 5}


@pytest.mark.parametrize("kept", ["check(", "nothing"])
def test_code_alone(assignment, kept):
    book = notebook()
    strip(book)
    book.cells = [c for c in book.cells if c.cell_type == "code" and ("check(" not in c.source or kept in c.source)]
    book.cells.insert(1, cell("def double(x):\n    return 0"))
    flags = ["metadata_lost"] + ["cells_deleted"] * (kept == "nothing")
    graded(book, assignment, *flags)


def test_a_renamed_answer_is_shown_where_it_stands(assignment):
    book = notebook(ANSWERS | {"double": "def my_double(x):\n    return 2 * x"})
    strip(book)
    submission = graded(book, assignment, "metadata_lost", but={"double", "total"})
    assert submission.sources["double"] == "def my_double(x):\n    return 2 * x"


def test_lost_metadata_takes_the_answer_of_the_section(assignment):
    book = notebook()
    strip(book)
    book.cells += [cell("# Playground", kind="markdown"), cell("def double(x):\n    return 0")]
    book.cells.insert(5, cell("def double(x):\n    return x + x"))
    submission = graded(book, assignment, "metadata_lost")
    assert submission.sources["double"].endswith("x + x")


# ---------------------------------------------------------------- files of every kind


def old(book, major):
    cells = []
    for each in book.cells:
        if each.cell_type == "code":
            kind = {"cell_type": "code", "input": each.source.splitlines(True), "language": "python", "outputs": []}
        else:
            kind = {"cell_type": each.cell_type, "source": each.source}
        cells.append({**kind, "metadata": dict(each.metadata)})
    return {"nbformat": major, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}


@pytest.mark.parametrize("major", [2, 3])
def test_older_formats(assignment, major):
    submission = graded(dumped(old(notebook(), major)), assignment, "old_format")
    assert submission.places == {"double": 2, "triple": 3, "layers": 4, "total": 5}


def test_headings_of_nbformat_3_are_headings(assignment):
    book = notebook()
    strip(book)
    book = old(book, 3)
    for each in book["worksheets"][0]["cells"]:
        if each.get("source", "").startswith("###"):
            line = each["source"].splitlines()[0].lstrip("# ")
            each.update(cell_type="heading", level=3, source=line)
    graded(dumped(book), assignment, "metadata_lost", "old_format")


@pytest.mark.parametrize("change", [{"nbformat_minor": 99}, {"nbformat": 5}, {"nbformat": None}, {"metadata": None}])
def test_other_versions_and_metadata(assignment, change):
    graded(dumped({**notebook(), **change}), assignment)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings(assignment, encoding):
    text = json.dumps(notebook(), ensure_ascii=False)
    graded(text.encode(encoding), assignment)


def test_bytes_that_are_no_text(assignment):
    data = json.dumps(notebook(), ensure_ascii=False).replace("写出来", "写\x00").encode("gbk", "replace")
    assert "replaced" in notes(graded(data, assignment))[0]


def test_other_kernel(assignment):
    book = notebook()
    book.metadata["kernelspec"] = {"language": "julia\x1b[0m"}
    assert notes(graded(book, assignment)) == ["The notebook's kernel is for julia[0m; its cells were read as Python."]


def test_doubled_cell_ids_and_forged_outputs_do_not_matter(assignment):
    book = notebook()
    for each in book.cells:
        each["id"] = "same"
        if each.cell_type == "code":
            each["outputs"] = [{"output_type": "stream", "text": ["x" * 1000]}, None, 7]
    graded(book, assignment)


@pytest.mark.parametrize(
    "source", [["def double(x):\n", "    return 2 * x"], ["def double(x):\n", 7, None, "    return 2 * x"]]
)
def test_source_as_lines(assignment, source):
    book = notebook()
    find(book, "double").source = source
    graded(book, assignment)


@pytest.mark.parametrize("junk", [None, 1, "x", [], {}, [1], {"a": 1}, True, 1.5])
def test_wrong_types_cost_only_their_cell(assignment, junk):
    for key in ("source", "cell_type", "metadata"):
        book = notebook()
        find(book, "total")[key] = junk
        submission = read(dumped(book), assignment)
        assert works(submission, "double")
        valid(submission)
    book = notebook()
    find(book, "total").metadata["nbgrader"] = junk
    find(book, "triple").metadata["nbgrader"]["grade_id"] = junk
    book.cells.insert(0, junk)
    submission = read(dumped(book), assignment)
    assert all(works(submission, name) for name in WORKS)
    for key in ("cells", "metadata", "nbformat"):
        assert isinstance(read(dumped({**notebook(), key: junk}), assignment), Submission | Problem)
    assert isinstance(read(dumped(junk), assignment), Problem)
    assert isinstance(read(dumped({"worksheets": [junk, {"cells": junk}, {"cells": [junk]}]}), assignment), Problem)


def test_half_a_surrogate_pair(assignment):
    book = notebook()
    book.cells.append(cell("x = '\ud800'"))
    book.cells.append(cell("# 1", "\udfff\ud800"))
    graded(book, assignment)


def test_conflict_markers_in_the_file(assignment):
    text = json.dumps(notebook(), indent=1)
    line = '    "execution_count": null,\n'
    assert line not in text
    mine = '   "execution_count": null,\n'
    conflict = f"<<<<<<< HEAD\n{mine}=======\n{mine.replace('null', '7')}>>>>>>> branch\n"
    data = text.replace(mine, conflict, 2).encode()
    assert notes(graded(data, assignment)) == ["The file holds git conflict markers; one of its two sides was graded."]


def test_conflict_markers_and_not_json_on_either_side(assignment):
    assert isinstance(read(b"{\n<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n}", assignment), Problem)


def bomb(cells):
    return b'{"nbformat":4,"metadata":{},"cells":' + cells + b"}"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "The file is empty: save the notebook and hand it in again."),
        (b"\0" * 100, "The file is empty: save the notebook and hand it in again."),
        (b"\xef\xbb\xbf", "The file is not a notebook: not JSON at line 1, column 1."),
        (b"hello", "The file is not a notebook: not JSON at line 1, column 1."),
        (b"\x89PNG\r\n\x1a\n", "The file is not a notebook: not JSON at line 1, column 1."),
        (b"PK\x03\x04", "The file is not a notebook: not JSON at line 1, column 1."),
        (b"[]", "The file is not a notebook: it is JSON, but not an object with cells."),
        (b"{}", "The file is not a notebook: it has no list of cells."),
        (b'{"cells": 1}', "The file is not a notebook: it has no list of cells."),
        (dumped(notebook())[:-100], "The file is not a notebook: not JSON at line 1, column"),
        (b"[" * 100_000, "The file is not a notebook: its JSON is nested too deep."),
        (b'{"a":' * 100_000, "The file is not a notebook: its JSON is nested too deep."),
        (bomb(b"[" * 100_000 + b"]" * 100_000), "The file is not a notebook: its JSON is nested too deep."),
        (b"1" * 10_000, "The file is not a notebook: not JSON."),
        (bomb(b"[" + b"{}," * 200_000 + b"{}]"), "The notebook has 200001 cells; more than 5000 are not graded."),
        (bomb(b"[" + b"[]," * 6_000_000 + b"[]]"), "The file holds too many values to be a notebook"),
        (b" " * (nbfile.MAX_BYTES + 1), "The file is larger than 20 MB"),
        (b'{"cells": []}', "The notebook holds none of the exercises of hw; is it the right file?"),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, bytes) else "",
)
def test_what_is_not_a_notebook(assignment, data, text):
    problem = read(data, assignment)
    assert isinstance(problem, Problem)
    assert str(problem.text).startswith(text)
    assert str(problem.text).isprintable()
    assert problem.flag == ("wrong_assignment" if "right file" in text else "ungradable")


def test_another_assignments_notebook(assignment):
    other = v4.new_notebook(cells=[answer("quadruple", "def quadruple(x): return 4 * x"), check("quadruple")])
    assert read(dumped(other), assignment).flag == "wrong_assignment"
    other.cells.append(cell(ANSWERS["double"]))
    submission = read(dumped(other), assignment)
    assert "wrong_assignment" in submission.flags
    assert works(submission, "double")


# ---------------------------------------------------------------- paths


def test_a_regular_file(assignment, tmp_path):
    path = tmp_path / "my notebook.ipynb"
    path.write_bytes(dumped(notebook()))
    assert isinstance(read_path(path, assignment), Submission)


def test_what_is_not_a_regular_file(assignment, tmp_path):
    real = tmp_path / "real.ipynb"
    real.write_bytes(dumped(notebook()))
    (tmp_path / "folder.ipynb").mkdir()
    (tmp_path / "link.ipynb").symlink_to(real)
    (tmp_path / "dangling.ipynb").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.ipynb")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket.ipynb"))
    for name in ("folder", "link", "dangling", "pipe", "socket"):
        problem = read_path(tmp_path / f"{name}.ipynb", assignment)
        assert str(problem.text) == f"{name}.ipynb is not a regular file; hand in the notebook file itself."
    assert str(read_path(Path("/dev/zero"), assignment).text).startswith("zero is not a regular file")


def test_what_cannot_be_read(assignment, tmp_path):
    assert (
        str(read_path(tmp_path / "no.ipynb", assignment).text) == "no.ipynb cannot be read: No such file or directory."
    )
    assert "cannot be read" in str(read_path(tmp_path / "a\0b.ipynb", assignment).text)


@pytest.mark.parametrize(
    ("number", "flag"), [(errno.EACCES, "engine"), (errno.EIO, "engine"), (errno.ELOOP, "ungradable")]
)
def test_what_keeps_us_from_reading_is_no_zero(tmp_path, assignment, monkeypatch, number, flag):
    path = tmp_path / "a.ipynb"
    path.write_text("{}")

    def refuse(*_: object) -> int:
        raise OSError(number, "no")

    monkeypatch.setattr("grader.nbfile.os.open", refuse)
    assert read_path(path, assignment).flag == flag
    assert str(read_path(tmp_path / "a\x1b[2J\u202eb.ipynb", assignment).text).startswith("a[2Jb.ipynb cannot")


def test_a_huge_file_is_read_no_further_than_its_limit(assignment, tmp_path):
    path = tmp_path / "sparse.ipynb"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert str(read_path(path, assignment).text).startswith("The file is larger than 20 MB")


# ---------------------------------------------------------------- anything at all


ODD_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None, exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
# The fixture is only read from.
FUZZ = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(data=st.binary(max_size=300))
@FUZZ
def test_any_bytes(assignment, data):
    assert isinstance(read(data, assignment), Problem)


@given(data=st.data())
@FUZZ
def test_bytes_of_a_notebook_broken_at_random(assignment, data):
    raw = bytearray(dumped(notebook()))
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(raw)))
        stop = data.draw(st.integers(start, min(len(raw), start + 40)))
        raw[start:stop] = data.draw(st.binary(max_size=8))
    result = read(bytes(raw), assignment)
    if isinstance(result, Submission):
        valid(result)


@given(data=st.data())
@FUZZ
def test_structure_broken_at_random(assignment, data):
    book = json.loads(dumped(notebook()))
    for _ in range(data.draw(st.integers(1, 8))):
        place = book
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and data.draw(st.integers(0, 3)):
                place = place[key]
                continue
            if data.draw(st.booleans()):
                place[key] = data.draw(ODD_JSON)
            else:
                del place[key]
            break
    result = read(dumped(book), assignment)
    if isinstance(result, Submission):
        valid(result)


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 12))
@FUZZ
def test_an_intact_answer_is_always_found(assignment, seed, steps):
    draw = random.Random(seed)
    book = notebook()
    for _ in range(steps):
        cells = book.cells
        at = draw.randrange(len(cells))
        match draw.randrange(7):
            case 0 if len(cells) > 2:
                del cells[at]
            case 1:
                cells.insert(draw.randrange(len(cells)), copy.deepcopy(cells[at]))
            case 2:
                cells.insert(draw.randrange(len(cells)), cells.pop(at))
            case 3:
                cells[at].metadata = {}
            case 4:
                cells[at].metadata = copy.deepcopy(draw.choice(cells).metadata)
            case 5:
                cells.insert(at, cell(draw.choice(["1 / 0", "prose here.", "%%time\nx = 1", "", "check('x')"])))
            case 6:
                cells[at].source = draw.choice(["", "    ", *STUBS.values(), "<<<<<<< HEAD", cells[at].source])
    result = read(dumped(book), assignment)
    there = {n for n in ("double", "triple", "layers") if any(_codes(c, n) for c in book.cells)}
    if there:
        valid(result)
        assert {name for name in there if not works(result, name)} == set()


def _codes(each, name):
    return each.cell_type == "code" and each.source == ANSWERS[name]


# ---------------------------------------------------------------- worst cases, and the real thing


@pytest.mark.slow
@pytest.mark.parametrize(
    ("texts", "grade_id"),
    [
        (["x = 1"] * 4_900, None),
        ([ANSWERS["double"]] * 4_900, None),
        ([ANSWERS["double"]] * 4_900, "double"),
        (["%time x\n" * 400] * 100, None),
        (["x = 1\n" * 25_000] * 100, "setup"),
        (["import a\n" * 500] * 1_000, "setup"),
    ],
    ids=["cells", "answers", "doubled", "magics", "large", "imports"],
)
def test_no_notebook_takes_long(assignment, texts, grade_id):
    book = notebook()
    book.cells += [cell(text, grade_id) for text in texts]
    data = dumped(book)
    began = time.process_time()
    valid(read(data, assignment))
    assert time.process_time() - began < 30  # a few seconds; the machine may be slow and busy


@pytest.mark.slow
def test_no_text_takes_long(assignment):
    book = notebook()
    book.cells += [cell("#\n" * 7_000, kind="markdown") for _ in range(900)]
    data = dumped(book)
    began = time.process_time()
    valid(read(data, assignment))
    assert time.process_time() - began < 15


ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", Course(ROOT).names)
@pytest.mark.parametrize("stripped", [False, True])
def test_the_courses_own_notebooks(name, stripped):
    course = Course(ROOT).assignment(name)
    for path in course.notebooks:
        book = nbformat.read(path, as_version=4)
        if stripped:
            strip(book)
        submission = read(dumped(book), course)
        assert submission.flags == (("metadata_lost",) if stripped else ())
        order = [submission.places[exercise.name] for exercise in course.exercises]
        assert order == sorted(set(order))
        for exercise in course.exercises:
            answer_cell = submission.cells[submission.places[exercise.name] - 1]
            assert answer_cell.exercise == exercise.name
            assert answer_cell.source == submission.sources[exercise.name]


def chains(parts: int) -> bytes:
    """Objects in objects, each with a key of its own: what takes most memory for its length."""
    names = iter(range(parts))
    chain = ("".join(f'{{"{next(names):x}":' for _ in range(400)) + "0" + "}" * 400 for _ in range(parts // 401))
    return f'{{"cells": [], "more": [{",".join(chain)}]}}'.encode()


def test_what_takes_the_most_memory_for_its_length_is_bounded():
    data = chains(40_000)
    tracemalloc.start()
    try:
        assert isinstance(nbfile.parse(data), nbfile.Notebook)
        assert tracemalloc.get_traced_memory()[1] / 40_000 * nbfile.MAX_PARTS < 220 << 20
    finally:
        tracemalloc.stop()
    assert "too many values" in str(nbfile.parse(chains(nbfile.MAX_PARTS + 2_000)).text)


@pytest.mark.parametrize("text", ["1, " * nbfile.MAX_PARTS, '\\"[{,' * nbfile.MAX_PARTS])
def test_large_outputs_of_text_are_no_values(text):
    cells = f'{{"cell_type": "code", "source": "x = 1", "outputs": [{{"text": "{text}"}}]}}'
    assert len(nbfile.parse(f'{{"cells": [{cells}]}}'.encode()).cells) == 1
