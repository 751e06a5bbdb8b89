"""Configuration of nbgrader: the course's folders and the stubs of the released notebooks."""

c = get_config()  # noqa: F821  (nbgrader puts it there)

c.CourseDirectory.course_id = "fastbook"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "assignments"

c.ClearSolutions.code_stub = {"python": "raise NotImplementedError"}
c.ClearSolutions.text_stub = "*Your answer here. 在这里作答。*"
