"""The frozen types that travel between the parts of the grader.

One submission's way is ``notebook file -> Submission -> Student -> SubmissionResult``; this module holds what
the last hop carries and the exercise it is about. ``SCHEMA`` is the version of the result format: fields may be
added, none is ever renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from grader.sentences import Text

SCHEMA = 1

Verdict = Literal["passed", "failed", "not_run"]
ExerciseVerdict = Literal["passed", "failed", "partial", "not_run"]
Status = Literal["graded", "ungradable", "error"]

Reason = Literal[
    "wrong",  # ran, and the answer is not the right one
    "raised",  # the student's code raised
    "timeout",  # took longer than the limit
    "missing",  # nothing by that name, or still the stub
    "forbidden",  # right perhaps, but not solved the way the exercise asks
    "blocked",  # calls another exercise's answer, which fails its own checks
    "died",  # ended its own process, or was ended for memory or files
    "engine",  # our fault: not run
]

Flag = Literal[
    "ungradable",  # no notebook could be read from the file
    "wrong_assignment",  # holds none of this assignment's exercises
    "metadata_lost",  # answers found by position or name, not by grade id
    "cells_doubled",
    "cells_deleted",
    "cells_reordered",
    "cells_relabelled",  # an answer in a markdown or raw cell
    "locked_changed",  # an instructor's cell was edited; the original was used
    "old_format",  # an older nbformat, upgraded
    "cell_not_parsed",
    "cell_failed",
    "cell_timeout",
    "timeout",
    "died",
    "memory",
    "tampering",  # the source patches modules, or hunts for the grader
    "protocol",  # the worker answered what nobody asked
    "trace_disagrees",  # source and run disagree on how it was solved
    "output_cut",
    "engine",  # our fault somewhere: look at the log
    "unconfined",  # graded without the whole sandbox, by explicit flag
]

FLAGS: tuple[str, ...] = get_args(Flag)
REASONS: tuple[str, ...] = get_args(Reason)


class Exercise(msgspec.Struct, frozen=True):
    """One exercise, as the notebook describes it.

    ``points`` is the whole of it, hidden checks included; ``prompt`` is Markdown, both languages; ``stub`` is the
    released source of the answer cell.
    """

    name: str
    title: str
    points: float
    prompt: str
    stub: str


class Shown(msgspec.Struct, frozen=True):
    """A value as a report shows it: ``text`` is escaped by whoever renders it."""

    name: str
    text: str


class Grid(msgspec.Struct, frozen=True):
    """A small tensor: its elements as text, in the order of `reshape(-1)`."""

    shape: tuple[int, ...]
    cells: tuple[str, ...]


class Contrast(msgspec.Struct, frozen=True):
    """Two tensors beside each other: whole when they are small, as a map of where they differ when they are not.

    ``levels`` has a digit for each place of a table or a map, row by row: 0 is right, 4 is far off. Without it the two
    cannot be compared element by element. ``wrong`` of ``count`` elements were not accepted.
    """

    got: Grid | None = None
    expected: Grid | None = None
    delta: Grid | None = None
    levels: tuple[str, ...] = ()
    wrong: int = 0
    count: int = 0


class Frame(msgspec.Struct, frozen=True):
    """One line of the student's own code in a traceback, with those around it. ``line`` counts from 1 in the cell."""

    cell: str
    line: int
    code: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


class Finding(msgspec.Struct, frozen=True):
    """Why one check failed: facts as fields, no wording.

    ``code`` is a short stable name ("transposed", "factor", "raised", ...), the key of the message catalogue;
    ``facts`` fill its placeholders; those with words of ours in them are sentences.
    """

    reason: Reason
    code: str
    facts: Mapping[str, Text] = {}
    got: str | None = None
    expected: str | None = None
    frames: tuple[Frame, ...] = ()
    contrast: Contrast | None = None


class CallShown(msgspec.Struct, frozen=True):
    """The call a finding is about: ``text`` as in ``mse_grad(inp, targ)``, with its inputs and what it printed."""

    text: str
    inputs: tuple[Shown, ...] = ()
    printed: str = ""


class CheckResult(msgspec.Struct, frozen=True):
    """One check of one exercise. ``id`` is the test's name, stable over releases.

    Its sentences are in no language yet; `grader.languages` puts them into one.

    ``diagnosis`` is the code of a finding, or of the known mistake that explains all that was seen of the exercise:
    then ``seen`` is the finding's, and ``next_step`` the mistake's hint.
    """

    id: str
    verdict: Verdict
    reason: Reason | None = None
    message: Text | None = None
    diagnosis: str | None = None
    title: Text = ""
    hidden: bool = False
    points: float = 0.0
    max_points: float = 0.0
    next_step: Text | None = None
    got: str | None = None
    expected: str | None = None
    call: CallShown | None = None
    frames: tuple[Frame, ...] = ()
    seen: str | None = None
    contrast: Contrast | None = None


class ExerciseResult(msgspec.Struct, frozen=True):
    """One exercise of one submission; ``source`` is the student's own code for it."""

    name: str
    score: float
    max_score: float
    verdict: ExerciseVerdict
    checks: tuple[CheckResult, ...]
    title: str = ""
    source: str = ""


class Written(msgspec.Struct, frozen=True):
    """A written answer, which a person grades: ``name`` is its cell's grade id, ``answer`` the cell's text.

    ``answered`` is False when the cell is as it was released, or gone.
    """

    name: str
    max_score: float
    answer: str
    answered: bool


class SubmissionResult(msgspec.Struct, frozen=True):
    """One submission, whole. ``problem`` says in one line why nothing, or not all, could be graded.

    Scores count exercises only: ``written`` answers wait for a person.
    """

    assignment: str
    student: str
    notebook: str
    status: Status
    score: float
    max_score: float
    flags: tuple[Flag, ...]
    problem: Text | None
    exercises: tuple[ExerciseResult, ...]
    notes: tuple[Text, ...] = ()
    printed: str = ""
    schema: int = SCHEMA
    written: tuple[Written, ...] = ()


class Mark(msgspec.Struct, frozen=True):
    """What a gradebook says of one graded cell. ``score`` is the one that counts; None as long as nobody gave any.

    ``automatic`` is what the grader gave; ``by_hand`` is True when a person gave the score, or credit beyond it.
    """

    name: str
    score: float | None
    max_score: float
    automatic: float | None
    by_hand: bool
    comment: str | None = None


class Record(msgspec.Struct, frozen=True):
    """What a gradebook says of one submission: automatic and manual scores together, late penalty taken off."""

    student: str
    score: float
    max_score: float
    late_penalty: float
    needs_review: bool
    marks: tuple[Mark, ...]
