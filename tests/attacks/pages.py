"""What a batch wrote, read as a browser, a spreadsheet and a terminal would read it."""

from __future__ import annotations

import base64
import csv
import functools
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2

from grader.legible import legible
from grader.pages import templates_dir

TAGS = frozenset(
    [
        "html",
        "head",
        "meta",
        "link",
        "title",
        "style",
        "body",
        "header",
        "footer",
        "main",
        "section",
        "article",
        "div",
        "span",
        "p",
        "br",
        "hr",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "dl",
        "dt",
        "dd",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "ul",
        "ol",
        "li",
        "details",
        "summary",
        "a",
        "code",
        "pre",
        "strong",
        "em",
        "figure",
        "figcaption",
        "blockquote",
        "svg",
        "rect",
        "text",
        "line",
        "g",
        "path",
        "label",
        "nav",
        "input",
        "script",
    ]
)
LINKS = ("#", "./", "data:,")
POLICY = "default-src 'none'"
FORMULAS = tuple("=+-@\t\r＝＋－＠")
FILES = {".lock", "index.html", "results.jsonl", "grades.csv", "results", "feedback"}


class _Page(HTMLParser):
    """What a browser would make of a page: its text, and whatever in it we did not write."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.foreign: list[str] = []
        self.policy = ""
        self.script = ""
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        if tag not in TAGS:
            self.foreign.append(f"<{tag}>")
        if ("http-equiv", "Content-Security-Policy") in attrs:
            self.policy = self.policy or str(dict(attrs).get("content"))
        for name, value in attrs:
            link = name in ("href", "src", "action", "xlink:href") and not (value or "").startswith(LINKS)
            if (
                link
                or name.startswith("on")
                or name == "style"
                or (name == "http-equiv" and "Policy" not in str(value))
            ):
                self.foreign.append(f"<{tag} {name}={value}>")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.script += data
        elif self._inside != "style":
            self.words.append(data)


def squeezed(text: str) -> str:
    """``text`` without what layout adds or takes away."""
    return "".join(text.replace("`", "").split())


def page_text(html: str) -> str:
    """What a page says, as `squeezed`."""
    return squeezed("".join(_Page(html).words))


def class_rows(html: str) -> dict[str, str]:
    """What the class page says of each student, as `squeezed`, by the name it shows."""
    rows = (row.partition("</tr>")[0] for row in html.split("<tr>"))
    split = (re.match(r'\s*<th scope="row">(.*?)</th>(.*)', row, re.DOTALL) for row in rows)
    return {page_text(found[1]): page_text(found[2]) for found in split if found}


# ---------------------------------------------------------------- what must not be


def poison(out: Path, printed: str) -> Iterator[str]:
    """Whatever a student got into a page, a table or the terminal that is more than text."""
    count = len(list((out / "results").glob("*.json")))
    found = {path.name for path in out.iterdir()}
    yield from (f"a file {name}" for name in sorted(found ^ FILES))
    for path in [out / "index.html", *sorted((out / "feedback").glob("*/ch17/ch17.html"))]:
        html = path.read_text(encoding="utf-8")
        where = path.relative_to(out).as_posix()
        page = _Page(html)
        yield from (f"{what} in {where}" for what in (*page.foreign, *unseen(html)))
        script, allowed = ours() if where == "index.html" else ("", "")
        if page.script != script:
            yield f"a script in {where}"
        if not page.policy.startswith(POLICY) or "script" in page.policy.replace(allowed, "", 1):
            yield f"no policy in {where}"
    yield from (f"{what} in the terminal" for what in unseen(printed))
    yield from _tables(out, count)


@functools.cache
def ours() -> tuple[str, str]:
    """The class page's own script, and what the page's policy says to allow it."""
    script = (templates_dir() / "class.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return script, f" script-src 'sha256-{digest}';"


def unseen(text: str) -> Iterator[str]:
    """Characters that hide, reorder or command."""
    kinds = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    yield from (f"U+{ord(c):04X}" for c in sorted(set(text)) if c not in "\t\n" and unicodedata.category(c) in kinds)


def _tables(out: Path, count: int) -> Iterator[str]:
    table, lines = (out / "grades.csv").read_text(encoding="utf-8"), (out / "results.jsonl").read_text(encoding="utf-8")
    rows = list(csv.reader(table.splitlines()))
    yield from (f"{cell!r} in grades.csv" for row in rows for cell in row if cell.startswith(FORMULAS))
    yield from (f"{what} in grades.csv and results.jsonl" for what in unseen(table + lines))
    students = [json.loads(line)["student"] for line in lines.split("\n") if line]
    if not count == len(set(students)) == len(rows) - 1:
        yield f"{count} results, {len(students)} lines, {len(rows) - 1} rows"
    if any(len(row) != len(rows[0]) for row in rows):
        yield "rows of different lengths in grades.csv"


# ---------------------------------------------------------------- what must be said


@functools.cache
def words() -> Mapping[str, Mapping[str, str]]:
    """Each flag in words."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(templates_dir()), extensions=["jinja2.ext.i18n"])
    environment.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
    return dict(environment.get_template("words.html.j2").module.flags)  # type: ignore[attr-defined]


def unsaid(result: Mapping[str, Any], page: str, row: str) -> Iterator[str]:
    """What a result holds, and the student's page or the student's row on the class page does not say."""
    graded = result["status"] == "graded"
    texts = [*told(result), *(words()[flag]["student"] for flag in result.get("flags", []) if graded)]
    labels = [words()[flag]["label"] for flag in result.get("flags", [])]
    for place, wanted, said in (("page", texts, page), ("row", [*labels, result.get("problem") or ""], row)):
        for text in wanted:
            if squeezed(legible(text)[:80]) not in said:
                yield f"{text[:80]!r} is not on the {place}"


def told(result: Mapping[str, Any]) -> list[str]:
    """The sentences of a result: the problem, the notes, and why checks failed."""
    checks = [check for exercise in result["exercises"] for check in exercise["checks"]]
    why = [check.get("message") for check in checks if check["verdict"] == "failed" and result["status"] == "graded"]
    return [text for text in (result.get("problem"), *result.get("notes", [])[:50], *why) if text]
