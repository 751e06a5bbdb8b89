"""The command line: ``grader grade``, ``check``, ``verify``, ``kit``, ``export`` and ``table``.

Exit codes of all: 0 done, and nothing is wrong; 1 something is, and it is named (see each command's ``--help``); 2
unusable arguments, or a machine on which student code cannot be confined.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grader.exits import NOT_RUN, UNUSABLE
from grader.findings import EngineError
from grader.languages import ENGLISH, LANGUAGES, Language, chosen
from grader.sentences import N_, Told


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
    grade.set_defaults(run="grade_command")
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
    mine.set_defaults(run="check_command")
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
    check.set_defaults(run="verify_command")
    handout = commands.add_parser(
        "kit",
        parents=[packed, course, spoken],
        help=_("build the zip that students get"),
        description=_("Build the zip that students get: notebook, public checks, instructions, and the grader itself."),
    )
    handout.add_argument("assignment", help=_("name of the assignment, e.g. ch17"))
    handout.add_argument("--out", type=Path, help=_("the zip (default: <assignment>-kit.zip)"))
    handout.set_defaults(run="kit_command")
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
    export.set_defaults(run="export_command")
    page = commands.add_parser(
        "table",
        parents=[course, spoken],
        help=_("write what is asked and how it is graded"),
        description=_("Print a page in Markdown: each exercise's question, answer, checks and known mistakes."),
    )
    page.set_defaults(run="table_command")
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
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl+C: nothing is left lying about
    try:
        command = getattr(importlib.import_module("grader.commands"), options.run)  # for --help it would take too long
        return int(command(options, language))
    except Told as error:
        return _refused(language.say(error.said))
    except EngineError as error:
        return _refused(str(error))
    except KeyboardInterrupt:
        print("grader: " + language.gettext(_STOPPED), file=sys.stderr)
        return NOT_RUN
    except OSError as error:
        return _refused(f"{error.filename or ''}: {error.strerror or error}")
    finally:
        signal.signal(signal.SIGTERM, before)


_STOPPED = N_("stopped; what was graded is kept, the same command goes on from there")


def _refused(text: str) -> int:
    print(f"grader: {text}", file=sys.stderr)
    return UNUSABLE


if __name__ == "__main__":
    sys.exit(main())
