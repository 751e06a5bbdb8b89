"""Who answers every question at random, in the form that it asks for, earns few of the points."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable, Iterator
from statistics import mean
from types import SimpleNamespace
from typing import Any

from grader.course import Course
from grader.findings import CheckFailed
from grader.verify import reference_answers
from tests.test_sandbox import ROOT

Check = tuple[str, float, Callable[[Any], None]]
LAYERS = ["lin_grad", "mse_grad", "relu_grad"]
METHODS = ["forward", "backward", "apply", "setup_context", "__call__", "save_for_backward", "step"]


def checks() -> Iterator[Check]:
    """The checks of all value questions: exercise, points, and the function."""
    for number, path in enumerate(sorted((ROOT / "autotests" / "ch17").rglob("test_values_*.py"))):
        spec = importlib.util.spec_from_file_location(f"values_{number}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for function in vars(module).values():
            for mark in getattr(function, "pytestmark", []) if callable(function) else ():
                yield mark.args[0], mark.kwargs["points"], function


def earned(answers: dict[str, object], suite: list[Check]) -> float:
    """The points of these answers, by name, as a share of all."""
    student = SimpleNamespace(value=answers.get)
    return sum(points for _, points, check in suite if passes(check, student)) / sum(points for _, points, _ in suite)


def passes(check: Callable[[Any], None], student: object) -> bool:
    try:
        check(student)
    except CheckFailed:
        return False
    return True


def guess(draw: random.Random) -> dict[str, object]:
    """An answer to each question, of its form: from what its prompt offers, where it offers something."""

    def some(options: str | list[str]) -> set[str]:
        return {option for option in options if draw.random() < 0.5} or {draw.choice(options)}

    def numbers(rows: int, columns: int, most: int) -> list[list[int]]:
        return [[draw.randint(0, most) for _ in range(columns)] for _ in range(rows)]

    return {
        "q5": draw.choice([32, 64, 20, 5]),
        "q6": draw.choice([numbers(2, 3, 9), numbers(3, 2, 9)]),
        "q7": some("ABCDEF"),
        "q9": draw.choice(["%time", "%timeit", "%%time", "%%timeit", "%clock", "%%measure"]),
        "q10": numbers(2, 3, 9),
        "q13": numbers(1, draw.randint(1, 3), 3)[0],
        "q14": draw.choice(["RuntimeError", "ValueError", "TypeError", "IndexError"]),
        "q21": draw.choice(["row", "column"]),
        "q22": draw.choice([64, 256, 64 * 256, 64 + 256]),
        "q24": draw.choice([numbers(2, 3, 17), numbers(3, 3, 17), numbers(1, 2, 17)[0]]),
        "q25": set(draw.sample("ABCDEFGHIJ", 3)),
        "q25_today": some("ABCDEFGHIJ"),
        "q26": draw.sample("ABCDEFGHI", 9),
        "q27": some(["x", "w1", "b1", "l1", "l2", "w2", "b2", "out", "loss", "y"]),
        "q29": draw.choice([0.01, 0.05, 0.1, 0.5, 1.0, 1 / 400, 20.0]),
        "q32": draw.choices([(), (1,), (1, 1)], k=2),
        "q36": draw.choices(LAYERS, k=draw.randint(3, 4)),
        "q38": draw.sample(METHODS, draw.randint(1, 3)),
        "q40": draw.choice("ABCDEF"),
    }


def test_guessing_earns_little() -> None:
    suite, draw = list(checks()), random.Random(17)
    assert {name for name, _, _ in suite} | {"q25_today"} == guess(draw).keys()
    shares = [earned(guess(draw), suite) for _ in range(200)]
    assert mean(shares) < 0.30
    assert sorted(shares)[int(0.9 * len(shares))] < 0.35


def test_no_question_is_as_good_as_given_by_guessing() -> None:
    suite, draw = list(checks()), random.Random(18)
    guesses = [guess(draw) for _ in range(200)]
    for name in {name for name, _, _ in suite}:
        own = [check for check in suite if check[0] == name]
        assert mean(earned(answers, own) for answers in guesses) < 0.65, name


def test_naming_everything_earns_the_form_alone() -> None:
    suite = list(checks())
    everything = {"q7": "ABCDEF", "q25": "ABCDEFGHIJ", "q25_today": "ABCDEFGHIJ"}
    everything |= {"q27": "x w1 b1 l1 l2 w2 b2 out loss y", "q38": " ".join(METHODS)}
    for name in everything.keys() - {"q25_today"}:
        own = [check for check in suite if check[0] == name]
        assert earned(everything, own) == 0.125, name


def test_the_reference_earns_all() -> None:
    answers: dict[str, object] = {}
    for name, source in reference_answers(Course(ROOT).assignment("ch17")).items():
        if name.startswith("q"):
            exec(f"from math import sqrt\n{source}", answers)
    assert earned(answers, list(checks())) == 1
