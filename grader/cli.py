"""The command line: ``grader grade``, ``check``, ``verify``, ``kit``, ``export`` and ``table``.

Exit codes of all: 0 done, and nothing is wrong; 1 something is, and it is named (see each command's ``--help``); 2
unusable arguments, or a machine on which student code cannot be confined.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from grader import batch, exports, roster
from grader.course import Assignment, Course, CourseError
from grader.findings import CannotConfine, EngineError
from grader.gist import Gist
from grader.handback import Handback
from grader.languages import ENGLISH, LANGUAGES, Language, chosen
from grader.model import SubmissionResult
from grader.names import printable
from grader.outpost import ClusterError
from grader.sandbox.client import Limits
from grader.sentences import N_, Told, counted, sentence
from grader.store import Job, Results, out_of_reach, read_results, write_whole, writing_whole
from grader.submissions import SubmissionFile, SubmissionsError, find
from grader.terminal import class_table

if TYPE_CHECKING:
    from grader.grades import Grade
    from grader.recorder import Recorder

OK, NOT_RUN, UNUSABLE = 0, 1, 2


class Unusable(Told):
    """The arguments cannot be used: one line that says what, where, and what to do."""


def parser(language: Language = ENGLISH) -> argparse.ArgumentParser:
    """The arguments of all commands, explained in one language."""
    _ = language.gettext
    top = argparse.ArgumentParser(prog="grader", description=_("Grade notebooks of fastai book chapter 17."))
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    spoken = _shared("--lang", _("language of pages and messages (default: the locale's)"), choices=sorted(LANGUAGES))
    workers = _shared("--workers", _("processes (default: one a core)"), type=int, default=os.cpu_count() or 1)
    course = _shared("--course", _("the course's folder (default: here, or above)"), type=Path, default=Path())
    risky = _shared("--unconfined", _("go on where the sandbox is incomplete; is recorded"), action="store_true")
    packed = _shared("--wheel", _("the grader's wheel (default: built from its checkout)"), type=Path)
    grade = commands.add_parser(
        "grade",
        parents=[workers, risky, course, spoken],
        help=_("grade a folder or zip of notebooks"),
        description=_("Grade every notebook of a folder or zip: results.jsonl, grades.csv, feedback/, index.html."),
        epilog=_(
            "Exit codes: 0 all graded; 1 something was not run through no fault of a student; 2 unusable arguments."
        ),
    )
    grade.add_argument("assignment", help=_("name of the assignment, e.g. ch17"))
    grade.add_argument("submissions", type=Path, help=_("submitted/<student>/<assignment>/*.ipynb, *.ipynb, or a zip"))
    grade.add_argument("--out", type=Path, required=True, help=_("folder for the results (made when missing)"))
    grade.add_argument("--only", default="", metavar="NAMES", help=_("grade these exercises only, e.g. relu,mse"))
    grade.add_argument("--force", action="store_true", help=_("grade all again, whatever results there are"))
    grade.add_argument(
        "--time-limit", type=float, default=5.0, metavar="SECONDS", help=_("CPU time a call may take (5)")
    )
    grade.add_argument("--memory", type=int, default=1024, metavar="MB", help=_("memory a notebook may use (1024)"))
    text = _("grade on the workers of this dask scheduler, in place of processes of this machine")
    grade.add_argument("--cluster", metavar="ADDRESS", help=text)
    text = _("write nbgrader's gradebook, autograded/ and feedback/ too (default: the one of nbgrader_config.py)")
    grade.add_argument("--gradebook", nargs="?", const="", metavar="URL", help=text)
    grade.add_argument("--add-students", action="store_true", help=_("add students that the gradebook does not know"))
    grade.set_defaults(run=grade_command)
    mine = commands.add_parser(
        "check",
        parents=[spoken],
        help=_("check one notebook, as a student does"),
        description=_("Check one notebook as `pytest` in its folder does; with --watch again whenever it is saved."),
        epilog=_("Exit codes: 0 all right so far; 1 something is wrong; 2 unusable arguments."),
    )
    mine.add_argument("notebook", type=Path, nargs="?", help=_("the notebook (default: the only one here)"))
    mine.add_argument("-k", default="", metavar="NAMES", help=_("these exercises only, as pytest's -k takes them"))
    mine.add_argument("--watch", action="store_true", help=_("check again whenever the notebook is saved"))
    mine.set_defaults(run=check_command)
    check = commands.add_parser(
        "verify",
        parents=[workers, course, spoken],
        help=_("check the course itself"),
        description=_(
            "Check a course: the reference gets full points, the stub none, each known mistake is caught, each right "
            "variant passes, points agree; prompts and hints speak both languages; the release is what nbgrader makes "
            "of the source, without a line of a solution or a hidden test; nothing else lies about."
        ),
        epilog=_("Exit codes: 0 all in order; 1 something is off (a line each); 2 unusable arguments."),
    )
    check.add_argument("assignment", nargs="?", help=_("name of the assignment (default: all)"))
    check.set_defaults(run=verify_command)
    handout = commands.add_parser(
        "kit",
        parents=[packed, course, spoken],
        help=_("build the zip that students get"),
        description=_("Build the zip that students get: notebook, public checks, instructions, and the grader itself."),
    )
    handout.add_argument("assignment", help=_("name of the assignment, e.g. ch17"))
    handout.add_argument("--out", type=Path, help=_("the zip (default: <assignment>-kit.zip)"))
    handout.set_defaults(run=kit_command)
    export = commands.add_parser(
        "export",
        parents=[packed, risky, course, spoken],
        help=_("grades for other systems, or an autograder for Gradescope"),
        description=_("Write grades as CSV, as Canvas or Moodle import them, or the zip that Gradescope runs."),
        epilog=_("Exit codes: 0 done; 1 the roster does not know somebody (it says whom); 2 unusable arguments."),
    )
    export.add_argument("format", choices=["csv", "canvas", "moodle", "gradescope"])
    export.add_argument("assignment", help=_("name of the assignment, e.g. ch17"))
    text = _("results of grader grade --out OUT")
    export.add_argument("--from", type=Path, dest="results", metavar="OUT", help=text)
    text = _("without --from: this gradebook, not that of nbgrader_config.py")
    export.add_argument("--gradebook", default="", metavar="URL", help=text)
    text = _("what Canvas or Moodle exported, to find people by")
    export.add_argument("--roster", type=Path, metavar="CSV", help=text)
    export.add_argument("--out", type=Path, required=True, help=_("the file to write"))
    export.set_defaults(run=export_command)
    page = commands.add_parser(
        "table",
        parents=[course, spoken],
        help=_("write what is asked and how it is graded"),
        description=_("Print a page in Markdown: each exercise's question, answer, checks and known mistakes."),
    )
    page.set_defaults(run=table_command)
    return top


def _shared(name: str, text: str, **more: Any) -> argparse.ArgumentParser:
    """An option that several commands have."""
    part = argparse.ArgumentParser(add_help=False)
    part.add_argument(name, help=text, **more)
    return part


def _language(arguments: Sequence[str]) -> Language:
    """The language that the arguments ask for, before anything is said about them."""
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--lang")
    code = first.parse_known_args([word for word in arguments if word != "--"])[0].lang
    return chosen(code if code in LANGUAGES else None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the ``grader`` command; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    language = _language(given)
    options = parser(language).parse_args(given)
    try:
        return int(options.run(options, language))
    except (Unusable, ClusterError, CourseError, SubmissionsError) as error:
        return _refused(language.say(error.said))
    except EngineError as error:
        return _refused(str(error))
    except KeyboardInterrupt:
        print("grader: " + language.gettext(_STOPPED), file=sys.stderr)
        return NOT_RUN
    except OSError as error:
        return _refused(f"{error.filename or ''}: {error.strerror or error}")


_STOPPED = N_("stopped; what was graded is kept, the same command goes on from there")


def _refused(text: str) -> int:
    print(f"grader: {text}", file=sys.stderr)
    return UNUSABLE


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
    shared = out.absolute() if options.cluster else None  # what is unpacked must be seen by whoever grades it
    with tempfile.TemporaryDirectory(prefix="grader-in-", dir=shared) as scratch:
        files = find(options.submissions.absolute(), assignment.name, Path(scratch))
        if options.force:
            batch.forget(job, files)
        graded, trouble = _run(console, job, files, options, language)
        left_out = recorder.write(files, graded) if recorder else []
    results = write_outputs(out, assignment, only, graded, language)
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
            handback.write(result)
            handback.sweep(result.student)
            lines.write(exports.results_line(result))
            kept.append(gist.of(result))
    exports.write_grades_csv(kept, out / "grades.csv")
    links = {result.student: handback.path(result.student).relative_to(out).as_posix() for result in kept}
    write_whole(out / "index.html", roster.class_page(kept, exercises, links, language).encode())
    return kept


def _verdict(results: Sequence[SubmissionResult], trouble: str | None, language: Language) -> int:
    ours = [result.student for result in results if result.status == "error" or "engine" in result.flags]
    if trouble:
        print(f"grader: {trouble}", file=sys.stderr)
    if ours:
        said = sentence("not (wholly) run, through no fault of theirs: %(names)s", names=", ".join(ours[:20]))
        print(f"grader: {language.say(said)}", file=sys.stderr)
    return NOT_RUN if ours or trouble else OK


if __name__ == "__main__":
    sys.exit(main())
