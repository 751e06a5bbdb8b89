"""The command line: ``grader grade``, ``kit``, ``export``, ``verify`` and ``table``.

Exit codes: 0 every submission got a result; 1 something was *not run* through our fault (it is named); 2 unusable
arguments, or a machine on which student code cannot be confined.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from grader import batch, report
from grader.course import Assignment, Course, CourseError
from grader.findings import EngineError
from grader.model import SubmissionResult
from grader.names import printable
from grader.sandbox.client import Limits
from grader.store import Job, read_results, write_whole
from grader.submissions import SubmissionFile, SubmissionsError, find
from grader.terminal import class_table

if TYPE_CHECKING:
    from grader.exports import Grade
    from grader.recorder import Recorder

OK, NOT_RUN, UNUSABLE = 0, 1, 2


class Unusable(Exception):
    """The arguments cannot be used: one line that says what, where, and what to do."""


def parser() -> argparse.ArgumentParser:
    """The arguments of all commands."""
    top = argparse.ArgumentParser(prog="grader", description="Grade notebooks of fastai book chapter 17.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    grade = commands.add_parser(
        "grade",
        help="grade a folder or zip of notebooks",
        description="Grade every notebook of a folder or zip: results.jsonl, grades.csv, feedback/, index.html.",
        epilog="Exit codes: 0 all graded; 1 something was not run through no fault of a student; 2 unusable arguments.",
    )
    grade.add_argument("assignment", help="name of the assignment, e.g. ch17")
    grade.add_argument("submissions", type=Path, help="submitted/<student>/<assignment>/*.ipynb, *.ipynb, or a zip")
    grade.add_argument("--out", type=Path, required=True, help="folder for the results (made when missing)")
    grade.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    grade.add_argument("--only", default="", metavar="NAMES", help="grade these exercises only, e.g. relu,mse")
    grade.add_argument("--time-limit", type=float, default=5.0, metavar="SECONDS", help="CPU time a call may take (5)")
    grade.add_argument("--memory", type=int, default=1024, metavar="MB", help="memory a notebook may use (1024)")
    grade.add_argument("--course", type=Path, default=Path(), help="the course's folder (default: here, or above)")
    grade.add_argument("--unconfined", action="store_true", help="go on where the sandbox is incomplete; is recorded")
    grade.add_argument(
        "--gradebook",
        nargs="?",
        const="",
        metavar="URL",
        help="write nbgrader's gradebook, autograded/ and feedback/ too (default: the one of nbgrader_config.py)",
    )
    grade.add_argument("--add-students", action="store_true", help="add students that the gradebook does not know")
    grade.set_defaults(run=grade_command)
    check = commands.add_parser(
        "verify",
        help="check the course itself",
        description="Check a course: the reference gets full points, the stub none, each known mistake is caught, "
        "each right variant passes, points agree; prompts and hints speak both languages; the release is what nbgrader "
        "makes of the source, without a line of a solution or a hidden test; nothing else lies about.",
        epilog="Exit codes: 0 all in order; 1 something is off (a line each); 2 unusable arguments.",
    )
    check.add_argument("assignment", nargs="?", help="name of the assignment (default: all)")
    check.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    check.add_argument("--course", type=Path, default=Path(), help="the course's folder (default: here, or above)")
    check.set_defaults(run=verify_command)
    handout = commands.add_parser(
        "kit",
        help="build the zip that students get",
        description="Build the zip that students get: notebook, public checks, instructions, and the grader itself.",
    )
    handout.add_argument("assignment", help="name of the assignment, e.g. ch17")
    handout.add_argument("--out", type=Path, help="the zip (default: <assignment>-kit.zip)")
    handout.add_argument("--wheel", type=Path, help="the grader's wheel (default: built from its checkout)")
    handout.add_argument("--course", type=Path, default=Path(), help="the course's folder (default: here, or above)")
    handout.set_defaults(run=kit_command)
    export = commands.add_parser(
        "export",
        help="grades for other systems, or an autograder for Gradescope",
        description="Write grades as CSV, as Canvas or Moodle import them, or the zip that Gradescope runs.",
        epilog="Exit codes: 0 done; 1 the roster does not know somebody (it says whom); 2 unusable arguments.",
    )
    export.add_argument("format", choices=["csv", "canvas", "moodle", "gradescope"])
    export.add_argument("assignment", help="name of the assignment, e.g. ch17")
    export.add_argument("--from", type=Path, dest="results", metavar="OUT", help="results of grader grade --out OUT")
    export.add_argument(
        "--gradebook", default="", metavar="URL", help="without --from: this gradebook, not that of nbgrader_config.py"
    )
    export.add_argument("--roster", type=Path, metavar="CSV", help="what Canvas or Moodle exported, to find people by")
    export.add_argument("--out", type=Path, required=True, help="the file to write")
    export.add_argument("--wheel", type=Path, help="gradescope: the grader's wheel (default: built from its checkout)")
    export.add_argument("--unconfined", action="store_true", help="gradescope: grade where the sandbox is incomplete")
    export.add_argument("--course", type=Path, default=Path(), help="the course's folder (default: here, or above)")
    export.set_defaults(run=export_command)
    page = commands.add_parser(
        "table",
        help="write what is asked and how it is graded",
        description="Print a page in Markdown: each exercise's question, answer, checks and known mistakes.",
    )
    page.add_argument("--course", type=Path, default=Path(), help="the course's folder (default: here, or above)")
    page.set_defaults(run=table_command)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the ``grader`` command; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (Unusable, CourseError, SubmissionsError, EngineError) as error:
        print(f"grader: {error}", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("grader: stopped; what was graded is kept, the same command goes on from there", file=sys.stderr)
        return NOT_RUN
    except OSError as error:
        print(f"grader: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return UNUSABLE


def grade_command(options: argparse.Namespace) -> int:
    """``grader grade``: from a folder of notebooks to results, pages and a table."""
    course = Course.find(options.course)
    assignment = course.assignment(options.assignment)
    only = _only(options.only, assignment)
    if options.workers < 1 or options.time_limit <= 0 or options.memory < 64:
        raise Unusable("--workers must be 1 or more, --time-limit above 0, --memory 64 or more")
    out: Path = options.out
    recorder = None
    if options.gradebook is not None:
        recorder = _recorder(assignment, options.gradebook, options.add_students)
    (out / "results").mkdir(parents=True, exist_ok=True)
    with _alone(out):
        return _grade(options, course, assignment, only, recorder)


def _recorder(assignment: Assignment, url: str, add_students: bool = False) -> Recorder:
    """What reads and writes the gradebook. Raises `Unusable` where nbgrader is not installed."""
    try:
        from grader.recorder import Recorder
    except ImportError as error:
        raise Unusable(f"the gradebook needs {error.name}; run: pip install 'ch17-grader[instructor]'") from None
    return Recorder(assignment, url, add_students)


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold an output folder for one command. Raises `Unusable` when another has it."""
    try:
        with FileLock(out / ".lock", timeout=0):
            yield
    except Timeout:
        raise Unusable(f"{out}: another command is writing there; wait for it, or name another folder") from None


