"""Source as HTML: in colours, with line numbers, in a time that grows as its length whatever it is made of.

The lexers that come with pygments look at blank lines once for each of them: an answer of nothing else keeps them busy
for a minute. No rule here looks further than it takes.
"""

from __future__ import annotations

import functools
import keyword
import re
from typing import ClassVar

from markupsafe import Markup
from pygments import highlight  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexer import RegexLexer, bygroups, words  # type: ignore[import-untyped]
from pygments.lexers.special import TextLexer  # type: ignore[import-untyped]
from pygments.token import Comment, Keyword, Name, Number, String, Text  # type: ignore[import-untyped]

_CONSTANTS = ("False", "None", "True")


class Lexer(RegexLexer):  # type: ignore[misc]
    """Python as far as it is coloured, and cells of notebooks, which may hold more than Python."""

    flags = re.MULTILINE | re.DOTALL
    tokens: ClassVar = {
        "root": [
            (r"^([^\S\n]*+)(@[\w.]++)", bygroups(Text, Name.Decorator)),
            (r"[^\S\n]++|\n", Text),
            (r"#[^\n]*+", Comment),
            (r"[bBfFrRuU]{1,2}(?=[\"'])", String.Affix),
            (r'"""(?:[^"\\]|\\.|"(?!""))*+(?:"""|\\?\Z)', String),
            (r"'''(?:[^'\\]|\\.|'(?!''))*+(?:'''|\\?\Z)", String),
            (r'"(?:[^"\\\n]|\\.)*+"?', String),
            (r"'(?:[^'\\\n]|\\.)*+'?", String),
            (r"(def)(\s++)(\w++)", bygroups(Keyword, Text, Name.Function)),
            (r"(class)(\s++)(\w++)", bygroups(Keyword, Text, Name.Class)),
            (words(_CONSTANTS, suffix=r"\b"), Keyword.Constant),
            (words(sorted({*keyword.kwlist} - {*_CONSTANTS}), suffix=r"\b"), Keyword),
            (r"[^\W\d]\w*+", Text),
            (r"\.?\d(?:[eE][+-]|[\w.])*+", Number),
            (r".", Text),
        ]
    }


@functools.lru_cache(maxsize=1024)
def highlighted(source: str, marked: tuple[int, ...] = (), plain: bool = False) -> Markup:
    """The same for many students where it is the released stub, or as short as an answer can be."""
    return Markup(highlight(source, _lexer(plain), _formatter(marked)))


@functools.lru_cache(maxsize=2)
def _lexer(plain: bool) -> Lexer | TextLexer:
    kind = TextLexer if plain else Lexer
    return kind(stripnl=False)


@functools.lru_cache(maxsize=64)
def _formatter(marked: tuple[int, ...]) -> HtmlFormatter[str]:
    return HtmlFormatter(cssclass="code", linenos="inline", hl_lines=marked)
