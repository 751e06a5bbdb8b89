"""The languages in which the grader speaks: which one to use, and a result put into its words.

::

    --lang, or the locale -> chosen -> Language.result(SubmissionResult) -> pages and terminal

Results are stored as sentences of no language (`grader.sentences`); ``results.jsonl`` is in English for everyone.
"""

from __future__ import annotations

import gettext
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from grader.model import CheckResult, ExerciseResult, SubmissionResult
from grader.sentences import Text, place

__all__ = ["ENGLISH", "LANGUAGES", "LOCALE", "Language", "chosen", "is_chinese"]

LOCALE = Path(__file__).parent / "locale"
DOMAIN = "grader"

_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def is_chinese(text: str) -> bool:
    """Is there a Chinese character in it?"""
    return bool(_CHINESE.search(text))


@dataclass(frozen=True)
class Language:
    """One language: ``code`` names it on the command line, ``tag`` in a page, ``folder`` holds its catalogue."""

    code: str
    tag: str
    folder: str = ""

    @cached_property
    def catalogue(self) -> gettext.NullTranslations:
        """The translations; those of English are the message ids themselves."""
        if not self.folder:
            return gettext.NullTranslations()
        with (LOCALE / self.folder / "LC_MESSAGES" / f"{DOMAIN}.mo").open("rb") as file:
            return gettext.GNUTranslations(file)

    def gettext(self, text: str) -> str:
        """A message that has no facts."""
        return self.catalogue.gettext(text)

    def say(self, text: Text) -> str:
        """A sentence in this language; what is a text already is somebody's own words, and stays."""
        return text if isinstance(text, str) else text.put(self.catalogue, self.code)

    def maybe(self, text: Text | None) -> str | None:
        """`say`, where there is something to say."""
        return None if text is None else self.say(text)

    def part(self, both: str) -> str:
        """This language's part of an instructor's text that says all in English first, then in Chinese."""
        blocks = both.strip().split("\n\n")
        first = next((number for number, block in enumerate(blocks) if is_chinese(block)), len(blocks))
        english, chinese = blocks[:first], blocks[first:]
        return "\n\n".join((chinese or english) if self.code == "zh" else (english or chinese))

    def check(self, check: CheckResult) -> CheckResult:
        """A check's result in this language's words."""
        return msgspec.structs.replace(
            check,
            title=self.say(check.title),
            message=self.maybe(check.message),
            next_step=self.maybe(check.next_step),
            frames=tuple(msgspec.structs.replace(frame, cell=self.say(place(frame.cell))) for frame in check.frames),
        )

    def exercise(self, result: ExerciseResult) -> ExerciseResult:
        """An exercise's result in this language's words."""
        return msgspec.structs.replace(result, checks=tuple(map(self.check, result.checks)))

    def result(self, result: SubmissionResult) -> SubmissionResult:
        """A submission's result in this language's words."""
        return msgspec.structs.replace(
            result,
            problem=self.maybe(result.problem),
            notes=tuple(map(self.say, result.notes)),
            exercises=tuple(map(self.exercise, result.exercises)),
        )


ENGLISH = Language("en", "en")
LANGUAGES = {"en": ENGLISH, "zh": Language("zh", "zh-CN", "zh_CN")}


def chosen(code: str | None = None, environ: Mapping[str, str] = os.environ) -> Language:
    """The language of this ``code``; without one, the locale's, and English where we do not speak that.

    >>> chosen(None, {"LANG": "zh_CN.UTF-8"}).code
    'zh'
    """
    if code:
        return LANGUAGES[code]
    names = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")  # in the order of gettext: the first that is set decides
    locale = next((value for name in names if (value := environ.get(name))), "")
    codes = (part[:2].lower() for part in locale.split(":"))
    return next((LANGUAGES[code] for code in codes if code in LANGUAGES), ENGLISH)
