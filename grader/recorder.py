"""A graded batch on nbgrader's record: the gradebook's rows, notebooks for the formgrader, reports to release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import nbformat

from grader import record, report
from grader.course import Assignment
from grader.coursedir import Folders, Handin, fill, handin
from grader.gradebook import Gradebook
from grader.languages import ENGLISH, Language
from grader.model import Record, SubmissionResult
from grader.nbfile import Notebook, load, parse
from grader.sentences import N_, Text, listed, sentence
from grader.submissions import SubmissionFile


class Recorder:
    """Records batches of one assignment in one gradebook; "" is the one that ``nbgrader_config.py`` names.

    Making it opens the gradebook, so that one that cannot be used is found before an hour of grading. Raises
    `GradebookError`.
    """

    def __init__(
        self, assignment: Assignment, url: str = "", language: Language = ENGLISH, add_students: bool = False
    ) -> None:
        self.assignment, self.add_students, self.language = assignment, add_students, language
        self.folders = Folders(assignment.root)
        self.gradebook = Gradebook(url or self.folders.url, self.folders.course_id, language)

    def write(self, files: Sequence[SubmissionFile], results: Sequence[SubmissionResult]) -> list[Text]:
        """Record a batch; a line for each thing that was left out. Raises `GradebookError` and `OSError`."""
        handins = {file.student: handin(file, self.assignment.name) for file in files}
        times = {student: time for student, found in handins.items() if (time := found.time) is not None}
        ids = self.gradebook.write(
            self.assignment, results, submitted=times, penalty=self.folders.penalty, add_students=self.add_students
        )
        records = self.gradebook.read(self.assignment.name)
        cells = {file.student: file for file in files}
        for result in results:
            if (name := ids.get(result.student)) is not None and result.status != "error":
                self._folders(name, result, cells[result.student], handins[result.student], records)
        unknown = [result.student for result in results if result.student not in ids]
        return [_unknown(unknown)] if unknown else []

    def _folders(
        self, name: str, result: SubmissionResult, file: SubmissionFile, found: Handin, records: Mapping[str, Record]
    ) -> None:
        assignment = self.assignment
        autograded = self.folders.autograded(name, assignment.name)
        feedback = self.folders.feedback(name, assignment.name)
        if autograded is None or feedback is None:
            return
        data = load(file.path) if file.path else b""
        parsed = parse(data) if isinstance(data, bytes) else data
        cells = parsed.cells if isinstance(parsed, Notebook) else ()
        kept = nbformat.writes(record.notebook(assignment, cells, result, self.language)).encode()
        page = report.student_page(result, assignment.exercises, self.language, records.get(name)).encode()
        fill(autograded, f"{assignment.name}.ipynb", kept, found)
        fill(feedback, f"{assignment.name}.html", page, found)


def _unknown(students: Sequence[str]) -> Text:
    text = N_("not in the gradebook, and not written to it: %(names)s; add them there, or with --add-students")
    return sentence(text, names=listed(students, 20))
