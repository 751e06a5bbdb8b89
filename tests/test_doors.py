"""A class of sixty through every door, the same points for all; ``python -m tests.doors`` sends all through each.

It takes a minute, so ``make whole`` runs it, and CI does.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.course import Assignment
from tests import doors
from tests.doors import Points
from tests.shell import Shell

pytestmark = [pytest.mark.whole, pytest.mark.filterwarnings("ignore")]
Graded = tuple[Assignment, dict[str, bytes], dict[str, Points], dict[str, Points]]


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    place = tmp_path_factory.mktemp("doors")
    assignment = doors.course(place / "course")
    notebooks = doors.sixty(assignment)
    assert len(notebooks) == 60
    return assignment, notebooks, *doors.through_both(assignment, notebooks, place, Shell)


def test_nbgrader_autograde_gives_the_same_points_as_grader_grade(graded):
    _, notebooks, ours, theirs = graded
    assert set(ours) == set(theirs) == set(notebooks)
    assert list(doors.differences(ours, "nbgrader autograde", theirs)) == []


def test_the_class_is_what_it_claims_to_be(graded):
    sums = {student: sum(points.values()) for student, points in graded[2].items()}
    assert {sums[student] for student in sums if student.startswith("right")} == {3.0}
    assert max(sums[student] for student in sums if student.startswith(("wrong", "partial"))) < 3.0
    nothing = {student for student in sums if sums[student] == 0.0}
    assert {"awkward_no_json", "awkward_empty", "awkward_list"} <= nothing
    awkward = [student for student in sums if student.startswith("awkward") and student not in nothing]
    assert {sums[student] for student in awkward} == {3.0}
    assert max(sums.values()) == 3.0
    assert not Path("/tmp/grader-was-here").exists()


@pytest.mark.parametrize("student", ["awkward_doubled"])
def test_pytest_gives_the_same_points(graded, student):
    assert doors.by_pytest(graded[0], student) == graded[2][student]


def test_check_in_a_kernel_gives_the_same_points(graded):
    assert doors.by_kernel(graded[0], graded[1]["partial06"]) == graded[2]["partial06"]
