"""``grader check``: once, and again after each save."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader import selfcheck
from grader.composed import compose, reference_answers
from tests.tiny import tiny
from tests.watching import save, start, until_waiting

SUM = re.compile(r"^([\d.]+) of ([\d.]+) points", re.MULTILINE)
pytestmark = pytest.mark.slow


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """The stub, in a student's folder of a small course."""
    assignment = tiny(tmp_path)
    path = tmp_path / "work" / "tiny.ipynb"
    path.parent.mkdir()
    path.write_bytes(compose(assignment, {}))
    (tmp_path / "right").write_bytes(compose(assignment, reference_answers(assignment)))
    return path


def test_once_and_where_the_report_is(notebook: Path):
    notebook.write_bytes((notebook.parent.parent / "right").read_bytes())
    process = start(notebook)
    said, complaint = process.communicate(timeout=120)
    assert process.returncode == 0, said + complaint
    assert SUM.findall(said) == [("1", "1")]
    [page] = re.findall(r"the whole report: file://(\S+)", said)
    assert "double" in Path(page).read_text(encoding="utf-8")


def test_again_after_each_save(notebook: Path):
    process = start(notebook, notebook.name, "--watch")
    assert SUM.findall(until_waiting(process)) == [("0", "1")]
    save(notebook, (notebook.parent.parent / "right").read_bytes())
    assert SUM.findall(until_waiting(process)) == [("1", "1")]
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    assert "Traceback" not in complaint


def test_saves_are_seen_where_the_system_grants_no_more_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A user has 128 of them on many systems, and an editor takes what it can get."""

    def refused(*_: object, **__: object) -> Iterator[object]:
        raise RuntimeError("Error creating recommended watcher: Too many open files (os error 24)")
        yield

    monkeypatch.setattr(selfcheck, "watch", refused)
    runs: list[Path] = []
    monkeypatch.setattr(selfcheck, "_run", lambda notebook, words, warm: runs.append(notebook) or len(runs))
    notebook = tmp_path / "a.ipynb"
    notebook.write_text("1")
    checks = selfcheck.check_again(notebook, ())
    assert next(checks) == 1
    notebook.write_text("22")
    assert next(checks) == 2
    checks.close()


@pytest.mark.parametrize("words", [["gone.ipynb"], ["-k", "nothing"]])
def test_what_cannot_be_checked_is_said_in_a_line(notebook: Path, words: list[str]):
    process = start(notebook, *words)
    said, complaint = process.communicate(timeout=120)
    assert process.returncode == 2, said
    assert "Traceback" not in said + complaint
