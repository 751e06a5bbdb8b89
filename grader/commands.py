"""What each command of `grader.cli` does: arguments in, files and lines out, and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from grader import batch, exports, roster
from grader.course import Assignment, Course
from grader.exits import NOT_RUN, OK, UNUSABLE
from grader.findings import CannotConfine, grader_failed
from grader.gist import Gist
from grader.handback import Handback
from grader.languages import Language
from grader.model import Exercise, SubmissionResult
from grader.names import printable
from grader.sandbox.client import Limits
from grader.sentences import N_, Told, counted, sentence
from grader.store import Job, Results, out_of_reach, read_results, write_whole, writing_whole
from grader.submissions import SubmissionFile, find
from grader.terminal import class_table

if TYPE_CHECKING:
    from grader.grades import Grade
    from grader.recorder import Recorder


class Unusable(Told):
    """The arguments cannot be used: one line that says what, where, and what to do."""


def grade_command(options: argparse.Namespace, language: Language) -> int:
    """``grader grade``: from a folder of notebooks to results, pages and a table."""
    course = Course.find(options.course)
    assignment = course.assignment(options.assignment)
    only = _only(options.only, assignment)
    if options.workers < 1 or options.time_limit <= 0 or options.memory < 64:
        raise Unusable(sentence("--workers must be 1 or more, --time-limit above 0, --memory 64 or more"))
    recorder = None
    if options.gradebook is not None:
        recorder = _recorder(assignment, options.gradebook, language, options.add_students)
    out: Path = options.out
    (out / "results").mkdir(parents=True, exist_ok=True)
    with _alone(out):
        return _grade(options, course, assignment, only, language, recorder)


def _recorder(assignment: Assignment, url: str, language: Language, add_students: bool = False) -> Recorder:
    """What reads and writes the gradebook. Raises `Unusable` where nbgrader is not installed."""
    try:
        from grader.recorder import Recorder
    except ImportError as error:
        text = N_("the gradebook needs %(name)s; run: pip install 'ch17-grader[instructor]'")
        raise Unusable(sentence(text, name=error.name)) from None
    return Recorder(assignment, url, language, add_students)


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold an output folder for one command. Raises `Unusable` when another has it."""
    try:
        with FileLock(out / ".lock", timeout=0):
            yield
    except Timeout:
        text = N_("%(path)s: another command is writing there; wait for it, or name another folder")
        raise Unusable(sentence(text, path=out)) from None


def _grade(
    options: argparse.Namespace,
    course: Course,
    assignment: Assignment,
    only: tuple[str, ...],
    language: Language,
    recorder: Recorder | None,
) -> int:
    console, out = Console(), options.out
    limits = Limits.of(options.time_limit, options.memory << 20)
    protected = out_of_reach(assignment.secrets, options.submissions.absolute(), out.absolute())
    job = Job(
        course.root, assignment.name, (out / "results").absolute(), protected, only, limits, options.unconfined,
        pages=(out / "feedback").absolute(), language=language.code,
    )  # fmt: skip
    began = time.monotonic()
    with _scratch(out.absolute()) as scratch:
        files = find(options.submissions.absolute(), assignment.name, scratch)
        if options.force:
            batch.forget(job, files)
        graded, trouble = _run(console, job, files, options, language)
        results = write_outputs(out, assignment, only, graded, language)
        left_out = recorder.write(files, graded) if recorder else []
    class_table(console, results, language)
    seconds = time.monotonic() - began
    page = (out / "index.html").absolute()
    said = counted(
        "%(count)s submission in %(seconds)s s; class page: %(page)s",
        "%(count)s submissions in %(seconds)s s; class page: %(page)s",
        len(results),
        seconds=f"{seconds:.1f}",
        page=page,
    )
    console.print(language.say(said), highlight=False, soft_wrap=True, markup=False)
    for line in left_out:
        print(f"grader: {printable(language.say(line))}", file=sys.stderr)
    return _verdict(results, trouble, language) or (NOT_RUN if left_out else OK)


