"""Submissions that are not what a notebook file should be.

Each function makes one at ``target`` from ``made``, the entry's notebook; ``places`` are the range's own paths.
"""

from __future__ import annotations

import json
import os
import socket
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

MEGABYTE = 1 << 20
SCRIPT = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


def write(made: NotebookNode, target: Path) -> None:
    """``made`` as it stands, valid or not."""
    target.write_text(json.dumps(made), encoding="utf-8")


def grade_id(cell: NotebookNode) -> str:
    """The mark of a cell, or ""."""
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def is_answer(cell: NotebookNode) -> bool:
    """Is it one of the cells for answers?"""
    return bool(cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution"))


def is_check(cell: NotebookNode) -> bool:
    """Is it one of the instructor's test cells?"""
    return grade_id(cell).startswith("check-")


# ---------------------------------------------------------------- too much


def million_cells(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    cells = ",".join(['{"source":""}'] * 1_000_000)
    target.write_text('{"nbformat":4,"metadata":{},"cells":[' + cells + "]}")


def many_cells(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    made.cells[1:1] = [nbformat.v4.new_code_cell(f"raise ValueError({n})") for n in range(2_000)]
    write(made, target)


def huge(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    output = nbformat.v4.new_output("stream", text="x" * (24 * MEGABYTE))
    made.cells.append(nbformat.v4.new_code_cell("print('x' * 200_000_000)", outputs=[output]))
    write(made, target)


def huge_cell(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    texts = "x = '" + "x" * (12 * MEGABYTE) + "'", "y = " + "1+" * 90_000 + "1", "z = " + "-" * 90_000 + "1"
    made.cells += [nbformat.v4.new_code_cell(text) for text in texts]
    write(made, target)


def json_bomb(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    target.write_text('{"cells":[' + "[]," * (6 * MEGABYTE) + "[]]}")


def nested_json(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    target.write_text('{"cells":' + "[" * 1_000_000 + "]" * 1_000_000 + "}")


def long_number(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    target.write_text('{"cells":[],"nbformat":' + "9" * 1_000_000 + "}")


def zip_bomb(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"{number}.ipynb", bytes(16 * MEGABYTE))


# ---------------------------------------------------------------- cells


def answers_deleted(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    made.cells = [cell for cell in made.cells if grade_id(cell) not in ("relu", "mse")]
    write(made, target)


def answers_doubled(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    made.cells = [copy for cell in made.cells for copy in ([cell, cell] if is_answer(cell) else [cell])]
    write(made, target)


def answers_reordered(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    first = next(i for i, cell in enumerate(made.cells) if is_answer(cell))
    made.cells[first:] = made.cells[first:][::-1]
    write(made, target)


def answers_merged(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    answers = [cell for cell in made.cells if is_answer(cell)]
    answers[0].source = "\n\n".join(cell.source for cell in answers)
    made.cells = [cell for cell in made.cells if cell not in answers[1:]]
    write(made, target)


def answers_as_markdown(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    for number, cell in enumerate(filter(is_answer, made.cells)):
        cell.cell_type = ("markdown", "raw")[number % 2]
    write(made, target)


def strange_cell_types(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    for cell in filter(is_answer, made.cells):
        cell.cell_type = "custom"
    made.cells += [{"cell_type": kind, "source": "1/0"} for kind in (None, 7, ["code"], "heading")]
    made.cells += [None, 1, "cell", [], {}, {"source": {"a": 1}}, {"source": [1, None, "2"], "metadata": []}]
    write(made, target)


def ids_swapped(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    marks = {grade_id(cell): cell.metadata.nbgrader for cell in made.cells if is_answer(cell)}
    marks["relu"].grade_id, marks["mse"].grade_id = "mse", "relu"
    write(made, target)


def ids_all_alike(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    for cell in filter(is_answer, made.cells):
        cell.metadata.nbgrader.grade_id = "relu"
    write(made, target)


def tests_edited(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    for cell in filter(is_check, made.cells):
        cell.source = "check = print = lambda *args: 100.0\nassert True"
        cell.metadata.nbgrader.update(points=1000, locked=False)
    write(made, target)


def tests_removed(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    made.cells = [cell for cell in made.cells if not is_check(cell)]
    write(made, target)


def tests_skipped(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    for cell in made.cells:
        cell.metadata.tags = ["skip-execution", "raises-exception", "remove_cell", "nbgrader-skip"]
    write(made, target)


def tests_doubled(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    made.cells = [copy for cell in made.cells for copy in ([cell, cell] if is_check(cell) else [cell])]
    write(made, target)


def tests_claimed(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    """The student's own cells carry the marks of test cells, with points of their own choice."""
    for cell in [cell for cell in made.cells if is_check(cell)]:
        own = nbformat.v4.new_code_cell("100.0")
        own.metadata.nbgrader = {**cell.metadata.nbgrader, "points": 1e308, "grade_id": f"{grade_id(cell)}-more"}
        made.cells.append(own)
    write(made, target)


def setup_edited(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    cell = next(cell for cell in made.cells if grade_id(cell) == "setup")
    cell.source = "import types\ntorch = types.SimpleNamespace()\ncheck = lambda name: 100.0"
    write(made, target)


def setup_deleted(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    made.cells = [cell for cell in made.cells if grade_id(cell) != "setup"]
    write(made, target)


# ---------------------------------------------------------------- metadata and formats


def from_colab(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    for number, cell in enumerate(made.cells):
        cell.metadata = {"id": f"c{number}", "colab": {"base_uri": "https://localhost:8080/"}}
    made.metadata = {"colab": {"provenance": []}, "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    write(made, target)


def from_vs_code(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    for cell in made.cells:
        cell.metadata = {"vscode": {"languageId": "python"}}
        cell.source = cell.source.splitlines(keepends=True)
        cell.pop("id", None)
    made.metadata = {}
    write(made, target)


def strange_metadata(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    for cell in made.cells:
        if not is_answer(cell):
            cell.metadata = [None, "nbgrader", {"nbgrader": []}, {"nbgrader": {"grade_id": 7, "points": "many"}}][
                len(cell.source) % 4
            ]
    made.metadata, made.nbformat, made.nbformat_minor = {"kernelspec": "python"}, "four", {}
    write(made, target)


def old_format(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    cells = [
        {"cell_type": "code", "input": cell.source, "language": "python", "outputs": [], "metadata": cell.metadata}
        if cell.cell_type == "code"
        else {"cell_type": "markdown", "source": cell.source, "metadata": {}}
        for cell in made.cells
    ]
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}
    target.write_text(json.dumps(old))


def another_kernel(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    made.metadata.kernelspec = {"name": "ir", "display_name": "R", "language": "R"}
    made.metadata.language_info = {"name": "R"}
    write(made, target)


def another_assignment(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    mark = {"grade_id": "squares", "solution": True, "grade": False, "locked": False, "schema_version": 3}
    cell = nbformat.v4.new_code_cell("def squares(n): return [i ** 2 for i in range(n)]", metadata={"nbgrader": mark})
    write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Chapter 4"), cell]), target)


def poisoned_metadata(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    made.metadata.kernelspec = {"name": SCRIPT, "display_name": SCRIPT, "language": SCRIPT}
    made.metadata.language_info = {"name": SCRIPT}
    made.metadata.title = made.metadata.authors = SCRIPT
    for name in (SCRIPT, "=cmd()", "\x1b]0;owned\x07", "‮evil", "../../etc/passwd", "relu\0"):
        own = nbformat.v4.new_code_cell(f"# {name!r}")
        own.metadata = {"nbgrader": {"grade_id": name, "solution": True, "grade": True, "points": 9}, "name": name}
        made.cells.append(own)
    made.cells[0].attachments = {"x.svg": {"image/svg+xml": f"<svg onload=alert(1)>{SCRIPT}</svg>"}}
    write(made, target)


def forged_outputs(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    for cell in filter(is_check, made.cells):
        data = {"text/html": SCRIPT, "image/svg+xml": f"<svg>{SCRIPT}</svg>", "application/javascript": "alert(1)"}
        cell.outputs = [
            nbformat.v4.new_output("execute_result", {"text/plain": "100.0", **data}, execution_count=1),
            nbformat.v4.new_output("stream", text="Points: 100 of 100. All checks passed."),
        ]
    write(made, target)


# ---------------------------------------------------------------- bytes


def not_json(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    target.write_bytes(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj << /Type /Catalog >> endobj")


def json_of_something_else(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    target.write_text('[{"score": 100, "cells": []}]')


def truncated(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    text = nbformat.writes(made)
    target.write_text(text[: len(text) // 2])


def empty(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    target.touch()


def zeros(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    target.write_bytes(bytes(4096))


def with_mark(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    target.write_bytes(b"\xef\xbb\xbf" + nbformat.writes(made).encode())


def utf_16(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    target.write_bytes(nbformat.writes(made).encode("utf-16"))


def bad_bytes(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    made.cells.append(nbformat.v4.new_code_cell("note = 'BYTES'"))
    target.write_bytes(json.dumps(made).encode().replace(b"BYTES", b"\xff\xfe\x80 \xed\xa0\x80"))


def conflict(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    first, second = nbformat.writes(made), '{"cells": []}'
    target.write_text(f"<<<<<<< HEAD\n{first}\n=======\n{second}\n>>>>>>> theirs\n")


# ---------------------------------------------------------------- not files


def directory(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    target.mkdir()
    write(made, target / "ch17.ipynb")


def link_to_victim(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    target.symlink_to(places["VICTIM"])


def link_to_solution(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    target.symlink_to(os.path.relpath(places["SOLUTION"], target.parent))


def link_to_itself(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    target.symlink_to(target.name)


def linked_folder(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    """nbgrader's tree, where the assignment's folder is a link to the solutions'."""
    folder = target.with_suffix("")
    folder.mkdir()
    (folder / "ch17").symlink_to(Path(places["SOLUTION"]).parent)


def linked_file(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    """nbgrader's tree, where the notebook is a link to another student's."""
    folder = target.with_suffix("") / "ch17"
    folder.mkdir(parents=True)
    (folder / "ch17.ipynb").symlink_to(places["VICTIM"])


def device(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    """/dev/zero itself where we may make one, else a link to it."""
    try:
        os.mknod(target, 0o20666, os.makedev(1, 5))
    except PermissionError:
        target.symlink_to("/dev/zero")


def pipe(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    os.mkfifo(target)


def unix_socket(made: NotebookNode, target: Path, places: Mapping[str, Any]) -> None:
    here = os.getcwd()
    os.chdir(target.parent)  # a socket's path has room for 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(target.name)
    finally:
        os.chdir(here)
