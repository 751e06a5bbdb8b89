"""Grades the corpus and prints what came of it, by class of attack.

python -m tests.attacks             the whole corpus
python -m tests.attacks NAME...     the entries whose name, class or line contains one of these
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.attacks.entries import Entry, attacks, honest
from tests.attacks.range import Judged, Outcome, Range


def faults(outcome: Outcome) -> Iterator[str]:
    """Everything about a batch that must not be, one line each."""
    if outcome.code:
        yield f"the batch ended with {outcome.code}: {outcome.stderr.strip()[-2000:]}"
    for kind in ("touched", "leaked", "left", "changed", "poisoned"):
        for text in getattr(outcome, kind):
            yield f"{kind}: {text}"
    for judged in outcome.judged:
        yield from (f"{judged.entry.name}: {text}" for text in shortcomings(judged))


def shortcomings(judged: Judged) -> Iterator[str]:
    """What is wrong with one entry's result."""
    if judged.lost != judged.lost:
        yield "has no result"
        return
    if judged.gained:
        yield f"gained {judged.gained:g} points"
    if judged.lost:
        yield f"lost {judged.lost:g} honest points"
    if judged.entry.flags and not set(judged.entry.flags) & set(judged.flags):
        yield f"flagged {', '.join(judged.flags) or 'nothing'} instead of {' or '.join(judged.entry.flags)}"
    if judged.entry.says and judged.entry.says not in judged.said:
        yield f"the report does not say {judged.entry.says!r} but {judged.said[:300]!r}"


def table(entries: Sequence[Entry], outcome: Outcome) -> str:
    """The figures, by class."""
    kinds = list(dict.fromkeys(entry.kind for entry in entries))
    width = max(map(len, kinds))
    lines = [f"{'class':<{width}}  tried  points gained  honest points lost  named in the report"]
    for kind in kinds:
        found = [judged for judged in outcome.judged if judged.entry.kind == kind]
        gained, lost = sum(j.gained for j in found), sum(j.lost for j in found)
        named = sum(bool(j.flags or j.said) for j in found)
        lines.append(f"{kind:<{width}}  {len(found):>5}  {gained:>13g}  {lost:>18g}  {named:>19}")
    lines.append(
        f"\n{len(entries)} submissions in {outcome.seconds:.1f} s; canaries touched: {len(outcome.touched)}; "
        f"secrets leaked: {len(outcome.leaked)}; batch stops: {int(outcome.code != 0)}; "
        f"processes and folders left over: {len(outcome.left)}; files changed: {len(outcome.changed)}"
    )
    return "\n".join(lines)


def main(words: Sequence[str]) -> int:
    """Print the table; the exit code is 1 when anything in it is not 0."""
    entries = [
        entry
        for entry in (*attacks(), *honest())
        if not words or any(word in f"{entry.name} {entry.kind} {entry.line}" for word in words)
    ]
    with tempfile.TemporaryDirectory(prefix="range-") as home, Range(Path(home)) as place:
        place.hand_in(entries)
        outcome = place.grade(entries)
        print(table(entries, outcome))
        found = list(faults(outcome))
        print(*found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
