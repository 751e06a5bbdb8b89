"""The corpus: what each entry is, and the notebook it hands in."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import nbformat

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "corpus"
HONEST = "Honest but awkward"
EXERCISES = ("relu", "matmul_loops", "mse", "mse_grad", "LinearLayer")
FEW = ("relu", "mse")


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One hostile, or honest but awkward, submission.

    Every exercise is answered rightly but for those in ``answers``; the text "stub" is the released one's.
    ``cells`` stand before the first answer, ``after`` behind the last. ``without`` is the same notebook without the
    attack, as far as it differs from a stub: what it earns is what the attack may earn. ``costs`` names the exercises,
    besides those in ``answers``, that may lose points ("*" is all). ``flags`` are expected, one of them at least;
    ``says`` is looked for in what the report says. ``public``: of these it may earn the public checks' points, since it
    answers those checks, and nothing more. ``zero``: it may earn nothing at all. ``file`` names a builder of
    `tests.attacks.files` that makes the file itself, ``student`` the name that it is handed in under.
    ``bites``: the canary is touched where there is no wall, which a test proves; ``cells`` alone do it.
    """

    name: str
    line: str
    tries: str
    use: list[str] = []
    cells: list[str] = []
    after: list[str] = []
    answers: dict[str, str] = {}
    without: dict[str, str] = {}
    costs: list[str] = []
    flags: list[str] = []
    says: str = ""
    public: list[str] = []
    zero: bool = False
    file: str = ""
    student: str = ""
    bites: bool = False
    kind: str = ""

    @property
    def handed_in_as(self) -> str:
        """The name of its file, without the ending."""
        return self.student or self.name

    def is_about(self, exercises: Sequence[str]) -> bool:
        """Is everything that it changes among these exercises?"""
        names = {*self.answers, *self.costs, *self.public} - {"*"}
        return self.kind != HONEST and not self.file and names <= set(exercises)


def load(name: str) -> list[Entry]:
    """The entries of one file of the corpus; its first key is the class that attacks.md gives them."""
    data = tomllib.loads((CORPUS / f"{name}.toml").read_text(encoding="utf-8"))
    return [msgspec.convert({**entry, "kind": data["class"]}, Entry) for entry in data["entry"]]


def attacks() -> list[Entry]:
    """All attacks."""
    names = sorted(path.stem for path in CORPUS.glob("*.toml") if path.stem not in ("honest", "snippets"))
    return [entry for name in names for entry in load(name)]


def honest() -> list[Entry]:
    """All that is honest but awkward."""
    return load("honest")


def lines() -> dict[str, list[str]]:
    """What the corpus has to cover, by class."""
    return tomllib.loads((CORPUS.parent / "lines.toml").read_text(encoding="utf-8"))


def snippets() -> dict[str, str]:
    """Cells that several entries use."""
    return tomllib.loads((CORPUS / "snippets.toml").read_text(encoding="utf-8"))


def reference(exercises: Sequence[str] = EXERCISES) -> nbformat.NotebookNode:
    """The released notebook with the solutions' answers to ``exercises`` in it; the others are stubs still."""
    released = nbformat.read(ROOT / "assignments/ch17/ch17.ipynb", 4)
    solved = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in _solutions().cells}
    for cell in released.cells:
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("grade_id") in exercises:
            cell.source = re.sub(r"^\s*### (BEGIN|END) SOLUTION\n?", "", solved[marks["grade_id"]].source, flags=re.M)
    return released


def _solutions() -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "solutions/ch17/ch17.ipynb", 4)


def stubs() -> dict[str, str]:
    """The released answers."""
    released = nbformat.read(ROOT / "assignments/ch17/ch17.ipynb", 4)
    marked = ((cell.metadata.get("nbgrader", {}), cell.source) for cell in released.cells)
    return {marks["grade_id"]: source for marks, source in marked if marks.get("solution")}


def notebook(
    base: nbformat.NotebookNode, cells: list[str], after: list[str], answers: dict[str, str]
) -> nbformat.NotebookNode:
    """``base`` with other answers, with cells of one's own after the setup cell, and at the end."""
    made = copy.deepcopy(base)
    released = stubs()
    for cell in made.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in answers:
            cell.source = released[name] if answers[name] == "stub" else answers[name].strip("\n")
    setup = next(i for i, cell in enumerate(made.cells) if cell.metadata.get("nbgrader", {}).get("grade_id") == "setup")
    own = [[nbformat.v4.new_code_cell(text.strip("\n")) for text in texts] for texts in (cells, after)]
    made.cells[setup + 1 : setup + 1] = own[0]
    made.cells += own[1]
    return made


def filled(text: str, places: dict[str, Any]) -> str:
    """``text`` with ``@@NAME@@`` replaced by the range's own paths and ports."""
    return re.sub(r"@@([A-Z_]+)@@", lambda match: str(places[match[1]]), text)
