"""Finds the submissions an instructor points at: nbgrader's tree, a flat folder of notebooks, or a zip of either.

Nothing here opens a notebook; names are made safe, and no path from a zip is ever used as one.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path, PurePosixPath

from grader.legible import visible
from grader.model import Flag
from grader.names import safe_name, shown
from grader.nbfile import NOTHING_THERE, unreadable
from grader.sentences import N_, Text, Told, sentence

MAX_NOTEBOOK = 20 << 20
MAX_TOTAL = 4 << 30

_ASIDE = frozenset({"__MACOSX", ".ipynb_checkpoints", "lost+found"})  # folders that programs make, not students


class SubmissionsError(Told):
    """What was pointed at holds no submissions; says what, and what to do."""


@dataclass(frozen=True)
class SubmissionFile:
    """One student's notebook. ``path`` is None when there is a student but no notebook; ``note`` says why.

    ``flag`` is then "engine" where that is no fault of the student's. ``notebook`` is the file's name as it is told:
    what no text can hold, as the bytes of another encoding, has a name there. ``path`` leads to the file all the same.
    """

    student: str
    notebook: str
    path: Path | None
    note: Text = ""
    flag: Flag = "ungradable"

    def __post_init__(self) -> None:
        object.__setattr__(self, "notebook", visible(self.notebook))


def find(where: Path, assignment: str, scratch: Path) -> list[SubmissionFile]:
    """All submissions under ``where``, sorted by student. Zips are unpacked into ``scratch``, which the caller owns.

    Raises `SubmissionsError` when there are none.
    """
    if not where.exists():
        text = N_("%(path)s: no such file or folder; name the folder or zip that holds the notebooks")
        raise SubmissionsError(sentence(text, path=where))
    if where.is_dir():
        files = list(_from_folder(where, assignment))
    elif where.suffix.lower() == ".ipynb":  # first: what a student wrote may look like a zip, and name other students
        files = [SubmissionFile(safe_name(where.stem), where.name, where)]
    elif where.suffix.lower() == ".zip" or zipfile.is_zipfile(where):
        with _opened(where) as archive:
            files = list(_from_zip(archive, assignment, scratch))
    else:
        raise SubmissionsError(sentence("%(path)s: neither a folder, nor a zip, nor a notebook", path=where))
    if not files:
        text = N_("%(path)s: no notebooks found; expected %(tree)s, or %(flat)s files")
        tree = f"<student>/{assignment}/<name>.ipynb"
        raise SubmissionsError(sentence(text, path=where, tree=tree, flat="<student>.ipynb"))
    return sorted(_distinct(files), key=lambda file: file.student)


def _is_notebook(name: str) -> bool:
    return name.lower().endswith(".ipynb") and not name.startswith(".")


def _from_folder(where: Path, assignment: str) -> Iterator[SubmissionFile]:
    for entry in sorted(where.iterdir()):
        try:
            yield from _from_entry(entry, assignment)
        except OSError as error:  # a folder that we may not open costs nobody else anything
            problem = unreadable(entry.name, error)
            yield SubmissionFile(safe_name(entry.name), "", None, problem.text, problem.flag)


def _from_entry(entry: Path, assignment: str) -> Iterator[SubmissionFile]:
    """What an entry of the folder holds: one submission, or none. Raises `OSError` when that cannot be found out."""
    if entry.name in _ASIDE:
        return
    kinds = _kind(entry), _kind(entry / assignment)
    if _is_notebook(entry.name) and kinds[1] not in (_FOLDER, _SYMLINK):
        yield SubmissionFile(safe_name(entry.name[: -len(".ipynb")]), entry.name, entry)
    elif kinds == (_FOLDER, _FOLDER):
        names = [path.name for path in (entry / assignment).iterdir() if _is_notebook(path.name)]
        chosen, note = choose(names, assignment)
        path = entry / assignment / chosen if chosen else None
        yield SubmissionFile(safe_name(entry.name), chosen or "", path, note)
    elif kinds[1] in (_FOLDER, _SYMLINK):  # another student's folder, perhaps
        yield SubmissionFile(safe_name(entry.name), "", None, sentence(_LINK))


def _kind(path: Path) -> int:
    """What lies there, as `stat.S_IFMT` tells it; 0 when nothing. Raises `OSError` when we may not look.

    `Path.is_dir` would not do: what it says of a folder that we may not open depends on the version of Python.
    """
    try:
        return stat.S_IFMT(path.lstat().st_mode)
    except OSError as error:
        if error.errno in NOTHING_THERE:
            return 0
        raise


_FOLDER, _SYMLINK = stat.S_IFDIR, stat.S_IFLNK
_LINK = N_("the folder is a link, and was not followed")


def choose(names: Iterable[str], assignment: str) -> tuple[str | None, Text]:
    """Which of a student's notebooks is the assignment's, and a note when that was not obvious."""
    found = sorted(names)
    if not found:
        return None, sentence("the folder holds no notebook")
    named = f"{assignment}.ipynb"
    if named in found:
        return named, ""
    if len(found) == 1:
        text = N_("the notebook is named %(name)s, not %(expected)s")
    else:
        text = N_("several notebooks and none named %(expected)s: the first, %(name)s, was graded")
    return found[0], sentence(text, name=safe_name(found[0]), expected=named)


def _opened(where: Path) -> zipfile.ZipFile:
    """A zip, its list of files read. Raises `SubmissionsError` for one that is damaged."""
    try:
        return zipfile.ZipFile(where)
    except Exception as error:  # a library at work on any bytes at all
        text = N_("%(path)s: cannot be opened as a zip (%(why)s); pack it again, or name the folder that was packed")
        raise SubmissionsError(sentence(text, path=where, why=_why(error))) from None


def _why(error: Exception) -> str:
    return shown(error) or type(error).__name__


def _from_zip(archive: zipfile.ZipFile, assignment: str, scratch: Path) -> Iterator[SubmissionFile]:
    """Notebooks of a zip, copied under names of ours."""
    members = [info for info in archive.infolist() if not info.is_dir() and _is_notebook(_parts(info)[-1])]
    trees, flat = _arranged([info for info in members if not _ASIDE & set(_parts(info))], assignment)
    total = 0
    for info in flat:
        total += min(info.file_size, MAX_NOTEBOOK)
        yield _unpack(archive, info, _parts(info)[-1][: -len(".ipynb")], scratch, "", total)
    for folder, tree in sorted(trees.items()):
        chosen, note = choose(tree.notebooks, assignment)
        if note and tree.note:
            note = sentence("%(first)s; %(then)s", first=note, then=tree.note)
        note = note or tree.note
        if chosen:
            total += min(tree.notebooks[chosen].file_size, MAX_NOTEBOOK)
            yield _unpack(archive, tree.notebooks[chosen], folder[-1], scratch, note, total)
        else:
            yield SubmissionFile(safe_name(folder[-1]), "", None, note)


@dataclass
class _Tree:
    """One student's folder in a zip: the notebooks in their place, by name, and how many lie elsewhere in it."""

    notebooks: dict[str, zipfile.ZipInfo] = field(default_factory=dict)
    others: int = 0

    @property
    def note(self) -> Text:
        text = N_("notebooks in other folders of the student's were not looked at: %(count)s")
        return sentence(text, count=self.others) if self.others else ""


