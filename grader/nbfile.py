"""The bytes of a notebook file, read as cells.

Any bytes at all give either a `Notebook` or a `Problem`, never an exception. Stored outputs are dropped here: nobody
needs them, and they are most of the file.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import msgspec

from grader.model import Flag
from grader.names import shown
from grader.sentences import N_, Sentence, Text, counted, sentence

MAX_BYTES = 20 * 2**20
MAX_PARTS = 500_000
MAX_CELLS = 5_000

CellType = Literal["code", "markdown", "raw"]

_CONFLICT = re.compile(r"^<{7}(?: .*)?\r?$", re.MULTILINE)


class Problem(msgspec.Struct, frozen=True):
    """Why a file cannot be graded, in one line."""

    text: Text
    flag: Flag = "ungradable"


class Cell(msgspec.Struct, frozen=True):
    """One cell. ``number`` counts all cells from 1; the rest are the marks that nbgrader put on it."""

    number: int
    type: CellType
    source: str
    grade_id: str | None = None
    grade: bool = False
    solution: bool = False
    locked: bool = False
    points: float = 0.0


class Notebook(msgspec.Struct, frozen=True):
    """A notebook's cells in order, and what was odd about the file: one sentence each in ``notes``."""

    cells: tuple[Cell, ...]
    flags: tuple[Flag, ...] = ()
    notes: tuple[Text, ...] = ()


