"""A student's notebook, rebuilt on the released one: which cells run, in which order, and where an exercise is checked.

A cell is known by its grade id. Where ids are lost, by the heading above it and the check below it; else by the names
that it defines. The instructor's own cells always run as they were released, and check cells never run. Everything
else the student wrote runs as it stands. Ties that cannot be decided go to the student.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

import msgspec

from grader import source, written
from grader.course import CHECK, Assignment
from grader.model import FLAGS, Flag, Written
from grader.names import shown
from grader.nbfile import Cell, Notebook, Problem, load, parse
from grader.sentences import N_, Sentence, Text, counted, listed, place, sentence
from grader.source import Code, Reader

__all__ = ["Problem", "RunCell", "Submission", "read", "read_path"]

MAX_NOTES = 30
MAX_COMPARED = 20_000
MAX_HEADINGS = 5
MAX_HEADING = 300

_HEADING = re.compile(r"^[ ]{0,3}#.*$", re.MULTILINE)

Kind = Literal["own", "answer", "locked"]
Role = Literal["answer", "check", "locked", "own", "text"]


class RunCell(msgspec.Struct, frozen=True):
    """One cell to run. ``label`` is the student's own count ("cell 12", from 1, all cells counted).

    ``source`` is what to run, magics and all; ``python`` is the same as plain Python for those who read it, or "" when
    it does not parse: then it must not run. ``exercise`` is the one it answers.
    """

    label: str
    source: str
    python: str
    kind: Kind
    exercise: str | None = None


class Submission(msgspec.Struct, frozen=True):
    """A notebook ready to run.

    An exercise's checks run after the first ``places[name]`` of ``cells``; None when the notebook has no answer.
    ``sources`` holds the student's own text of each answer, "" when there is none. Both have every exercise's name.
    """

    cells: tuple[RunCell, ...]
    places: dict[str, int | None]
    sources: dict[str, str]
    flags: tuple[Flag, ...] = ()
    notes: tuple[Text, ...] = ()
    written: tuple[Written, ...] = ()


def read_path(path: Path, assignment: Assignment) -> Submission | Problem:
    """The submission in the regular file at ``path``."""
    data = load(path)
    return read(data, assignment) if isinstance(data, bytes) else data


def read(data: bytes, assignment: Assignment) -> Submission | Problem:
    """The submission in the bytes of a notebook file; for bytes that hold none, a problem. It never raises."""
    notebook = parse(data)
    return notebook if isinstance(notebook, Problem) else _Rebuilt(notebook, assignment).submission()


# ---------------------------------------------------------------- the released notebook


@dataclass(frozen=True)
class _Released:
    """What the released notebook says of its marked code cells, by grade id, in its order."""

    cells: dict[str, Cell]
    roles: dict[str, Role]
    pythons: dict[str, str]
    shapes: dict[str, str]
    defines: dict[str, tuple[str, ...]]

    def name(self, grade_id: str) -> str:
        """The exercise that a cell answers or checks."""
        return grade_id.removeprefix(CHECK) if self.roles[grade_id] == "check" else grade_id

    @cached_property
    def bound(self) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
        """The names that each cell binds: all of them, and those that are not imported."""
        return {i: (source.names(text), source.names(text, imported=False)) for i, text in self.pythons.items()}

    @cached_property
    def stubs(self) -> frozenset[str]:
        """The shapes of the answer cells as released."""
        return frozenset(self.shapes[name] for name in self.defines) - {""}

    @cached_property
    def defined(self) -> frozenset[str]:
        """All names that answers define."""
        return frozenset(name for names in self.defines.values() for name in names)


@lru_cache(maxsize=8)
def _released(cells: tuple[Cell, ...], exercises: tuple[str, ...]) -> _Released:
    marked = {cell.grade_id: cell for cell in cells if cell.type == "code" and cell.grade_id}
    roles: dict[str, Role] = {}
    for grade_id, cell in marked.items():
        if grade_id in exercises:
            roles[grade_id] = "answer"
        elif cell.grade and not cell.solution:
            roles[grade_id] = "check"
        elif cell.locked:
            roles[grade_id] = "locked"
    pythons = {grade_id: source.to_python(marked[grade_id].source) for grade_id in roles}
    stubs = {name: source.names(source.to_python(marked[name].source)) for name in exercises}
    return _Released(
        cells={grade_id: marked[grade_id] for grade_id in roles},
        roles=roles,
        pythons=pythons,
        shapes={grade_id: source.shape(python) for grade_id, python in pythons.items()},
        defines={name: tuple(sorted(stubs[name])) or (name,) for name in exercises},
    )


# ---------------------------------------------------------------- the student's cells


@dataclass(eq=False)
class _Entry:
    """One of the student's cells: what it is (``role``, ``grade_id``), and the exercise it lies with (``section``)."""

    cell: Cell
    code: Code
    role: Role
    grade_id: str = ""
    edited: bool = False
    stub: bool = False
    recognised: bool = False  # by its content, for want of an id
    section: str = ""
    runs: bool = False  # as the student's own code

    @property
    def label(self) -> str:
        return f"cell {self.cell.number}"

    def say(self, text: str) -> Sentence:
        """A sentence about the cell."""
        return sentence(text, number=self.cell.number, name=self.grade_id, type=self.cell.type)

    @property
    def blank(self) -> bool:
        return not self.cell.source.strip()


