"""Would it be noticed if a check asserted nothing? ``python -m tests.mutate [--each] [ASSIGNMENT ...]``

A check is disarmed: what its own body asserts is deleted, and of what those statements computed only the calls of the
student's answers are left. It is noticed when ``grader verify`` would then complain: when a known mistake that no other
check catches gets through, or when an empty answer (the stub, None, always an exception) earns the check's points.

Checks do not affect each other, so all of them are disarmed at once, in one copy of the suite, and each is judged by
itself: its disarmed verdicts beside the true verdicts of all others. ``--each`` deletes one assertion of a check at a
time: a finer sieve, in as many runs as the longest check has assertions.
"""

from __future__ import annotations

import argparse
import ast
import functools
import itertools
import multiprocessing
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from grader import verify
from grader.course import Assignment, Course
from grader.how import How

ROOT = Path(__file__).parents[1]
AIM = 0.9

Verdicts = dict[str, dict[str, dict[str, str]]]  # notebook -> exercise -> check -> verdict

_JUDGING = {name for name in vars(How) if not name.startswith("_")} | {"raises", "how"}


# ---------------------------------------------------------------- the suite, disarmed


class Disarm(ast.NodeTransformer):
    """Deletes the assertions of one function, or its assertion number ``only``; ``found`` counts them."""

    def __init__(self, only: int | None = None) -> None:
        self.only, self.found = only, 0

    def visit(self, node: ast.AST) -> ast.AST:
        """A statement that asserts becomes the calls of the student's answers in it."""
        if not is_assertion(node):
            return super().generic_visit(node)
        self.found += 1
        if self.only not in (None, self.found - 1):
            return node
        return ast.copy_location(ast.Expr(ast.Tuple(list(answers_called(node)), ast.Load())), node)


def is_assertion(node: ast.AST) -> bool:
    """``assert``, ``raise``, ``assert_close(...)``, ``how.must(...)``, ``student.raises(...)``."""
    match node:
        case ast.Assert() | ast.Raise():
            return True
        case ast.Expr(value=ast.Call(func=ast.Name())):  # what is called for its own sake is a helper that asserts
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=attr))):
            return attr in _JUDGING
    return False


def answers_called(node: ast.AST) -> Iterator[ast.expr]:
    """The calls of answers in a statement: ``student.relu(x)``, ``student.value("q5")``, ``student.MyRelu.apply(x)``.

    Not those in a lambda or a comprehension, whose variables mean nothing outside it.
    """
    if isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        return
    if isinstance(node, ast.Call) and is_answer(node.func):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from answers_called(child)


def is_answer(node: ast.expr) -> bool:
    """``student.relu``, ``student.MyRelu.apply``; not ``student.how``."""
    attrs = set()
    while isinstance(node, ast.Attribute):
        attrs.add(node.attr)
        node = node.value
    return bool(attrs) and not attrs & _JUDGING and isinstance(node, ast.Name) and node.id == "student"


def disarm(suite: Path, only: int | None) -> set[str]:
    """Disarm every check of the suite in ``suite``; returns the names of those that had such an assertion."""
    changed = set()
    for path in suite.rglob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in tree.body:
            if isinstance(function, ast.FunctionDef) and function.name.startswith("test_"):
                work = Disarm(only)
                function.body = [work.visit(statement) for statement in function.body]  # type: ignore[misc]
                if work.found > (only or 0):
                    changed.add(function.name)
        path.write_text(ast.unparse(ast.fix_missing_locations(tree)), encoding="utf-8")
    return changed


# ---------------------------------------------------------------- what each check says


def verdicts(assignment: Assignment, notebooks: Mapping[str, bytes], workers: int) -> Verdicts:
    """Grade the notebooks: the verdict of every check."""
    pool = functools.partial(ProcessPoolExecutor, workers, mp_context=multiprocessing.get_context("spawn"))
    results = verify.grade(assignment, notebooks, pool, workers)
    return {
        name: {e.name: {check.id: check.verdict for check in e.checks} for e in result.exercises}
        for name, result in results.items()
    }


def disarmed(assignment: Assignment, notebooks: Mapping[str, bytes], only: int | None, workers: int) -> Verdicts:
    """The same with disarmed checks; without those that had nothing to delete."""
    with tempfile.TemporaryDirectory(prefix="grader-mutate-") as folder:
        for tree in ("assignments", "autotests", "solutions"):
            shutil.copytree(ROOT / tree / assignment.name, Path(folder, tree, assignment.name))
        copy = Course(Path(folder)).assignment(assignment.name)
        changed = disarm(copy.suite, only)
        found = verdicts(copy, notebooks, workers)
    return {
        notebook: {
            e: {c: v for c, v in checks.items() if c.removeprefix("hidden:") in changed} for e, checks in of.items()
        }
        for notebook, of in found.items()
    }


def noticed(true: Verdicts, weak: Verdicts, wrong: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    """For each disarmed check, by what it is noticed: "a mistake", "an empty answer" or "nothing".

    ``wrong`` gives the exercises that are wrong in each notebook of mistakes; the other notebooks are empty answers.
    """
    empty = true.keys() - wrong.keys()
    for exercise, checks in weak[min(empty)].items():
        for check in checks:
            passing = {notebook for notebook in weak if weak[notebook][exercise][check] == "passed"}
            alone = {
                notebook
                for notebook, exercises in wrong.items()
                if exercise in exercises
                and {name for name, verdict in true[notebook][exercise].items() if verdict != "passed"} == {check}
            }
            if passing & alone:
                yield check, "a mistake"
            else:
                yield check, "an empty answer" if passing & empty else "nothing"


# ---------------------------------------------------------------- the report


def report(assignment: Assignment, each: bool, workers: int) -> bool:
    """Mutate one assignment's suite and print the share noticed; True when it is as high as it should be."""
    answers, names = verify.reference_answers(assignment), [e.name for e in assignment.exercises]
    dealt = verify.rounds(verify.mistakes(assignment), names, verify.calls(assignment))
    notebooks = {name: verify.compose(assignment, empty) for name, empty in verify.worthless(answers).items()}
    for number, mistakes in enumerate(dealt):
        known = {exercise: mistake.source for exercise, mistake in mistakes.items()}
        notebooks[f"m{number}"] = verify.compose(assignment, answers | known)
    wrong = {f"m{n}": set(mistakes) for n, mistakes in enumerate(dealt)}
    true = verdicts(assignment, notebooks, workers)
    found: list[tuple[str, str]] = []
    for only in itertools.count() if each else [None]:
        if not (more := list(noticed(true, disarmed(assignment, notebooks, only, workers), wrong))):
            break
        found += more if only is None else [(f"{check}, assertion {only + 1}", by) for check, by in more]
    by = [what for _, what in found]
    share = 1 - by.count("nothing") / len(by)
    print(
        f"{assignment.name}: {len(by) - by.count('nothing')} of {len(by)} {'assertions' if each else 'checks'} "
        f"are noticed when deleted ({share:.1%}): {by.count('a mistake')} by a known mistake that nothing else "
        f"catches, {by.count('an empty answer')} by an empty answer"
    )
    for check in sorted(check for check, what in found if what == "nothing"):
        print(f"  not noticed: {check}")
    return share >= AIM


def main() -> int:
    """Entry point; 1 when less than nine of ten are noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutate", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("assignments", nargs="*", help="names of assignments (default: all)")
    parser.add_argument("--each", action="store_true", help="one assertion at a time")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    options = parser.parse_args()
    course = Course(ROOT)
    good = [
        report(course.assignment(name), options.each, options.workers) for name in options.assignments or course.names
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
