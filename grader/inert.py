"""Markdown that somebody else wrote, for a page that trusts it: nothing in it runs, and it reads as before.

Where a reader of Markdown takes something for code or formulas is its own affair, so what must not come alive is broken
everywhere in the same way, by a blank: ``< script>`` is no tag in a text, and still a comparison in a formula.
"""

from __future__ import annotations

import re

MAX_BLANK = 20  # lines in a row: highlighters look at them again and again

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_TARGET = re.compile(r"\](?=[(:]\s*([^\s)]*))")  # of a link, a picture, or one that is defined apart
_GOOD = re.compile(r"https?://|mailto:|[^:&\\<]*\Z", re.IGNORECASE)
_MACRO = re.compile(r"\\(?=(?:href|require|mmlToken|class|cssId|style)(?![A-Za-z]))")  # of MathJax: links, attributes
_FENCE = re.compile(r"(`{3,}|~{3,})(?=[^\S\n]*(?:mermaid|[^\s`]*[&\\]))")  # a drawing goes into a page as it stands
_BLANK = re.compile(rf"^(?:[^\S\n]*+\n){{{MAX_BLANK},}}+", re.MULTILINE)


def inert(markdown: str) -> str:
    """Markdown without tags, pictures, and links that lead elsewhere than to the web or a mailbox."""
    text = _TARGET.sub(lambda found: "]" if _GOOD.match(found[1]) else "] ", markdown)
    text = _FENCE.sub(r"\1text ", _MACRO.sub(r"\\ ", text))
    return _TAG.sub("< ", text)


def fenced(text: str) -> str:
    """A text as Markdown that shows it as it stands."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def squeezed(text: str) -> str:
    """``text`` with no more than so many blank lines in a row."""
    return _BLANK.sub("\n" * MAX_BLANK, text)
