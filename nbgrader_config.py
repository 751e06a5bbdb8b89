"""Configuration of nbgrader: the course's folders, the stubs of the released notebooks, and our engine."""

c = get_config()  # noqa: F821  (nbgrader puts it there)

c.CourseDirectory.course_id = "fastbook"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "assignments"

c.ClearSolutions.code_stub = {"python": "raise NotImplementedError"}
c.ClearSolutions.text_stub = "*Your answer here. 在这里作答。*"

# nbgrader autograde, and the formgrader's button: our engine, behind the same wall as `grader grade`
c.Autograde.exporter_class = "grader.steps.Submitted"
c.Autograde.sanitize_preprocessors = ["grader.steps.Rebuild"]
c.Autograde.autograde_preprocessors = ["grader.steps.Grade", "nbgrader.preprocessors.AssignLatePenalties"]

# nbgrader generate_feedback: our report, with what graders gave and wrote
c.GenerateFeedback.exporter_class = "grader.steps.Feedback"
