"""What pytest loads first: is there a submission to check? Every pytest run in the environment comes through here.

It stays out of the way of any that has none: a submission is named by ``--submission``, or is the one notebook of a
known assignment in the folder where ``pytest`` was called without arguments. Nothing here imports torch: where there is
a submission, the fork server starts first, and both load it at the same time.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
from pathlib import Path

import pytest

from grader.course import Assignment, Course, CourseError
from grader.engines import Warm
from grader.languages import LANGUAGES, chosen
from grader.nbfile import load
from grader.sentences import N_, sentence


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--submission``, ``--assignment`` and ``--lang``."""
    _ = chosen().gettext
    group = parser.getgroup("grader", _("check a notebook"))
    group.addoption("--submission", metavar="FILE", help=_("the notebook to check"))
    group.addoption("--assignment", metavar="NAME", help=_("its assignment, when the file's name does not tell"))
    group.addoption("--lang", choices=sorted(LANGUAGES), help=_("language of the messages (default: the locale's)"))


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Set up the student's own run when there is a submission; in a course without one, what its suites need."""
    if getattr(config.option, "collectonly", False) or not (found := _found(config)):
        if _in_course(config):
            config.pluginmanager.import_plugin("grader.plugin")
        return
    mine = Warm()
    config.add_cleanup(mine.close)
    warm = next((one for one in config.pluginmanager.get_plugins() if isinstance(one, Warm)), mine)
    data = load(found[1])
    text = data.decode(errors="replace") if isinstance(data, bytes) else ""
    modules = found[0].modules_of_cells if _is_part(config) else found[0].modules_for
    engine = warm.engine(found[0], modules(text))
    gc.disable()  # there is little garbage in a run of seconds, and to look for it among all of torch takes one of them
    config.add_cleanup(gc.enable)
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)  # nor need Python look for it at its end
    from grader.ownrun import OwnRun

    config.pluginmanager.import_plugin("grader.plugin")
    config.pluginmanager.register(OwnRun(config, *found, engine), "grader-own-run")


def _is_part(config: pytest.Config) -> bool:
    """Does a student ask for some of the checks?"""
    return bool(config.option.keyword or config.option.markexpr or any("::" in arg for arg in config.args))


def _in_course(config: pytest.Config) -> bool:
    with contextlib.suppress(CourseError):
        return bool(Course.find(config.rootpath))
    return False


def _found(config: pytest.Config) -> tuple[Assignment, Path] | None:
    try:
        return _own_submission(config)
    except CourseError as error:
        raise pytest.UsageError(chosen(config.getoption("lang")).say(error.said)) from None


def _own_submission(config: pytest.Config) -> tuple[Assignment, Path] | None:
    named = config.getoption("submission")
    bare = config.args_source is not pytest.Config.ArgsSource.ARGS
    folder = config.invocation_params.dir
    if named:
        path = folder / named
        course = _course(path.parent, folder)
    elif bare and len(notebooks := sorted(folder.glob("*.ipynb"))) == 1:
        path = notebooks[0]
        try:
            course = Course.find(folder)
        except CourseError:
            return None
    else:
        return None
    if name := config.getoption("assignment"):
        assignment = course.assignment(name)
    else:
        assignment, known = _assignment(course, path)
        if not (known or named):
            return None
    config.option.importmode = "importlib"  # public and hidden suites have files of the same name
    if bare:
        config.args[:] = [str(folder) for folder in assignment.suites]
    return assignment, path


def _assignment(course: Course, path: Path) -> tuple[Assignment, bool]:
    """The assignment that a notebook answers, told by its own name or its folder's, else by what it holds.

    The second is whether that is known; where nothing tells, the first assignment will say what it misses.
    """
    for name in (path.stem, path.absolute().parent.name):
        if name in course.names:
            return course.assignment(name), True
    answered = [(_answered(path, assignment), assignment) for assignment in map(course.assignment, course.names)]
    if not answered:
        text = N_("no assignment is released; put the notebooks into %(path)s")
        raise CourseError(sentence(text, path=course.root / "assignments"))
    count, assignment = max(answered, key=lambda pair: pair[0])
    return assignment, count > 0


def _answered(path: Path, assignment: Assignment) -> int:
    """How many of the assignment's exercises a notebook holds a cell of."""
    from grader.notebook import Problem, read_path  # brings IPython: where names tell, the fork server starts before it

    submission = read_path(path, assignment)
    return 0 if isinstance(submission, Problem) else sum(map(bool, submission.sources.values()))


def _course(*places: Path) -> Course:
    """The course that the first of these places lies in that lies in one. Raises `CourseError`."""
    for place in places[:-1]:
        with contextlib.suppress(CourseError):
            return Course.find(place)
    return Course.find(places[-1])
