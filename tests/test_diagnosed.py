"""How well wrong answers to every second exercise are diagnosed: those that nobody thought of, and known mistakes.

The whole library, each mistake through the batch's door, is `python -m tests.diagnosed`.
"""

from __future__ import annotations

from collections import Counter

import pytest

from grader.course import Course
from grader.mistakes import library
from tests.diagnosed import FALSE, GENERIC, NAMED, of_unseen, table, unseen
from tests.test_mistakes import Local
from tests.test_sandbox import ROOT

pytestmark = pytest.mark.slow


def test_no_diagnosis_is_false_and_few_mistakes_go_unnamed():
    assignment = Course(ROOT).assignment("ch17")
    assert len(unseen(assignment)) >= 60
    half = sorted(exercise.name for exercise in assignment.exercises)[::2]
    told = list(of_unseen(assignment, Local, 1, half))
    kinds, report = Counter(one.kind for one in told), "\n".join(table(told))
    assert kinds[FALSE] == 0, report
    assert kinds[NAMED] >= 0.7 * len(told), report
    assert len(told) == kinds[NAMED] + kinds[GENERIC] >= 30

    known = library(assignment)
    assert known is not None
    untold = []
    for exercise, tried in known.tried.items():
        for mistake, behaviour in tried:
            found = known.named(exercise, behaviour, lambda *_: [])
            if found is None or found.code != mistake.code:
                untold.append(f"{exercise}: {mistake.code}")
    total = sum(len(tried) for tried in known.tried.values())
    assert total > 200
    assert len(untold) <= 0.05 * total, untold
