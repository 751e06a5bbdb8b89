"""Text that somebody else wrote, as a reader gets it: bounded, with nothing that hides, reorders or runs."""

from __future__ import annotations

import re
import unicodedata

from markupsafe import Markup, escape

from grader.sandbox.steady import steady

LINE_LIMIT = 200  # characters of a text on one line
TEXT_LIMIT = 20_000  # characters a reader is ever given of one thing: a student can write megabytes

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\^_]")
# Controls, bidi marks and overrides, zero-width and blank "letters", tags, lone surrogates, noncharacters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180b-\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)


def _name_unseen(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)  # Unicode's pictures of the control characters: ␀ ␛ ...
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"


def visible(text: str) -> str:
    """``text`` with every character that hides, reorders or cannot be encoded replaced by its name."""
    return _UNSEEN.sub(_name_unseen, text.replace("\r\n", "\n").replace("\r", "\n"))


def legible(text: str, limit: int = TEXT_LIMIT) -> str:
    """``text`` as a reader gets it: at most ``limit`` characters, no terminal colours, no addresses, nothing unseen."""
    head = text[:limit] + "…" if len(text) > limit else text
    return visible(steady(_ANSI.sub("", head)))


def ticked(text: str, limit: int = TEXT_LIMIT) -> Markup:
    """``text`` as `legible`, escaped, with `names in backticks` set as code."""
    return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(legible(text, limit)))))


def number(value: float) -> str:
    """Points without noise: ``2``, ``0.5``, ``0.3333``."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def plain(text: str, limit: int = LINE_LIMIT) -> str:
    """Someone's text on one line: no control, format or unpaired characters, at most ``limit`` of them."""
    cut = text[: 4 * limit]
    kept = "".join(" " if char.isspace() else char for char in cut if char.isspace() or _is_shown(char))
    line = " ".join(kept.split())
    return line if len(line) <= limit and len(cut) == len(text) else line[: limit - 1].rstrip() + "…"


def _is_shown(char: str) -> bool:
    return unicodedata.category(char)[0] != "C"
