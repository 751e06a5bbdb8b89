"""What a failed check raises: an exception that carries a `Finding`.

::

    CheckFailed               a check's verdict is "failed"
      Mismatch                the answer is not the expected one      (compare)
      NotAsAsked              solved another way than asked           (how)
      StudentError            the student's code did not answer       (sandbox.client)
        StudentRaised         it raised
        StudentTimeout        it was late
        StudentDied           it ended its process
        StudentMissing        nothing by that name
    EngineError               our fault: the check's verdict is "not run"
      CannotConfine           student code cannot be shut in on this machine
"""

from __future__ import annotations

from collections.abc import Sequence

from grader.model import Finding
from grader.names import shown
from grader.sentences import Sentence, sentence


class CheckFailed(Exception):
    """A check failed for the reason in ``finding``."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.code)
        self.finding = finding


class Mismatch(CheckFailed):
    """The answer is not the expected one."""


class NotAsAsked(CheckFailed):
    """The answer was reached another way than the exercise asks."""


class StudentError(CheckFailed):
    """The student's code gave no answer to compare."""


class StudentRaised(StudentError):
    """It raised; ``type_name`` and ``text`` are the exception's, ``bases`` the names of its type and those above it."""

    def __init__(self, finding: Finding, type_name: str, text: str, bases: Sequence[str] = ()) -> None:
        super().__init__(finding)
        self.type_name = type_name
        self.text = text
        self.bases = tuple(bases)


class StudentTimeout(StudentError):
    """It took longer than the limit and was stopped."""


class StudentDied(StudentError):
    """It ended its own process, or was ended for using too much."""


class StudentMissing(StudentError):
    """Nothing by that name is defined at the exercise's place, or an object of theirs has nothing by that name."""


class EngineError(Exception):
    """Something of ours failed; never a student's zero."""


class CannotConfine(EngineError):
    """A layer of the wall is missing, or has a hole; the batch goes on by explicit flag alone."""


def grader_failed(error: Exception) -> Sentence:
    """What is said of a submission over which the grader itself stumbled."""
    return sentence("the grader failed: %(why)s", why=shown(f"{type(error).__name__}: {error}", 480))
