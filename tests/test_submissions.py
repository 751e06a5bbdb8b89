"""Finding submissions: trees, flat folders, zips, and names that nobody should trust."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from grader import submissions
from grader.submissions import MAX_NOTEBOOK, SubmissionsError, find
from tests.test_sandbox import ROOT


def students(where: Path, scratch: Path) -> dict[str, str]:
    scratch.mkdir(exist_ok=True)
    return {file.student: file.notebook for file in find(where, "ch17", scratch)}


@pytest.fixture
def tree(tmp_path):
    for student, names in {"ada": ["ch17.ipynb", "old.ipynb"], "bob": ["my answers.ipynb"], "cleo": []}.items():
        folder = tmp_path / "submitted" / student / "ch17"
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_text("{}")
    (tmp_path / "submitted" / "dora" / "ch18").mkdir(parents=True)
    return tmp_path / "submitted"


def test_nbgraders_tree(tree, tmp_path):
    assert students(tree, tmp_path / "s") == {"ada": "ch17.ipynb", "bob": "my answers.ipynb", "cleo": ""}
    notes = {file.student: str(file.note) for file in find(tree, "ch17", tmp_path)}
    assert notes == {
        "ada": "",
        "bob": "the notebook is named my answers.ipynb, not ch17.ipynb",
        "cleo": "the folder holds no notebook",
    }


def test_a_flat_folder_and_one_notebook(tmp_path):
    for name in ("王芳.ipynb", "Bob.IPYNB", "notes.txt", ".hidden.ipynb"):
        (tmp_path / name).write_text("{}")
    assert students(tmp_path, tmp_path / "s") == {"王芳": "王芳.ipynb", "Bob": "Bob.IPYNB"}
    assert students(tmp_path / "王芳.ipynb", tmp_path / "s") == {"王芳": "王芳.ipynb"}


def test_zips_of_either(tree, tmp_path):
    with zipfile.ZipFile(tmp_path / "tree.zip", "w") as archive:
        for path in tree.rglob("*.ipynb"):
            archive.write(path, path.relative_to(tree.parent))
        archive.writestr("__MACOSX/submitted/ada/ch17/._ch17.ipynb", "")
    assert students(tmp_path / "tree.zip", tmp_path / "s") == {"ada": "ch17.ipynb", "bob": "my answers.ipynb"}
    with zipfile.ZipFile(tmp_path / "flat.zip", "w") as archive:
        archive.writestr("ada.ipynb", "{}")
        archive.writestr("deep/er/bob.ipynb", "{}")
    assert students(tmp_path / "flat.zip", tmp_path / "t") == {"ada": "ada.ipynb", "bob": "bob.ipynb"}


def test_a_hostile_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../../tmp/evil.ipynb", "{}")
        archive.writestr("/etc/evil.ipynb", "{}")
        archive.writestr("..\\..\\evil.ipynb", "{}")
        archive.writestr("bomb.ipynb", b" " * (MAX_NOTEBOOK + 1000))
    scratch = tmp_path / "s"
    scratch.mkdir()
    files = find(tmp_path / "x.zip", "ch17", scratch)
    assert sorted(file.student for file in files) == ["bomb", "evil", "evil (2)", "evil (3)"]
    assert all(file.path is not None and file.path.parent == scratch for file in files)
    assert max(path.stat().st_size for path in scratch.iterdir()) == MAX_NOTEBOOK + 1


def test_names_that_would_collide_stay_apart(tmp_path):
    for name in ("a.ipynb", "A.ipynb", "=cmd().ipynb", "x\u202ey.ipynb"):
        (tmp_path / name).write_text("{}")
    found = students(tmp_path, tmp_path / "s")
    assert len({name.casefold() for name in found}) == 4
    assert not any("/" in name or "\u202e" in name for name in found)


def test_a_numbered_name_takes_nobody_elses(tmp_path):
    for name in ("Ana", "ana", "ana (2)"):
        (tmp_path / name / "ch17").mkdir(parents=True)
        (tmp_path / name / "ch17" / "ch17.ipynb").write_text(name)
    found = {file.student: file.path.read_text() for file in find(tmp_path, "ch17", tmp_path) if file.path}
    assert found == {"Ana": "Ana", "ana (2)": "ana (2)", "ana (3)": "ana"}


def test_a_folder_within_a_students_folder_is_no_other_students(tmp_path):
    names = ["ana/ch17/ch17", "ben/ana/ch17/ch17", "ben/ch17/ch17", "ben/ch17/old/ch17", "cleo/dora/ch17/ch17"]
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in [*names, "ana/ch17/.ipynb_checkpoints/ch17-checkpoint"]:
            archive.writestr(f"class/{name}.ipynb", name)
    files = find(tmp_path / "x.zip", "ch17", tmp_path)
    assert [(file.student, file.path and file.path.read_text()) for file in files] == [
        ("ana", "ana/ch17/ch17"),
        ("ben", "ben/ch17/ch17"),
        ("cleo", None),
    ]
    elsewhere = "notebooks in other folders of the student's were not looked at: "
    assert [str(file.note) for file in files] == ["", elsewhere + "2", f"the folder holds no notebook; {elsewhere}1"]


@pytest.mark.parametrize("what", ["missing", "empty", "text"])
def test_nothing_to_grade_says_what_to_do(tmp_path, what):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("hello")
    with pytest.raises(SubmissionsError, match=what):
        find(tmp_path / what, "ch17", tmp_path)


AS_ANYBODY = """
import sys
from pathlib import Path
from grader.sandbox import confine
from grader.submissions import find
confine._drop_capabilities()  # root may open everything
where, scratch = map(Path, sys.argv[1:])
for file in find(where, "ch17", scratch):
    print(file.student, file.path is not None, file.note, sep="|")
