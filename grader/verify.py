"""The course's own check: does the suite pass what is right, catch what is wrong, and is the release what it should be?

For whoever adds an exercise. Each `Finding` is one line that says what is off, where, and what to do.
"""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path

import msgspec

from grader import batch, grading, release
from grader.composed import compose, reference_answers
from grader.course import Assignment, CourseError
from grader.mistakes import Mistake, entries, mistakes
from grader.model import ExerciseResult, SubmissionResult
from grader.sandbox.client import Limits
from grader.store import Job, out_of_reach
from grader.submissions import SubmissionFile


class Variant(msgspec.Struct, frozen=True):
    """A right answer in another style; ``book`` marks the chapter's own code."""

    exercise: str
    name: str
    source: str
    book: bool = False


class _Variants(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    variant: list[Variant]


class Counts(msgspec.Struct):
    """What was verified; as text, one line."""

    exercises: int = 0
    checks: int = 0
    hidden: int = 0
    mistakes: int = 0
    caught: int = 0
    variants: int = 0
    passed: int = 0
    release_compared: bool = True

    def __str__(self) -> str:
        return (
            f"{self.exercises} exercises, {self.checks} checks ({self.hidden} hidden), "
            f"mistakes caught {self.caught} of {self.mistakes}, right variants passed {self.passed} of {self.variants}"
            + ("" if self.release_compared else "; nbgrader is not installed: the release was not compared")
        )


def variants(assignment: Assignment) -> list[Variant]:
    """The right variants, in the order of their files. Raises `CourseError`."""
    return [entry for body in entries(assignment, "variants", _Variants) for entry in body.variant]


# ---------------------------------------------------------------- notebooks to verify with


def hollow(source: str, statement: str) -> str:
    """An answer that does nothing: each of its functions has ``statement`` for a body, each value is None.

    >>> hollow("def f(x):\n    return 2 * x\nq = 3", "raise ValueError(args)")
    'def f(*args, **kwargs):\n    raise ValueError(args)\nq = None'
    """
    return ast.unparse(_Hollow(statement).visit(ast.parse(source)))


class _Hollow(ast.NodeTransformer):
    def __init__(self, statement: str) -> None:
        [self.empty] = ast.parse(f"def empty(*args, **kwargs): {statement}").body

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        assert isinstance(self.empty, ast.FunctionDef)
        return ast.FunctionDef(node.name, self.empty.args, self.empty.body, [], lineno=0)

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        return ast.Assign(node.targets, ast.Constant(None), lineno=0)


def worthless(answers: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Notebooks that must not earn a point, by what they are. ``args`` in the message: a check may look there."""
    return {
        "released stub": {},
        "answer that returns None": {name: hollow(text, "return None") for name, text in answers.items()},
        "answer that always raises": {name: hollow(text, "raise ValueError(args)") for name, text in answers.items()},
    }


def calls(assignment: Assignment) -> dict[str, set[str]]:
    """For each exercise the others whose answers its reference answer calls."""
    answered_by, cells = grading.answers(assignment.exercises), list(reference_answers(assignment).items())
    return {name: grading.calls(name, answered_by, cells) for name in answered_by}


def rounds(
    entries: Sequence[Mistake], names: Sequence[str], depends: Mapping[str, set[str]]
) -> list[dict[str, Mistake]]:
    """Mistakes dealt out over as few notebooks as possible, so that one never hides another.

    In each, no wrong exercise calls another wrong one; where most mistakes wait comes first.
    """
    related = {name: depends[name] | {other for other in names if name in depends[other]} for name in names}
    waiting = {name: [entry for entry in entries if entry.exercise == name] for name in names}
    dealt = []
    while any(waiting.values()):
        wrong: dict[str, Mistake] = {}
        for name in sorted(names, key=lambda name: -len(waiting[name])):
            if waiting[name] and not related[name] & wrong.keys():
                wrong[name] = waiting[name].pop(0)
        dealt.append(wrong)
    return dealt


# ---------------------------------------------------------------- the verification


def verify(assignment: Assignment, executor: Callable[[], Executor], workers: int) -> tuple[Counts, list[str]]:
    """All of it: what was counted, and one line for each thing that is off."""
    answers = reference_answers(assignment)
    known, right = mistakes(assignment), variants(assignment)
    names = [exercise.name for exercise in assignment.exercises]
    depends = calls(assignment)
    dealt = rounds(known, names, depends)
    styles = _styles(right, names)
    notebooks = {
        "reference": compose(assignment, answers),
        **{name: compose(assignment, empty) for name, empty in worthless(answers).items()},
        **{f"m{n}": compose(assignment, answers | {e: m.source for e, m in r.items()}) for n, r in enumerate(dealt)},
        **{f"v{n}": compose(assignment, answers | {e: v.source for e, v in r.items()}) for n, r in enumerate(styles)},
    }
    results = grade(assignment, notebooks, executor, workers)
    counts, problems = Counts(len(names)), list(_texts(known, right, names))
    problems += release.prompts(assignment)
    problems += release.leaks(assignment)
    problems += (stale := release.stale(assignment)) or []
    counts.release_compared = stale is not None
    problems += _whole(assignment, results["reference"], counts)
    for name in worthless(answers):
        problems += _nothing_earned(name, results[name])
    for number, wrong in enumerate(dealt):
        problems += _wrong(wrong, results[f"m{number}"], depends, counts)
    for number, style in enumerate(styles):
        problems += _right(style, results[f"v{number}"], counts)
    return counts, problems


def _styles(entries: Sequence[Variant], names: Sequence[str]) -> list[dict[str, Variant]]:
    waiting = {name: [entry for entry in entries if entry.exercise == name] for name in names}
    most = max((len(found) for found in waiting.values()), default=0)
    return [{name: found[n] for name, found in waiting.items() if n < len(found)} for n in range(most)]


def grade(
    assignment: Assignment,
    notebooks: Mapping[str, bytes],
    executor: Callable[[], Executor],
    workers: int,
    only: Sequence[str] = (),
    naming: bool = False,
) -> dict[str, SubmissionResult]:
    """Grade notebooks given as bytes, by name: ``only`` some exercises, and ``naming`` the mistakes in them."""
    with tempfile.TemporaryDirectory(prefix="grader-verify-") as folder:
        results, files = Path(folder, "results"), []
        results.mkdir()
        for name, data in notebooks.items():
            path = Path(folder, f"{name}.ipynb")
            path.write_bytes(data)
            files.append(SubmissionFile(name, path.name, path))
        limits = Limits(cpu=3.0, wall=30.0)
        protected = out_of_reach(assignment.secrets)
        job = Job(assignment.root, assignment.name, results, protected, tuple(only), limits=limits, naming=naming)
        graded, trouble = batch.run(job, files, executor, workers, lambda done: None)
        if trouble:
            raise CourseError(f"{assignment.suite}: {trouble}")
        return {result.student: result for result in graded}


def _nothing_earned(name: str, result: SubmissionResult) -> Iterator[str]:
    for exercise in result.exercises:
        if exercise.score:
            passed = ", ".join(check.id for check in exercise.checks if check.points)
            yield f"{exercise.name}: the {name} earns {exercise.score:g} points; it passes {passed}"
    if result.status != "graded":
        yield f"the {name} could not be graded: {result.problem}"


def _whole(assignment: Assignment, reference: SubmissionResult, counts: Counts) -> Iterator[str]:
    points = {exercise.name: exercise.points for exercise in assignment.exercises}
    for exercise in reference.exercises:
        counts.checks += len(exercise.checks)
        counts.hidden += sum(check.hidden for check in exercise.checks)
        if not exercise.checks:
            yield f"{exercise.name}: no check; write one in {assignment.suite}"
        elif exercise.max_score != points[exercise.name]:
            given = points[exercise.name]
            yield f"{exercise.name}: the notebook gives {given:g} points, its checks {exercise.max_score:g}"
        yield from (f"{exercise.name}: the reference fails {line}" for line in _failures(exercise))
    if reference.status != "graded":
        yield f"the reference could not be graded: {reference.problem}"


def _failures(exercise: ExerciseResult) -> Iterator[str]:
    for check in exercise.checks:
        if check.verdict != "passed":
            yield f"{check.id}: {check.message}"


def _wrong(
    wrong: Mapping[str, Mistake], result: SubmissionResult, depends: Mapping[str, set[str]], counts: Counts
) -> Iterator[str]:
    for exercise in result.exercises:
        failed = [check for check in exercise.checks if check.verdict == "failed"]
        if mistake := wrong.get(exercise.name):
            counts.mistakes += 1
            counts.caught += bool(failed)
            if not failed:
                yield f"{exercise.name}: no check catches the mistake {mistake.code!r}"
        elif depends[exercise.name] & set(wrong):
            for check in failed:
                if check.reason != "blocked":
                    yield f"{exercise.name}: {check.id} fails, and does not say what it is blocked by"
        else:
            for line in _failures(exercise):
                yield f"{exercise.name}: right, and fails beside mistakes of other exercises: {line}"
        if any(check.verdict == "not_run" for check in exercise.checks):
            yield f"{exercise.name}: not run; problem: {result.problem}, notes: {'; '.join(map(str, result.notes))}"


def _right(style: Mapping[str, Variant], result: SubmissionResult, counts: Counts) -> Iterator[str]:
    for exercise in result.exercises:
        if variant := style.get(exercise.name):
            failures = list(_failures(exercise))
            counts.variants += 1
            counts.passed += not failures
            for line in failures:
                yield f"{exercise.name}: the right variant {variant.name!r} fails {line}"


def _texts(known: Sequence[Mistake], right: Sequence[Variant], names: Sequence[str]) -> Iterator[str]:
    hints: dict[tuple[str, str], tuple[str, str]] = {}
    for entry in known:
        where = f"mistake {entry.code!r} of {entry.exercise}"
        if entry.exercise not in names:
            yield f"{where}: no such exercise"
        if not entry.hint_en.strip() or not any("\u4e00" <= char <= "\u9fff" for char in entry.hint_zh):
            yield f"{where}: needs a hint in English and one in Chinese"
        said = entry.hint_en, entry.hint_zh
        if hints.setdefault((entry.exercise, entry.code), said) != said:
            yield f"{where}: the same code with another hint"
    yield from (f"variant {v.name!r} of {v.exercise}: no such exercise" for v in right if v.exercise not in names)
