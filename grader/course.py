"""The course on disk: which assignments there are, and what each asks.

Everything read here is the instructor's own. A fault in it is a `CourseError` that says where, and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from grader.model import Exercise
from grader.nbfile import Cell, Notebook, load, parse
from grader.sentences import N_, Sentence, Told, sentence

CHECK = "check-"
_HEADING = re.compile(r"#{1,6}\s+(.+)")

# The line of a prompt that names what to read again, in either language.
REREAD = re.compile(r"^(?:Read again: |重读：)(.+?)[.。]?$", re.MULTILINE)


# What is loaded only at its first use, by cells as they run or by a call alone, which takes a second on a slow machine,
# and how text that uses it reads. Torch's optimizers load its compiler at their first step, which takes longest, and a
# worker cannot do it.
_COMPILER = "torch._dynamo"
_BY_CELLS = {
    "matplotlib.pyplot": re.compile(r"plt"),
    _COMPILER: re.compile(r"\boptim\b"),
}
_LATE = {
    **_BY_CELLS,
    "torch.distributed.tensor": re.compile(r"torch\.testing|testing\.assert_close"),
    "torch.fx.experimental.symbolic_shapes": re.compile(r"\.backward\(\s*[^)\s]|student\.grad\("),  # with a gradient
}


class CourseError(Told):
    """The course's own folders or notebooks are not as they should be; one line with what, where and what to do."""


class Assignment(msgspec.Struct, frozen=True):
    """One assignment: its exercises in the notebook's order, the released notebook's cells, and its suite.

    ``headings`` gives the first line of each exercise's prompt, as it stands in the released notebook.
    """

    name: str
    root: Path
    exercises: tuple[Exercise, ...]
    released: tuple[Cell, ...]
    headings: dict[str, str]

    @property
    def suite(self) -> Path:
        """The folder of the checks that students get."""
        return self.root / "autotests" / self.name

    @property
    def hidden(self) -> Path | None:
        """The folder of the hidden checks, inside `suite`; None where students work."""
        folder = self.suite / "hidden"
        return folder if folder.is_dir() else None

    @property
    def suites(self) -> tuple[Path, ...]:
        """What to hand to pytest: it finds the hidden checks, where there are any, on its way down."""
        return (self.suite,)

    @property
    def notebooks(self) -> tuple[Path, Path]:
        """The released notebook and its source; students have the first alone."""
        return _notebook(self.root, "assignments", self.name), _notebook(self.root, "solutions", self.name)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What student code must not be able to read, as far as it exists."""
        places = "solutions", "autotests", "assignments", "submitted", "autograded", "feedback", "gradebook.db"
        return tuple(str(self.root / place) for place in places if (self.root / place).exists())

    @property
    def modules(self) -> tuple[str, ...]:
        """What is worth loading before any code of a class runs: what somebody will use, or the notebook speaks of."""
        text = "".join(cell.source for cell in self.released)
        return tuple(name for name, sign in _LATE.items() if name != _COMPILER or sign.search(text))

    def modules_for(self, text: str, checks: Iterable[Path] | None = None) -> tuple[str, ...]:
        """What is worth loading before a notebook of this ``text`` runs, and is checked by these files, or by all."""
        files = self.suite.rglob("test_*.py") if checks is None else checks
        lines = [line for path in files for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
        asked = "\n".join(line for line in lines if "student." in line)
        return tuple(name for name, sign in _LATE.items() if sign.search(text) or sign.search(asked))

    def modules_of_cells(self, text: str) -> tuple[str, ...]:
        """Of these, what a notebook's own cells load as they run, whichever of its answers are then called."""
        return tuple(name for name, sign in _BY_CELLS.items() if sign.search(text))

    def exercise(self, name: str) -> Exercise:
        """The exercise called ``name``. Raises `CourseError`, naming the known ones."""
        for exercise in self.exercises:
            if exercise.name == name:
                return exercise
        known = ", ".join(exercise.name for exercise in self.exercises)
        text = N_("no exercise %(name)s in %(where)s; there are %(known)s")
        raise CourseError(sentence(text, name=repr(name), where=self.name, known=known))

    def source_cells(self) -> tuple[Cell, ...] | None:
        """The cells of the source notebook; None where there are no solutions.

        Trusted side only: no process that runs student code may ever hold them.
        """
        source = self.notebooks[1]
        return _read(source).cells if source.parent.parent.is_dir() else None

    def reference_source(self) -> tuple[str, ...] | None:
        """The sources of its code cells, check cells left out; None where there are no solutions."""
        cells = self.source_cells()
        if cells is None:
            return None
        return tuple(cell.source for cell in cells if cell.type == "code" and not _is_check(cell))


