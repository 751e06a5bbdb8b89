"""Grading one submission: its checks one after the other, and what they add up to.

Results start from the full list of exercises and checks, all *not run*, so nothing can vanish.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
import torch

from grader import apart, compare, how, wording
from grader.attempt import Attempt
from grader.findings import CheckFailed, EngineError, NotAsAsked, StudentMissing
from grader.mistakes import Mistake
from grader.model import (
    CheckResult,
    Exercise,
    ExerciseResult,
    ExerciseVerdict,
    Finding,
    Flag,
    SubmissionResult,
)
from grader.notebook import Submission
from grader.observed import Behaviour, Given, Observed, alike
from grader.reading import Reading, TooLarge
from grader.sandbox.client import Limits, Transport
from grader.sentences import Text, both, joined, sentence
from grader.source import names
from grader.student import Student
from grader.vocabulary import LOOP


@dataclass(frozen=True)
class Check:
    """One check of the suite: ``id`` is unique within the assignment, ``points`` are absolute.

    ``seconds`` is the CPU time that one of its calls may take, None for the usual. ``watched``: it asks how the answer
    computes, and so is run with what was read for that answer alone.
    """

    id: str
    exercise: str
    points: float
    hidden: bool
    title: Text
    seconds: float | None = None
    watched: bool = False


@dataclass
class Grading:
    """One submission being graded. ``begin`` before each check, ``record`` after it, ``result`` at the end.

    ``known`` tells which known mistake behaves as an exercise's answer does, if any; None where nothing is known.
    ``before`` has what is known already of some exercises: their checks are not run again.
    """

    exercises: Sequence[Exercise]
    checks: Sequence[Check]
    submission: Submission
    start: Callable[[], Transport]
    limits: Limits = field(default_factory=Limits)
    known: Callable[[str, Behaviour], Mistake | None] | None = None
    before: Mapping[str, ExerciseResult] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.attempt = main = Attempt(self.submission, self.start, self.limits)
        self.apart = Attempt(self.submission, self.start, self.limits, main.flags, main.notes, main.reading, kept={})
        self.student = Student(self.attempt, {e.name: parameters(e.stub) for e in self.exercises})
        self._answered_by = answers(self.exercises)
        self._cells = [(cell.label, cell.python) for cell in self.submission.cells if cell.python]
        self._tampering = how.tampering(self._cells, self.attempt.reading)
        if self._tampering:
            used = sentence("the notebook uses %(names)s", names=", ".join(self._tampering[:5]))
            self.attempt.note("tampering", used)
        self._is_calm = apart.is_calm(self._cells, self.attempt.reading)
        self._results = {check.id: not_run(check) for check in self.checks}
        self._results |= {check.id: check for result in self.before.values() for check in result.checks}
        self._findings: dict[str, Finding] = {}
        self._observed: dict[str, Observed | None] = {}
        self._called: dict[str, set[str]] = {}
        self._exercise = ""
        self._at_end: set[str] = set()

    # ------------------------------------------------------------ one check

    def begin(self, check: Check) -> Student:
        """Make the student ready for a check. Raises `StudentError` when there is nothing to check, or `TooLarge`."""
        self.student.clear()
        if check.hidden != self.attempt.quiet:
            # A hidden check's inputs could come back in what a later cell prints or a later answer returns: hidden
            # checks have workers of their own, from which nothing is shown.
            self._drop()
            self.attempt.quiet = self.apart.quiet = check.hidden
        if check.exercise != self._exercise:
            self._exercise = check.exercise
            if self._tampering:  # what an earlier exercise's code did must not reach this one
                self.attempt.drop()
        place = self.place(check.exercise)
        if place is None:
            raise StudentMissing(Finding("missing", "missing", {"name": check.exercise}))
        attempt = self.attempt
        if check.watched:
            attempt = self.apart
            self._keep(check.exercise, place)
        more = check.seconds
        attempt.call_limits = Limits.of(more, self.limits.memory) if more else self.limits
        self.student.begin(check.exercise, place, attempt)
        return self.student

    def _keep(self, exercise: str, place: int) -> None:
        """Let the worker apart hold what this exercise's answers need.

        Where nothing in the notebook could put something else in an answer's place, one worker serves all of them.
        """
        shared = self._is_calm and exercise not in self._at_end
        keep = self._kept_by_all if shared else self._kept(exercise, place)
        if keep != self.apart.kept:
            self.apart.drop()
            self.apart.kept = keep

    @cached_property
    def _kept_by_all(self) -> apart.Kept:
        watched = dict.fromkeys(check.exercise for check in self.ordered() if check.watched)  # from first to last
        places = ((name, self.submission.places.get(name)) for name in watched)
        return apart.merged(self._kept(name, place) for name, place in places if place is not None)

    def _kept(self, exercise: str, place: int) -> apart.Kept:
        numbers = [number for number, cell in enumerate(self.submission.cells[:place]) if cell.python]
        cells = self._cells[: len(numbers)]
        return apart.kept(sorted(self._answered_by[exercise]), cells, numbers, self.attempt.reading)

    def place(self, exercise: str) -> int | None:
        """How many cells run before the exercise's checks; None when it is missing."""
        place = self.submission.places.get(exercise)
        return len(self.submission.cells) if place is not None and exercise in self._at_end else place

    def ordered(self) -> list[Check]:
        """The checks in the order to run them: public ones first, then hidden ones, each as the notebook goes."""
        last = len(self.submission.cells) + 1

        def key(check: Check) -> tuple[bool, int]:
            place = self.submission.places.get(check.exercise)
            return check.hidden, last if place is None else place

        return sorted((check for check in self.checks if check.exercise not in self.before), key=key)

    def record(self, check: Check, error: BaseException | None) -> CheckResult:
        """Keep what came of a check; returns it."""
        result = self._judge(check, error)
        self._results[check.id] = result
        return result

    def _judge(self, check: Check, error: BaseException | None) -> CheckResult:
        if error is None:
            self._findings.pop(check.id, None)
            self._observed[check.id] = None
            return replace_struct(not_run(check), verdict="passed", points=check.points)
        finding = finding_of(error)
        if finding is None:
            detail = "" if check.hidden else f": {error}"
            self.attempt.note("engine", f"{check.id}: {type(error).__name__}{detail}"[:300])
            return replace_struct(not_run(check), reason="engine", message=f"{type(error).__name__}{detail}"[:300])
        finding = self._with_loops(check, self._with_globals(check, self._plainer(check, finding)))
        self._findings[check.id] = finding
        self._observed[check.id] = Observed(finding, self.student.given)
        return failed(check, finding, self.student.last)

    def _plainer(self, check: Check, finding: Finding) -> Finding:
        """What it comes from, where a finding would blame something else: it knows the value and not how it came."""
        given = self.student.given
        if finding.code == "answer_none" and given and not given[-1].read:
            return Finding("wrong", "none", {"what": "the result"})
        if check.watched and finding.code == "name_error" and finding.facts.get("name") in self._bound_before(check):
            return self._hidden_call(check) or finding
        return finding

    def _bound_before(self, check: Check) -> set[str]:
        return set().union(*self._bound[: self.place(check.exercise)])

    def _hidden_call(self, check: Check) -> Finding | None:
        """The construct by which an answer reaches what its source does not name, so that it is not there."""
        try:
            for answer in sorted(self._answered_by[check.exercise]):
                self.student.how(answer).must_not()
        except NotAsAsked as hidden:
            return hidden.finding
        except TooLarge:
            pass
        return None

    def _with_globals(self, check: Check, finding: Finding) -> Finding:
        """Name the notebook's own variables that a wrong answer reads in place of its arguments."""
        if finding.reason not in ("wrong", "raised"):
            return finding
        answers, reading = self._answered_by[check.exercise], self.attempt.reading
        read = {name for answer in answers for name in how.globals_read(answer, self._cells, reading)}
        return replace_struct(finding, facts={**finding.facts, "globals": ", ".join(sorted(read))}) if read else finding

    def _with_loops(self, check: Check, finding: Finding) -> Finding:
        """Say that the answer has no loop, where it would be asked whether one ends too early."""
        if finding.code not in wording.OF_LOOPS or any(map(self._has_loop, self._answered_by[check.exercise])):
            return finding
        return replace_struct(finding, facts={**finding.facts, "loopless": "yes"})

    def _has_loop(self, answer: str) -> bool:
        try:
            self.student.how(answer).must(LOOP)
        except NotAsAsked:
            return False
        except TooLarge:
            pass
        return True

    # ------------------------------------------------------------ afterwards

    @cached_property
    def _bound(self) -> list[frozenset[str]]:
        """The names that each cell binds."""
        return [names(cell.python) for cell in self.submission.cells]

    def second_chances(self) -> list[Check]:
        """Checks to run again after the last cell: of exercises that failed only for a name that is defined later."""
        again, ordered = [], self.ordered()
        for exercise in self.exercises:
            checks = [check for check in ordered if check.exercise == exercise.name]
            findings = [self._findings[check.id] for check in checks if check.id in self._findings]
            place = self.submission.places.get(exercise.name)
            if findings and place is not None and all(f.code == "name_error" for f in findings):
                later = set().union(*self._bound[place:])
                if any(f.facts.get("name") in later for f in findings):
                    self._at_end.add(exercise.name)
                    again += checks
        return sorted(again, key=lambda check: check.hidden)

    def result(self, assignment: str, student: str, notebook: str) -> SubmissionResult:
        """Everything, once the checks are done."""
        self._settle()
        self._name_mistakes()
        self._mark_not_alone()
        self._mark_blocked()
        exercises = tuple(self._exercise_result(exercise) for exercise in self.exercises)
        flags = sorted({*self.submission.flags, *self.attempt.flags})
        return SubmissionResult(
            assignment=assignment,
            student=student,
            notebook=notebook,
            status="graded",
            score=sum(e.score for e in exercises),
            max_score=sum(e.max_score for e in exercises),
            flags=tuple(flags),
            problem=None,
            exercises=exercises,
            notes=(*self.submission.notes, *self.attempt.notes),
            printed="\n".join(self.attempt.printed)[:20_000],
            written=self.submission.written,
        )

    def behaviour(self, exercise: str) -> Behaviour:
        """What the checks of an exercise saw of its answer."""
        ids = [check.id for check in self.checks if check.exercise == exercise]
        return {number: self._observed[number] for number in ids if number in self._observed}

    def close(self) -> None:
        """End the workers, and forget what was read."""
        self.attempt.reading.forget()
        self._drop()

    def _drop(self) -> None:
        self.attempt.drop()
        self.apart.drop()

    def _settle(self) -> None:
        """What was said of one check's numbers is not kept up where another check saw some that contradict it."""
        for check in self.checks:
            if (finding := self._findings.get(check.id)) is None:
                continue
            others = [self._findings.get(other.id) for other in self.checks if other.exercise == check.exercise]
            settled = self._misread(check) or compare.settled(finding, [other for other in others if other])
            if settled is not finding:
                self._results[check.id] = replace_struct(
                    self._results[check.id],
                    diagnosis=settled.code,
                    message=wording.message(settled, hidden=check.hidden),
                    next_step=wording.next_step(settled, hidden=check.hidden),
                )

    def _misread(self, check: Check) -> Finding | None:
        """What a public check finds wrong in the form of the value that a hidden one judged."""
        value = self._read(check) if check.hidden else None
        for other in self.checks if value else ():
            finding, form = self._findings.get(other.id), self._read(other)
            if other.exercise != check.exercise or other.hidden or not finding or finding.code != "answer_form":
                continue
            if value and form and alike(form.value, value.value):
                return finding
        return None

    def _read(self, check: Check) -> Given | None:
        """The plain value that a failed check read last."""
        observed = self._observed.get(check.id)
        return observed.given[-1] if observed and observed.given and observed.given[-1].read else None

    def _mark_not_alone(self) -> None:
        """An answer that fails only with its own code alone is not what its source says: then it says so."""
        for check in self.checks:
            finding = self._findings.get(check.id)
            others = [c.id for c in self.checks if c.exercise == check.exercise and not c.watched]
            passed = bool(others) and all(self._results[other].verdict == "passed" for other in others)
            old = self._results[check.id]
            if check.watched and passed and not old.seen and finding and finding.reason in _RAN_WRONG:
                message = wording.message(Finding("forbidden", "not_alone", {}), hidden=check.hidden)
                self._results[check.id] = replace_struct(
                    old, reason="forbidden", diagnosis="not_alone", message=joined(message, old.message or "")
                )
                self.attempt.note(
                    "trace_disagrees", sentence("%(name)s: fails with only what its source names", name=check.exercise)
                )

    def _mark_blocked(self) -> None:
        """An answer that calls another exercise's answer may fail for that one's fault: then it says so."""
        reasons = self._reasons()
        for check in self.checks:
            if causes := self._causes(check, reasons):
                old = self._results[check.id]
                by = Finding("blocked", "blocked", {"by": ", ".join(sorted(causes))})
                message = joined(wording.message(by, hidden=check.hidden), old.message or "")
                self._results[check.id] = replace_struct(old, reason="blocked", message=message)

    def _causes(self, check: Check, reasons: Mapping[str, set[str | None]]) -> set[str]:
        """The exercises that a failed check's answer calls, and that fail themselves in what it fails for."""
        finding = self._findings.get(check.id)
        if finding is None or finding.reason not in ("wrong", "raised", "forbidden"):
            return set()
        if check.exercise not in self._called:
            self._called[check.exercise] = calls(check.exercise, self._answered_by, self._cells, self.attempt.reading)
        called = self._called[check.exercise] & reasons.keys()
        return {name for name in called if finding.reason != "forbidden" or "forbidden" in reasons[name]}

    def _reasons(self) -> dict[str, set[str | None]]:
        """Of each exercise that fails checks, why."""
        reasons: dict[str, set[str | None]] = {}
        for check in self.checks:
            if self._results[check.id].verdict == "failed":
                reasons.setdefault(check.exercise, set()).add(self._results[check.id].reason)
        return reasons

    def _name_mistakes(self) -> None:
        """Where a known mistake explains all that was seen of an answer, its idea is named and its hint given."""
        if self.known is None or not self._findings:
            return
        self._drop()  # other code runs now: never beside the student's
        reasons = self._reasons()
        for exercise in self.exercises:
            may = self._may_name(exercise, reasons)
            mistake = self.known(exercise.name, self.behaviour(exercise.name)) if may else None
            for check in self.checks if mistake else ():
                old = self._results[check.id]
                if mistake and check.exercise == exercise.name and old.verdict == "failed":
                    hint = both(mistake.hint_en, zh=mistake.hint_zh)
                    self._results[check.id] = replace_struct(
                        old, diagnosis=mistake.code, seen=old.diagnosis, next_step=hint
                    )

    def _may_name(self, exercise: Exercise, reasons: Mapping[str, set[str | None]]) -> bool:
        """Is there something wrong with the answer that is its own, and that does not take minutes to compare?"""
        mine = [check for check in self.checks if check.exercise == exercise.name]
        findings = [self._findings[check.id] for check in mine if check.id in self._findings]
        if not findings or not all(finding.reason in _NAMEABLE and finding.code != "stub" for finding in findings):
            return False
        if any(check.seconds or self._causes(check, reasons) for check in mine):
            return False
        seen = [observed for observed in self.behaviour(exercise.name).values() if observed]
        empty = all(observed.is_empty for observed in seen)
        answered_by, reading = self._answered_by[exercise.name], self.attempt.reading
        return bool(seen) and (not empty or how.computes(answered_by, self._cells, reading))

    def _exercise_result(self, exercise: Exercise) -> ExerciseResult:
        results = [self._results[c.id] for c in self.checks if c.exercise == exercise.name]
        return exercise_result(exercise, results, self.submission.sources.get(exercise.name, ""))


