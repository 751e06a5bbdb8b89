"""The kit: what is in it, byte for byte, what is not, and that a new user gets along with it."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from grader import kit
from grader.cli import main
from grader.course import CourseError
from tests.test_batch import CLASS
from tests.test_sandbox import ROOT
from tests.tiny import edit, tiny

ASSIGNMENT = "ch17"
SOLUTION = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.DOTALL)
TELLING = 20  # characters: a shorter line may stand in any program


@pytest.fixture(scope="module")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kit") / "kit.zip"
    assert main(["kit", ASSIGNMENT, "--out", str(out), "--course", str(ROOT)]) == 0
    return out


def contents(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Every file of a zip, and of zips in it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            inner = archive.read(name)
            yield name, inner
            if zipfile.is_zipfile(io.BytesIO(inner)):
                yield from contents(inner)


def secret_lines() -> set[str]:
    """Lines of solutions, hidden checks, mistakes and variants, as they and as a notebook's file spell them."""
    source = nbformat.read(ROOT / "solutions" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", as_version=4)
    texts = [region for cell in source.cells for region in SOLUTION.findall(cell.source)]
    hidden = ROOT / "autotests" / ASSIGNMENT / "hidden"
    texts += [path.read_text(encoding="utf-8") for path in hidden.rglob("*.*") if path.suffix in (".py", ".toml")]
    lines = {line.strip() for text in texts for line in text.splitlines()}
    return {spelled for line in lines for spelled in (line, json.dumps(line)[1:-1]) if len(line) >= TELLING}


def public_text() -> str:
    """What students have or are told anyway: the released notebook, the public checks, the messages."""
    notebook = nbformat.read(ROOT / "assignments" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", as_version=4)
    files = [*(ROOT / "autotests" / ASSIGNMENT).glob("*.py"), ROOT / "grader" / "wording.py"]
    texts = [path.read_text(encoding="utf-8") for path in files] + [cell.source for cell in notebook.cells]
    return "\n".join(texts)


IDIOMS = ("import ", "from ", "@pytest.mark", "pytestmark", 'exercise = "', "except ", "with warnings", "warnings.")


def test_no_byte_of_it_is_a_secret(zipped):
    public = public_text()
    secret = {line for line in secret_lines() if line not in public and not line.startswith(IDIOMS)}
    assert len(secret) > 1000
    files = list(contents(zipped.read_bytes()))
    whole = b"\n".join(data for _, data in files)
    assert [line for line in secret if line.encode() in whole] == []
    assert not [name for name, _ in files if re.search(r"(hidden|mistakes|variants|solutions)/|\.toml", name)]


def test_the_same_kit_has_the_same_bytes(zipped, tmp_path):
    assert main(["kit", ASSIGNMENT, "--out", str(tmp_path / "kit.zip"), "--course", str(ROOT)]) == 0
    assert (tmp_path / "kit.zip").read_bytes() == zipped.read_bytes()


def test_requirements_are_pinned_and_small(zipped):
    requirements = dict(contents(zipped.read_bytes()))[f"{ASSIGNMENT}/requirements.txt"].decode().splitlines()
    assert requirements[0].startswith("./ch17_grader-")
    assert all("==" in line for line in requirements[1:])
    assert not [
        line for line in requirements if re.match("nbgrader|sqlalchemy|psycopg|hypothesis", line, re.IGNORECASE)
    ]


@pytest.mark.whole
def test_a_new_user_gets_along(zipped, tmp_path):
    """Unzip, follow the page; what it installs comes from the kit's own wheel."""
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / ASSIGNMENT
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert "pip install -r requirements.txt" in page
    assert "提交" in page
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    [place] = set(re.findall(r"cd (\S+)", page))
    command = [sys.executable, "-m", "pytest", "-k", "relu"]
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = keep | {"PYTHONPATH": str(tmp_path / "site")}

    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=folder / place, env=environment, capture_output=True, text=True, timeout=200, check=False
        )

    done = check()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "`relu` is not written yet" in done.stdout
    (folder / place / f"{ASSIGNMENT}.ipynb").write_bytes((CLASS / "amara_okafor.ipynb").read_bytes())
    done = check()
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"✓ relu +1 of 1 points \(1 more after submission\)", done.stdout)


def test_no_kit_is_made_of_a_release_that_tells_too_much(tmp_path):
    course = tiny(tmp_path)
    edit(tmp_path, "assignments", "raise NotImplementedError", "return [2 * number for number in x]")
    with pytest.raises(CourseError, match="no kit was made: double: the release holds a line of its solution"):
        kit.build(course, tmp_path / "kit.zip")
    assert not (tmp_path / "kit.zip").exists()


def test_what_is_no_wheel_is_told(tmp_path, capsys):
    course = tiny(tmp_path)
    (tmp_path / "a.whl").write_text("no wheel")
    arguments = ["kit", "tiny", "--course", str(course.root), "--out", str(tmp_path / "k.zip")]
    assert main([*arguments, "--wheel", str(tmp_path / "a.whl")]) == 2
    assert "not a wheel" in capsys.readouterr().err
