"""The catalogues of messages: extracted from the program and its templates, merged, compiled.

``python -m tests.messages`` (``make messages``) writes ``grader/locale``: ``grader.pot`` with every message, and for
each language ``grader.po`` to translate and ``grader.mo`` to load. `tests.test_languages` names what is left to do.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from grader.languages import DOMAIN, LANGUAGES, LOCALE
from grader.sentences import MARKS

ROOT = Path(__file__).parent.parent
PLACES = {"grader": ("**.py", "python"), "templates": ("**.j2", "jinja2")}
OPTIONS = {"jinja2": {"trimmed": "true", "newstyle_gettext": "true", "silent": "false", "encoding": "utf-8"}}
HEADER = f"# Messages of {DOMAIN}; `make messages` keeps this file up to date."
WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)  # a time of its own would change the files at every run


def files(folder: str) -> tuple[Path, Path]:
    """The catalogue of a language to edit, and the one to load."""
    place = LOCALE / folder / "LC_MESSAGES"
    return place / f"{DOMAIN}.po", place / f"{DOMAIN}.mo"


def template() -> Catalog:
    """Every message of the program and its templates."""
    catalogue = Catalog(domain=DOMAIN, project=DOMAIN, header_comment=HEADER, creation_date=WRITTEN, fuzzy=False)
    for folder, (pattern, method) in PLACES.items():
        found = extract_from_dir(ROOT / folder, [(pattern, method)], {pattern: OPTIONS.get(method, {})}, MARKS, ())
        for name, line, message, comments, context in sorted(found, key=lambda entry: (entry[0], entry[1])):
            catalogue.add(message, None, [(f"{folder}/{name}", line)], auto_comments=comments, context=context)
    return catalogue


def merged(folder: str) -> Catalog:
    """A language's catalogue with today's messages: new ones are empty, those that changed are fuzzy."""
    path = files(folder)[0]
    catalogue = read(folder) if path.exists() else Catalog(folder, DOMAIN, HEADER, DOMAIN)
    catalogue.update(template(), no_fuzzy_matching=False, update_header_comment=True)
    catalogue.obsolete.clear()
    catalogue.fuzzy = False
    catalogue.revision_date = WRITTEN
    return catalogue


def read(folder: str) -> Catalog:
    """A language's catalogue as it is."""
    with files(folder)[0].open("rb") as file:
        return read_po(file, folder, DOMAIN)


def text(catalogue: Catalog) -> bytes:
    """A catalogue as a file to edit; places without lines, which would change with every edit of the source."""
    out = io.BytesIO()
    write_po(out, catalogue, width=110, include_lineno=False, sort_by_file=False)
    return out.getvalue()


def compiled(catalogue: Catalog) -> bytes:
    """A catalogue as a file to load."""
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def main() -> None:
    """Write all files."""
    (LOCALE / f"{DOMAIN}.pot").write_bytes(text(template()))
    for language in LANGUAGES.values():
        if language.folder:
            catalogue = merged(language.folder)
            po, mo = files(language.folder)
            po.parent.mkdir(parents=True, exist_ok=True)
            po.write_bytes(text(catalogue))
            mo.write_bytes(compiled(catalogue))
            left = [message for message in catalogue if message.id and (message.fuzzy or not message.string)]
            print(f"{language.code}: {len(catalogue)} messages, {len(left)} to translate")


if __name__ == "__main__":
    main()
