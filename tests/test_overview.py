"""The page docs/questionnaire.md, and how its table is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.cli import main
from grader.course import Course
from grader.overview import table
from tests.test_sandbox import ROOT
from tests.tiny import exercise, tiny

MISTAKE = """[[mistake]]
exercise = "double"
code = "unchanged"
hint_en = "Double it."
hint_zh = "加倍。"
source = "def double(x): return x"
"""


def test_the_page_is_current() -> None:
    page = ROOT / "docs" / "questionnaire.md"
    assert page.read_text(encoding="utf-8") == table(Course(ROOT)), f"run: grader table > {page}"


def test_every_row_is_there() -> None:
    lines = table(Course(ROOT)).split("## `ch17`")[1].split("\n## ")[0].splitlines()
    rows = [line.split(" | ")[0].strip("| ") for line in lines if line.startswith("| ")][2:]
    assert rows == [*map(str, range(1, 40)), "39", "40", *"ABCDEFGHI"]


def test_the_page_of_a_small_course(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = exercise("2", "q2", "q2 = None\n### BEGIN SOLUTION\nq2 = 4\n### END SOLUTION")
    value[0].source = value[0].source.replace("in a new", "a|b\n\n- What is the sum?\n\nin a new")
    tiny(tmp_path, value)
    suite = tmp_path / "autotests/tiny"
    (suite / "test_how.py").write_text(
        "import pytest\n\n\n@pytest.mark.exercise('double', points=1)\ndef test_how(student):\n"
        "    how = student.how('double')\n    how.must('einsum', 'expand')\n    how.must_not('torch')\n"
        "    how.loops(at_most=2)\n    how.loops(at_most=0)\n    how.only_builtins()\n    how.indexing_only()\n"
    )
    (suite / "hidden/mistakes").mkdir()
    (suite / "hidden/mistakes/double.toml").write_text(MISTAKE, encoding="utf-8")
    assert main(["table", "--course", str(tmp_path)]) == 0
    section = capsys.readouterr().out.split("## `tiny`\n\n")[1]
    asks = "must use `einsum` or `expand`; must not use PyTorch; at most 2 loops; no loop; built-ins only"
    question = "Every number of the list `x`, twice as large, in a new list of the same length."
    assert section.splitlines() == [
        "2 exercises, 3 checks (1 hidden), 1 known mistakes.",
        "",
        "| row | question | answer | points | graded by | checks | mistakes known |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        f"| 1 | {question} | function `double(x)` | 1 | results; {asks}; single numbers by indexing; *why* "
        "| 2 + 1 hidden | 1 |",
        "| 2 | - What is the sum? | value `q2` | 1 | its form, then the value | 0 + 0 hidden | 0 |",
    ]
