"""Names and lines of text that somebody else chose, made safe to show and to build paths from."""

from __future__ import annotations

import hashlib
import re
import unicodedata

MAX_CHARACTERS = 100
MAX_BYTES = 200  # a path part may have 255, and an ending may follow

_PUNCTUATION = frozenset(" -_.,@+()'")
_HASH = re.compile(r"-[0-9a-f]{16}\Z")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?\Z", re.IGNORECASE)
# Controls, formats (bidi, zero-width, tags), surrogates, private use, unassigned, line and paragraph separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str) -> str:
    """``text`` as one line of what can be seen: no controls, no escapes to a terminal, nothing that reorders."""
    return " ".join("".join(" " if c.isspace() else c for c in text if c.isspace() or not _invisible(c)).split())


def shown(text: object, limit: int = 200) -> str:
    """``text`` as `printable`, of at most ``limit`` characters."""
    whole = str(text)
    line = printable(whole[: 4 * limit])
    return line if len(line) <= limit and len(whole) <= 4 * limit else line[: limit - 1] + "…"


def safe_name(text: str) -> str:
    """``text`` as one part of a path that is also fit to show: a student's id, the stem of a file's name.

    Letters and digits of every script stay. Anything dropped, replaced or cut adds a hash of the whole, so two
    different texts never share a name; a text that ends like such a hash gets one too. Apply it once, to the
    original: it tells apart its own results from names that look like them.
    """
    plain = unicodedata.normalize("NFC", text[: 4 * MAX_CHARACTERS])
    visible = "".join(c if _plain(c) else "_" for c in plain if c.isspace() or not _invisible(c))
    name = re.sub(" +", " ", visible).lstrip(" .-+@'").rstrip(" .")
    if name == text and name and _fits(name) and not _HASH.search(name) and not _DEVICES.match(name):
        return name
    suffix = "-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    if _DEVICES.match(name):
        name = "_" + name
    while not _fits(name + suffix):
        name = name[:-1]
    return (name or "unnamed") + suffix


def _fits(name: str) -> bool:
    return len(name) <= MAX_CHARACTERS and len(name.encode()) <= MAX_BYTES


def _plain(character: str) -> bool:
    return character in _PUNCTUATION or unicodedata.category(character)[0] in "LMN"


def _invisible(character: str) -> bool:
    return unicodedata.category(character) in _INVISIBLE
