"""Several calls in one turn: the same as a loop around single calls, whatever the answer does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch

from grader.attempt import Attempt
from grader.findings import CheckFailed, Mismatch, StudentDied, StudentMissing, StudentRaised, StudentTimeout
from grader.notebook import RunCell, Submission
from grader.sandbox.client import Engine, Limits
from grader.sandbox.wire import (
    MAX_CALLS,
    Calls,
    Known,
    Raised,
    Reply,
    Request,
    Returned,
    Several,
    TensorV,
    Undefined,
    Unsupported,
)
from grader.source import to_python
from grader.student import Handle, Student


class Scripted:
    """A worker that answers requests for several calls as it was told."""

    def __init__(self, answer: Callable[[Request], Reply], blobs: dict[int, bytes] | None = None) -> None:
        self.answer, self.blobs = answer, blobs or {}
        self.ended = False

    def request(self, request: Request, blobs: Any, limits: Limits) -> tuple[Reply, dict[int, memoryview]]:
        if not isinstance(request.ask, Calls):
            return Reply(request.seq, Returned(None)), {}
        return self.answer(request), {number: memoryview(blob) for number, blob in self.blobs.items()}

    def end(self) -> None:
        self.ended = True


def student_of(source: str, start: Callable[[], Any], limits: Limits | None = None) -> Student:
    """A check of ``answer`` has begun, on a notebook of one cell."""
    cell = RunCell("cell 1", source, to_python(source) or "", "answer", "answer")
    attempt = Attempt(Submission((cell,), {"answer": 1}, {"answer": source}), start, limits or Limits())
    student = Student(attempt, {"answer": ["x", "y"]})
    student.begin("answer", 1, attempt)
    return student


@pytest.fixture
def answered(engine: Engine):
    """A `Student` of a notebook's source, confined; again and again, until the test is over."""
    made = []

    def make(source: str, limits: Limits | None = None) -> Student:
        student = student_of(source, engine.worker, limits)
        made.append(student)
        return student

    yield make
    for student in made:
        student._attempt.drop()


def told(student: Student, results: Iterable[tuple[Any, Any]]) -> list[Any]:
    """All that a check can see of calls, up to the first that fails it."""
    seen: list[Any] = []
    try:
        for case, result in results:
            set_on = [{name: plain(value) for name, value in vars(tensor).items()} for tensor in case]
            seen.append((plain(result), set_on, student.last and student.last.printed))
    except CheckFailed as failed:
        finding = failed.finding
        seen.append((type(failed), finding.code, finding.facts, finding.frames, student.last and student.last.printed))
    return seen


def plain(value: Any) -> Any:
    """Something that compares."""
    if isinstance(value, torch.Tensor):
        return value.dtype, value.tolist()
    if isinstance(value, (list, tuple)):
        return type(value), [plain(item) for item in value]
    if isinstance(value, dict):
        return [(key, plain(item)) for key, item in value.items()]
    return value.type_text if isinstance(value, Handle) else value


ANSWERS = {
    "right": "def answer(x, y): return x + y",
    "a gradient": "def answer(x, y): x.g = 2 * y; y.g = x.g",
    "one buffer": "import torch\nbuffer = torch.zeros(3)\ndef answer(x, y): return buffer.copy_(x).add_(y)",
    "its own argument": "def answer(x, y): return x",
    "an argument kept": "kept = []\ndef answer(x, y):\n    kept.append(x)\n    return kept[0] + y",
    "counts": "calls = 0\ndef answer(x, y):\n    global calls\n    calls += 1\n    return calls",
    "changes its input": "def answer(x, y): return x.mul_(2) if y[0] > 2 else x",
    "raises now and then": "def answer(x, y):\n    if y[0] > 2: raise KeyError(int(y[0]))\n    return y",
    "prints": "def answer(x, y): print('so', float(y[0])); return y",
    "is missing": "other = 1",
    "is a stub": "def answer(x, y): raise NotImplementedError",
    "random": "import torch\ndef answer(x, y): return torch.rand(3)",
    "is no function": "answer = 3",
    "a list of tensors": "def answer(x, y): return [x, {'y': y * 1}, (x, x)]",
    "a generator": "def answer(x, y): yield x",
}


def cases() -> list[tuple[torch.Tensor, torch.Tensor]]:
    shared = torch.arange(3.0)
    return [(shared, torch.full((3,), float(number))) for number in range(5)]