@dataclass
class _Answer:
    """Where one exercise is answered: the cells, and how many entries run before its checks."""

    name: str
    entries: list[_Entry] = field(default_factory=list)
    end: int = 0
    elsewhere: bool = False


class _Rebuilt:
    """One notebook being rebuilt; each step is computed once, when it is first asked for."""

    def __init__(self, notebook: Notebook, assignment: Assignment) -> None:
        self.notebook, self.assignment = notebook, assignment
        self.exercises = tuple(exercise.name for exercise in assignment.exercises)
        self.released = _released(assignment.released, self.exercises)
        self.entries = list(self._entries())
        self._mark_sections()
        for entry in self.entries:
            entry.runs = self._runs(entry)

    def submission(self) -> Submission | Problem:
        if not self._belongs():
            text = N_("The notebook holds none of the exercises of %(name)s; is it the right file?")
            return Problem(sentence(text, name=self.assignment.name), "wrong_assignment")
        flags, notes = self._remarks()
        if len(notes) > MAX_NOTES:
            notes = [*notes[:MAX_NOTES], _more(len(notes) - MAX_NOTES)]
        return Submission(
            cells=tuple(cell for _, cell in self.run),
            places={name: self._place(answer) for name, answer in self.answers.items()},
            sources={name: _joined(answer.entries) for name, answer in self.answers.items()},
            flags=tuple(flag for flag in FLAGS if flag in flags),
            notes=tuple(notes),
            written=written.answers(self.notebook.cells, self.assignment.released),
        )

    def _belongs(self) -> bool:
        return any(answer.entries for answer in self.answers.values()) or any(
            entry.section or entry.role in ("answer", "check") for entry in self.entries
        )

    # ------------------------------------------------------------ what each cell is

    def _entries(self) -> Iterator[_Entry]:
        reader = Reader()
        present = {cell.grade_id for cell in self.notebook.cells}
        lost = {
            shape: grade_id for grade_id, shape in self.released.shapes.items() if grade_id not in present and shape
        }
        for cell in self.notebook.cells:
            grade_id = cell.grade_id if cell.grade_id in self.released.roles else None
            role: Role = self.released.roles[grade_id] if grade_id else "own" if cell.type == "code" else "text"
            runnable = cell.type == "code" or role == "answer"
            code = reader.read(cell.source) if runnable else Code(cell.source)
            compared = grade_id or lost or code.names & self.released.defined
            shape = self._shape(code.python, grade_id) if compared else ""
            recognised = grade_id is None and shape in lost
            if recognised:
                grade_id, role = lost[shape], self.released.roles[lost[shape]]
            yield _Entry(
                cell,
                code,
                role,
                grade_id or "",
                edited=grade_id is not None and shape != self.released.shapes[grade_id],
                stub=shape in self.released.stubs,
                recognised=recognised,
            )

    def _shape(self, python: str, grade_id: str | None) -> str:
        if grade_id and python == self.released.pythons[grade_id]:  # as most are: no need to read it
            return self.released.shapes[grade_id]
        return source.shape(python) if len(python) <= MAX_COMPARED else ""

    def _mark_sections(self) -> None:
        """Say with which exercise each cell lies: below its heading or answer; without those, above its check."""
        headings = {_key(heading): name for name, heading in self.assignment.headings.items() if _key(heading)}
        section = ""
        for entry in self.entries:
            if entry.role == "text":
                section = _heading_of(entry.cell.source, headings) or section
            elif entry.role == "answer":
                section = entry.grade_id
            entry.section = self._name(entry) or section
        below = ""
        for entry in reversed(self.entries):
            if entry.role == "check":
                below = self._name(entry)
            elif entry.section:
                below = ""
            entry.section = entry.section or below

    def _name(self, entry: _Entry) -> str:
        """The exercise that a cell answers or checks by its mark, or ""."""
        return self.released.name(entry.grade_id) if entry.role in ("answer", "check") else ""

    # ------------------------------------------------------------ which cells run

    @cached_property
    def usable(self) -> list[_Entry]:
        """The student's code that may hold answers: no stubs, and of the instructor's cells only what was added."""
        return [entry for entry in self.entries if entry.runs and not entry.stub]

    def _runs(self, entry: _Entry) -> bool:
        match entry.role:
            case "text":
                return False
            case "check":  # an answer typed into it by mistake still counts
                return entry.edited and bool(entry.code.names)
            case "locked":
                return entry.edited and self._adds(entry)
            case _:
                return not entry.blank

    def _adds(self, entry: _Entry) -> bool:
        """Does an edited locked cell add to the released one, without putting something else in place of it?"""
        original, python = self.released.pythons[entry.grade_id], entry.code.python
        added = source.added(python, original) if len(python) <= MAX_COMPARED else python
        bound, defined = self.released.bound[entry.grade_id]
        return bool(added) and not (source.names(added) & defined or source.names(added, imported=False) & bound)

    @cached_property
    def run(self) -> list[tuple[int, RunCell]]:
        """The cells to run, each with the index of its entry; -1 for those of the instructor's that were deleted."""
        answered = {id(entry): answer.name for answer in self.answers.values() for entry in answer.entries}
        cells: list[tuple[int, RunCell]] = []
        locked = [grade_id for grade_id, role in self.released.roles.items() if role == "locked"]
        there = {entry.grade_id for entry in self.entries}
        for grade_id in locked:
            if grade_id not in there:
                cells.append((-1, self._original(grade_id, f"released {shown(grade_id, 40)} cell")))
        done: set[str] = set()
        for index, entry in enumerate(self.entries):
            if entry.role == "locked" and entry.grade_id not in done:
                done.add(entry.grade_id)
                label = f"{entry.label} as released" if entry.runs else entry.label
                cells.append((index, self._original(entry.grade_id, label)))
            if entry.runs and (not entry.stub or id(entry) in answered):
                name = entry.grade_id if entry.role == "answer" else answered.get(id(entry))
                kind: Kind = "own" if name is None else "answer"
                cells.append((index, RunCell(entry.label, entry.code.text, entry.code.python, kind, name)))
        return cells

    def _original(self, grade_id: str, label: str) -> RunCell:
        text = self.released.cells[grade_id].source
        return RunCell(label, text, source.to_python(text), "locked")

    # ------------------------------------------------------------ where each exercise is answered

    @cached_property
    def answers(self) -> dict[str, _Answer]:
        """Each exercise's answer, in the order of the released notebook."""
        answers = {name: self._answer(name) for name in self.exercises}
        taken = {id(entry): name for name, answer in answers.items() for entry in answer.entries}
        for answer in answers.values():
            self._set_end(answer, taken)
        return answers

    def _answer(self, name: str) -> _Answer:
        """The cells that answer ``name``: for each name it defines the last in its own cells, its section, anywhere."""
        marked = [entry for entry in self.entries if entry.role == "answer" and entry.grade_id == name]
        own = [entry for entry in self.usable if entry.role == "answer" and entry.grade_id == name]
        near = [entry for entry in self.usable if entry.section == name and entry.role != "answer"]
        found = [_last(wanted, own, near, self.usable) for wanted in self.released.defines[name]]
        chosen = [entry for entry in self.entries if entry in found]
        if not chosen:  # nothing defines it by any reading: show what stands in its place
            chosen = own[-1:] or (near[-1:] if not marked else []) or [entry for entry in marked if entry.stub][-1:]
        return _Answer(name, chosen, elsewhere=bool(chosen) and not any(entry in marked for entry in chosen))

    def _set_end(self, answer: _Answer, taken: Mapping[int, str]) -> None:
        """Check an answer just above its check cell, when no other exercise's answer lies between; else right below it.

        Cells between that define it again belong to the answer too.
        """
        if not answer.entries:
            return
        last = self.entries.index(answer.entries[-1])
        answer.end = last + 1
        for index in range(last + 1, len(self.entries)):
            entry = self.entries[index]
            if entry.role == "check" and self._name(entry) == answer.name:
                wanted = set(self.released.defines[answer.name])
                between = [e for e in self.entries[last + 1 : index] if e.runs and not e.stub]
                answer.entries += [e for e in between if wanted & e.code.names]
                answer.end = index
                return
            if taken.get(id(entry), answer.name) != answer.name:
                return
            if entry.role == "answer" and entry.grade_id != answer.name and not entry.blank:
                return

    def _place(self, answer: _Answer) -> int | None:
        if not answer.entries:
            return None
        return bisect_left([index for index, _ in self.run], answer.end)

    # ------------------------------------------------------------ what to say of it

    def _remarks(self) -> tuple[set[Flag], list[Text]]:
        flags: set[Flag] = set(self.notebook.flags)
        notes: list[Text] = list(self.notebook.notes)
        for flag, text in (*self._remarks_on_ids(), *self._remarks_on_answers(), *self._remarks_on_cells()):
            if flag is not None:
                flags.add(flag)
            notes.append(text)
        return flags, notes

    def _remarks_on_ids(self) -> Iterator[tuple[Flag | None, Text]]:
        counts = Counter(entry.grade_id for entry in self.entries if entry.grade_id and not entry.recognised)
        known = [grade_id for grade_id in self.released.roles if counts[grade_id]]
        doubled = [grade_id for grade_id in known if counts[grade_id] > 1]
        if doubled:
            yield (
                "cells_doubled",
                sentence("Cells stand more than once: %(cells)s; all of them ran.", cells=_listed(doubled)),
            )
        lost, gone = self._lost(counts)
        if lost:
            text = N_("Cells have lost their marks: %(cells)s; they were found by place and content.")
            yield "metadata_lost", sentence(text, cells=_listed(lost))
        if gone:
            yield "cells_deleted", sentence("Cells were deleted: %(cells)s.", cells=_listed(gone))
        order = list(self.released.roles)
        first = list(dict.fromkeys(order.index(entry.grade_id) for entry in self.entries if entry.grade_id))
        if first != sorted(first):
            text = N_("Cells stand in another order than they were given; they ran in the student's order.")
            yield "cells_reordered", sentence(text)
        ours = {cell.grade_id for cell in self.assignment.released}
        foreign = [cell.grade_id for cell in self.notebook.cells if cell.grade_id and cell.grade_id not in ours]
        if foreign and not any(self.released.roles[grade_id] == "answer" for grade_id in known):
            text = N_("The notebook looks like another assignment's: it has %(cells)s.")
            yield "wrong_assignment", sentence(text, cells=_listed(foreign))

    def _lost(self, counts: Counter[str]) -> tuple[list[str], list[str]]:
        """The grade ids that are not there: those whose cells are, and those whose cells are gone too."""
        lost, gone = [], []
        recognised = {entry.grade_id for entry in self.entries if entry.recognised}
        for grade_id, role in self.released.roles.items():
            answer = self.answers.get(grade_id) if role == "answer" else None
            if counts[grade_id]:
                continue
            if grade_id in recognised or (answer and any(entry.role == "own" for entry in answer.entries)):
                lost.append(grade_id)
            else:
                gone.append(grade_id)
        return lost, gone

    def _remarks_on_answers(self) -> Iterator[tuple[Flag | None, Text]]:
        marked = {entry.grade_id for entry in self.entries if entry.role == "answer"}
        for name, answer in self.answers.items():
            if answer.elsewhere and (name in marked or answer.entries[-1].section != name):
                cells = _listed([e.label for e in answer.entries])
                yield None, sentence("The answer to %(name)s was found in %(cells)s.", name=name, cells=cells)

    def _remarks_on_cells(self) -> Iterator[tuple[Flag | None, Text]]:
        for entry in self.entries:
            if entry.role in ("locked", "check") and entry.edited:
                yield "locked_changed", entry.say(_CHANGED_AND_RAN if entry.runs else _CHANGED)
            if entry.role == "answer" and entry.cell.type != "code":
                yield "cells_relabelled", entry.say(_RELABELLED)
            if entry.runs and entry.code.large:
                yield "cell_not_parsed", entry.say(_TOO_LARGE)
            elif entry.runs and not entry.code.python:
                yield "cell_not_parsed", entry.say(_NOT_PYTHON)
            elif entry.runs and entry.code.text != entry.cell.source:
                yield None, entry.say(_ALMOST_PYTHON)