def exercise_result(exercise: Exercise, checks: Sequence[CheckResult], source: str) -> ExerciseResult:
    """What the results of an exercise's checks add up to."""
    return ExerciseResult(
        name=exercise.name,
        score=sum(r.points for r in checks),
        max_score=sum(r.max_points for r in checks),
        verdict=verdict(checks),
        checks=tuple(checks),
        title=exercise.title,
        source=source,
    )


_RAN_WRONG = frozenset({"wrong", "raised", "missing"})
_NAMEABLE = frozenset({"wrong", "raised", "forbidden", "missing"})


def answers(exercises: Sequence[Exercise]) -> dict[str, frozenset[str]]:
    """The names that answer each exercise: all that its stub defines (`Lin`, `Mse` and `Model` are one exercise)."""
    return {exercise.name: names(exercise.stub) or frozenset({exercise.name}) for exercise in exercises}


def calls(
    name: str, answers: Mapping[str, frozenset[str]], cells: Sequence[tuple[str, str]], reading: Reading | None = None
) -> set[str]:
    """The other exercises whose answers the answer to ``name`` calls, itself or through helpers."""
    reached = {read for answer in answers[name] for read in how.reachable_names(answer, cells, reading)}
    return {other for other, defined in answers.items() if other != name and defined & reached}


