"""Results in nbgrader's gradebook: the rows of a batch in one transaction, and what graders made of them.

Only what the grader itself knows is written: automatic scores and comments, whether a person has to look, the time of
submission and the penalty for being late. Manual scores, extra credit and manual comments are never touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, Row, create_engine, insert, inspect, select, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what nbgrader's libraries will do away with some day says nothing of ours
    from nbgrader import api as rows
    from nbgrader import dbutil, utils

from grader.course import CHECK, Assignment, CourseError
from grader.languages import ENGLISH, Language
from grader.legible import legible, number
from grader.model import CheckResult, ExerciseResult, Mark, Record, SubmissionResult
from grader.names import safe_name
from grader.public import public_result
from grader.sentences import N_, Text, counted, joined, sentence

MAX_COMMENT = 600

Penalty = Callable[[str, float, float], float | None]
"""What a late submission costs: student, score, seconds late."""


class GradebookError(CourseError):
    """The gradebook cannot be used: one line that says which, why, and what to do."""


def no_penalty(student: str, score: float, seconds: float) -> None:
    """Being late costs nothing."""


class Gradebook:
    """An nbgrader gradebook; made when it is missing, upgraded when an older nbgrader wrote it.

    Raises `GradebookError` whenever the database does not do as it is asked.
    """

    def __init__(self, url: str, course_id: str, language: Language = ENGLISH) -> None:
        self.url, self._language = url, language
        with _named(url):
            _upgrade(url)
            with _alembic_on_path(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                rows.Gradebook(url, course_id).close()
            self._engine = create_engine(url)
        self._course_id = course_id

    def write(
        self,
        assignment: Assignment,
        results: Sequence[SubmissionResult],
        *,
        submitted: Mapping[str, datetime] | None = None,
        penalty: Penalty = no_penalty,
        add_students: bool = False,
        anew: bool = False,
    ) -> dict[str, str]:
        """Write a batch, all of it or nothing; ``submitted`` is in UTC, by the student of the result.

        What a person graded waits to be looked at again when the submission is another one, and always when ``anew``.
        Returns the gradebook's id of each student written: one that is not in the gradebook is left out, unless
        ``add_students``.
        """
        with _named(self.url), Session(self._engine) as session, session.begin():
            batch = _Batch(
                session, _Cells(session, assignment, self._course_id), submitted or {}, penalty, anew, self._language
            )
            ids = _students(session, results, add_students)
            for result in results:
                if result.student in ids:
                    batch.add(ids[result.student], public_result(result))
            batch.flush()
        return ids

    def read(self, assignment: str) -> dict[str, Record]:
        """What the gradebook says of each submission of an assignment, by the student's id there."""
        with _named(self.url), Session(self._engine) as session:
            return {record.student: record for record in _records(session, assignment)}

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()


# ---------------------------------------------------------------- the database


@contextlib.contextmanager
def _named(url: str) -> Iterator[None]:
    """Errors of the database as one line, without a password."""
    try:
        yield
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        text = N_("--gradebook: %(why)s; give a URL as in sqlite:///gradebook.db or postgresql://user@host/name")
        raise GradebookError(sentence(text, why=error)) from None
    except SQLAlchemyError as error:
        shown = make_url(url).render_as_string(hide_password=True)
        why = str(getattr(error, "orig", None) or error).strip().splitlines()
        text = N_("%(url)s: %(why)s; nothing was written to it")
        raise GradebookError(sentence(text, url=shown, why=why[0] if why else type(error).__name__)) from None