def _grade(
    options: argparse.Namespace,
    course: Course,
    assignment: Assignment,
    only: tuple[str, ...],
    recorder: Recorder | None,
) -> int:
    console, out = Console(), options.out
    limits = Limits(options.time_limit, options.time_limit * 4, options.memory << 20)
    protected = (*map(str, assignment.secrets), str(options.submissions.absolute()), str(out.absolute()))
    job = Job(course.root, assignment.name, (out / "results").absolute(), protected, only, limits, options.unconfined)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="grader-in-") as scratch:
        files = find(options.submissions.absolute(), assignment.name, Path(scratch))
        results, trouble = _run(console, job, files, options.workers)
        left_out = recorder.write(files, results) if recorder else []
    write_outputs(out, assignment, only, results)
    class_table(console, results)
    seconds = time.monotonic() - began
    page = (out / "index.html").absolute()
    console.print(f"{len(results)} submissions in {seconds:.1f} s; class page: {page}", highlight=False, soft_wrap=True)
    for line in left_out:
        print(f"grader: {printable(line)}", file=sys.stderr)
    return _verdict(results, trouble) or (NOT_RUN if left_out else OK)


def kit_command(options: argparse.Namespace) -> int:
    """``grader kit``: the zip for students."""
    from grader import kit

    assignment = Course.find(options.course).assignment(options.assignment)
    out = options.out or Path(f"{assignment.name}-kit.zip")
    count = kit.build(assignment, out, options.wheel)
    print(f"{out}: {count} files for students, no solution, no hidden check")
    return OK


