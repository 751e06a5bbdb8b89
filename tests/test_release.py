"""The source notebooks in solutions/ and what nbgrader made of them in assignments/."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "solutions").glob("*/*.ipynb"))

HEADING = re.compile(r"### \w+\. `(?P<signature>.+)`")
CODE_OR_SHAPE = re.compile(r"`[^`]*`|\[[^]]*\]")
CJK = re.compile(r"[\u4e00-\u9fff]")
PLACEHOLDER = re.compile(r"q\d+\w* = None")

each_notebook = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def released(source: Path) -> Path:
    return ROOT / "assignments" / source.relative_to(ROOT / "solutions")


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def marks(cell: NotebookNode) -> dict[str, object]:
    return dict(cell.metadata.get("nbgrader", {}))


def is_answer(cell: NotebookNode) -> bool:
    """A solution cell that is not graded itself: a program, not a written answer."""
    return bool(marks(cell).get("solution")) and not marks(cell).get("grade")


def answers(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if is_answer(cell)]


def prompts(notebook: NotebookNode) -> list[tuple[NotebookNode, NotebookNode]]:
    """Each answer cell with the cell above it."""
    return [(above, cell) for above, cell in pairwise(notebook.cells) if is_answer(cell)]


def innermost(body: list[ast.stmt]) -> Iterator[str]:
    """The statements of ``body``, with those inside definitions in the definitions' place."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield from innermost(statement.body)
        else:
            yield ast.unparse(statement)


def test_every_source_is_released() -> None:
    assert SOURCES
    assert [released(source) for source in SOURCES] == sorted((ROOT / "assignments").glob("*/*.ipynb"))


@each_notebook
def test_every_answer_is_followed_by_its_check(source: Path) -> None:
    for path in source, released(source):
        cells = read(path).cells
        pairs = [(answer, below) for answer, below in pairwise(cells) if is_answer(answer)]
        assert pairs
        for answer, check in pairs:
            name = marks(answer)["grade_id"]
            assert check.source == f'check("{name}")'
            expected = {"grade_id": f"check-{name}", "grade": True, "solution": False, "locked": True, "task": False}
            assert expected.items() <= marks(check).items()
            assert marks(check)["points"] > 0


@each_notebook
def test_names_are_unique_and_name_the_cells(source: Path) -> None:
    notebook = read(source)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    for cell in notebook.cells:
        assert cell.id == marks(cell).get("grade_id", cell.id)


@each_notebook
def test_the_first_code_cell_is_the_locked_setup(source: Path) -> None:
    setup = next(cell for cell in read(source).cells if cell.cell_type == "code")
    assert {"grade_id": "setup", "grade": False, "solution": False, "locked": True}.items() <= marks(setup).items()


@each_notebook
def test_every_prompt_is_headed_by_what_to_write(source: Path) -> None:
    for prompt, answer in prompts(read(source)):
        heading = HEADING.fullmatch(prompt.source.splitlines()[0])
        assert prompt.cell_type == "markdown"
        assert heading, prompt.source
        if answer.source.startswith("def "):
            assert answer.source.startswith(f"def {heading['signature']}:")


@each_notebook
def test_every_prompt_speaks_english_then_chinese(source: Path) -> None:
    for prompt, _ in prompts(read(source)):
        words = CODE_OR_SHAPE.sub("", prompt.source)
        english = CJK.split(words)[0]
        assert len(re.findall(r"[a-z]{2,}", english)) > 10, prompt.source
        assert len(CJK.findall(words)) > 20, prompt.source


@each_notebook
def test_the_source_is_as_nbformat_writes_it_and_never_run(source: Path) -> None:
    notebook = read(source)
    nbformat.validate(notebook)
    assert source.read_text(encoding="utf-8") == nbformat.writes(notebook) + "\n"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)


@each_notebook
def test_every_stub_only_raises_not_implemented(source: Path) -> None:
    for stub in answers(read(released(source))):
        said = {line for line in innermost(ast.parse(stub.source).body) if not PLACEHOLDER.fullmatch(line)}
        assert said == {"raise NotImplementedError"}, stub.source


@each_notebook
def test_nbgrader_can_tell_an_untouched_cell(source: Path) -> None:
    for cell in read(released(source)).cells:
        assert not marks(cell) or marks(cell)["checksum"]
