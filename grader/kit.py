"""The kit that students get: notebook, public checks, one page of instructions, and the grader itself.

Everything comes from the released side: there is no way from here to a solution, a hidden check or a known mistake.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from email.parser import HeaderParser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from string import Template

from packaging.requirements import Requirement

from grader import release
from grader.course import Assignment, CourseError
from grader.pages import templates_dir
from grader.sentences import N_, sentence
from grader.store import write_whole

_EPOCH = (2020, 1, 1, 0, 0, 0)  # the same kit has the same bytes


def build(assignment: Assignment, out: Path, wheel: Path | None = None) -> int:
    """Write the kit; how many files are in it. Raises `CourseError` when the release holds what it must not."""
    if leak := next(release.leaks(assignment), None):
        raise CourseError(sentence("%(name)s: no kit was made: %(why)s", name=assignment.name, why=leak))
    with tempfile.TemporaryDirectory() as scratch:
        files = dict(_files(assignment, wheel or own_wheel(Path(scratch))))
    return write_zip(out, {f"{assignment.name}/{name}": data for name, data in files.items()})


def write_zip(out: Path, files: Mapping[str, bytes]) -> int:
    """Write a zip, whole or not at all; scripts (by their first line) may be run. How many files are in it."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(files):
                info = zipfile.ZipInfo(name, _EPOCH)
                info.external_attr = (0o755 if files[name].startswith(b"#!") else 0o644) << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, files[name])
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, path.read_bytes())
    return len(files)


def _files(assignment: Assignment, wheel: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents: of the suite, what lies at its top alone."""
    name = assignment.name
    notebook = assignment.notebooks[0]
    yield f"assignments/{name}/{notebook.name}", notebook.read_bytes()
    for path in sorted(assignment.suite.glob("*.py")):
        yield f"autotests/{name}/{path.name}", path.read_bytes()
    page = Template((templates_dir() / "kit.md").read_text(encoding="utf-8"))
    yield "README.md", page.substitute(name=name, title=_title(assignment)).encode()
    yield from installation(wheel).items()


def _title(assignment: Assignment) -> str:
    first = assignment.released[0].source.strip().partition("\n")[0]
    return first.lstrip("# ").strip() if first.startswith("#") else assignment.name


def installation(wheel: Path) -> dict[str, bytes]:
    """The wheel, and a list of requirements that pins it and what it needs to the versions of this machine."""
    return {wheel.name: wheel.read_bytes(), "requirements.txt": "\n".join([*_pins(wheel), ""]).encode()}


def _pins(wheel: Path) -> Iterator[str]:
    yield f"./{wheel.name}"
    try:
        with zipfile.ZipFile(wheel) as archive:
            [metadata] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
            fields = HeaderParser().parsestr(archive.read(metadata).decode())
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        text = N_("%(path)s: not a wheel (%(why)s); make one with: pip wheel --no-deps .")
        raise CourseError(sentence(text, path=wheel, why=error)) from None
    for line in fields.get_all("Requires-Dist", []):
        needed = Requirement(line)
        marker = f" ; {needed.marker}" if needed.marker else ""
        if "extra ==" not in marker and (installed := _installed(needed.name)):
            yield f"{needed.name}=={installed.partition('+')[0]}{marker}"


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def own_wheel(folder: Path) -> Path:
    """The grader's own wheel, built from its checkout into ``folder``. Raises `CourseError`."""
    checkout = Path(__file__).absolute().parents[1]
    if not (checkout / "pyproject.toml").is_file():
        raise CourseError(sentence("the grader is not run from its checkout: name its wheel with --wheel FILE"))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        text = N_("the wheel could not be built: %(why)s; run: pip install 'ch17-grader[instructor]'")
        raise CourseError(sentence(text, why=" ".join(why)))
    [wheel] = folder.glob("*.whl")
    return wheel
