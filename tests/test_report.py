"""The pages, the CSV and the results line: what they show, what they withhold, and that student text stays text."""

from __future__ import annotations

import base64
import csv
import hashlib
import itertools
import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import jsonschema  # type: ignore[import-untyped]
import msgspec
import pytest
import torch

from grader import charts, exports, highlighter, legible, pages, public, report, roster
from grader.contrast import contrast
from grader.languages import LANGUAGES
from grader.model import (
    FLAGS,
    REASONS,
    CallShown,
    CheckResult,
    Contrast,
    Exercise,
    ExerciseResult,
    ExerciseVerdict,
    Flag,
    Frame,
    Grid,
    Shown,
    SubmissionResult,
)

SCHEMA_FILE = Path(__file__).parent.parent / "docs" / "results.schema.json"

SECRET = "s3cret-input"

HOSTILE = [
    "<script>alert(1)</script>",
    "</style></pre></title><h1 onclick=alert(1)>x</h1>",
    '"><img src=http://example.invalid/x onerror=alert(1)>',
    "<svg/onload=alert(1)>",
    "{{7*7}} {% raw %} {#",
    "[link](javascript:alert(1)) ![image](http://example.invalid/x) <http://example.invalid>",
    "\x1b[31mred\x1b[0m \x1b]8;;http://example.invalid\x07link\x1b]8;;\x07 \x9b31m",
    "gpj.\u202etxt \u2066x\u2069 zero\u200bwidth\ufeff \U000e0041",
    "lone \ud800 and \udcff",
    "NUL \x00 and bell \x07",
    "=cmd()|' /C calc'!A0",
    "`</code><b>`",
    "big " * 250_000,
]

# ---------------------------------------------------------------------------------------------------------------------
# Samples


RELU = Exercise(
    name="relu",
    title="2. `relu(x)`",
    points=2.0,
    prompt="### 2. `relu(x)`\n\nA tensor of any shape. Give back the same with each negative number set to **0**; "
    "leave the input alone.\n\nNot with `torch.relu`, `F.relu` or `nn.ReLU`.\n\n"
    "任意形状的张量：把负数变成 0，其余不变；不要修改输入。",
    stub="def relu(x):\n    raise NotImplementedError\n",
)
MSE = Exercise("mse", "31. `mse(output, targ)`", 2.0, "### 31. `mse(output, targ)`\n\nThe mean squared error.", "")
MATMUL = Exercise("matmul_loops", "A. `matmul_loops(a, b)`", 3.0, "### A\n\nThree loops, indexing only.", "")
DENSE = Exercise("dense", "3. `dense(x, w, b)`", 1.0, "### 3. `dense(x, w, b)`\n\n[bs, n_in] -> [bs, n_out]", "")
EXERCISES = [RELU, MSE, MATMUL, DENSE]

RELU_SOURCE = "def relu(x):\n    # 负数变成零\n    return x * (x > 0)\n"
MSE_SOURCE = '''%time
def mse(output, targ):
    """Mean squared error."""
    diff = output - targ   # [bs, 1] - [bs]
    return (diff ** 2).sum() / 2.0
'''
MATMUL_SOURCE = """def matmul_loops(a, b):
    c = torch.zeros(a.shape[0], b.shape[1])
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            for k in range(a.shape[0]):
                c[i, j] += a[i, k] * b[k, j]
    return c
"""


def passed(id: str, title: str, hidden: bool = False) -> CheckResult:
    return CheckResult(id, "passed", title=title, hidden=hidden, points=0.5, max_points=0.5)


def failed(id: str, title: str, message: str, **more: Any) -> CheckResult:
    fields: dict[str, Any] = {"reason": "wrong", "message": message, "title": title, "max_points": 0.5}
    return CheckResult(id, "failed", **fields | more)


