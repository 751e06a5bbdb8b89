"""Sentences that wait to be put into a language.

::

    sentence("Cells were deleted: %(cells)s.", cells="setup, relu")
    counted("%(count)s check passed", "%(count)s checks passed", 3)

Results hold them as they are, so what is stored is the same whoever will read it. The English text is the message's id
in the catalogues of ``locale/``; Babel finds it as the literal argument of these functions. Facts may be a student's
own text: they are put in as they stand, and never looked up. What a course says in both languages itself, in place of
a catalogue, is ``both("Too short.", zh="太短。")``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from gettext import NullTranslations

import msgspec

__all__ = ["MARKS", "N_", "Sentence", "Text", "Told", "both", "counted", "joined", "listed", "place", "sentence"]

# The functions whose literal arguments are messages, as Babel wants to be told.
MARKS = {"N_": None, "sentence": None, "counted": (1, 2), "gettext": None, "ngettext": (1, 2), "_": None}


def N_(text: str) -> str:
    """Marks a text for translation."""
    return text


_SLOT = re.compile(r"%\((\w+)\)s")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_LATIN = re.compile(r"[!-~]")


class Sentence(msgspec.Struct, frozen=True):
    """A message id and the facts that fill its ``%(name)s``; ``str`` gives the English.

    Where ``many`` is there, the fact ``count`` decides between the two.
    """

    text: str
    facts: dict[str, str | Sentence] = {}
    many: str | None = None

    def put(self, catalogue: NullTranslations, code: str) -> str:
        """The sentence in the language of a catalogue, called ``code``."""
        given = {key: self.facts.get(f"{key}_{code}", fact) for key, fact in self.facts.items()}
        facts = {key: fact if isinstance(fact, str) else fact.put(catalogue, code) for key, fact in given.items()}
        if self.many is None:
            return _filled(catalogue.gettext(self.text), facts)
        return _filled(catalogue.ngettext(self.text, self.many, int(facts["count"])), facts)

    def __str__(self) -> str:
        return self.put(_ENGLISH, "en")


_ENGLISH = NullTranslations()

Text = str | Sentence


def _filled(text: str, facts: dict[str, str]) -> str:
    """``text`` with its facts, and a space wherever a Chinese character of it would touch a Latin one of theirs."""

    def fact(slot: re.Match[str]) -> str:
        value = facts.get(slot[1], slot[0])
        before, after = text[slot.start() - 1 : slot.start()], text[slot.end() : slot.end() + 1]
        left = " " if _HAN.match(before) and _LATIN.match(value[:1]) else ""
        right = " " if _HAN.match(after) and _LATIN.match(value[-1:]) else ""
        return f"{left}{value}{right}"

    return _SLOT.sub(fact, text)


def sentence(text: str, /, **facts: object) -> Sentence:
    """A sentence. Facts are other sentences, or anything that is shown as its ``str``."""
    return Sentence(text, {key: fact if isinstance(fact, Sentence) else str(fact) for key, fact in facts.items()})


def counted(one: str, many: str, count: int, /, **facts: object) -> Sentence:
    """A sentence about ``%(count)s`` things, in the form that the number asks for."""
    return msgspec.structs.replace(sentence(one, **facts, count=count), many=many)


def both(english: str, /, **others: str) -> Sentence:
    """What somebody says in English and, by their codes, in other languages."""
    return Sentence("%(text)s", {"text": english, **{f"text_{code}": text for code, text in others.items()}})


def joined(first: Text, then: Text) -> Sentence:
    """Two sentences, one after the other."""
    return sentence("%(first)s %(then)s", first=first, then=then)


def listed(items: Sequence[Text], most: int = 8) -> Text:
    """``a, b, c``, and how many more there are."""
    shown, left = reduce(_followed, items[:most]), len(items) - most
    if left <= 0:
        return shown
    return counted("%(items)s and %(count)s more", "%(items)s and %(count)s more", left, items=shown)


def _followed(first: Text, then: Text) -> Text:
    return sentence("%(first)s, %(then)s", first=first, then=then)


class Told(Exception):
    """An error that a person reads: its one argument is what to say."""

    @property
    def said(self) -> Text:
        text = self.args[0]
        return text if isinstance(text, Sentence) else str(text)


_CELL = re.compile(r"cell (\d+)( as released)?\Z")
_RELEASED = re.compile(r"released (.+) cell\Z")


def place(label: str) -> Text:
    """A cell's label, as in ``cell 12``, for a sentence to hold."""
    if found := _CELL.match(label):
        cell = sentence("cell %(number)s", number=found[1])
        return sentence("%(cell)s as released", cell=cell) if found[2] else cell
    if found := _RELEASED.match(label):
        return sentence("released %(name)s cell", name=found[1])
    return label