@pytest.mark.parametrize("name", ANSWERS)
def test_calls_together_are_as_one_after_the_other(name, answered):
    single, several = answered(ANSWERS[name]), answered(ANSWERS[name])
    one_by_one = told(single, ((case, single.answer(*case)) for case in cases()))
    assert told(several, several.each("answer", cases())) == one_by_one
    assert len(one_by_one) == 1 if name in ("is missing", "is a stub", "is no function") else len(one_by_one) > 3
    assert [given.attrs.keys() for given in several.given] == [given.attrs.keys() for given in single.given]
    assert [given.changed for given in several.given] == [given.changed for given in single.given]


def test_a_changed_input_is_named_also_where_it_comes_back(answered):
    student = answered("def answer(x, y): return y.mul_(2)")
    with pytest.raises(Mismatch) as error:
        list(student.each("answer", cases()[1:]))
    assert error.value.finding.facts["names"] == "y"
    with pytest.raises(Mismatch) as error:
        student.answer(torch.zeros(2), torch.ones(2))
    assert error.value.finding.facts["names"] == "y"
    kept = "kept = []\ndef answer(x):\n    kept.append(x)\n    return 1 if len(kept) < 2 else kept[0].add_(1)"
    with pytest.raises(Mismatch) as error:
        list(answered(kept).each("answer", [(torch.zeros(2),), (torch.zeros(3),)]))
    assert error.value.finding.facts["names"] == ""  # an input of an earlier call, which has no name any more


def test_what_is_set_by_a_later_call_is_not_there_yet(answered):
    x = torch.zeros(2)
    seen = [float(case[0].g) for case, _ in answered("def answer(x, y): x.g = y").each("answer", [(x, 1.0), (x, 2.0)])]
    assert seen == [1.0, 2.0]


def test_more_cases_than_go_into_one_message(answered):
    student = answered("def answer(x): return 2 * x")
    numbers = list(range(2 * MAX_CALLS + 3))
    assert [result for _, result in student.each("answer", ((n,) for n in numbers))] == [2 * n for n in numbers]
    assert list(student.each("answer", [])) == []