WRONG_MSE = failed(
    "test_mean",
    "The loss is the mean over the batch.",
    "`mse` gives a result 8 times too large; 8 is half the batch: divide by the number of rows, not by 2.",
    diagnosis="factor",
    next_step="Work out the loss of two rows by hand, then of four. Which number do you divide by?",
    got="tensor(11.2184)",
    expected="tensor(1.4023)",
    call=CallShown(
        "mse(output, targ)",
        (Shown("output", "tensor([[ 0.3367],\n        [ 0.1288]])"), Shown("targ", "tensor([0.2345, 0.2303])")),
        "shapes torch.Size([16, 1]) torch.Size([16])\n",
    ),
)
RAISED = failed(
    "test_rectangular",
    "Works on a (5, 7) and a (7, 3) matrix.",
    "It raised IndexError: index 5 is out of bounds for dimension 1 with size 5",
    reason="raised",
    diagnosis="raised",
    next_step="Read the line that is named below with the shapes of `a` and `b` beside you.",
    call=CallShown("matmul_loops(a, b)", (Shown("a", "tensor of shape (5, 7)"), Shown("b", "tensor of shape (7, 3)"))),
    frames=(Frame("cell 12", 6, "c[i, j] += a[i, k] * b[k, j]"),),
)
HIDDEN = failed(
    "test_batch_of_one",
    "Right for a batch of one, too.",
    "The result has another shape than asked.",
    diagnosis="shape",
    hidden=True,
    next_step="Which axes does `squeeze()` remove from a tensor of shape (1, 1)?",
    got=SECRET,
    expected=SECRET,
    call=CallShown(SECRET, (Shown(SECRET, SECRET),), SECRET),
    frames=(Frame(SECRET, 3, SECRET),),
    contrast=Contrast(Grid((1,), (SECRET,)), Grid((1,), (SECRET,)), Grid((1,), (SECRET,)), ("1",), 1, 1),
)
STUB = [
    failed(f"test_dense_{i}", title, "`dense` is not written yet.", reason="missing", next_step="Replace the stub.")
    for i, title in enumerate(["Right shape.", "Right values.", "One row is enough."])
]
NOT_RUN = CheckResult("test_late", "not_run", reason="engine", title="Leaves its input alone.", max_points=0.5)


def answer(
    exercise: Exercise, score: float, verdict: ExerciseVerdict, checks: list[CheckResult], source: str = ""
) -> ExerciseResult:
    return ExerciseResult(exercise.name, score, exercise.points, verdict, tuple(checks), exercise.title, source)


def submission(student: str = "ada", **changes: Any) -> SubmissionResult:
    """A graded submission with one exercise of each verdict."""
    relu = [
        passed("test_positive", "Positive numbers stay as they are."),
        passed("test_zero_dim", "A single number (rank 0) works."),
        passed("test_inf", "Infinities are allowed.", hidden=True),
    ]
    result = SubmissionResult(
        assignment="ch17",
        student=student,
        notebook="ch17.ipynb",
        status="graded",
        score=4.5,
        max_score=8.0,
        flags=("timeout", "metadata_lost"),
        problem=None,
        exercises=(
            answer(RELU, 2.0, "passed", relu, RELU_SOURCE),
            answer(MSE, 0.5, "partial", [WRONG_MSE, HIDDEN, passed("test_rank", "A rank 0 tensor.")], MSE_SOURCE),
            answer(MATMUL, 2.0, "partial", [RAISED, NOT_RUN], MATMUL_SOURCE),
            answer(DENSE, 0.0, "failed", STUB, DENSE.stub),
        ),
        notes=("Cell 14 is not valid Python (line 3) and was left out.",),
        printed="epoch 1: 0.332\nepoch 2: 0.281\n",
    )
    return msgspec.structs.replace(result, **changes)


def ungradable(student: str = "bob") -> SubmissionResult:
    problem = "The file is not a notebook: JSON ends in the middle (line 1, column 80)."
    none = tuple(ExerciseResult(e.name, 0.0, e.points, "not_run", (), e.title) for e in EXERCISES)
    return SubmissionResult("ch17", student, "ch17.ipynb", "ungradable", 0.0, 8.0, ("ungradable",), problem, none)


def hostile_submission(text: str) -> SubmissionResult:
    """``text`` in every field that a student can reach."""
    check = failed(
        text,
        text,
        text,
        diagnosis=text,
        next_step=text,
        got=text,
        expected=text,
        call=CallShown(text, (Shown(text, text),), text),
        frames=(Frame(text, 1, text),) * 20,
        contrast=Contrast(Grid((1, 2), (text, "0")), Grid((), (text,)), None),
    )
    plain = msgspec.structs.replace(check, contrast=None)
    checks = (check, plain, msgspec.structs.replace(check, hidden=True, verdict="passed"), NOT_RUN)
    exercises = (ExerciseResult(text, 0.0, 1.0, "failed", checks, text, text),)
    return SubmissionResult(text, text, text, "graded", 0.0, 1.0, get_args(Flag), text, exercises, (text,) * 3, text)