@contextlib.contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """A folder for what is unpacked, where whoever grades it sees it; the next command removes one that was left."""
    for left in out.glob(f"{_UNPACKED}*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=_UNPACKED, dir=out) as scratch:
        yield Path(scratch)


_UNPACKED = ".unpacked-"


def kit_command(options: argparse.Namespace, language: Language) -> int:
    """``grader kit``: the zip for students."""
    from grader import kit

    assignment = Course.find(options.course).assignment(options.assignment)
    out = options.out or Path(f"{assignment.name}-kit.zip")
    count = kit.build(assignment, out, options.wheel)
    done = counted(
        "%(path)s: %(count)s file for students, no solution, no hidden check",
        "%(path)s: %(count)s files for students, no solution, no hidden check",
        count,
        path=out,
    )
    print(language.say(done))
    return OK


def export_command(options: argparse.Namespace, language: Language) -> int:
    """``grader export``: a file for another system."""
    from grader import grades, gradescope

    assignment = Course.find(options.course).assignment(options.assignment)
    if options.format == "gradescope":
        gradescope.build(assignment, options.out, options.wheel, options.unconfined)
        text = N_("%(path)s: upload it as autograder (for staff alone: it holds solutions)")
        print(language.say(sentence(text, path=options.out)))
        return OK
    found = _grades(options, assignment, language)
    written, unknown = grades.FORMATS[options.format](found, assignment.name, options.roster)
    write_whole(options.out, written.encode())
    done = counted(
        "%(path)s: %(count)s student", "%(path)s: %(count)s students", len(found) - len(unknown), path=options.out
    )
    print(language.say(done))
    if unknown:
        missing = sentence("not in %(roster)s: %(names)s", roster=options.roster, names=", ".join(unknown))
        print(f"grader: {printable(language.say(missing))}", file=sys.stderr)
    return NOT_RUN if unknown else OK


def _grades(options: argparse.Namespace, assignment: Assignment, language: Language) -> list[Grade]:
    """From the folder of a batch, or else from the gradebook. Raises `Unusable` when there are none."""
    from grader import grades

    if options.results is not None:
        stored = read_results(options.results / "results")
        found = grades.from_results(one.result for one in stored if one.result.assignment == assignment.name)
        where = options.results
    else:
        recorder = _recorder(assignment, options.gradebook, language)
        records = recorder.gradebook.read(assignment.name)
        found, where = grades.from_records(records.values()), recorder.folders.root
    if not found:
        text = N_("%(path)s: no grades of %(name)s; grade first, or name another place")
        raise Unusable(sentence(text, path=where, name=assignment.name))
    return found


def check_command(options: argparse.Namespace, language: Language) -> int:
    """``grader check``: what a student sees, once or after each save."""
    from grader.selfcheck import check, check_again

    notebook = options.notebook or _only_one(Path())
    if not notebook.is_file():
        raise Unusable(sentence("%(path)s: no such file", path=notebook))
    words = ["-k", options.k] if options.k else []
    words += ["--lang", options.lang] if options.lang else []
    if not options.watch:
        return _as_ours(check(notebook.absolute(), words))
    code = OK
    with contextlib.suppress(KeyboardInterrupt):
        for given in check_again(notebook.absolute(), words):
            code = _as_ours(given)
            said = sentence("waiting for %(name)s to be saved; Ctrl+C ends", name=notebook.name)
            print(printable(language.say(said)), flush=True)
    return code


def _only_one(folder: Path) -> Path:
    found = sorted(folder.glob("*.ipynb"))
    if len(found) != 1:
        raise Unusable(sentence("which notebook? There is not exactly one here; name it"))
    return found[0]


def _as_ours(code: int) -> int:
    """Our exit code for pytest's: 0 all passed, 1 something failed, anything else could not be run."""
    return code if code in (OK, NOT_RUN) else UNUSABLE


def table_command(options: argparse.Namespace, language: Language) -> int:
    """``grader table``: the page on standard output."""
    from grader.overview import table

    print(table(Course.find(options.course), language), end="")
    return OK


def verify_command(options: argparse.Namespace, language: Language) -> int:
    """``grader verify``: what was counted for each assignment, and a line for each thing that is off."""
    from grader.release import strays
    from grader.verify import verify

    if options.workers < 1:
        raise Unusable(sentence("--workers must be 1 or more"))
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
    print(language.say(counted("%(count)s thing is off", "%(count)s things are off", off) if off else _IN_ORDER))
    return OK if not off else NOT_RUN


_IN_ORDER = sentence("all in order")


def _only(text: str, assignment: Assignment) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    known = [exercise.name for exercise in assignment.exercises]
    if unknown := [name for name in names if name not in known]:
        text = N_("--only: no exercise %(name)s in %(where)s; there are %(known)s")
        raise Unusable(sentence(text, name=repr(unknown[0]), where=assignment.name, known=", ".join(known)))
    return names


def _run(
    console: Console, job: Job, files: list[SubmissionFile], options: argparse.Namespace, language: Language
) -> tuple[Results, str | None]:
    columns = TextColumn(language.gettext("grading")), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("grading", total=len(files))
        executor, workers = _executor(options, job, len(files))
        try:
            return batch.run(job, files, executor, workers, lambda done: bar.update(task, completed=done))
        except CannotConfine as error:
            text = N_("%(why)s (to go on all the same: --unconfined; the results will say so)")
            raise Unusable(sentence(text, why=error)) from None


def _executor(options: argparse.Namespace, job: Job, most: int) -> tuple[Callable[[], Executor], int]:
    """What makes the pool that the options name, and how many submissions it can grade at once."""
    if options.cluster is None:
        workers = min(options.workers, most)
        return batch.processes(workers), workers
    try:
        from grader.cluster import processes
    except ImportError as error:
        text = N_("--cluster needs %(name)s; run: pip install 'ch17-grader[cluster]'")
        raise Unusable(sentence(text, name=error.name)) from None
    return processes(options.cluster, job, options.submissions.absolute())


def write_outputs(
    out: Path, assignment: Assignment, only: tuple[str, ...], results: Iterable[SubmissionResult], language: Language
) -> list[SubmissionResult]:
    """Write ``results.jsonl``, ``grades.csv``, the feedback pages and the class page; each whole, or not at all.

    Takes ``results`` one at a time; returns what a table of them needs.
    """
    exercises = [exercise for exercise in assignment.exercises if not only or exercise.name in only]
    handback, gist = Handback(out / "feedback", assignment.name, exercises, language), Gist()
    kept = []
    with writing_whole(out / "results.jsonl") as lines:
        for result in results:
            told, line = _told(handback, result, exercises)
            lines.write(line)
            kept.append(gist.of(told))
    exports.write_grades_csv(kept, out / "grades.csv")
    links = {result.student: handback.path(result.student).relative_to(out).as_posix() for result in kept}
    write_whole(out / "index.html", roster.class_page(kept, exercises, links, language).encode())
    return kept


def _told(
    handback: Handback, result: SubmissionResult, exercises: Sequence[Exercise]
) -> tuple[SubmissionResult, bytes]:
    """A result with its page written, and its line; what has none, for what is in it, is not run. Raises `OSError`."""
    try:
        handback.write(result)
        line = exports.results_line(result)
    except OSError:  # a full disk is everyone's
        raise
    except Exception as error:
        file = SubmissionFile(result.student, result.notebook, None)
        result = batch.ungraded(result.assignment, exercises, file, grader_failed(error), ("engine",))
        handback.write(result)
        line = exports.results_line(result)
    handback.sweep(result.student)
    return result, line


def _verdict(results: Sequence[SubmissionResult], trouble: str | None, language: Language) -> int:
    ours = [result.student for result in results if result.status == "error" or "engine" in result.flags]
    if trouble:
        print(f"grader: {trouble}", file=sys.stderr)
    if ours:
        said = sentence("not (wholly) run, through no fault of theirs: %(names)s", names=", ".join(ours[:20]))
        print(f"grader: {language.say(said)}", file=sys.stderr)
    return NOT_RUN if ours or trouble else OK
