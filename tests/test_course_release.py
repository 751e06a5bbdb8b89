"""What the released notebook must and must not hold, and what may lie in the course's folders."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from grader import release
from grader.course import Course
from grader.verify import Counts
from tests.tiny import HIDDEN, edit, load, tiny


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small course in order."""
    tiny(tmp_path)
    return tmp_path


def told(root: Path) -> list[str]:
    """What all parts of this have to say of the course, without its place."""
    assignment = load(root)
    stale = release.stale(assignment)
    assert stale is not None
    said = [*release.prompts(assignment), *release.leaks(assignment), *stale, *release.strays(Course(root))]
    return [line.replace(f"{root}/", "") for line in said]


def test_a_course_in_order(root: Path) -> None:
    (root / "autotests/tiny/__pycache__").mkdir()
    (root / "autotests/tiny/__pycache__/test_double.cpython-311.pyc").touch()
    (root / "autotests/tiny/hidden/mistakes").mkdir()
    (root / "autotests/tiny/hidden/mistakes/double.toml").touch()
    assert told(root) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("把列表 `x` 里的每个数都乘以二，放进一个长度相同的新列表。", "",
         "double: its prompt needs English and Chinese"),
        ("Every number of the list `x`, twice as large, in a new list of the same length.", "",
         "double: its prompt needs English and Chinese"),
        ("Read again: “Twice Two”.", "", "double: its prompt needs a line “Read again: ...”"),
        ("重读：", "", "double: its prompt needs a line “Read again: ...”"),
        ("### 1. `double(x)`", "Double.", "double: no prompt with a heading above its cell"),
        ("**为什么？** 空列表会变成什么？为什么这样是对的？请用一句话回答。", "",
         "why-double: the written question needs English and Chinese"),
        ("**Rubric (1 point).**", "", "why-double: between BEGIN SOLUTION and END SOLUTION it lacks Rubric"),
        ("参考答案", "答案", "why-double: between BEGIN SOLUTION and END SOLUTION it lacks 参考答案"),
    ],
)  # fmt: skip
def test_what_a_prompt_lacks(root: Path, old: str, new: str, expected: str) -> None:
    for tree in ("solutions", "assignments"):
        if old in (root / tree / "tiny/tiny.ipynb").read_text(encoding="utf-8"):
            edit(root, tree, old, new)
    assert expected in "\n".join(release.prompts(load(root)))


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ("Like this: return [2 * number for number in x]",
         "double: the release holds a line of its solution: return [2 * number for number in x]; run: make release"),
        ("**Model answer.** It stays empty: there is no number to double.",
         "why-double: the release holds a line of its solution: **Model answer.** It stays empty"),
        ("assert student.double([7, 0, -3]) == [14, 0, -6]",
         "test_double.py: the release holds a line of this hidden test: assert student.double([7, 0, -3])"),
        ("### BEGIN HIDDEN TESTS", "the release holds the mark BEGIN HIDDEN TESTS"),
    ],
)  # fmt: skip
def test_what_leaks_into_the_release(root: Path, new: str, expected: str) -> None:
    edit(root, "assignments", "Every number of", new)
    assert expected in "\n".join(release.leaks(load(root)))


def test_a_prompt_may_quote_a_line_of_a_solution(root: Path) -> None:
    for tree in ("solutions", "assignments"):
        edit(root, tree, "Every number of", "Not return [2 * number for number in x], but every number of")
    assert list(release.leaks(load(root))) == []


def test_a_leak_in_an_output_is_found(root: Path) -> None:
    output = (
        '"outputs": [{"name": "stdout", "output_type": "stream", "text": "    return [2 * number for number in x]"}]'
    )
    edit(root, "assignments", '"outputs": []', output)
    assert any("a line of its solution" in line for line in release.leaks(load(root)))


def test_a_check_cell_holds_its_call_alone(root: Path) -> None:
    edit(root, "assignments", 'check(\\"double\\")', "assert double([7]) == [14]")
    assert 'check-double: a check cell calls check("...") and holds nothing else' in list(release.leaks(load(root)))


def test_a_stale_release(root: Path) -> None:
    edit(root, "solutions", "Every number of", "Each number of")
    assert told(root) == [
        "assignments/tiny/tiny.ipynb: cell 1 is not what nbgrader makes of the source; run: make release"
    ]
    edit(root, "assignments", '"checksum": "', '"checksum": "0')
    assert "cell 1 " in told(root)[0]


def test_without_nbgrader_the_release_is_not_compared(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "nbgrader"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "nbgrader", None)
    assert release.stale(load(root)) is None
    assert str(Counts(release_compared=False)).endswith("nbgrader is not installed: the release was not compared")


@pytest.mark.parametrize(
    "path",
    [
        "solutions/tiny/tiny (copy).ipynb",
        "solutions/notes.txt",
        "assignments/tiny/.ipynb_checkpoints/tiny-checkpoint.ipynb",
        "autotests/tiny/double_test.py",
        "autotests/tiny/hidden/mistakes/double.json",
        "autotests/tiny/more/test_double.py",
    ],
)
def test_stray_files(root: Path, path: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(HIDDEN)
    assert told(root) == [f"{path}: does not belong here; move it away or delete it"]


def test_a_folder_of_no_assignment(root: Path) -> None:
    (root / "solutions/other").mkdir()
    assert told(root) == ["solutions/other: no assignment of this name is released; run: make release, or delete it"]