def export_command(options: argparse.Namespace) -> int:
    """``grader export``: a file for another system."""
    from grader import exports, gradescope

    assignment = Course.find(options.course).assignment(options.assignment)
    if options.format == "gradescope":
        count = gradescope.build(assignment, options.out, options.wheel, options.unconfined)
        print(f"{options.out}: {count} files; upload it as autograder (for staff alone: it holds solutions)")
        return OK
    grades = _grades(options, assignment)
    written, unknown = exports.FORMATS[options.format](grades, assignment.name, options.roster)
    write_whole(options.out, written.encode())
    print(f"{options.out}: {len(grades) - len(unknown)} students")
    if unknown:
        print(f"grader: not in {options.roster}: {printable(', '.join(unknown))}", file=sys.stderr)
    return NOT_RUN if unknown else OK


def _grades(options: argparse.Namespace, assignment: Assignment) -> list[Grade]:
    """From the folder of a batch, or else from the gradebook. Raises `Unusable` when there are none."""
    from grader import exports

    if options.results is not None:
        stored = read_results(options.results / "results").values()
        results = sorted((s.result for s in stored), key=lambda result: result.student)
        grades = exports.from_results(result for result in results if result.assignment == assignment.name)
        where = options.results
    else:
        recorder = _recorder(assignment, options.gradebook)
        records = recorder.gradebook.read(assignment.name)
        grades, where = exports.from_records(records.values()), recorder.folders.root
    if not grades:
        raise Unusable(f"{where}: no grades of {assignment.name}; grade first, or name another place")
    return grades


def table_command(options: argparse.Namespace) -> int:
    """``grader table``: the page on standard output."""
    from grader.overview import table

    print(table(Course.find(options.course)), end="")
    return OK


def verify_command(options: argparse.Namespace) -> int:
    """``grader verify``: what was counted for each assignment, and a line for each thing that is off."""
    from grader.release import strays
    from grader.verify import verify

    if options.workers < 1:
        raise Unusable("--workers must be 1 or more")
    course = Course.find(options.course)
    off = 0
    for problem in strays(course):
        print(printable(problem))
        off += 1
    for name in [options.assignment] if options.assignment else course.names:
        counts, problems = verify(course.assignment(name), batch.processes(options.workers), options.workers)
        print(f"{name}: {counts}")
        for problem in problems:
            print(f"  {printable(problem)}")
        off += len(problems)
    print("all in order" if not off else f"{off} things are off")
    return OK if not off else NOT_RUN


def _only(text: str, assignment: Assignment) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    known = [exercise.name for exercise in assignment.exercises]
    if unknown := [name for name in names if name not in known]:
        raise Unusable(f"--only: no exercise {unknown[0]!r} in {assignment.name}; there are {', '.join(known)}")
    return names


def _run(
    console: Console, job: Job, files: list[SubmissionFile], workers: int
) -> tuple[list[SubmissionResult], str | None]:
    columns = TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("grading", total=len(files))
        workers = min(workers, len(files))
        try:
            return batch.run(
                job, files, batch.processes(workers), workers, lambda done: bar.update(task, completed=done)
            )
        except EngineError as error:
            raise Unusable(f"{error} (to go on all the same: --unconfined; the results will say so)") from None


def write_outputs(
    out: Path, assignment: Assignment, only: tuple[str, ...], results: Sequence[SubmissionResult]
) -> None:
    """Write ``results.jsonl``, ``grades.csv``, the feedback pages and the class page; each whole, or not at all."""
    exercises = [exercise for exercise in assignment.exercises if not only or exercise.name in only]
    write_whole(out / "results.jsonl", b"".join(report.results_line(result) for result in results))
    report.write_grades_csv(results, out / "grades.csv")
    links = {}
    for result in results:
        page = out / "feedback" / result.student / assignment.name / f"{assignment.name}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        write_whole(page, report.student_page(result, exercises).encode())
        links[result.student] = page.relative_to(out).as_posix()
    write_whole(out / "index.html", report.class_page(results, exercises, links).encode())


def _verdict(results: Sequence[SubmissionResult], trouble: str | None) -> int:
    ours = [result.student for result in results if result.status == "error" or "engine" in result.flags]
    if trouble:
        print(f"grader: {trouble}", file=sys.stderr)
    if ours:
        print(f"grader: not (wholly) run, through no fault of theirs: {', '.join(ours[:20])}", file=sys.stderr)
    return NOT_RUN if ours or trouble else OK


if __name__ == "__main__":
    sys.exit(main())
