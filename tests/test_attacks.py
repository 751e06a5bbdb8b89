"""The attack corpus, graded: nothing gained, nothing read, nothing touched, nothing stopped, nothing honest lost.

It takes minutes, so ``make whole`` runs it, and CI does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.names import safe_name
from grader.submissions import find
from tests.attacks import bare, pages
from tests.attacks.entries import HONEST, Entry, attacks, filled, honest, lines, snippets
from tests.attacks.range import Orphans, Outcome, Range, shoot

pytestmark = [
    pytest.mark.whole,
    pytest.mark.skipif(sys.platform != "linux", reason="strangers' notebooks are graded on Linux alone"),
]
ATTACKS, AWKWARD = attacks(), honest()
BITES = [entry for entry in ATTACKS if entry.bites]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What came of it."""
    return shoot(tmp_path_factory.mktemp("r"), [*ATTACKS, *AWKWARD])


# ---------------------------------------------------------------- the corpus itself


def test_there_are_enough():
    assert len(ATTACKS) >= 120
    assert len(AWKWARD) >= 40


def test_every_line_is_covered_and_no_other():
    """The list of what notebooks do is kept beside the corpus; a typing error in an entry's line shows here."""
    covered: dict[str, set[str]] = {}
    for entry in (*ATTACKS, *AWKWARD):
        covered.setdefault(entry.kind, set()).add(entry.line)
    assert covered == {kind: set(found) for kind, found in lines().items()}


def test_names_are_distinct():
    names = [safe_name(entry.handed_in_as).casefold() for entry in (*ATTACKS, *AWKWARD)]
    assert len(names) == len(set(names))


# ---------------------------------------------------------------- what they came to


def test_no_attack_gains_a_point(outcome: Outcome):
    assert {j.entry.name: j.gained for j in outcome.judged if j.gained} == {}


def test_no_honest_point_is_lost(outcome: Outcome):
    """Neither by the awkward ones, nor by the other exercises of a notebook that attacks in one."""
    assert {j.entry.name: j.lost for j in outcome.judged if j.lost} == {}


def test_awkward_notebooks_have_full_points(outcome: Outcome):
    awkward = [judged for judged in outcome.judged if judged.entry.kind == HONEST]
    assert len(awkward) == len(AWKWARD)
    assert [j.entry.name for j in awkward if not j.result or j.result["score"] != j.result["max_score"]] == []


def test_no_canary_is_touched(outcome: Outcome):
    assert outcome.touched == []


def test_no_secret_is_read(outcome: Outcome):
    assert outcome.leaked == []


def test_the_batch_goes_on(outcome: Outcome):
    """Every submission has a result, and the command says that all went well."""
    assert outcome.code == 0, outcome.stderr
    assert [judged.entry.name for judged in outcome.judged if judged.result is None] == []


def test_nothing_is_left_over(outcome: Outcome):
    """No process, no folder in /tmp."""
    assert outcome.left == []


def test_nothing_is_changed(outcome: Outcome):
    """The course and the submissions are as they were."""
    assert outcome.changed == []


def test_no_page_is_poisoned(outcome: Outcome):
    """What students wrote is text in pages, tables and the terminal."""
    assert outcome.poisoned == []


def test_reports_say_what_happened(outcome: Outcome):
    """In words, on the student's page and the class page; and of each attack what its entry expects."""
    assert list(outcome.faults()) == []


# ---------------------------------------------------------------- that the range would see it


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    """A range where nothing is graded."""
    with Range(tmp_path_factory.mktemp("b")) as place:
        yield place


@pytest.mark.parametrize("entry", BITES, ids=lambda entry: entry.name)
def test_canaries_are_touched_where_there_is_no_wall(place: Range, entry: Entry):
    """Or a batch in which none is touched would prove nothing."""
    here = place.home / "here" / entry.name / "folder"
    here.mkdir(parents=True)
    shared = snippets()
    cells = [filled(text, place.places) for text in (*(shared[name] for name in entry.use), *entry.cells)]
    subprocess.run(
        [sys.executable, "-I", bare.__file__],
        input=json.dumps(cells), text=True, cwd=here, capture_output=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(here), "IPYTHONDIR": str(here)},
    )  # fmt: skip
    assert place.canaries.touched()


LEAVES = """
import ctypes, os, time
if os.fork() == 0:
    os.setsid()
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # not dumpable, as workers are
    time.sleep({0})
    os._exit(0)
"""


@pytest.mark.parametrize(("seconds", "left"), [(0.2, 0), (60, 1)])
def test_a_process_left_over_is_seen(seconds: float, left: int):
    """By an ordinary user, too, who may not look into a worker; one that is about to end is given its time."""
    with Orphans() as orphans:
        subprocess.run([sys.executable, "-c", LEAVES.format(seconds)], check=True, timeout=60)
    assert len(orphans.left) == left


def test_several_bite():
    assert len(BITES) >= 5


def test_poison_is_seen(tmp_path: Path):
    """Each kind of it, in pages and tables that nobody made safe."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results/x.json").touch()
    (tmp_path / "feedback/x/ch17").mkdir(parents=True)
    page = "<html><script>1</script><b onclick=x>\u202e</b><a href='javascript:x'>x</a></html>"
    (tmp_path / "feedback/x/ch17/ch17.html").write_text(page, encoding="utf-8")
    (tmp_path / "index.html").write_text(pages.POLICY)
    (tmp_path / "grades.csv").write_text("student\n=cmd()\n")
    (tmp_path / "results.jsonl").write_text('{"student": "x"}\n')
    found = "; ".join(pages.poison(tmp_path, "\x1b[31m"))
    parts = (
        "a script in feedback",
        "<b onclick=x>",
        "U+202E",
        "javascript:",
        "no policy",
        "=cmd()",
        "U+001B in the terminal",
    )
    for part in parts:
        assert part in found


# ---------------------------------------------------------------- a class as a zip


def test_names_in_a_zip_lead_nowhere(tmp_path: Path):
    """Dots, roots, drives, links and bombs: each is a submission under a safe name, unpacked where we say."""
    names = ["../../out.ipynb", "/etc/cron.d/x.ipynb", "..\\..\\y.ipynb", "C:\\z.ipynb", "a/../../ch17/w.ipynb"]
    with zipfile.ZipFile(tmp_path / "class.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), "{}")
        link = zipfile.ZipInfo("link.ipynb")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("bomb.ipynb", bytes(64 << 20))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found = find(tmp_path / "class.zip", "ch17", scratch)
    assert len(found) == len(names) + 2
    assert {file.path.parent for file in found if file.path} == {scratch}
    assert all(file.path.is_file() and not file.path.is_symlink() for file in found if file.path)
    assert all(file.student == Path(file.student).name and not file.student.startswith(".") for file in found)
    assert sum(path.stat().st_size for path in scratch.iterdir()) < 30 << 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["class.zip", "scratch"]