# What does not go together goes one by one, in a new worker: an answer cannot tell.
TOO_MUCH = {
    "results": (
        "import torch\ncalls = [0]\ndef answer(n):\n    calls[0] += 1\n    return torch.full((n, 1 << 10), calls[0])",
        [(5 << 9,), (6 << 9,), (7 << 9,), (3,)],  # 8 KB each: together more than a message holds
        lambda result: (len(result), int(result[0, 0])),
        [(5 << 9, 1), (6 << 9, 2), (7 << 9, 3), (3, 4)],
    ),
    "one result again and again": (
        "import torch\nmade = torch.ones(9 << 8, 1 << 10)\ndef answer(n): return made",
        [(n,) for n in range(9)],
        len,
        [9 << 8] * 9,
    ),
    "printed": (
        "calls = 0\ndef answer(n):\n    global calls\n    calls += 1\n    print('好' * 4000)\n    return calls",
        [(n,) for n in range(MAX_CALLS)],
        int,
        list(range(1, MAX_CALLS + 1)),
    ),
    "tensors": (
        "def answer(*many): return len(many)",
        [tuple(torch.tensor(float(i)) for i in range(n)) for n in range(40)],
        int,
        list(range(40)),
    ),
    "numbers": ("def answer(x): return len(x)", [([0.5] * 2000,)] * 40, int, [2000] * 40),
    "bytes": ("def answer(x): return len(x)", [(torch.ones(6 << 10, 1 << 10),) for _ in range(3)], int, [6 << 10] * 3),
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_too_much_for_one_message_goes_one_by_one(what, answered):
    source, given, read, expected = TOO_MUCH[what]
    student = answered(source)
    assert [read(result) for _, result in student.each("answer", given)] == expected
    assert not student._attempt.flags


def test_what_did_not_arrive_is_sent_again(answered):
    """A result is too large for any message; what it was sent with, and it itself, is not known on the other side."""
    student = answered(
        "import torch\nmade = torch.ones(1 << 12, 1 << 12, dtype=torch.float64)\nmade.h = 2\ndef answer(x, large):\n"
        "    if not hasattr(x, 'g'): x.g = torch.zeros(1)\n    return made if large else 3"
    )
    x = torch.ones(1)
    assert [type(student.answer(x, True)) for _ in range(2)] == [Unsupported, Unsupported]
    assert student.answer(x, False) == 3
    assert x.g.tolist() == [0]
    assert not student._attempt.flags


def test_slow_answers_have_the_time_of_single_calls(answered):
    spin = "end = process_time() + 0.3\n    while process_time() < end: pass"
    student = answered(f"from time import process_time\ndef answer(x):\n    {spin}\n    return x", Limits(0.5, 2.0))
    assert [result for _, result in student.each("answer", [(n,) for n in range(4)])] == [0, 1, 2, 3]


def test_an_answer_is_as_wrong_as_its_first_wrong_result(answered):
    """Whatever it would have done later."""
    student = answered("def answer(x):\n    while x > 1: pass\n    return x", Limits(0.2, 1.0))
    results = student.each("answer", [(0,), (1,), (2,)])
    assert [next(results)[1], next(results)[1]] == [0, 1]
    assert not student._attempt.flags
    with pytest.raises(StudentTimeout) as error:
        next(results)
    assert error.value.finding.facts["limit"] == "0.2"
    assert student.last.text == "answer(2)"


def test_something_else_may_be_asked_before_the_last_result(answered):
    student = answered("def answer(x): return [x]\ndef other(y): return y[0] + 1")
    seen = [student.other(result) for _, result in student.each("answer", [(torch.tensor(n),) for n in range(3)])]
    assert seen == [1, 2, 3]


def test_calls_that_must_raise(answered):
    student = answered("def answer(x):\n    if x < 3: raise ValueError(f'{x}, too small')\n    return x")
    assert [raised.text for _, raised in student.raises_each("answer", [(1,), (2,)])] == [
        "1, too small",
        "2, too small",
    ]
    with pytest.raises(Mismatch) as error:
        list(student.raises_each("answer", [(1,), (4,)]))
    assert error.value.finding.code == "did_not_raise"
    with pytest.raises(StudentMissing):
        list(answered("").raises_each("answer", [(1,)]))


def test_what_is_missing_is_a_name_or_an_attribute_or_behind_what_is_not_python(answered):
    def missing(source: str, look: Callable[[Student], object]) -> tuple[str, str, dict[str, Any]]:
        with pytest.raises(StudentMissing) as error:
            look(answered(source))
        finding = error.value.finding
        return finding.reason, finding.code, dict(finding.facts)

    assert missing("other = 1", lambda student: student.answer()) == ("missing", "missing", {"name": "answer"})
    assert missing("def answer(:", lambda student: student.value("answer"))[1:] == (
        "not_python",
        {"name": "answer", "line": "1", "text": "invalid syntax"},
    )
    own = "class answer: pass"
    inp = ("wrong", "no_member", {"name": "inp", "owner": "answer()"})
    assert missing(own, lambda student: student.answer().inp) == inp
    assert missing(own, lambda student: student.answer.apply())[2] == {"name": "apply", "owner": "answer"}


def test_a_process_that_ends_in_one_of_the_calls(answered):
    student = answered("import os\ndef answer(x):\n    if x == 3: os._exit(5)\n    return x")
    results = student.each("answer", [(n,) for n in range(5)])
    assert [next(results)[1] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(StudentDied):
        next(results)
    assert student.last.text == "answer(3)"
    student.begin("answer", 1, student._attempt)
    assert [result for _, result in student.each("answer", [(1,), (2,)])] == [1, 2]


def test_what_runs_is_watched_call_by_call(answered):
    student = answered("import torch\ndef answer(x): return torch.relu(x) if x.sum() > 0 else x.clamp(min=0)")
    with student.watching() as watched:
        list(student.each("answer", [(torch.ones(2),), (-torch.ones(2),)]))
    assert {"torch.relu", "torch.Tensor.clamp"} <= set(watched.seen.functions)


ONE = TensorV(-1, "tensor", "float32", [1], [1], 0, -1, False)
EMPTY = Reply(0, Returned(1.0))
NO_ANSWER = {
    "one answer to several calls": (Returned(1.0), {}),
    "an exception": (Raised("TypeError", ["TypeError"], "no", []), {}),
    "fewer answers": (Several([EMPTY]), {0: b""}),
    "no bytes": (Several([EMPTY] * 2), {}),
    "other numbers": (Several([EMPTY] * 2), {5: b"", 7: b""}),
    "a table that does not fit": (Several([Reply(0, Returned(ONE), blobs=[(-1, 4)])] * 2), {0: b"", 1: b"1234"}),
}
LIES = {
    "a tensor of the next answer": (Several([Reply(0, Returned(Known(-1))), EMPTY]), {0: b"", 1: b""}),
    "answers in an answer": (Several([Reply(0, Several([]))] * 2), {0: b"", 1: b""}),
    "a name that nobody asked for": (Several([Reply(0, Undefined("other"))] * 2), {0: b"", 1: b""}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_worker_that_lies_about_several_calls_is_ended(lie):
    outcome, blobs = LIES[lie]
    worker = Scripted(lambda request: Reply(request.seq, outcome), blobs)
    with pytest.raises(StudentDied) as error:
        list(student_of("def answer(x): return x", lambda: worker).each("answer", [(1,), (2,)]))
    assert error.value.finding.code == "protocol"
    assert worker.ended


@pytest.mark.parametrize("lie", NO_ANSWER)
def test_what_does_not_answer_each_call_answers_none(lie):
    """Another worker is asked, call by call."""
    outcome, blobs = NO_ANSWER[lie]
    workers = [Scripted(lambda request: Reply(request.seq, outcome), blobs) for _ in range(2)]
    student = student_of("def answer(x): return x", iter(workers).__next__)
    assert [result for _, result in student.each("answer", [(1,), (2,)])] == [None, None]
    assert [worker.ended for worker in workers] == [True, False]


PLAIN_SUBCLASSES = {
    "a namedtuple": (
        "from collections import namedtuple\nanswer = lambda x, y: namedtuple('P', 'a b')(x, y)",
        (1, [2]),
    ),
    "a list": (
        "class Row(list):\n    def __iter__(self): raise ValueError\nanswer = lambda x, y: Row([x, y])",
        [1, [2]],
    ),
    "a number": ("class Number(float):\n    def __float__(self): return 7.0\nanswer = lambda x, y: Number(0.5)", 0.5),
    "an enumeration": ("import enum\nanswer = lambda x, y: enum.IntEnum('N', 'a b').b", 2),
    "a text": ("class Text(str):\n    __str__ = None\nanswer = lambda x, y: Text('a')", "a"),
    "a mapping": ("from collections import Counter\nanswer = lambda x, y: Counter('aab')", {"a": 2, "b": 1}),
    "a set": ("class Set(set): __iter__ = None\nanswer = lambda x, y: Set([1])", {1}),
}


@pytest.mark.parametrize("what", PLAIN_SUBCLASSES)
def test_an_instance_of_a_subclass_comes_as_its_base_made_it(answered, what):
    source, expected = PLAIN_SUBCLASSES[what]
    result = answered(source).answer(1, [2])
    assert result == expected
    assert type(result) is type(expected)


def test_what_can_be_called_stays_whatever_it_inherits(answered):
    layer = "class Layer(NamedTuple):\n    w: int\n    def __call__(self, x): return self.w * x"
    layer = answered(f"from typing import NamedTuple\n{layer}\nanswer = lambda x, y: Layer(x)").answer(3, 0)
    assert layer(2) == 6


SPOILERS = {
    "pops": ("x.pop()", "x"),
    "appends within": ("y['k'].append(1)", "y"),
    "replaces": ("x[0] = 5", "x"),
    "reorders keys": ("y['k'] = y.pop('k')", "y"),
    "both": ("x.reverse(); y.clear()", "x, y"),
}


@pytest.mark.parametrize("how", SPOILERS)
def test_a_list_or_dict_changed_in_place_is_told(answered, how):
    statement, names = SPOILERS[how]
    student = answered(f"def answer(x, y):\n    {statement}\n    return 1")
    with pytest.raises(Mismatch) as wrong:
        student.answer([1, 2], {"k": [3], "other": 0})
    assert (wrong.value.finding.code, wrong.value.finding.facts["names"]) == ("changed_input", names)


@pytest.mark.parametrize(
    "statement", ["x[0] = 1", "x = x + [1]", "x = [*x, 2]; x.sort()", "y['k'] = float('nan')", "pass"]
)
def test_a_list_left_as_it_was_is_not(answered, statement):
    student = answered(f"def answer(x, y):\n    {statement}\n    return 1")
    assert student.answer([1, float("nan")], {"k": float("nan")}) == 1


def test_no_text_differs_from_run_to_run(answered):
    source = "import os\ndef answer(x, y):\n    print(object())\n    raise KeyError(os.path.abspath('a'), object())"
    texts = set()
    for _ in range(2):
        student = answered(source)
        with pytest.raises(StudentRaised) as raised:
            student.answer(1, 2)
        texts.add((raised.value.text, student.last.printed))
    [(text, printed)] = texts
    assert "./a" in text
    assert printed == "<object object at 0x…>\n"


def test_nothing_runs_between_an_answer_and_its_reading(answered):
    source = (
        "import torch\nkept = torch.zeros(2)\nclass Late:\n    def __call__(self, x, y):\n        global answer\n"
        "        answer = None\n        return kept\n    def __del__(self):\n        kept.fill_(7)\nanswer = Late()"
    )
    assert answered(source).answer(1, 2).tolist() == [0, 0]