class Course(msgspec.Struct, frozen=True):
    """The folder that holds ``assignments/``, ``autotests/`` and, on the instructor's side, ``solutions/``."""

    root: Path

    @classmethod
    def find(cls, start: Path) -> Course:
        """The course that ``start``, a file or folder, lies in. Raises `CourseError`."""
        here = start.absolute()
        for folder in (here, *here.parents):
            if (folder / "autotests").is_dir() and any((folder / n).is_dir() for n in ("assignments", "solutions")):
                return cls(folder)
        text = N_("%(path)s: no course here or above; go to the folder that holds autotests/ and assignments/")
        raise CourseError(sentence(text, path=here))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the assignments that have a released notebook, sorted."""
        folders = sorted((self.root / "assignments").glob("*/"))
        return tuple(f.name for f in folders if _notebook(self.root, "assignments", f.name).is_file())

    def assignment(self, name: str) -> Assignment:
        """The assignment called ``name``, read from its released notebook. Raises `CourseError`."""
        path = _notebook(self.root, "assignments", name)
        if name not in self.names:
            if name and name == Path(name).name and _notebook(self.root, "solutions", name).is_file():
                text = N_("%(path)s: not released yet; run: nbgrader generate_assignment %(name)s")
                raise CourseError(sentence(text, path=path, name=name))
            none = sentence("none; put the released notebooks into %(path)s", path=self.root / "assignments")
            known = ", ".join(self.names) or none
            raise CourseError(
                sentence("no assignment %(name)s; the known ones: %(known)s", name=repr(name), known=known)
            )
        if not (self.root / "autotests" / name).is_dir():
            text = N_("%(path)s: no such folder; the checks of %(name)s belong there")
            raise CourseError(sentence(text, path=self.root / "autotests" / name, name=name))
        cells = _read(path).cells
        exercises, headings = _exercises(cells, path)
        return Assignment(name, self.root, exercises, cells, headings)


def _notebook(root: Path, tree: str, name: str) -> Path:
    return root / tree / name / f"{name}.ipynb"


def _read(path: Path) -> Notebook:
    data = load(path)
    notebook = parse(data) if isinstance(data, bytes) else data
    if not isinstance(notebook, Notebook):
        raise CourseError(sentence("%(path)s: %(why)s", path=path, why=notebook.text))
    return notebook


def _is_check(cell: Cell) -> bool:
    return cell.grade and not cell.solution


def _is_answer(cell: Cell) -> bool:
    return cell.type == "code" and cell.solution and not cell.grade


def _exercises(cells: tuple[Cell, ...], path: Path) -> tuple[tuple[Exercise, ...], dict[str, str]]:
    """The exercises of a released notebook and the first line of each one's prompt."""
    checks = {cell.grade_id: cell for cell in cells if _is_check(cell)}
    found: dict[str, Exercise] = {}
    headings: dict[str, str] = {}
    for index, cell in enumerate(cells):
        if not _is_answer(cell) or cell.grade_id is None:
            continue
        name = cell.grade_id
        check = checks.pop(CHECK + name, None)
        if check is None or name in found:
            text = (
                N_("two answer cells for exercise %(name)s")
                if name in found
                else N_("no cell %(cell)s for exercise %(name)s")
            )
            raise _faulty(path, sentence(text, name=name, cell=CHECK + name))
        heading, prompt = _prompt(cells[:index])
        headings[name] = heading
        found[name] = Exercise(name, _title(heading) or name, check.points, prompt, cell.source)
    if checks or not found:
        text = N_("cell %(cell)s checks no answer") if checks else N_("no answer cells")
        raise _faulty(path, sentence(text, cell=next(iter(checks), "")))
    return tuple(found.values()), headings


def _faulty(path: Path, fault: Sentence) -> CourseError:
    text = N_("%(path)s: %(fault)s; correct the source notebook and release it again")
    return CourseError(sentence(text, path=path, fault=fault))


def _prompt(before: tuple[Cell, ...]) -> tuple[str, str]:
    """The heading and the text that stand right above an answer cell."""
    text: list[str] = []
    for cell in reversed(before):
        if cell.type != "markdown" or cell.solution:
            break
        first, _, rest = cell.source.strip().partition("\n")
        if _HEADING.match(first):
            return first, "\n\n".join([rest.strip(), *text]).strip()
        text.insert(0, cell.source.strip())
    return "", "\n\n".join(text)


def _title(heading: str) -> str:
    """A heading without the marks of Markdown: ``### 2. `relu(x)``` is ``2. relu(x)``."""
    match = _HEADING.match(heading)
    return match[1].replace("`", "").strip() if match else ""
