"""Where an exception came out of a student's code: their own lines with those around them, never one of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grader.languages import ENGLISH, Language
from grader.model import CheckResult, Frame
from grader.names import printable
from grader.sentences import place, sentence

_AROUND = 2  # lines on each side
_MOST = 3  # frames: the innermost ones tell most
_LONGEST = 200


def framed(label: str, line: int, code: str, cells: Sequence[tuple[str, str]]) -> Frame:
    """A line of a traceback, with those around it. ``cells`` are (label, plain Python) as they were run."""
    text = next((python for name, python in cells if name == label), "")
    lines = [one[:_LONGEST] for one in text.split("\n")]
    if not 0 < line <= len(lines):
        return Frame(label, line, code)
    before, after = lines[max(0, line - 1 - _AROUND) : line - 1], lines[line : line + _AROUND]
    return Frame(label, line, code, tuple(before), tuple(after))


def lines(check: CheckResult, language: Language = ENGLISH) -> Iterator[str]:
    """What to look at after an exception: the lines in the student's cells, and the inputs' first lines. Printable."""
    for frame in check.frames[-_MOST:] if check.reason == "raised" else ():
        first = frame.line - len(frame.before)
        yield language.say(sentence("in %(cell)s:", cell=printable(language.say(place(frame.cell)))))
        for number, code in enumerate((*frame.before, frame.code, *frame.after), first):
            yield f"{'->' if number == frame.line else '  '} {number:>3} {_plain(code)}".rstrip()
    if check.reason == "raised" and check.call is not None:
        for shown in check.call.inputs:
            value = shown.text.splitlines()[0] if shown.text else "?"
            yield printable(language.say(sentence("%(name)s is %(value)s", name=shown.name, value=value)))


def _plain(code: str) -> str:
    """A line of code as it may be printed, with its indentation."""
    return " " * (len(code) - len(code.lstrip(" "))) + printable(code)