_CHANGED = N_("Cell %(number)s (%(name)s) is given and was changed.")
_CHANGED_AND_RAN = N_("Cell %(number)s (%(name)s) is given and was changed; what was added to it ran too.")
_RELABELLED = N_("Cell %(number)s answers %(name)s in a %(type)s cell; it ran as code.")
_TOO_LARGE = N_("Cell %(number)s is too large to be read; it was left out.")
_NOT_PYTHON = N_("Cell %(number)s is not Python as a whole; it was left out.")
_ALMOST_PYTHON = N_("Cell %(number)s is not Python as it stands; it ran without its indent or commands.")


def _more(count: int) -> Sentence:
    return counted("And %(count)s more of the kind.", "And %(count)s more of the kind.", count)


def _last(name: str, *tiers: Sequence[_Entry]) -> _Entry | None:
    """The last entry that defines ``name``, of the first tier that has one."""
    for tier in tiers:
        for entry in reversed(tier):
            if name in entry.code.names:
                return entry
    return None


def _key(heading: str) -> str:
    return "".join(character for character in heading.casefold() if character.isalnum() or character in "_,=()")


def _heading_of(text: str, headings: Mapping[str, str]) -> str:
    """The exercise whose heading comes last in a Markdown cell; the student may have added to the line."""
    found = ""
    for line in _HEADING.findall(text[-MAX_COMPARED:])[-MAX_HEADINGS:]:
        key = _key(line[:MAX_HEADING])
        found = next((name for heading, name in headings.items() if key.startswith(heading)), found)
    return found


def _joined(entries: Iterable[_Entry]) -> str:
    return "\n\n".join(entry.cell.source for entry in entries)


def _listed(items: Sequence[str]) -> Text:
    return listed([place(shown(item, 60)) for item in items])
