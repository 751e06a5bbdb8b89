"""Nothing that a student writes makes reading it slow or big: shapes that were, and others like them.

The work is counted in steps. What these tests time is whether each step stays a small one: the bounds are many times
what the reading takes, and a tiny part of what the same text took where something was not counted.
"""

from __future__ import annotations

import gc
import time
import weakref
from contextlib import suppress

import pytest
import torch

from grader import scopes
from grader.apart import is_calm, kept
from grader.findings import NotAsAsked, StudentMissing
from grader.grading import Check, Grading
from grader.how import How, globals_read, reachable_names
from grader.model import Exercise
from grader.notebook import RunCell, Submission
from grader.reach import Reach
from grader.reading import MAX_STEPS, Reading, TooLarge
from grader.scopes import Notebook
from grader.show import show
from grader.source import MAX_WORDS, Reader, parsed
from grader.student import _Last
from grader.tampering import tampering

SIZE = 24_000  # characters: what takes the square of its lines takes many seconds
FEW_STEPS = 60_000
SECONDS = 5.0


def lines(pattern: str, size: int = SIZE) -> str:
    """Many lines of one kind; ``#`` is the number of the line, ``~`` the next."""
    count = size // (len(pattern) + 3)
    return "".join(pattern.replace("#", str(i)).replace("~", str(i + 1)) + "\n" for i in range(count))


def answer(expression: str) -> str:
    return f"def f(a, b):\n    return {expression}\n"


def body(pattern: str, size: int = SIZE) -> str:
    return "def f(a, b):\n " + lines(pattern, size).replace("\n", "\n ") + "return a\n"


LIBRARIES = "import numpy as np\nx = [" + ", ".join(f"np.a{i}" for i in range(390)) + "]\n"
TOWER = "l0 = [1]\n" + "".join(f"l{i + 1} = [0 {f'for _ in l{i} ' * 80}]\n" for i in range(4))
CYCLE = "".join(f"def g{i}(x): return g{i * 7 % 60}(g{i * 11 % 60}, g{i * 13 % 60})\n" for i in range(60))
DIAMOND = "class A0: g = 1\nclass B0: g = 1\n" + lines("class A~(A#, B#): 0\nclass B~(A#, B#): 0")