def verdict(results: Sequence[CheckResult]) -> ExerciseVerdict:
    """An exercise's verdict from its checks': any *not run* makes it so, for nothing must hide it."""
    kinds = {result.verdict for result in results}
    if "not_run" in kinds or not kinds:
        return "not_run"
    return "partial" if len(kinds) == 2 else "passed" if kinds == {"passed"} else "failed"


def not_run(check: Check) -> CheckResult:
    """A check's result before anything happened."""
    return CheckResult(check.id, "not_run", title=check.title, hidden=check.hidden, max_points=check.points)


def failed(check: Check, finding: Finding, call: Any) -> CheckResult:
    """A failed check's result. For a hidden one, what could echo its inputs is withheld here, once for all."""
    return replace_struct(
        not_run(check),
        verdict="failed",
        reason=finding.reason,
        message=wording.message(finding, hidden=check.hidden),
        diagnosis=finding.code,
        next_step=wording.next_step(finding, hidden=check.hidden),
        got=None if check.hidden else finding.got,
        expected=None if check.hidden else finding.expected,
        call=None if check.hidden else call,
        frames=() if check.hidden else finding.frames,
        contrast=None if check.hidden else finding.contrast,
    )


def finding_of(error: BaseException) -> Finding | None:
    """What an exception out of a check says of the answer; None when it says something of us."""
    match error:
        case CheckFailed():
            return error.finding
        case EngineError():
            return None
        case AttributeError(name=str(name), obj=torch.Tensor()):
            return Finding("wrong", "not_set", {"what": f".{name}", "name": name})
        case (
            AssertionError()
            | ArithmeticError()
            | TypeError()
            | AttributeError()
            | ValueError()
            | IndexError()
            | KeyError()
            | RuntimeError()
        ):
            return Finding("wrong", "unusable", {"text": f"{type(error).__name__}: {error}"[:300]})
        case _:
            return None


