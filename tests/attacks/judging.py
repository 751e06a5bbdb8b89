"""What one entry came to, beside what it may come to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grader.names import safe_name
from tests.attacks.entries import HONEST, Entry
from tests.attacks.pages import told

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Judged:
    """Points beyond the entry's honest part, points that others lost, and what is said of it.

    ``unsaid`` holds what its pages do not say; ``harmless``: nothing was lost either, so there is nothing to say.
    ``result`` is None where there is none.
    """

    entry: Entry
    result: Result | None
    gained: float = 0.0
    lost: float = 0.0
    harmless: bool = False
    unsaid: tuple[str, ...] = ()

    @property
    def flags(self) -> list[str]:
        return list((self.result or {}).get("flags", []))

    @property
    def said(self) -> str:
        return "\n".join(told(self.result)) if self.result else ""

    @property
    def named(self) -> bool:
        """Is what happened told in words?"""
        return bool(self.flags or self.said) and not self.unsaid


def judge(entry: Entry, results: Mapping[str, Result], exercises: Sequence[str], unsaid: Sequence[str]) -> Judged:
    """Compare an entry's points with those of its honest part."""
    found = results.get(safe_name(entry.handed_in_as))
    if found is None:
        return Judged(entry, None)
    full, scores = _scores(results["victim"]), _scores(found)
    earned = _earned(entry, results, full)
    costs = exercises if entry.zero or "*" in entry.costs else entry.costs
    spared = set(exercises) - set(costs) - (set() if entry.kind == HONEST else entry.answers.keys())
    return Judged(
        entry,
        found,
        gained=sum(max(scores[name] - earned[name], 0.0) for name in exercises),
        lost=sum(max(full[name] - scores[name], 0.0) for name in spared),
        harmless=scores == full,
        unsaid=tuple(unsaid),
    )


def shortcomings(judged: Judged) -> Iterator[str]:
    """What is wrong with one entry's result."""
    entry = judged.entry
    if judged.result is None:
        yield "has no result"
        return
    if judged.gained:
        yield f"gained {judged.gained:g} points"
    if judged.lost:
        yield f"lost {judged.lost:g} honest points"
    if entry.flags and not set(entry.flags) & set(judged.flags):
        yield f"flagged {', '.join(judged.flags) or 'nothing'} instead of {' or '.join(entry.flags)}"
    if entry.says and entry.says not in judged.said:
        yield f"the report does not say {entry.says!r} but {judged.said[:300]!r}"
    if not judged.named and not judged.harmless:
        yield "nothing is said of it"
    yield from judged.unsaid


def without(entry: Entry) -> dict[str, str]:
    """The answers of the notebook without the attack."""
    return {name: entry.without.get(name, "stub") for name in entry.answers}


def twin(entry: Entry) -> str:
    """The name of the submission that is ``entry`` without the attack, "" where that would earn nothing anyway."""
    if not entry.without:
        return ""
    return "honest-" + hashlib.sha256(repr(sorted(without(entry).items())).encode()).hexdigest()[:12]


def _earned(entry: Entry, results: Mapping[str, Result], full: dict[str, float]) -> dict[str, float]:
    """The points that an entry may have."""
    honest = _scores(results[twin(entry)]) if twin(entry) else full
    nothing = [name for name in honest if entry.zero or (name in entry.answers and name not in entry.without)]
    earned = honest | dict.fromkeys(nothing if entry.kind != HONEST else [], 0.0)
    return earned | {name: _public(results[safe_name(entry.handed_in_as)], name) for name in entry.public}


def _public(result: Result, name: str) -> float:
    """The points of an exercise's public checks."""
    checks = next(exercise["checks"] for exercise in result["exercises"] if exercise["name"] == name)
    return float(sum(check.get("max_points", 0.0) for check in checks if not check.get("hidden")))


def _scores(result: Result) -> dict[str, float]:
    return {exercise["name"]: exercise["score"] for exercise in result["exercises"]}