def _arranged(
    members: Sequence[zipfile.ZipInfo], assignment: str
) -> tuple[dict[tuple[str, ...], _Tree], list[zipfile.ZipInfo]]:
    """The students' folders of nbgrader's layout, each by its whole path, and the notebooks outside of them.

    They all lie as deep as the uppermost: what looks like one further down lies in a student's, and is no other's.
    """
    fitting = [parts for parts in map(_parts, members) if len(parts) >= 3 and parts[-2] == assignment]
    depth = min(map(len, fitting), default=0) - 2
    trees = {parts[:depth]: _Tree() for parts in fitting}
    flat = []
    for info in members:
        parts = _parts(info)
        tree = trees.get(parts[:depth])
        if tree is None:
            flat.append(info)
        elif len(parts) == depth + 2 and parts[-2] == assignment:
            tree.notebooks[parts[-1]] = info
        else:
            tree.others += 1
    return trees, flat


def _parts(info: zipfile.ZipInfo) -> tuple[str, ...]:
    return PurePosixPath(info.filename.replace("\\", "/")).parts or ("",)


def _unpack(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, student: str, scratch: Path, note: Text, total: int
) -> SubmissionFile:
    """A notebook of a zip. What cannot be unpacked is not the student's fault: *not run*, never an empty notebook."""
    student, notebook = safe_name(student), _parts(info)[-1]
    if total > MAX_TOTAL:
        note = sentence("the zip unpacks to more than can be graded")
        return SubmissionFile(student, notebook, None, note, "engine")
    try:
        with archive.open(info) as file:
            data = file.read(MAX_NOTEBOOK + 1)  # one byte more than allowed: the reader says that it is too large
    except Exception as error:  # a library at work on any bytes at all
        note = sentence("could not be read from the zip (%(why)s)", why=_why(error))
        return SubmissionFile(student, notebook, None, note, "engine")
    path = scratch / f"{info.header_offset}.ipynb"
    path.write_bytes(data)
    return SubmissionFile(student, notebook, path, note)


def _distinct(files: Iterable[SubmissionFile]) -> Iterator[SubmissionFile]:
    """No two submissions under one student's name: a second one gets a number that makes nobody else's name."""
    taken: set[str] = set()
    seconds = []
    for file in files:
        if file.student.casefold() in taken:
            seconds.append(file)
        else:
            taken.add(file.student.casefold())
            yield file
    for file in seconds:
        names = (f"{file.student} ({number})" for number in count(2))
        name = next(name for name in names if name.casefold() not in taken)
        taken.add(name.casefold())
        yield replace(file, student=name)