"""


@pytest.mark.parametrize("shut", ["bob", "bob/ch17"])
def test_a_folder_that_we_may_not_open_is_named_and_stops_nobody(tree, tmp_path, shut):
    (tree / shut).chmod(0)
    try:
        done = subprocess.run(
            [sys.executable, "-c", AS_ANYBODY, tree, tmp_path / "s"],
            capture_output=True, text=True, cwd=ROOT, timeout=60, check=False,
        )  # fmt: skip
    finally:
        (tree / shut).chmod(0o700)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "ada|True|",
        "bob|False|bob cannot be read: Permission denied.",
        "cleo|False|the folder holds no notebook",
    ]


def test_a_link_to_a_students_folder_is_told(tree, tmp_path):
    (tree / "eve").symlink_to(tree / "ada")
    (tree / "round").symlink_to("round")
    (tree / "latest").symlink_to(tmp_path)
    notes = {file.student: (file.path, str(file.note)) for file in find(tree, "ch17", tmp_path)}
    assert notes["eve"] == (None, "the folder is a link, and was not followed")
    assert set(notes) == {"ada", "bob", "cleo", "eve"}


def test_a_name_in_another_encoding_is_told_in_text_and_its_file_is_found(tree, tmp_path):
    strange = os.fsdecode(b"caf\xe9.ipynb")
    (tree / "bob" / "ch17" / "my answers.ipynb").rename(tree / "bob" / "ch17" / strange)
    shutil.copytree(tree / "bob" / "ch17", tmp_path / "flat")
    in_tree = next(file for file in find(tree, "ch17", tmp_path) if file.student == "bob")
    [flat] = find(tmp_path / "flat", "ch17", tmp_path)
    for file in (in_tree, flat):
        assert f"{file.student} {file.notebook} {file.note}".encode()
        assert file.notebook == "caf⟨U+DCE9⟩.ipynb"
        assert file.path is not None
        assert file.path.read_text() == "{}"


def test_a_notebook_is_no_archive_whatever_is_in_it(tmp_path):
    with zipfile.ZipFile(tmp_path / "mallory.ipynb", "w") as archive:
        archive.writestr("alice.ipynb", "{}")
    assert students(tmp_path / "mallory.ipynb", tmp_path / "s") == {"mallory": "mallory.ipynb"}
    shutil.copy(tmp_path / "mallory.ipynb", tmp_path / "class.ZIP")
    assert students(tmp_path / "class.ZIP", tmp_path / "t") == {"alice": "alice.ipynb"}


def zipped(path: Path, kind: int = zipfile.ZIP_STORED) -> bytearray:
    """A zip of two notebooks; what is in the second is long enough to be broken in the middle."""
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("ada.ipynb", "{}")
        archive.writestr("bob.ipynb", b"".join(b"%d," % (number * number) for number in range(2000)))
    return bytearray(path.read_bytes())


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_cannot_be_unpacked_is_nobodys_zero(tmp_path, kind):
    data, start = zipped(tmp_path / "x.zip", kind), 100
    data[start : start + 200] = b"\xff" * 200
    (tmp_path / "x.zip").write_bytes(data)
    ada, bob = find(tmp_path / "x.zip", "ch17", tmp_path)
    assert (ada.student, ada.path is not None, ada.note) == ("ada", True, "")
    assert (bob.student, bob.path, bob.flag) == ("bob", None, "engine")
    assert str(bob.note).startswith("could not be read from the zip (")


def test_what_is_too_much_to_unpack_is_nobodys_zero(tmp_path, monkeypatch):
    zipped(tmp_path / "x.zip")
    monkeypatch.setattr(submissions, "MAX_TOTAL", 100)
    ada, bob = find(tmp_path / "x.zip", "ch17", tmp_path)
    assert ada.path is not None
    assert (bob.path, bob.flag, str(bob.note)) == (None, "engine", "the zip unpacks to more than can be graded")


@pytest.mark.parametrize(
    ("place", "bytes_there"),
    [
        (b"PK\x01\x02", b"PK\x01\x00"),  # no list of files where it should be
        (b"PK\x01\x02\x14\x03\x14\x00", b"PK\x01\x02\x14\x03\x63\x00"),  # a version that nobody has heard of
        (b"PK\x05\x06", b"PK\x05\x00"),  # no end
    ],
)
def test_a_damaged_zip_is_one_line(tmp_path, place, bytes_there):
    data = zipped(tmp_path / "x.zip")
    at = data.index(place)
    data[at : at + len(bytes_there)] = bytes_there
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(SubmissionsError, match=r"x\.zip: cannot be opened as a zip \(.+\); pack it again"):
        find(tmp_path / "x.zip", "ch17", tmp_path)