@contextlib.contextmanager
def _alembic_on_path() -> Iterator[None]:
    """nbgrader calls ``alembic`` by name to mark a new gradebook."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


def _upgrade(url: str) -> None:
    """Bring an older gradebook up to this nbgrader's tables; of a file, a copy of what it was stays beside it."""
    engine = create_engine(url)
    try:
        tables = set(inspect(engine).get_table_names())
        head = ScriptDirectory(dbutil.ALEMBIC_DIR).get_current_head()
        if not tables or _version(engine, tables) == head:
            return
        if "assignment" not in tables:
            said = N_("%(url)s: holds other tables than a gradebook's; name another")
            raise GradebookError(sentence(said, url=engine.url.render_as_string()))
        if "alembic_version" not in tables:
            _finish(engine, tables, str(head))
            return
        file = engine.url.database
        if engine.dialect.name == "sqlite" and file:
            shutil.copy2(file, f"{file}.{time.strftime('%Y-%m-%d-%H%M%S')}")
    finally:
        engine.dispose()
    with _alembic_on_path():
        dbutil.upgrade(url)


def _version(engine: Engine, tables: set[str]) -> str | None:
    if "alembic_version" not in tables:
        return None
    with engine.connect() as connection:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _finish(engine: Engine, tables: set[str], head: str) -> None:
    """Mark a gradebook whose making was cut short: its tables are there, its version is not."""
    if not set(rows.Base.metadata.tables) <= tables:
        said = N_("%(url)s: has no version; run: nbgrader db upgrade")
        raise GradebookError(sentence(said, url=engine.url.render_as_string()))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": head})


# ---------------------------------------------------------------- the assignment and the students


class _Cells:
    """The rows of an assignment's notebook: its graded cells and its solution cells, by name."""

    def __init__(self, session: Session, assignment: Assignment, course_id: str) -> None:
        parent = session.scalar(select(rows.Assignment).where(rows.Assignment.name == assignment.name))
        if parent is None:
            parent = rows.Assignment(name=assignment.name, course_id=course_id)
        released = nbformat.read(assignment.notebooks[0], as_version=4)
        notebook = next((book for book in parent.notebooks if book.name == assignment.name), None)
        if notebook is None:
            notebook = rows.Notebook(name=assignment.name, assignment=parent)
        session.add_all([parent, notebook])
        self._graded = {cell.name: cell for cell in notebook.grade_cells}
        self._solutions = {cell.name: cell for cell in notebook.solution_cells}
        self._sources = {cell.name: cell for cell in notebook.source_cells}
        for cell in released.cells:
            if "nbgrader" in cell.metadata:
                self._record(notebook, cell)
        session.add_all([*self._graded.values(), *self._solutions.values(), *self._sources.values()])
        session.flush()
        self.parent, self.notebook = parent.id, notebook.id
        self.graded = {name: cell.id for name, cell in self._graded.items()}
        self.solutions = {name: cell.id for name, cell in self._solutions.items()}
        self.points = {name: cell.max_score for name, cell in self._graded.items()}

    def _record(self, notebook: Any, cell: Any) -> None:
        """Add what the gradebook does not know of a released cell, and bring up to date what it does."""
        name = cell.metadata.nbgrader["grade_id"]
        if utils.is_grade(cell):
            if name not in self._graded:
                self._graded[name] = rows.GradeCell(name=name, notebook=notebook)
            self._graded[name].max_score = float(cell.metadata.nbgrader["points"])
            self._graded[name].cell_type = cell.cell_type
        if utils.is_solution(cell) and name not in self._solutions:
            self._solutions[name] = rows.SolutionCell(name=name, notebook=notebook)
        if name not in self._sources:
            self._sources[name] = rows.SourceCell(name=name, notebook=notebook)
        source = self._sources[name]
        source.cell_type, source.source = cell.cell_type, cell.source
        source.locked, source.checksum = utils.is_locked(cell), cell.metadata.nbgrader.get("checksum")


