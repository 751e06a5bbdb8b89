"""The pages in docs/ hold: what they say to type is typed, and works."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.test_sandbox import ROOT

ASSIGNMENT, ADDED = "ch17_further", "np_mse"
KEPT = "np_lin"  # of the exercises: something for the new one to stand behind
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = {"grader": ["-m", "grader.cli"], "nbgrader": ["-m", "nbgrader"]}


def exercise_of(cell: nbformat.NotebookNode) -> str:
    return re.sub("^(prompt|check|why)-", "", cell.id)


def smaller_course(root: Path) -> None:
    """The assignment with one of its exercises, and without the one to be added."""
    notebook = Path("solutions", ASSIGNMENT, f"{ASSIGNMENT}.ipynb")
    source = nbformat.read(ROOT / notebook, as_version=4)
    answers = {cell.id for cell in source.cells if cell.metadata.get("nbgrader", {}).get("solution")}
    source.cells = [cell for cell in source.cells if exercise_of(cell) == KEPT or exercise_of(cell) not in answers]
    (root / notebook).parent.mkdir(parents=True)
    nbformat.write(source, root / notebook)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    suite = Path("autotests", ASSIGNMENT)
    for path in (*(ROOT / suite).rglob("test_numpy.py"), *(ROOT / suite).rglob("numpy.toml")):
        place = root / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        place.write_text(fewer_checks(text) if path.suffix == ".py" else fewer_entries(text), encoding="utf-8")


def fewer_checks(text: str) -> str:
    tree = ast.parse(text)
    tree.body = [node for node in tree.body if checked(node) in {None, KEPT}]
    return ast.unparse(tree)


def checked(node: ast.stmt) -> str | None:
    """The exercise that a check is of; None for what is no check."""
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
        return ast.literal_eval(node.decorator_list[-1].args[0])
    return None


def fewer_entries(text: str) -> str:
    head, *entries = re.split(r"^(?=\[\[)", text, flags=re.MULTILINE)
    return head + "".join(entry for entry in entries if f'exercise = "{KEPT}"' in entry)


def run(arguments: list[str], folder: Path) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.whole
def test_an_exercise_can_be_added_as_the_page_says(tmp_path):
    smaller_course(tmp_path)
    said = ""
    for language, file, text in BLOCK.findall((ROOT / "docs" / "add-an-exercise.md").read_text(encoding="utf-8")):
        if file:
            with open(tmp_path / file, "a", encoding="utf-8") as end:
                end.write(f"\n\n{text}")
        elif language == "sh":
            command, *arguments = shlex.split(text)
            said = run([*COMMANDS[command], *arguments], tmp_path)
        else:
            run(["-c", text], tmp_path)
    assert said.endswith("all in order\n")
    assert said.startswith(f"{ASSIGNMENT}: 2 exercises, 6 checks (2 hidden)")
    path = Path("solutions", ASSIGNMENT, f"{ASSIGNMENT}.ipynb")
    real, made = ([c for c in nbformat.read(r / path, 4).cells if exercise_of(c) == ADDED] for r in (ROOT, tmp_path))
    assert made == real