def parameters(stub: str) -> list[str]:
    """The parameter names of a stub's first function."""
    try:
        body = ast.parse(stub).body
    except SyntaxError:
        return []
    functions = [node for node in body if isinstance(node, ast.FunctionDef)]
    return [argument.arg for argument in functions[0].args.args] if functions else []


def whole_failure(
    exercises: Sequence[Exercise],
    checks: Sequence[Check],
    *,
    assignment: str,
    student: str,
    notebook: str,
    problem: Text,
    flags: Sequence[Flag],
    ours: bool = False,
) -> SubmissionResult:
    """The result of a submission that could not be graded: score 0, or, when it is our fault, *not run*."""

    def result(check: Check) -> CheckResult:
        if ours:
            return replace_struct(not_run(check), reason="engine", message=problem)
        return failed(check, Finding("missing", "missing", {"name": check.exercise}), None)

    parts = []
    for exercise in exercises:
        results = tuple(result(check) for check in checks if check.exercise == exercise.name)
        total = sum(r.max_points for r in results)
        parts.append(ExerciseResult(exercise.name, 0.0, total, verdict(results), results, exercise.title))
    return SubmissionResult(
        assignment=assignment,
        student=student,
        notebook=notebook,
        status="error" if ours else "ungradable",
        score=0.0,
        max_score=sum(part.max_score for part in parts),
        flags=tuple(flags),
        problem=problem,
        exercises=tuple(parts),
    )


replace_struct = msgspec.structs.replace