def _students(session: Session, results: Sequence[SubmissionResult], add: bool) -> dict[str, str]:
    """The gradebook's id of each student of the results; a name made safe for a path finds the one it was made of."""
    known: dict[str, str] = {}
    for name in session.scalars(select(rows.Student.id)):
        known[safe_name(name)] = name
        known[name] = name
    if add:
        fresh = [result.student for result in results if result.student not in known]
        if fresh:
            session.execute(insert(rows.Student), [{"id": name} for name in dict.fromkeys(fresh)])
        known |= {name: name for name in fresh}
    return {result.student: known[result.student] for result in results if result.student in known}


# ---------------------------------------------------------------- the rows of a batch


@dataclass
class _Batch:
    """Rows to insert and to update, collected first and then sent together."""

    session: Session
    cells: _Cells
    submitted: Mapping[str, datetime]
    penalty: Penalty
    anew: bool
    language: Language
    inserts: dict[type, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    updates: dict[type, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        cells, session = self.cells, self.session
        assignments, notebooks = rows.SubmittedAssignment, rows.SubmittedNotebook
        self.duedate = session.scalar(select(rows.Assignment.duedate).where(rows.Assignment.id == cells.parent))
        self.there = {
            row.student_id: row
            for row in session.execute(
                select(assignments.id, assignments.student_id, assignments.timestamp, assignments.extension).where(
                    assignments.assignment_id == cells.parent
                )
            )
        }
        mine = select(notebooks.id).where(notebooks.notebook_id == cells.notebook)
        self.notebooks = {
            row.assignment_id: row
            for row in session.execute(
                select(notebooks.id, notebooks.assignment_id, notebooks.late_submission_penalty).where(
                    notebooks.notebook_id == cells.notebook
                )
            )
        }
        grade, comment = rows.Grade, rows.Comment
        self.grades = _by_cell(
            session,
            select(
                grade.id,
                grade.notebook_id,
                grade.cell_id,
                grade.auto_score,
                grade.manual_score,
                grade.extra_credit,
                grade.needs_manual_grade,
            ).where(grade.notebook_id.in_(mine)),
        )
        self.comments = _by_cell(
            session,
            select(comment.id, comment.notebook_id, comment.cell_id, comment.auto_comment).where(
                comment.notebook_id.in_(mine)
            ),
        )

    def add(self, student: str, result: SubmissionResult) -> None:
        """One submission's rows."""
        submission, stamp, renewed = self._submission(student, self.submitted.get(result.student))
        notebook = self.notebooks.get(submission)
        book = notebook.id if notebook else self._insert(
            rows.SubmittedNotebook, assignment_id=submission, notebook_id=self.cells.notebook, flagged=False
        )  # fmt: skip
        total = self._grades(book, self._scores(result), renewed)
        self._comments(book, automatic_comments(result, self.language))
        late = self._late(student, stamp, total)
        if (notebook.late_submission_penalty if notebook else None) != late:
            self.updates[rows.SubmittedNotebook].append({"id": book, "late_submission_penalty": late})

    def flush(self) -> None:
        """Send what was collected, parents first."""
        for model, new in self.inserts.items():
            self.session.execute(insert(model), new)
        for model, changed in self.updates.items():
            self.session.execute(update(model), changed)

    def _insert(self, model: type, **values: Any) -> str:
        identity: str = rows.new_uuid()
        self.inserts[model].append({"id": identity, **values})
        return identity

    def _scores(self, result: SubmissionResult) -> dict[str, Score]:
        """A file that cannot be read answers no written question either."""
        nothing = [name for name in self.cells.graded if not name.startswith(CHECK)]
        unread = dict.fromkeys(nothing, Score(0.0, False)) if result.status == "ungradable" else {}
        return unread | automatic_scores(result)

    def _submission(self, student: str, stamp: datetime | None) -> tuple[str, datetime | None, bool]:
        """The submission's id, its time, and whether it is another one than was graded before."""
        row = self.there.get(student)
        if row is None:
            values = {"assignment_id": self.cells.parent, "student_id": student, "timestamp": stamp}
            return self._insert(rows.SubmittedAssignment, **values), stamp, False
        if row.timestamp != stamp:
            self.updates[rows.SubmittedAssignment].append({"id": row.id, "timestamp": stamp})
        return row.id, stamp, self.anew or row.timestamp != stamp

    def _grades(self, book: str, scores: Mapping[str, Score], renewed: bool) -> float:
        """Rows for every graded cell; returns what they add up to."""
        total = 0.0
        for name, cell in self.cells.graded.items():
            row, score = self.grades.get((book, cell)), scores.get(name)
            auto = row.auto_score if row and (score is None or score.auto is KEEP) else score.auto if score else None
            auto = None if auto is KEEP else auto if auto is None else min(auto, self.cells.points[name])
            if row is None:
                review = score.review if score else True
                self._insert(
                    rows.Grade, notebook_id=book, cell_id=cell, auto_score=auto, needs_manual_grade=review
                )  # fmt: skip
                total += auto or 0.0
                continue
            total += (auto if row.manual_score is None else row.manual_score) or 0.0
            total += row.extra_credit or 0.0
            review = _review(row, score, auto, renewed)
            if (row.auto_score, row.needs_manual_grade) != (auto, review):
                self.updates[rows.Grade].append({"id": row.id, "auto_score": auto, "needs_manual_grade": review})
        return total

    def _comments(self, book: str, comments: Mapping[str, str | None]) -> None:
        for name, cell in self.cells.solutions.items():
            row = self.comments.get((book, cell))
            if row is None:
                self._insert(rows.Comment, notebook_id=book, cell_id=cell, auto_comment=comments.get(name))
            elif name in comments and row.auto_comment != comments[name]:
                self.updates[rows.Comment].append({"id": row.id, "auto_comment": comments[name]})

    def _late(self, student: str, stamp: datetime | None, total: float) -> float | None:
        due, row = self.duedate, self.there.get(student)
        if due is None or stamp is None:
            return None
        late = (stamp - due - ((row.extension if row else None) or timedelta())).total_seconds()
        penalty = self.penalty(student, total, late) if late > 0 else None
        return None if penalty is None else min(max(penalty, 0.0), total)


def _by_cell(session: Session, query: Any) -> dict[tuple[str, str], Row[Any]]:
    return {(row.notebook_id, row.cell_id): row for row in session.execute(query)}


# ---------------------------------------------------------------- what a result says of each cell


class _Keep:
    """Nothing was run: what stood there before stands."""


KEEP = _Keep()


@dataclass(frozen=True)
class Score:
    """What a graded cell gets: its automatic score (None: only a person can say), and whether a person must look."""

    auto: Any
    review: bool


def automatic_scores(result: SubmissionResult) -> dict[str, Score]:
    """The scores of a result by graded cell. Our fault is never a student's zero: then a person must look."""
    scores = {CHECK + exercise.name: _score(result, exercise) for exercise in result.exercises}
    for written in result.written:
        scores[written.name] = Score(None, True) if written.answered else Score(0.0, False)
    return scores


def _score(result: SubmissionResult, exercise: ExerciseResult) -> Score:
    if result.status == "ungradable":
        return Score(0.0, False)
    if result.status == "error" or exercise.verdict == "not_run":
        return Score(KEEP, True)
    return Score(exercise.score, any(check.reason == "engine" for check in exercise.checks))


def _review(row: Any, score: Score | None, auto: float | None, renewed: bool) -> bool:
    """Must a person look at a cell again? One that gave points need not, as long as nothing changed."""
    if score is None:
        return bool(row.needs_manual_grade)
    if row.manual_score is None:
        return score.review
    return bool(row.needs_manual_grade) or renewed or (auto is not None and auto != row.auto_score)


def automatic_comments(result: SubmissionResult, language: Language = ENGLISH) -> dict[str, str | None]:
    """A short comment for each answer cell of a result."""
    comments: dict[str, str | None] = {
        exercise.name: legible(language.say(_comment(result, exercise)), MAX_COMMENT) for exercise in result.exercises
    }
    for written in result.written:
        comments[written.name] = None if written.answered else language.gettext(_NO_RESPONSE)
    return comments


_NO_RESPONSE = N_("No response.")


def _comment(result: SubmissionResult, exercise: ExerciseResult) -> Text:
    if result.status == "ungradable":
        return joined(sentence("This file could not be graded."), result.problem or "")
    if result.status == "error" or exercise.verdict == "not_run":
        return sentence("Not run, through no fault of the student.")
    score, most = number(exercise.score), number(exercise.max_score)
    standing = sentence("%(score)s of %(most)s points.", score=score, most=most)
    failed = [check for check in exercise.checks if check.verdict == "failed"]
    if not failed:
        return joined(standing, counted("%(count)s check passed.", "%(count)s checks passed.", len(exercise.checks)))
    said = joined(standing, _finding(failed[0]))
    more = counted("(%(count)s more check failed.)", "(%(count)s more checks failed.)", len(failed) - 1)
    return joined(said, more) if len(failed) > 1 else said


def _finding(check: CheckResult) -> Text:
    message, step = check.message or "", check.next_step
    return joined(message, step) if step else message


# ---------------------------------------------------------------- what the gradebook says


def _records(session: Session, assignment: str) -> Iterator[Record]:
    submitted, book, grade = rows.SubmittedAssignment, rows.SubmittedNotebook, rows.Grade
    base, comment = rows.BaseCell, rows.Comment
    query = select(submitted.id, submitted.student_id, book.id.label("book"), book.late_submission_penalty)
    books = session.execute(
        query.join(book, book.assignment_id == submitted.id)
        .join(rows.Assignment, rows.Assignment.id == submitted.assignment_id)
        .where(rows.Assignment.name == assignment)
        .order_by(submitted.student_id)
    ).all()
    wanted = [row.book for row in books]
    points = {cell.id: cell.max_score for cell in session.execute(select(rows.GradeCell.id, rows.GradeCell.max_score))}
    marks: defaultdict[str, list[Mark]] = defaultdict(list)
    review: set[str] = set()
    comments = {
        (row.notebook_id, row.name): row.manual_comment
        for row in session.execute(
            select(comment.notebook_id, comment.manual_comment, base.name)
            .join(base, base.id == comment.cell_id)
            .where(comment.notebook_id.in_(wanted), comment.manual_comment.is_not(None))
        )
    }
    for row in session.execute(
        select(
            grade.notebook_id,
            grade.cell_id,
            grade.auto_score,
            grade.manual_score,
            grade.extra_credit,
            grade.needs_manual_grade,
            base.name,
        )
        .join(base, base.id == grade.cell_id)
        .where(grade.notebook_id.in_(wanted))
        .order_by(base.name)
    ):
        said = comments.get((row.notebook_id, row.name.removeprefix(CHECK)))
        marks[row.notebook_id].append(_mark(row, points.get(row.cell_id, 0.0), said))
        if row.needs_manual_grade:
            review.add(row.notebook_id)
    for row in books:
        yield _record(row.student_id, marks[row.book], row.late_submission_penalty or 0.0, row.book in review)


def _mark(row: Any, points: float, comment: str | None) -> Mark:
    given = row.auto_score if row.manual_score is None else row.manual_score
    score = given if not row.extra_credit else (given or 0.0) + row.extra_credit
    by_hand = row.manual_score is not None or bool(row.extra_credit)
    return Mark(row.name, score, points, row.auto_score, by_hand, comment or None)


def _record(student: str, marks: Sequence[Mark], penalty: float, review: bool) -> Record:
    total = sum(mark.score or 0.0 for mark in marks)
    return Record(
        student, max(total - penalty, 0.0), sum(mark.max_score for mark in marks), penalty, review, tuple(marks)
    )
