"""Grades as other systems read them: CSV for people, Canvas's and Moodle's gradebook CSV.

What a spreadsheet would take for a formula is defused in every cell. A grade that nobody gave yet stays empty.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grader.course import CHECK, CourseError
from grader.exports import csv_table
from grader.legible import number
from grader.model import Record, SubmissionResult
from grader.sentences import N_, sentence


@dataclass(frozen=True)
class Grade:
    """One student's grade; None as long as there is none. ``parts`` are the points of each exercise and question."""

    student: str
    score: float | None
    max_score: float
    parts: Mapping[str, float | None] = field(default_factory=dict)
    remark: str = ""


def from_results(results: Iterable[SubmissionResult]) -> list[Grade]:
    """Automatic scores alone, as ``grader grade`` gave them."""
    return [
        Grade(
            result.student,
            None if result.status == "error" else result.score,
            result.max_score,
            {e.name: None if result.status == "error" else e.score for e in result.exercises},
            str(result.problem or ""),
        )
        for result in results
    ]


def from_records(records: Iterable[Record]) -> list[Grade]:
    """What a gradebook says: manual scores included, late penalty taken off."""
    return [
        Grade(
            record.student,
            record.score,
            record.max_score,
            {mark.name.removeprefix(CHECK): mark.score for mark in record.marks},
            "not all of it graded yet" if record.needs_review else "",
        )
        for record in records
    ]


def as_csv(grades: Sequence[Grade], assignment: str, roster: Path | None = None) -> tuple[str, list[str]]:
    """One row a student with every exercise; and whom the roster does not know."""
    names = list(dict.fromkeys(name for grade in grades for name in grade.parts))
    head = ["student", "score", "max_score", "remark", *names]
    rows = [
        [grade.student, _points(grade.score), _points(grade.max_score), grade.remark]
        + [_points(grade.parts.get(name)) for name in names]
        for grade in grades
    ]
    return csv_table([head, *rows]), []


CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
MOODLE = ("Username", "First name", "Last name", "Full name", "ID number", "Email address")


def as_canvas(grades: Sequence[Grade], assignment: str, roster: Path | None = None) -> tuple[str, list[str]]:
    """Canvas's gradebook import. ``roster`` is the CSV that Canvas exports; without one, students go by login."""
    if roster is None:
        people = [{"Student": g.student, "SIS Login ID": g.student} for g in grades]
    else:
        people = [row for row in _read(roster, CANVAS) if (row["Student"] or "").strip() != "Points Possible"]
    found, unknown = _matched(grades, people, CANVAS)
    most = max((grade.max_score for grade in grades), default=0.0)
    possible = ["    Points Possible", *[""] * (len(CANVAS) - 1), _points(most)]
    rows = [[*_cells(person, CANVAS), _points(grade.score)] for person, grade in found]
    return csv_table([[*CANVAS, assignment], possible, *rows]), unknown


def as_moodle(grades: Sequence[Grade], assignment: str, roster: Path | None = None) -> tuple[str, list[str]]:
    """Moodle's grade import. ``roster`` is a CSV that Moodle exports; without one, students go by user name."""
    if roster is None:
        columns: Sequence[str] = ("Username",)
        people = [{"Username": grade.student} for grade in grades]
    else:
        people = _read(roster, MOODLE)
        columns = [name for name in MOODLE if people and name in people[0]]
    found, unknown = _matched(grades, people, columns)
    rows = [[*_cells(person, columns), _points(grade.score), grade.remark] for person, grade in found]
    return csv_table([[*columns, assignment, f"{assignment} (feedback)"], *rows]), unknown


FORMATS: dict[str, Callable[[Sequence[Grade], str, Path | None], tuple[str, list[str]]]] = {
    "csv": as_csv,
    "canvas": as_canvas,
    "moodle": as_moodle,
}


def _read(roster: Path, known: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a roster, with the columns that it has of the known ones."""
    try:
        with roster.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        text = N_("%(path)s: not a CSV file (%(why)s); export the gradebook once more")
        raise CourseError(sentence(text, path=roster, why=error)) from None
    columns = [name for name in known if rows and name in rows[0]]
    if not columns:
        text = N_("%(path)s: has none of the columns %(known)s; export the gradebook once more")
        raise CourseError(sentence(text, path=roster, known=", ".join(known)))
    return [{name: row[name] or "" for name in columns} for row in rows]


def _matched(
    grades: Sequence[Grade], people: Sequence[Mapping[str, str]], columns: Sequence[str]
) -> tuple[list[tuple[Mapping[str, str], Grade]], list[str]]:
    """Each person with their grade, in the roster's order; and the students that no row of it names."""
    by_name = {grade.student.casefold(): grade for grade in grades}
    found: list[tuple[Mapping[str, str], Grade]] = []
    for person in people:
        names = [name.strip().casefold() for column in columns if (name := person.get(column))]
        names += [name.partition("@")[0] for name in names if "@" in name]
        grade = next((by_name[name] for name in names if name in by_name), None)
        if grade is not None:
            found.append((person, grade))
    placed = {grade.student for _, grade in found}
    return found, [grade.student for grade in grades if grade.student not in placed]


def _cells(person: Mapping[str, str], columns: Sequence[str]) -> list[str]:
    return [person.get(column) or "" for column in columns]


def _points(value: float | None) -> str:
    return "" if value is None else number(value)