# Nothing there to read, or not what it was; anything else that keeps us from reading is no fault of the student's.
NOTHING_THERE = frozenset({None, errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


def load(path: Path) -> bytes | Problem:
    """The bytes of the regular file at ``path``; a link, folder, pipe or device is a problem."""
    name = shown(path.name)
    # Looked at before, since opening a device may do things, and after, since it may have been swapped meanwhile.
    flags = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return Problem(sentence("%(name)s is not a regular file; hand in the notebook file itself.", name=name))
        with os.fdopen(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return Problem(sentence("%(name)s is not a regular file; hand in the notebook file itself.", name=name))
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        return unreadable(path.name, error)


def unreadable(name: str, error: OSError | ValueError) -> Problem:
    """Why a file or folder cannot be read, and whether that may be the student's fault."""
    why = shown(getattr(error, "strerror", None) or error)
    flag: Flag = "ungradable" if getattr(error, "errno", None) in NOTHING_THERE else "engine"
    return Problem(sentence("%(name)s cannot be read: %(why)s.", name=shown(name), why=why), flag)


def parse(data: bytes) -> Notebook | Problem:
    """The notebook in ``data``, of any nbformat, however its metadata may look."""
    if len(data) > MAX_BYTES:
        return Problem(
            sentence(
                "The file is larger than %(limit)s MB; clear its outputs and save it again.", limit=MAX_BYTES // 2**20
            )
        )
    if not data.strip(b" \t\r\n\0"):
        return Problem(sentence("The file is empty: save the notebook and hand it in again."))
    notes: list[Text] = []
    document = _document(_text(data, notes), notes)
    if isinstance(document, Problem):
        return document
    return _notebook(document, notes)


def _text(data: bytes, notes: list[Text]) -> str:
    encoding = json.detect_encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        notes.append(sentence("The file holds bytes that are not text; they were replaced."))
        text = data.decode(encoding, "replace")
    return text.removeprefix("\ufeff")


def _document(text: str, notes: list[Text]) -> dict[str, Any] | Problem:
    """The JSON object in ``text``; where git left conflict markers, in the first side that is JSON."""
    try:
        document = _json(text)
    except _TooManyParts:
        return Problem(
            sentence("The file holds too many values to be a notebook; clear its outputs and save it again.")
        )
    except (ValueError, RecursionError) as error:
        for side in _sides(text) if _CONFLICT.search(text) else ():
            try:
                document = _json(side)
            except (ValueError, RecursionError):
                continue
            notes.append(sentence("The file holds git conflict markers; one of its two sides was graded."))
            break
        else:
            said = N_("The file is not a notebook: %(why)s. Open it in Jupyter, save it and hand it in again.")
            return Problem(sentence(said, why=_why(error)))
    if not isinstance(document, dict):
        return Problem(sentence("The file is not a notebook: it is JSON, but not an object with cells."))
    return document


class _TooManyParts(ValueError):
    """More values than are read: each may cost hundreds of times its byte in memory."""


def _json(text: str) -> Any:
    if sum(map(text.count, ",[{")) > MAX_PARTS and _parts(text) > MAX_PARTS:
        raise _TooManyParts
    return json.loads(text, strict=False)  # raw line breaks in strings do no harm


def _parts(text: str) -> int:
    """How many values there are in JSON, or one more than are read; what stands in strings is none."""
    return sum(1 for _ in islice(_PART.finditer(text), MAX_PARTS + 1))


_PART = re.compile(r'(?:[^",\[{]++|"(?:[^"\\]++|\\.)*+"?)*+(?:[,\[{]|\Z)', re.DOTALL)


def _why(error: Exception) -> Sentence:
    match error:
        case json.JSONDecodeError():
            return sentence("not JSON at line %(line)s, column %(column)s", line=error.lineno, column=error.colno)
        case RecursionError():
            return sentence("its JSON is nested too deep")
        case _:
            return sentence("not JSON")


def _sides(text: str) -> Iterator[str]:
    """``text`` with each conflict resolved to the first side, then to the second."""
    for wanted in ("<", "="):
        kept, side = [], ""
        for line in text.splitlines(keepends=True):
            marker = line.rstrip()[:8].rstrip()
            if len(marker) == 7 and marker[0] in "<|=>" and len(set(marker)) == 1:
                side = marker[0] if marker[0] != ">" else ""
            elif side in ("", wanted):
                kept.append(line)
        yield "".join(kept)


def _notebook(document: dict[str, Any], notes: list[Text]) -> Notebook | Problem:
    flags: list[Flag] = []
    if not isinstance(document.get("cells"), list) and isinstance(document.get("worksheets"), list):
        flags.append("old_format")
        notes.append(sentence("The notebook is in an older format and was upgraded."))
        try:
            document = _upgraded(document)
        except Exception:  # a library at work on any document at all
            return Problem(
                sentence("The notebook is in an older format that cannot be upgraded; save it with Jupyter again.")
            )
    cells = document.get("cells")
    if not isinstance(cells, list):
        return Problem(sentence("The file is not a notebook: it has no list of cells."))
    if len(cells) > MAX_CELLS:
        return Problem(
            sentence(
                "The notebook has %(cells)s cells; more than %(limit)s are not graded.",
                cells=len(cells),
                limit=MAX_CELLS,
            )
        )
    language = _language(document)
    if not language.lower().startswith(("python", "ipython")):
        text = N_("The notebook's kernel is for %(language)s; its cells were read as Python.")
        notes.append(sentence(text, language=shown(language, 40)))
    strange = sum(not isinstance(cell, dict) for cell in cells)
    if strange:
        notes.append(
            counted(
                "The notebook holds %(count)s cell that is none; it was left out.",
                "The notebook holds %(count)s cells that are none; they were left out.",
                strange,
            )
        )
    kept = tuple(_cell(number, cell) for number, cell in enumerate(cells, 1) if isinstance(cell, dict))
    return Notebook(kept, tuple(flags), tuple(notes))


def _upgraded(document: dict[str, Any]) -> dict[str, Any]:
    """A notebook of nbformat 2 or 3 as one of 4, tidied first so that the conversion meets what it expects."""
    import nbformat  # here, because it takes long and hardly any notebook needs it

    worksheets = [sheet for sheet in document["worksheets"] if isinstance(sheet, dict)]
    cells = [cell for sheet in worksheets for cell in _list(sheet.get("cells")) if isinstance(cell, dict)]
    major = 2 if document.get("nbformat") == 2 else 3
    tidy = {
        "nbformat": major,
        "nbformat_minor": 0,
        "metadata": {},
        "worksheets": [{"metadata": {}, "cells": [_tidy(cell) for cell in cells[: MAX_CELLS + 1]]}],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        upgraded: dict[str, Any] = nbformat.convert(nbformat.from_dict(tidy), 4)
    return {**upgraded, "metadata": document.get("metadata")}


def _tidy(cell: dict[str, Any]) -> dict[str, Any]:
    kind = cell.get("cell_type")
    kind = kind if kind in ("code", "markdown", "raw", "heading", "html") else "code"
    metadata = {"nbgrader": _dict(_dict(cell.get("metadata")).get("nbgrader"))}
    source = _source(cell.get("input") if "input" in cell else cell.get("source"))
    if kind == "code":
        return {"cell_type": kind, "metadata": metadata, "input": source, "language": "python", "outputs": []}
    level = cell.get("level")
    tidy = {"cell_type": kind, "metadata": metadata, "source": source}
    return tidy | ({"level": level if level in range(1, 7) else 1} if kind == "heading" else {})


def _cell(number: int, cell: dict[str, Any]) -> Cell:
    kind = cell.get("cell_type")
    marks = _dict(_dict(cell.get("metadata")).get("nbgrader"))
    grade_id, points = marks.get("grade_id"), marks.get("points")
    return Cell(
        number=number,
        type=kind if kind in ("markdown", "raw") else "code",
        source=_source(cell.get("source")),
        grade_id=_scrubbed(grade_id) if isinstance(grade_id, str) and grade_id else None,
        grade=marks.get("grade") is True,
        solution=marks.get("solution") is True,
        locked=marks.get("locked") is True,
        points=float(points) if isinstance(points, int | float) and 0 <= points < 1e6 else 0.0,
    )


def _source(source: object) -> str:
    lines: Iterable[object] = source if isinstance(source, list) else [source]
    return _scrubbed("".join(line for line in lines if isinstance(line, str)))


def _scrubbed(text: str) -> str:
    return text.encode("utf-8", "replace").decode()  # half surrogate pairs, which JSON allows, break every writer


def _language(document: dict[str, Any]) -> str:
    metadata = _dict(document.get("metadata"))
    for place, key in (("kernelspec", "language"), ("language_info", "name")):
        language = _dict(metadata.get(place)).get(key)
        if isinstance(language, str) and language:
            return language
    return "python"


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