SHAPES = {
    "names": lines("a"),
    "unsure imports": lines("if y: import x\nx"),
    "unsure deletions": lines("if y: del x\nx"),
    "appended and read": "import torch\nx = []\n" + lines("x.append(torch.mm); x"),
    "attributes stored": lines("a.b = c"),
    "library attributes stored": "import torch\n" + lines("torch.mm = g"),
    "registered": "x = {}\n" + lines("@x.register(1)\ndef g(): 0"),
    "decorators": "x = []\n" + lines("@x.register") + "def g(): 0\n",
    "chained targets": "(a,) = " * (SIZE // 16) + "(" + "1, " * (SIZE // 6) + ")\n",
    "one value for many names": lines("a# = ").replace("\n", "") + "[" + "x, " * 4000 + "]\n" + body("a#"),
    "exec": lines('exec("a# = 1")'),
    "wildcard imports": lines("from m# import *") + lines("u#"),
    "many libraries in one name": LIBRARIES + lines("x"),
    "many libraries in an answer": LIBRARIES + body("x.y"),
    "a union that grows": LIBRARIES + lines("if y: x = [x, np.b#]"),
    "texts that double": 's0 = "xxxxxxxx"\n' + lines("s~ = s# + s#") + answer("getattr(a, s50)"),
    "texts that double by f": 's0 = "xxxxxxxx"\n' + lines('s~ = f"{s#}{s#}"') + answer("getattr(a, s50)"),
    "texts that double by join": 's0 = "xxxxxxxx"\n' + lines('s~ = "".join([s#, s#])') + answer("getattr(a, s50)"),
    "long attributes": LIBRARIES + "b = x." + "L" * SIZE + "\n" + lines("c# = b.x") + answer("c0"),
    "objects of objects": "import torch\na0 = torch.nn.ReLU\n" + lines("a~ = a#()") + answer("a9"),
    "aliases": "import torch\na0 = torch.mm\n" + lines("a~ = a#") + answer("a900"),
    "helpers": lines("def g#(): return g~()") + answer("g0()"),
    "a ring of helpers": CYCLE + answer("g0(a)"),
    "classes": "class A0: f = 1\n" + lines("class A~(A#): f# = 1") + answer("A50().f"),
    "classes in a lattice": DIAMOND + answer("A40().h"),
    "a method in each class": lines("class A#:\n def g(s): 0") + body("A#", 9000) + body("a.g", 9000),
    "special methods": "class A:\n" + lines(" def __a#__(s): 0") + body("A"),
    "attributes of a class": "class A:\n" + lines(" a# = 1") + body("A().b"),
    "a tower of comprehensions": TOWER + body("for i in l4: pass", 99),
    "loops over one literal": "big = [" + "1, " * 5000 + "]\n" + body("for i# in big: 0"),
    "loops over one generator": "def g():\n" + lines(" a") + " yield 1\n" + body("for i in g(): 0"),
    "nested functions": "".join(" " * i + f"def g{i}():\n" for i in range(90)) + (" " * 90 + "z\n") * 200,
    "nested lambdas": lines("(" + "lambda x: " * 60 + "a)"),
    "nested calls": lines("f(" * 50 + "f" + ")" * 50) + answer("f(a, " * 50 + "a" + ")" * 50),
    "nested getattr": 'x = ["a", "b", "c"]\n' + lines("getattr(getattr(getattr(torch, x), x), x)"),
    "local aliases": body("c~ = c#"),
    "globals": "def g():\n global x\n" + lines(" x = 1") + lines("x") + answer("x"),
    "patches": lines("A.__f#__ = f~") + answer("f1"),
    "functions that set one another's": lines("def g#():\n global a#\n g~()\n g0()"),
    "chained targets of a global": "def g():\n global a\n " + "(a,) = " * 700 + "(" + "1, " * 7000 + ")\n",
    "wildcard imports of many names": lines("from torch import *\na# = 1") + answer("a0"),
    "a name changed and read again and again": "x = []\n" + lines("y# = f(x.pop())") + body("y#", 9000),
    "statements of one text": f"exec({lines('x.a = #')!r})\ndef f(a, b): return a.a\n",
    "annotations": lines("def g#(a: g~ = f): 0") + answer("g0"),
    "classes in classes": "".join(" " * i + f"class A{i}:\n" for i in range(90)) + (" " * 90 + "z.f()\n") * 200,
    "helpers that are called to make it": lines("def g#(x): return g~(x)") + "y = g0(1)\n" + answer("y"),
    "modules to look for": lines("import m#"),
    "match": lines('match a:\n case [b, *c]: 0\n case {"k": d, **e}: 0'),
}


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_read_in_few_steps_is_read_in_little_time(name: str) -> None:
    began = time.process_time()
    code = Reader().read(SHAPES[name]).python
    assert code
    reading, cells = Reading(FEW_STEPS), (("cell 1", code),)
    tampering(cells, reading)
    for exercise in ("f", "g", "g0"):
        how = How(exercise, cells, None, reading)
        for ask, argument in ((how.loops, 3), (how.must_call, "z"), (how.must_not, "loop"), (how.must_not, "torch")):
            with suppress(NotAsAsked):
                ask(argument)  # type: ignore[operator]
        reachable_names(exercise, cells, reading)
        with suppress(TooLarge):
            kept([exercise], cells, [0], reading)
    is_calm(cells, reading)
    is_calm(cells, Reading(FEW_STEPS))
    assert time.process_time() - began < SECONDS


def steps_for(text: str, exercise: str = "f") -> int:
    reading = Reading()
    tampering((("cell 1", text),), reading)
    globals_read(exercise, (("cell 1", text),), reading)
    return MAX_STEPS - reading.left


@pytest.mark.parametrize("name", ["names", "unsure imports", "appended and read", "attributes stored", "exec"])
def test_the_steps_grow_with_the_text_and_not_with_its_square(name: str) -> None:
    whole = SHAPES[name]
    half = "".join(whole.splitlines(keepends=True)[: whole.count("\n") // 4 * 2])
    assert steps_for(whole) < 2.5 * steps_for(half)


def test_an_honest_notebook_takes_a_small_part_of_the_steps() -> None:
    cells = [(f"cell {i}", f"def f{i}(a, b):\n    c = torch.zeros(3)\n" + "    c = c + a * b\n" * 5) for i in range(50)]
    reading = Reading()
    for i in range(50):
        How(f"f{i}", cells[: i + 1], None, reading).must_not("matrix product")
        assert not globals_read(f"f{i}", cells, reading)
    assert reading.left > 0.8 * MAX_STEPS


# ---------------------------------------------------------------- beyond the bounds


def test_beyond_the_steps_no_question_is_answered_for_the_student() -> None:
    cells = (("cell 1", answer("a")),)
    reading = Reading(5)
    for ask in ("loops", "only_builtins", "only_numpy", "indexing_only", "must", "must_not", "must_call"):
        how = How("f", cells, None, reading)
        arguments = {"must": ["torch"], "must_not": ["torch"], "must_call": ["a"]}.get(ask, [])
        with pytest.raises(TooLarge) as raised:
            getattr(how, ask)(*arguments, **({"at_least": 0} if ask == "loops" else {}))
        assert raised.value.finding.code == "too_large"
    assert reachable_names("f", cells, reading) == globals_read("f", cells, reading) == set()
    assert tampering(cells, reading) == ["code that takes too long to read"]
    assert not is_calm(cells, reading)
    with pytest.raises(TooLarge):
        kept(["f"], cells, [0], reading)


def test_much_code_hides_no_tampering_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "MAX_STEPS", 1000)  # for one statement
    text = LIBRARIES + "x\n" * 30 + "import gc\ngc.get_objects()\n"
    assert tampering([("cell 1", text)]) == ["gc.get_objects"]
    text = LIBRARIES + "def f():\n" + " x\n" * 30 + "def g():\n import gc\n gc.get_objects()\n"
    assert tampering([("cell 1", text)]) == ["gc.get_objects"]


def test_an_answer_beyond_its_own_steps_is_told_so_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "MAX_STEPS", 1000)
    cells, reading = [("cell 1", LIBRARIES + "def f():\n" + " x\n" * 30 + "def g(): 0\n")], Reading()
    with pytest.raises(NotAsAsked) as raised:
        How("f", cells, None, reading).must_not("autograd")
    assert raised.value.finding.code == "hidden_call"
    How("g", cells, None, reading).must_not("autograd")


def test_a_cell_of_too_many_words_is_left_out_unparsed() -> None:
    reader = Reader(words=100)
    assert reader.read("a\n" * 30).python
    assert reader.read("a\n" * 30).large
    assert reader.read("a\n" * 20).python  # what fits still counts
    assert Reader().read("a;" * (MAX_WORDS // 2 + 1)).large
    assert Reader().read("a\r" * (MAX_WORDS // 2 + 1)).large


@pytest.mark.parametrize("dot", [".", " . ", ".\\\n"])
def test_dotted_names_of_which_python_keeps_every_beginning(dot: str) -> None:
    assert parsed(f"import {dot.join('a' * 30_000)}") is None
    assert parsed(f"import {dot.join('a' * 20)}") is not None


def test_texts_and_names_do_not_grow() -> None:
    doubled = 's0 = "x" * 1\ns0 = "xxxxxxxx"\n' + "".join(f"s{i + 1} = s{i} + s{i}\n" for i in range(40))
    text = doubled + "import torch\nt0 = torch.nn.ReLU\n" + "".join(f"t{i + 1} = t{i}()\n" for i in range(40))
    book = Notebook([("cell 1", text)])
    for name in ("s2", "s40", "t40"):
        assert sum(len(getattr(v, "text", "") + getattr(v, "path", "")) for v in book.named(name)) < 100_000


# ---------------------------------------------------------------- how long it is kept


def test_what_was_read_is_kept_no_longer_than_the_submission_is_graded() -> None:
    cells = (RunCell("cell 1", answer("a"), answer("a"), "answer", "f"),)
    grading = Grading([Exercise("f", "", 1, "", "")], [], Submission(cells, {"f": 1}, {"f": ""}), _no_worker)
    reading = grading.attempt.reading
    assert grading.apart.reading is reading  # one budget, whichever worker is asked
    assert globals_read("f", (("cell 1", answer("a")),), reading) == set()
    refs = [weakref.ref(made) for made, _ in reading._kept.values() if isinstance(made, Notebook | Reach)]
    assert any(isinstance(ref(), Notebook) for ref in refs)
    assert any(isinstance(ref(), Reach) for ref in refs)
    grading.close()
    assert reading._kept == reading._trees == reading._facts == {}
    gc.collect()
    assert not any(ref() for ref in refs)


def test_a_check_that_cannot_begin_shows_no_other_ones_call() -> None:
    """Those that run again after the last cell come after the hidden ones, whose calls nobody is to see."""
    exercises = [Exercise("f", "", 1, "", ""), Exercise("g", "", 1, "", "")]
    checks = [Check(name, name, 1, hidden=False, title="", watched=True) for name in ("f", "g")]
    cells = (RunCell("cell 1", answer("a"), answer("a"), "answer", "f"),)
    grading = Grading(exercises, checks, Submission(cells, {"f": 1}, {"f": ""}), _no_worker)
    with suppress(TooLarge):
        grading.attempt.reading.spend(MAX_STEPS)
    for check, error in zip(checks, (TooLarge, StudentMissing), strict=True):
        grading.student._last = _Last("f(7)", None)
        with pytest.raises(error) as raised:
            grading.begin(check)
        assert grading.record(check, raised.value).call is None


def _no_worker() -> object:
    raise AssertionError("no worker is needed to read")


def prefixes_kept(lines: int) -> tuple[int, bool]:
    """How many of forty prefixes of a notebook are kept, each read with the whole, and whether the whole is."""
    reading = Reading()
    cells = [(f"cell {i}", f"a{i} = 1\n" + "x\n" * lines) for i in range(40)]
    for i in range(40):
        reachable_names(f"a{i}", cells[: i + 1], reading)
        reachable_names(f"a{i}", cells, reading)
    books = [made for made, _ in reading._kept.values() if isinstance(made, Notebook)]
    return len(books), any(len(book.cells) == 40 for book in books)


def test_few_of_a_large_notebooks_prefixes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert prefixes_kept(5) == (40, True)
    monkeypatch.setattr("grader.reading.MAX_AGE", 10_000)
    books, whole = prefixes_kept(50)
    assert books < 5
    assert whole


def test_a_tensor_of_many_axes_is_shown_without_writing_it_out() -> None:
    began = time.process_time()
    assert show(torch.zeros(1).expand([10] * 8)).startswith("float32 tensor of shape [10, 10")
    assert time.process_time() - began < 1


def test_an_import_that_may_fail_takes_no_other_ones_place() -> None:
    sources = ["import torch", "import math", "import torch.no_such_part", "def f(x): return torch.relu(x)"]
    cells = [(f"cell {number}", source) for number, source in enumerate(sources)]
    assert kept(["f"], cells, range(4)) == {0: [0], 2: [0], 3: [0]}
