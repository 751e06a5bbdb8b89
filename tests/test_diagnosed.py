"""How well wrong answers are diagnosed, held: those that nobody thought of, and the mistakes that may be theirs.

The whole library, each mistake through the batch's door, is `python -m tests.diagnosed`.
"""

from __future__ import annotations

from collections import Counter

import pytest

from grader.course import Course
from grader.mistakes import library
from tests.diagnosed import FALSE, GENERIC, NAMED, of_unseen, table
from tests.test_mistakes import Local
from tests.test_sandbox import ROOT

pytestmark = pytest.mark.slow


def test_no_diagnosis_is_false_and_few_mistakes_go_unnamed():
    assignment = Course(ROOT).assignment("ch17")
    told = list(of_unseen(assignment, Local, 1))
    kinds, report = Counter(one.kind for one in told), "\n".join(table(told))
    assert kinds[FALSE] == 0, report
    assert kinds[NAMED] >= 0.7 * len(told), report
    assert len(told) == kinds[NAMED] + kinds[GENERIC] >= 60

    known = library(assignment)
    assert known is not None
    untold = []
    for exercise, tried in known.tried.items():
        for mistake, behaviour in tried:
            found = known.named(exercise, behaviour, lambda *_: [])
            if found is None or found.code != mistake.code:
                untold.append(f"{exercise}: {mistake.code}")
    total = sum(len(tried) for tried in known.tried.values())
    assert total > 400
    assert len(untold) <= 0.05 * total, untold
