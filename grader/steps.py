"""nbgrader's own commands on our engine: what ``nbgrader_config.py`` puts in place of nbgrader's steps.

::

    nbgrader autograde            Submitted -> Rebuild -> autograded/   (sanitize)
                                  Submitted -> Grade   -> autograded/, gradebook
    nbgrader generate_feedback    Feedback  -> feedback/

No step runs student code, or believes anything that a submitted file says of itself: the notebook of record is the
released one with the student's answers in it, so nothing can be doubled, missing or changed there.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor
from pathlib import Path
from typing import Any

import nbformat

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what nbgrader's libraries will do away with some day says nothing of ours
    from nbconvert.exporters import HTMLExporter, NotebookExporter
    from nbgrader.preprocessors import NbGraderPreprocessor

from traitlets import Bool, Float, Int

from grader import batch, record, report
from grader.course import Assignment, Course
from grader.coursedir import Handin, handin, notes
from grader.gradebook import Gradebook
from grader.languages import chosen
from grader.model import SubmissionResult
from grader.names import safe_name
from grader.nbfile import Notebook, load, parse
from grader.notebook import Submission, read_path
from grader.sandbox.client import Limits
from grader.store import Job, out_of_reach
from grader.submissions import SubmissionFile

__all__ = ["Feedback", "Grade", "Rebuild", "Submitted"]


class Submitted(NotebookExporter):
    """Opens whatever lies at a submission's place: bytes that are no notebook stop nobody."""

    def from_filename(self, filename: str, resources: Any = None, **more: Any) -> Any:
        """An empty notebook to go on from: each step reads the submission itself."""
        empty: Any = nbformat.v4.new_notebook()
        from_node: Any = self.from_notebook_node
        return from_node(empty, resources=resources, **more)


class _Step(NbGraderPreprocessor):  # type: ignore[misc]
    """A step between nbgrader's folders; ``parent`` is the exporter, and its parent the converter."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """The notebook of record, in place of ``nb``."""
        names = resources["nbgrader"]
        directory = self.parent.parent.coursedir
        root = Path(directory.root)
        assignment = Course(root).assignment(names["assignment"])
        folder = directory.format_path(directory.submitted_directory, names["student"], assignment.name)
        name = f"{names['notebook']}.ipynb"
        file = SubmissionFile(safe_name(names["student"]), name, Path(folder) / name)
        result = self.result(assignment, file, names, directory.course_id)
        parsed = _parsed(file)
        return record.notebook(assignment, parsed.cells if parsed else (), result, chosen()), resources

    def result(self, assignment: Assignment, file: SubmissionFile, names: Any, course_id: str) -> SubmissionResult:
        """What there is to say of the submission."""
        raise NotImplementedError


def _parsed(file: SubmissionFile) -> Notebook | None:
    data = load(file.path) if file.path else b""
    parsed = parse(data) if isinstance(data, bytes) else None
    return parsed if isinstance(parsed, Notebook) else None


class Rebuild(_Step):
    """In place of the steps that clear outputs, drop doubled ids, and overwrite and check cells."""

    def result(self, assignment: Assignment, file: SubmissionFile, names: Any, course_id: str) -> SubmissionResult:
        """The answers, not graded yet."""
        found = read_path(file.path, assignment) if file.path else None
        answered = found if isinstance(found, Submission) else None
        return batch.ungraded(assignment.name, assignment.exercises, file, "not graded yet", submission=answered)


class Grade(_Step):
    """In place of the steps that execute a notebook and save what its outputs say."""

    time_limit = Float(5.0, help="Seconds of CPU time that one call of an answer may take.").tag(config=True)
    memory = Int(1024, help="MB that a notebook may use beyond the libraries.").tag(config=True)
    unconfined = Bool(False, help="Go on where the sandbox is incomplete; every report says so.").tag(config=True)

    def result(self, assignment: Assignment, file: SubmissionFile, names: Any, course_id: str) -> SubmissionResult:
        """Grade the submission, and write it to the gradebook. Raises `GradebookError` and `EngineError`."""
        result = self._graded(assignment, file)
        found = handin(file, assignment.name)
        gradebook = Gradebook(names["db_url"], course_id or "default_course", chosen())
        try:
            gradebook.write(assignment, [result], submitted=_times(result, found), anew=True)
        finally:
            gradebook.close()
        for problem in (result.problem, *(f"flagged: {flag}" for flag in result.flags)):
            if problem:
                self.log.info("%s: %s", file.student, problem)
        return result

    def _graded(self, assignment: Assignment, file: SubmissionFile) -> SubmissionResult:
        limits = Limits.of(self.time_limit, self.memory << 20)
        protected = out_of_reach(assignment.secrets, _scratch())  # always the same: one engine serves the whole class
        job = Job(assignment.root, assignment.name, _scratch(), protected, (), limits, self.unconfined)
        with _environment_kept():
            [result], trouble = batch.run(job, [file], _warm, 1, lambda done: None)
        batch.forget(job, [file])
        if trouble:
            self.log.error("%s: %s", assignment.name, trouble)
        return result


def _times(result: SubmissionResult, found: Handin) -> dict[str, Any]:
    return {} if found.time is None else {result.student: found.time}


@functools.cache
def _scratch() -> Path:
    """Where results lie between our two processes."""
    folder = tempfile.TemporaryDirectory(prefix="grader-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


@functools.cache
def _process() -> Executor:
    return batch.processes(1)()


@contextlib.contextmanager
def _warm() -> Iterator[Executor]:
    """One process that grades, kept from one submission to the next; a new one when it was killed."""
    try:
        _process().submit(os.getpid).result()
    except BrokenExecutor:
        _process.cache_clear()
    yield _process()


@contextlib.contextmanager
def _environment_kept() -> Iterator[None]:
    """What our processes start with is not for the kernels that a Jupyter server starts later."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Feedback(HTMLExporter):
    """A student's report, with what a person gave and wrote; nbgrader's own page for notebooks of other graders."""

    def from_filename(self, filename: str, resources: Any = None, **more: Any) -> Any:
        """The page of a notebook of record."""
        result = record.result_of(nbformat.read(filename, as_version=4))
        if result is None:
            return super().from_filename(filename, resources=resources, **more)
        names = resources["nbgrader"]
        converter: Any = self.parent
        directory = converter.coursedir
        assignment = Course(Path(directory.root)).assignment(names["assignment"])
        gradebook = Gradebook(names["db_url"], directory.course_id or "default_course")
        try:
            found = gradebook.read(assignment.name).get(names["student"])
        finally:
            gradebook.close()
        notes(Path(directory.format_path(directory.feedback_directory, names["student"], assignment.name)))
        own: Any = self._init_resources
        return report.student_page(result, assignment.exercises, chosen(), found), own(resources)
