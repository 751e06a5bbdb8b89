"""The course as it lies on disk: what students are given, against the source that it is made from.

Each function yields one line for each thing that is off: what, where, and what to do.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import nbformat

from grader.course import CHECK, REREAD, Assignment, Course

_STUB = "raise NotImplementedError"
_SOLUTION = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.DOTALL)
_MARKER = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)")
_ENGLISH = re.compile(r"[A-Za-z]{2,}")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_CODE = re.compile(r"`[^`]*`|\[[^]]*\]")
_FEWEST = {_ENGLISH: 5, _CHINESE: 8}  # words, characters: the shortest question has about twice as many
_WHY = ("Rubric", "Model answer", "参考答案")
_TELLING = 20  # characters: a shorter line of a test may stand in any notebook

# What may lie in the folder of an assignment. Python leaves its caches beside the suite.
_PLACES = {
    "solutions": ("{name}.ipynb",),
    "assignments": ("{name}.ipynb",),
    "autotests": ("conftest.py", "test_*.py", "hidden/test_*.py", "hidden/mistakes/*.toml", "hidden/variants/*.toml"),
}


def speaks_both(text: str) -> bool:
    """Is there English in it, and Chinese, apart from code and shapes?"""
    words = _CODE.sub("", text)
    return all(len(kind.findall(words)) >= fewest for kind, fewest in _FEWEST.items())


def prompts(assignment: Assignment) -> Iterator[str]:
    """Prompts and written questions without a heading, one of the languages, what to read, a rubric or an answer."""
    for exercise in assignment.exercises:
        if not assignment.headings[exercise.name]:
            yield f"{exercise.name}: no prompt with a heading above its cell; write one in the source notebook"
        if not speaks_both(REREAD.sub("", exercise.prompt)):
            yield f"{exercise.name}: its prompt needs English and Chinese"
        if len(REREAD.findall(exercise.prompt)) < 2:
            yield f"{exercise.name}: its prompt needs a line “Read again: ...”, and one “重读：...”"
    for cell in assignment.source_cells() or ():
        if cell.type == "markdown" and cell.grade and cell.solution:
            answer = "".join(_SOLUTION.findall(cell.source))
            if not speaks_both(_SOLUTION.sub("", cell.source)):
                yield f"{cell.grade_id}: the written question needs English and Chinese"
            if missing := [word for word in _WHY if word not in answer]:
                yield f"{cell.grade_id}: between BEGIN SOLUTION and END SOLUTION it lacks {', '.join(missing)}"


# ---------------------------------------------------------------- the released notebook


def leaks(assignment: Assignment) -> Iterator[str]:
    """Lines of solutions and of hidden tests that the released notebook holds, anywhere in its file.

    A prompt may quote a line that a solution holds as well: the release then holds it as often as the prompts do.
    """
    file = assignment.notebooks[0].read_text(encoding="utf-8")
    source = assignment.source_cells() or ()
    shown = _spelled("\n".join(_SOLUTION.sub(_STUB, cell.source) for cell in source))
    for cell in source:
        for line in _lines("\n".join(_SOLUTION.findall(cell.source))):
            if file.count(_spelled(line)) > shown.count(_spelled(line)):
                yield f"{cell.grade_id}: the release holds a line of its solution: {line}; run: make release"
    for path in sorted(assignment.hidden.glob("*.py")) if assignment.hidden else ():
        for line in _lines(path.read_text(encoding="utf-8")):
            if len(line) >= _TELLING and not line.startswith(("import ", "from ")) and _spelled(line) in file:
                yield f"{path.name}: the release holds a line of this hidden test: {line}; take it out of the notebook"
    if marker := _MARKER.search(file):
        yield f"the release holds the mark {marker[0]}; run: make release"
    for cell in assignment.released:
        if (name := cell.grade_id or "").startswith(CHECK) and cell.source != f'check("{name.removeprefix(CHECK)}")':
            yield f'{name}: a check cell calls check("...") and holds nothing else'


def _lines(text: str) -> list[str]:
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def _spelled(text: str) -> str:
    """The text as a notebook's file spells it."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def stale(assignment: Assignment) -> list[str] | None:
    """Is the released notebook what nbgrader makes of the source today? None where nbgrader is not installed."""
    try:
        fresh = made(assignment)
    except ImportError:
        return None
    released = assignment.notebooks[0]
    given = nbformat.read(released, as_version=4)
    if fresh == given:
        return []
    pairs = zip(fresh.cells, given.cells, strict=False)
    first = next((number for number, (ours, theirs) in enumerate(pairs, 1) if ours != theirs), None)
    where = f"cell {first}" if first else "the number of cells, or the notebook's metadata"
    return [f"{released}: {where} is not what nbgrader makes of the source; run: make release"]


def made(assignment: Assignment) -> nbformat.NotebookNode:
    """The source after the steps of ``nbgrader generate_assignment``, but for the one that writes the gradebook.

    Raises `ImportError` where nbgrader is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what nbgrader's libraries will do away with some day says nothing of ours
        from nbgrader.converters.generate_assignment import GenerateAssignment
        from nbgrader.preprocessors import SaveCells
        from traitlets.config.loader import Config, PyFileConfigLoader

        file = assignment.root / "nbgrader_config.py"
        config = PyFileConfigLoader(file.name, str(file.parent)).load_config() if file.is_file() else Config()
        notebook: nbformat.NotebookNode = nbformat.read(assignment.notebooks[1], as_version=4)
        resources: dict[str, object] = {}
        for step in GenerateAssignment.class_traits()["preprocessors"].default():
            if step is not SaveCells:
                notebook, resources = step(config=config).preprocess(notebook, resources)
    return notebook


# ---------------------------------------------------------------- the folders


def strays(course: Course) -> Iterator[str]:
    """Files and folders that do not belong where they lie."""
    for tree, patterns in _PLACES.items():
        for folder in sorted((course.root / tree).glob("*")):
            if folder.is_dir() and folder.name in course.names:
                allowed = {path for pattern in patterns for path in folder.glob(pattern.format(name=folder.name))}
                yield from (f"{path}: {_STRAY}" for path in sorted(_files(folder) - allowed))
            elif folder.is_dir():
                yield f"{folder}: no assignment of this name is released; run: make release, or delete it"
            else:
                yield f"{folder}: {_STRAY}"


_STRAY = "does not belong here; move it away or delete it"


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_dir() and "__pycache__" not in path.parts}