def student_page(result: SubmissionResult) -> str:
    return report.student_page(result, EXERCISES)


def a_class() -> list[SubmissionResult]:
    full = submission("eve", score=8.0, flags=())
    full = msgspec.structs.replace(
        full,
        exercises=tuple(
            msgspec.structs.replace(e, verdict="passed", score=e.max_score, checks=(passed("t", "All."),))
            for e in full.exercises
        ),
    )
    return [
        submission("zoë"),
        full,
        submission("ada", flags=("tampering", "old_format")),
        ungradable(),
        submission("李雷 #1", score=6.0),
        submission("late", status="error", score=0.0, flags=("engine",)),
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Reading a page back


class Page(HTMLParser):
    """Tags, attributes and text of a page, and the text of its own style and script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.style = ""
        self.script = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "rect", "br", "hr", "input"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
        elif self.open and self.open[-1] == "script":
            self.script += data
        else:
            self.text += data

    def attributes(self, name: str) -> list[str]:
        return [value or "" for _, attributes in self.tags for key, value in attributes.items() if key == name]


TAGS = """
html head meta link title style body header main footer section article h1 h2 h3 h4 p strong em span a code pre div
table caption thead tbody tr th td ul ol li dl dt dd details summary svg g rect path text figure figcaption
label input nav
"""
OURS = (pages.templates_dir() / "class.js").read_text(encoding="utf-8")


def assert_harmless(html: str) -> Page:
    page = Page(html)
    html.encode("utf-8")
    assert {tag for tag, _ in page.tags} <= {*TAGS.split(), "script"}
    assert page.script in ("", OURS)
    assert sum(tag == "script" for tag, _ in page.tags) == (page.script == OURS)
    names = {name for _, attributes in page.tags for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in ("src", "style", "action", "srcdoc")}
    assert sum(tag == "style" for tag, _ in page.tags) == 1
    assert all(href == "data:," or href.startswith(("#", "./")) for href in page.attributes("href"))
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]", html
    )
    assert page.open == []
    return page


# ---------------------------------------------------------------------------------------------------------------------
# Hidden checks


def test_public_view_withholds_what_can_echo_a_hidden_input() -> None:
    view = public.public_view(HIDDEN)
    assert SECRET not in msgspec.json.encode(view).decode()
    assert (view.call, view.got, view.expected, view.frames, view.contrast) == (None, None, None, (), None)
    assert (view.message, view.next_step, view.diagnosis) == (HIDDEN.message, HIDDEN.next_step, HIDDEN.diagnosis)
    assert public.public_view(WRONG_MSE) == WRONG_MSE
    broken = CheckResult("t", "not_run", reason="engine", message=SECRET, hidden=True)
    assert public.public_view(broken).message is None


def test_nothing_tells_what_a_hidden_check_withholds(tmp_path: Path) -> None:
    result = submission()
    exports.write_grades_csv([result], tmp_path / "grades.csv")
    outputs = [
        student_page(result),
        roster.class_page([result], EXERCISES, {}),
        exports.results_line(result).decode(),
        (tmp_path / "grades.csv").read_text(),
    ]
    assert not [text for text in outputs if SECRET in text]
    assert "checked after submission" in outputs[0]
    assert "The result has another shape than asked." in outputs[0]


# ---------------------------------------------------------------------------------------------------------------------
# Text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("a\x00b\x1bc", "a␀b␛c"),
        ("a\u202eb\u200bc", "a⟨U+202E⟩b⟨U+200B⟩c"),
        ("\ud800", "⟨U+D800⟩"),
        ("10 %\r20 %\r\nend\n", "10 %\n20 %\nend\n"),
        ("<f at 0x7f3a5c0d1e50>", "<f at 0x…>"),
        ("0xff stays", "0xff stays"),
        ("Zoë 李雷 🙂\tfine\n", "Zoë 李雷 🙂\tfine\n"),
        ("x" * 30_000, "x" * 20_000 + "…"),
    ],
)
def test_legible(text: str, expected: str) -> None:
    assert legible.legible(text) == expected


def test_names_that_differ_stay_different() -> None:
    lines = {exports.results_line(submission(name)) for name in ("a", "a\x1b[0m", "a\u200b", "a\udcff")}
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("value", "text"), [(2.0, "2"), (0.1 + 0.2, "0.3"), (1 / 3, "0.3333"), (-0.0, "0"), (1e6, "1000000")]
)
def test_number(value: float, text: str) -> None:
    assert legible.number(value) == text


def test_code_in_backticks_is_escaped_first() -> None:
    assert legible.ticked("`a<b>` & c") == "<code>a&lt;b&gt;</code> &amp; c"


def test_every_code_has_words() -> None:
    words: Any = pages._environment().get_template("words.html.j2").module
    assert set(words.flags) == set(FLAGS)
    assert all(set(flag) == {"label", "student", "instructor"} for flag in words.flags.values())
    assert set(words.reasons) == set(REASONS)
    assert set(words.verdicts) == set(get_args(ExerciseVerdict))


# ---------------------------------------------------------------------------------------------------------------------
# results.jsonl and grades.csv


def test_schema_file_is_up_to_date() -> None:
    assert SCHEMA_FILE.read_text() == exports.schema_text(), (
        "write grader.exports.schema_text() to docs/results.schema.json"
    )


@pytest.mark.parametrize("result", [submission(), ungradable(), *map(hostile_submission, HOSTILE)])
def test_lines_fit_the_schema(result: SubmissionResult) -> None:
    line = exports.results_line(result)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    jsonschema.Draft202012Validator(exports.schema()).validate(json.loads(line))
    assert line == exports.results_line(result)


def test_line_holds_the_fixed_fields_and_no_more_than_it_may() -> None:
    line = json.loads(exports.results_line(submission(printed="printed", notes=("took 3 s",))))
    assert " ".join(line) == "schema assignment student notebook status score max_score flags problem exercises"
    assert " ".join(line["exercises"][1]) == "name score max_score verdict checks"
    assert line["exercises"][1]["checks"][0] == {
        "id": "test_mean",
        "verdict": "failed",
        "reason": "wrong",
        "message": WRONG_MSE.message,
        "diagnosis": "factor",
        "title": WRONG_MSE.title,
        "hidden": False,
        "points": 0.0,
        "max_points": 0.5,
        "next_step": WRONG_MSE.next_step,
    }


def test_addresses_are_masked() -> None:
    check = failed("t", "t", "It raised TypeError: <Lin object at 0x7f1234567890>")
    result = submission(exercises=(answer(RELU, 0.0, "failed", [check]),))
    assert "<Lin object at 0x…>" in exports.results_line(result).decode()
    assert "0x7f1234567890" not in student_page(result)


def read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "grades.csv"
    other = answer(MSE, 0.0, "not_run", [])
    exports.write_grades_csv([submission(), submission("cleo", exercises=(other,)), ungradable(), a_class()[-1]], path)
    rows = read_csv(path)
    assert rows == [
        ["student", "status", "score", "max_score", "relu", "mse", "matmul_loops", "dense"],
        ["ada", "graded", "4.5", "8", "2", "0.5", "2", "0"],
        ["cleo", "graded", "4.5", "8", "", "", "", ""],
        ["bob", "ungradable", "0", "8", "0", "0", "0", "0"],
        ["late", "error", "", "8", "2", "0.5", "2", "0"],
    ]


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "\n=1"])
def test_csv_holds_no_formula(name: str, tmp_path: Path) -> None:
    path = tmp_path / "grades.csv"
    exports.write_grades_csv([submission(name)], path)
    cell = read_csv(path)[1][0]
    assert cell.startswith("'")


# ---------------------------------------------------------------------------------------------------------------------
# Pages


def test_a_failed_check_is_told_whole() -> None:
    text = Page(student_page(submission())).text
    assert WRONG_MSE.message is not None
    assert WRONG_MSE.call is not None
    for part in [
        "4.5 of 8 points",
        WRONG_MSE.title,
        WRONG_MSE.message.replace("`", ""),
        WRONG_MSE.next_step,
        "mse(output, targ)",
        WRONG_MSE.call.inputs[0].text,
        WRONG_MSE.got,
        WRONG_MSE.expected,
        WRONG_MSE.call.printed,
        "cell 12, line 6",
        "c[i, j] += a[i, k] * b[k, j]",
        "负数变成零",
        "A tensor of any shape.",
        "epoch 2: 0.281",
        "That is not your fault; your instructor has been told.",
        "3 checks failed for the same reason",
        "An answer took too long and was stopped.",
        "Cell 14 is not valid Python",
    ]:
        assert str(part) in text, part


def with_tensors(got: torch.Tensor, expected: torch.Tensor, right: torch.Tensor | None) -> str:
    check = msgspec.structs.replace(WRONG_MSE, got="head\nrest", contrast=contrast(got, expected, right))
    return student_page(submission(exercises=(answer(MSE, 0.0, "failed", [check]),)))


def test_small_tensors_stand_side_by_side() -> None:
    got, expected = torch.tensor([[1.0, 2.5], [0.0, 8.0]]), torch.tensor([[1.0, 2.0], [0.0, 4.0]])
    html = with_tensors(got, expected, got == expected)
    assert re.findall(r'<table class="tensor (\w+)">', html) == ["got", "expected", "delta"]
    assert re.findall(r'<td class="off(\d)">(.*?)</td>', html) == [("3", "2.5"), ("4", "8."), ("3", "0.5"), ("4", "4")]
    assert "head" in html
    assert "rest" not in html


def test_tensors_of_different_shapes_stand_side_by_side_uncoloured() -> None:
    html = with_tensors(torch.ones(3, 1), torch.ones(3), None)
    assert re.findall(r'<table class="tensor (\w+)">', html) == ["got", "expected"]
    assert 'class="off' not in html


def test_of_large_tensors_a_map_shows_where_they_differ() -> None:
    expected = torch.ones(2, 3, 5, 7)
    got = expected.clone()
    got[1, 2, 0, 3:5] = float("nan")
    html = with_tensors(got, expected, got == expected)
    assert re.findall(r'<rect class="off(\d)" x="(\d+)" y="(\d+)" width="(\d+)"', html) == [("4", "17", "5", "2")]
    assert "2 of 210 elements are wrong" in html


def test_what_to_read_again_stands_beside_the_finding_alone() -> None:
    read = msgspec.structs.replace(
        MSE, prompt=MSE.prompt + "\n\nRead again: “A Layer”.\n\n均方误差。\n\n重读：“A Layer”（一层）。"
    )
    html = report.student_page(submission(), [read])
    assert html.count("“A Layer”") == 1
    assert "<strong>Read again:</strong> “A Layer”" in html
    assert "“A Layer”（一层）" in report.student_page(submission(), [read], LANGUAGES["zh"])


def test_the_line_that_raised_is_marked_in_the_source() -> None:
    marked = re.findall(r'<span class="hll"><span class="linenos">\s*(\d+)', student_page(submission()))
    assert marked == ["6", "6"]  # in what was tried, and in the answer


def test_the_page_of_an_ungradable_notebook_says_what_to_do() -> None:
    text = Page(student_page(ungradable())).text
    assert "This file could not be graded" in text
    assert "JSON ends in the middle" in text
    assert "Restart kernel and run all cells" in text
    assert "Overview" not in text


def test_our_fault_is_no_zero() -> None:
    text = Page(student_page(a_class()[-1])).text
    assert "it is not your fault" in text
    assert "– of 8 points" in text


def test_an_exercise_left_out_of_the_run_is_nobodys_fault() -> None:
    text = Page(student_page(submission(flags=(), exercises=(answer(MSE, 0.0, "not_run", []),)))).text
    assert "Not part of this run." in text
    assert "your instructor has been told" not in text


def test_unconfined_is_said_on_both_pages() -> None:
    result = submission(flags=("unconfined",))
    for html in (student_page(result), roster.class_page([result], EXERCISES, {})):
        assert "Graded without the whole sandbox." in Page(html).text


def test_class_page() -> None:
    results = a_class()
    links = {result.student: f"feedback/{result.student}/ch17/ch17.html" for result in results}
    page = assert_harmless(roster.class_page(results, EXERCISES, links))
    for part in ["Look at these first", "patches or inspects", "JSON ends in the middle", "late"]:
        assert part in page.text, part
    assert "./feedback/%E6%9D%8E%E9%9B%B7%20%231/ch17/ch17.html" in page.attributes("href")
    assert re.search(r"1 of 4 · 25 %", page.text)
    assert "3 of 4 mse gives a result 8 times too large" in page.text
    assert "./feedback/ada/ch17/ch17.html#exercise-2" in page.attributes("href")
    table = page.text.partition("Every submission")[2]
    order = [table.index(name) for name in ("ada", "bob", "eve", "late", "zoë", "李雷 #1")]
    assert order == sorted(order)


def mistakes_of(*checks: CheckResult) -> str:
    """What the class page says of one exercise that each of these checks failed for somebody."""
    results = [submission(f"s{i}", exercises=(answer(MSE, 0.0, "failed", [c]),)) for i, c in enumerate(checks)]
    return (
        Page(roster.class_page(results, EXERCISES, {})).text.partition("Commonest mistakes")[2].partition("Students")[0]
    )


def test_a_known_mistake_goes_by_its_name_and_hint() -> None:
    known = msgspec.structs.replace(WRONG_MSE, diagnosis="half_the_batch", seen="factor")
    other = msgspec.structs.replace(known, message="Another number.")
    text = mistakes_of(known, other, RAISED)
    assert f"2 of 3 half the batch · {WRONG_MSE.next_step}" in text
    assert "1 of 3" in text


def test_messages_that_differ_are_told_without_their_numbers() -> None:
    messages = ("The result is 3 times what is expected.", "The result is 8 times what is expected.")
    text = mistakes_of(*(msgspec.structs.replace(WRONG_MSE, message=message) for message in messages))
    assert "2 of 2 The result is what is expected times a constant." in text


def test_of_many_students_the_first_are_named() -> None:
    text = mistakes_of(*[WRONG_MSE] * 50)
    assert "and 10 more" in text


def test_without_the_library_of_charts_the_figures_stand_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with_charts = roster.class_page(a_class(), EXERCISES, {})
    monkeypatch.setattr(charts, "library", lambda: None)
    without = roster.class_page(a_class(), EXERCISES, {})
    assert (with_charts.count('class="chart"'), without.count('class="chart"')) == (2, 0)
    figures = Page(without).text.partition("Percent of the points")[2]
    assert figures.index("90–100") < figures.index("Exercises")


def test_class_page_of_nobody() -> None:
    assert "No submissions" in Page(roster.class_page([], EXERCISES, {})).text


@pytest.mark.parametrize(
    ("path", "href"),
    [
        ("feedback/a b/ch17/ch17.html", "./feedback/a%20b/ch17/ch17.html"),
        ("javascript:alert(1)", "./javascript%3Aalert%281%29"),
        ("//example.invalid/x", ".///example.invalid/x"),
        ('a"><script>', "./a%22%3E%3Cscript%3E"),
        ("a?b#c%d", "./a%3Fb%23c%25d"),
        ("\udcff\ud800", "./%3F%3F"),
        ("\udcff", "./%FF"),
    ],
)
def test_links_stay_here(path: str, href: str) -> None:
    html = roster.class_page([submission("x")], EXERCISES, {"x": path})
    assert href in assert_harmless(html).attributes("href")


@pytest.mark.parametrize("text", HOSTILE)
def test_student_text_is_text(text: str, tmp_path: Path) -> None:
    result = hostile_submission(text)
    html = student_page(result)
    assert_harmless(html)
    assert len(html) < 3_000_000
    assert_harmless(report.student_page(result, [Exercise(text, text, 1.0, text, text)]))
    assert_harmless(student_page(msgspec.structs.replace(result, status="ungradable")))
    assert_harmless(student_page(msgspec.structs.replace(result, status="error")))
    assert_harmless(roster.class_page([result], EXERCISES, {text: "feedback/" + text[:300]}))
    exports.write_grades_csv([result], tmp_path / "grades.csv")
    assert "49 " not in Page(html).text


def test_long_text_is_cut_with_a_notice() -> None:
    text = Page(student_page(hostile_submission("x" * 1_000_000))).text
    assert "980,000 more characters are not shown." in text  # the source
    assert "996,000 more characters are not shown." in text  # got, expected
    assert "8 more lines in between" in text


@pytest.mark.parametrize("char", ["'", "(", "\\", "f'{", "%", "\n", "#", '"""', "0", "a"])
def test_no_source_makes_the_highlighter_slow(char: str) -> None:
    source = (char * report.SOURCE_LIMIT)[: report.SOURCE_LIMIT]
    assert_harmless(student_page(submission(exercises=(answer(RELU, 0.0, "failed", [], source),))))


UNITS = ["\n", " \n", "\t", " ", "match ", "def ", "def", "@", "@a.", "'", '"', "'''", "r'''", "\n'''\\", "\\", "\\\n"]
UNITS += [
    "(",
    "[{",
    ".",
    "a.",
    "1",
    "1_",
    "1e+",
    "f'{",
    "{!",
    "f'{a:",
    "é",
    "a",
    "import ",
    "from .",
    "class ",
    "%%x\n",
]
UNITS += ["?", "rb", "%(", "!", " %", "def\n", "class\n", " @", "\n@", "\n  @a", "#", "0x", ">>> ", "'\n", "\\N{"]


def coloured(source: str) -> float:
    """The least of a few times that it took: others may be busy on the machine."""

    def once() -> float:
        highlighter.highlighted.cache_clear()
        began = time.process_time()
        highlighter.highlighted(source)
        return time.process_time() - began

    return min(once() for _ in range(2))


@pytest.mark.parametrize("start", ["", "f'", '"""', "x = "])
def test_colours_take_a_time_that_grows_as_the_length(start: str) -> None:
    """A source four times as long takes four times as long, or with anything worse at least sixteen times."""
    for unit in UNITS:
        short, long = ((start + unit * size)[:size] for size in (2_500, 10_000))
        assert coloured(long) < 10 * max(coloured(short), 0.002), (start, unit)


def test_a_page_has_so_much_colour_and_so_many_lines_and_no_more() -> None:
    source = "x = 1  # " + "x" * 9_000
    many = [answer(msgspec.structs.replace(RELU, name=f"a{number}"), 0.0, "failed", [], source) for number in range(40)]
    html = student_page(submission(exercises=tuple(many)))
    assert html.count('<span class="c">') == report.MAX_COLOURED // len(source)
    assert html.count("x" * 9_000) == 40
    page = Page(student_page(submission(exercises=(answer(RELU, 0.0, "failed", [], "x = 1\n" + "\n" * 1_500),))))
    assert page.text.count("501 more characters are not shown.") == 1


def test_policy_allows_what_is_ours_and_nothing_else() -> None:
    for html in (student_page(submission()), roster.class_page(a_class(), EXERCISES, {})):
        page = assert_harmless(html)
        style, script = (
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
            for text in (page.style, page.script)
        )
        allowed = f"style-src {style};" + (f" script-src {script};" if page.script else "")
        policy = next(a["content"] for tag, a in page.tags if tag == "meta" and "http-equiv" in a)
        assert policy == f"default-src 'none'; {allowed} img-src data:; base-uri 'none'; form-action 'none'"
        assert not re.search(r"url\(|@import|expression", page.style)


def test_only_the_class_page_has_a_script_and_it_never_makes_markup_of_text() -> None:
    assert Page(student_page(submission())).script == ""
    assert Page(roster.class_page(a_class(), EXERCISES, {})).script == OURS
    assert not re.search("innerHTML|outerHTML|insertAdjacent|document.write|eval|Function|import|fetch|src|href", OURS)


def test_structure_is_accessible() -> None:
    for html in (student_page(submission()), roster.class_page(a_class(), EXERCISES, {})):
        page = Page(html)
        tags = [tag for tag, _ in page.tags]
        assert (tags.count("h1"), tags.count("main")) == (1, 1)
        assert tags.count("table") == tags.count("caption")
        levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
        ids = page.attributes("id")
        assert len(ids) == len(set(ids))
        assert set(page.attributes("aria-labelledby")) <= set(ids)
        assert {href[1:] for href in page.attributes("href") if href.startswith("#")} <= set(ids)
        assert all("aria-label" in attributes for tag, attributes in page.tags if tag == "svg")


def _luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_have_contrast(theme: int) -> None:
    style = (pages.templates_dir() / "report.css").read_text()
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", style.split(":root")[1 + theme]))
    texts = ["text", "quiet", "link", "passed", "partial", "failed", "keyword", "string", "literal", "name"]
    grounds = ["page", "card", "sunk", "failed-wash", "partial-wash", "next-wash", "mark"]
    for text in texts:
        for ground in grounds:
            light, dark = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)
