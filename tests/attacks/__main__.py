"""Grades the corpus and prints what came of it, by class of attack.

python -m tests.attacks             the whole corpus
python -m tests.attacks NAME...     the entries whose name, class or line contains one of these
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.attacks.entries import Entry, attacks, honest
from tests.attacks.range import Outcome, shoot


def table(entries: Sequence[Entry], outcome: Outcome) -> str:
    """The figures, by class."""
    kinds = list(dict.fromkeys(entry.kind for entry in entries))
    width = max(map(len, kinds))
    lines = [f"{'class':<{width}}  tried  points gained  honest points lost  named in the report"]
    for kind in kinds:
        found = [judged for judged in outcome.judged if judged.entry.kind == kind]
        gained, lost = sum(j.gained for j in found), sum(j.lost for j in found)
        named = sum(j.named for j in found)
        lines.append(f"{kind:<{width}}  {len(found):>5}  {gained:>13g}  {lost:>18g}  {named:>19}")
    figures = {
        "canaries touched": len(outcome.touched),
        "secrets leaked": len(outcome.leaked),
        "batch stops": int(outcome.code != 0),
        "processes and folders left over": len(outcome.left),
        "files changed": len(outcome.changed),
        "pages poisoned": len(outcome.poisoned),
    }
    lines.append(f"\n{len(entries)} submissions in {outcome.seconds:.1f} s, {outcome.cpu:.0f} s of CPU")
    lines.append("; ".join(f"{name}: {figure}" for name, figure in figures.items()))
    return "\n".join(lines)


def main(words: Sequence[str]) -> int:
    """Print the table; the exit code is 1 when anything in it is not 0."""
    entries = [
        entry
        for entry in (*attacks(), *honest())
        if not words or any(word in f"{entry.name} {entry.kind} {entry.line}" for word in words)
    ]
    with tempfile.TemporaryDirectory(prefix="range-") as home:
        outcome = shoot(Path(home), entries)
    found = list(outcome.faults())
    print(table(entries, outcome), *found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
