"""Gradescope: the zip it runs for each submission, and the ``results.json`` it reads.

::

    /autograder/source/        the zip: run_autograder, setup.sh, the course, our wheel
    /autograder/submission/    what the student uploaded
    /autograder/results/       results.json

Public checks are shown at once, those after submission when grades are published. When grading fails through our
fault there is no ``results.json``: Gradescope then says so, and gives nobody a zero.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from grader import batch, kit
from grader.course import Assignment, Course, CourseError
from grader.findings import EngineError
from grader.legible import legible
from grader.model import CheckResult, ExerciseResult, SubmissionResult
from grader.names import printable
from grader.public import public_result
from grader.sandbox.client import Limits
from grader.store import Job, out_of_reach, write_whole
from grader.submissions import SubmissionFile, choose
from grader.terminal import reasons

SETUP = """#!/usr/bin/env bash
# Gradescope runs this once, when the zip is uploaded.
set -euo pipefail
apt-get update -qq
apt-get install -y -qq --no-install-recommends python3 python3-venv libseccomp2
python3 -m venv /autograder/venv
cd /autograder/source
/autograder/venv/bin/pip install --quiet -r requirements.txt
"""
RUN = """#!/usr/bin/env bash
# Gradescope runs this for each submission.
cd "${AUTOGRADER_ROOT:-/autograder}"
exec "${GRADER_PYTHON:-/autograder/venv/bin/python}" -P -m grader.gradescope NAME "$PWD"FLAGS
"""


def build(assignment: Assignment, out: Path, wheel: Path | None = None, unconfined: bool = False) -> int:
    """Write the zip to upload as autograder; how many files are in it. It holds solutions: it is for staff alone."""
    flags = " --unconfined" if unconfined else ""
    files = {
        "setup.sh": SETUP.encode(),
        "run_autograder": RUN.replace("NAME", assignment.name).replace("FLAGS", flags).encode(),
    }
    with tempfile.TemporaryDirectory() as scratch:
        files |= kit.installation(wheel or kit.own_wheel(Path(scratch)))
    files |= dict(_course(assignment))
    return kit.write_zip(out, files)


def _course(assignment: Assignment) -> Iterator[tuple[str, bytes]]:
    released, source = assignment.notebooks
    paths = [released, *([source] if source.is_file() else []), *assignment.suite.rglob("*")]
    for path in paths:
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"course/{path.relative_to(assignment.root).as_posix()}", path.read_bytes()


def run(name: str, root: Path, unconfined: bool = False) -> None:
    """Grade the one submission in Gradescope's folders. Raises `CourseError` and `EngineError`."""
    assignment = Course(root / "source" / "course").assignment(name)
    folder = root / "submission"
    chosen, note = choose([path.name for path in folder.glob("*.ipynb")], name)
    file = SubmissionFile("student", chosen or f"{name}.ipynb", folder / chosen if chosen else None, note)
    with tempfile.TemporaryDirectory(prefix="grader-") as scratch:
        protected = out_of_reach(assignment.secrets, root / "source", root / "results", Path(scratch))
        job = Job(assignment.root, name, Path(scratch), protected, (), Limits(), unconfined)
        [result], trouble = batch.run(job, [file], batch.processes(1), 1, lambda done: None)
    if result.status == "error":
        raise EngineError(str(trouble or result.problem or "not graded"))
    (root / "results").mkdir(exist_ok=True)
    write_whole(root / "results" / "results.json", json.dumps(results_json(result), indent=1).encode())


def results_json(result: SubmissionResult) -> dict[str, Any]:
    """A result as Gradescope reads it; it adds the scores up itself, and shows no sum while part of it is hidden."""
    result = public_result(result)
    tests = [test for at, exercise in enumerate(result.exercises, 1) for test in _tests(at, exercise)]
    return {
        "output": "\n".join(_remarks(result)),
        "output_format": "text",
        "stdout_visibility": "hidden",
        "tests": tests,
    }


def _tests(at: int, exercise: ExerciseResult) -> Iterator[dict[str, Any]]:
    """An exercise is one test for what is shown at once, and one for what is shown once grades are published."""
    public = [check for check in exercise.checks if not check.hidden]
    hidden = [check for check in exercise.checks if check.hidden]
    title = printable(exercise.title or exercise.name)
    if public:
        yield _test(str(at), title, exercise, public, "visible")
    if hidden:
        yield _test(f"{at}h", f"{title} (checked after submission)", exercise, hidden, "after_published")


def _test(
    number: str, name: str, exercise: ExerciseResult, checks: Sequence[CheckResult], visibility: str
) -> dict[str, Any]:
    score, most = sum(check.points for check in checks), sum(check.max_points for check in checks)
    part = ExerciseResult(exercise.name, score, most, exercise.verdict, tuple(checks))
    text = "\n".join(reasons(part)) or f"{len(checks)} checks passed"
    return {
        "number": number,
        "name": name,
        "score": score,
        "max_score": most,
        "status": "passed" if all(check.verdict == "passed" for check in checks) else "failed",
        "output": legible(text),
        "output_format": "text",
        "visibility": visibility,
    }


def _remarks(result: SubmissionResult) -> Iterator[str]:
    if result.problem:
        yield printable(str(result.problem))
    yield from (printable(str(note)) for note in result.notes)
    if result.written:
        answered = sum(written.answered for written in result.written)
        yield f"{answered} of {len(result.written)} written answers found; a person reads them."


def main(arguments: Sequence[str] | None = None) -> int:
    """What ``run_autograder`` calls: assignment, Gradescope's folder, and perhaps ``--unconfined``."""
    name, root, *flags = sys.argv[1:] if arguments is None else arguments
    try:
        run(name, Path(root), "--unconfined" in flags)
    except (CourseError, EngineError, OSError) as error:
        print(f"grader: not graded, through no fault of the student: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
