"""One cell's source, read as Python."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.source import MAX_CELL, Reader, added, names, parsed, shape, to_python


def read(text):
    return Reader().read(text)


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("x = 1", "x = 1"),
        ("%matplotlib inline\nx = 1", "get_ipython().run_line_magic('matplotlib', 'inline')\nx = 1\n"),
        ("!ls\nx = 1", "get_ipython().system('ls')\nx = 1\n"),
        ("y = !ls", "y = get_ipython().getoutput('ls')\n"),
        ("x = (7\n%3)", "x = (7\n%3)"),
        (">>> x = 1\n>>> y = 2", "x = 1\ny = 2\n"),
        ("\n\n!ls\nx = 1", "\n\nget_ipython().system('ls')\nx = 1\n"),
        ("%%time\ndef f():\n    return 1", "\ndef f():\n    return 1\n"),
        ("\n%%capture out\n%%time\nx = 1\n", "\n\n\nx = 1\n"),
        ("%%time", "\npass\n"),
        ("%time x = 1\ny = 2", "x = 1\ny = 2\n"),
        ("%%bash\nls", "get_ipython().run_cell_magic('bash', '', 'ls\\n')\n"),
        ("await f()", "await f()"),
    ],
)
def test_ipythons_syntax_becomes_python_on_the_same_lines(text, python):
    code = read(text)
    assert code.python == python
    assert code.text == text


@pytest.mark.parametrize(
    "text",
    [
        "This is prose.",
        "x = (",
        "a\0b",
        "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> other",
        "def f():\nreturn 1",
        "%%time\nnot Python at all",
        "x = " + "(" * 500 + ")" * 500,
        "-" * 100_000 + "1",
        "x" + ".a" * 90_000,
        "x = 1\n" * MAX_CELL,
        "",
        "   \n",
    ],
)
def test_what_is_not_python_is_left_out(text):
    assert read(text).python == ""
    assert read(text).text == text


def test_an_indented_cell_is_dedented():
    # The comment alone keeps IPython from doing it.
    assert read("# mine\n    x = 1").python == ""
    assert read("    x = 1\n    y = 2").names == {"x", "y"}


@pytest.mark.parametrize(
    "line", ["pip install torch", "conda install -y x", "cd ..", "mkdir data out", "git clone https://x"]
)
def test_a_shell_command_without_its_mark_costs_nothing_else(line):
    code = read(f"{line}\ndef f():\n    return 1")
    assert code.text.startswith("!" + line)
    assert code.names == {"f"}


def test_python_that_looks_like_a_command_is_left_alone():
    assert read("ls = [1]\ncat = ls\ncd = (\n  1)\n!x").text.startswith("ls = [1]\ncat = ls\ncd = (")


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("def f(): pass\nclass A: pass\nasync def g(): pass", {"f", "A", "g"}),
        ("a, (b, *c) = x\nd = e = 1\nh: int = 1\ni += 1", {"a", "b", "c", "d", "e", "h", "i"}),
        ("import a.b\nimport c.d as e\nfrom g import h as i, j", {"a", "e", "i", "j"}),
        ("if x:\n    y = 1\nelse:\n    def z(): pass", {"y", "z"}),
        ("try:\n    import p\nexcept ImportError as q:\n    p = None", {"p", "q"}),
        ("with a as b:\n    for c in d:\n        while (e := f()): pass", {"b", "c", "e"}),
        ("def f():\n    inner = 1\n[k for k in z]\nx.y = 1\nx[0] = 1", {"f"}),
        ("from m import *", set()),
        ("def (", set()),
    ],
)
def test_names(text, bound):
    assert names(text) == bound


def test_names_without_imports():
    assert names("import a\nfrom b import c\nd = 1", imported=False) == {"d"}


def test_equal_code_has_an_equal_shape():
    stub = "def f(x):\n    raise NotImplementedError"
    assert shape(stub) == shape('def f( x ):  # mine\n    """Doc."""\n\n    raise   NotImplementedError\n')
    assert shape(stub) != shape(stub.replace("x", "y"))
    assert shape("def f():\n    'only a docstring'") != ""
    assert shape("x = (") == ""


def test_added():
    assert added("import a\nimport b\nx = 1\n", "import a\nx = 1") == "import b"
    assert added("x = 1  # same", "x = 1") == ""
    assert added("def f():\n    '''Doc.'''\n    return 2", "import a") == "def f():\n    '''Doc.'''\n    return 2"
    assert added("x = (", "x = 1") == ""


def test_hidden_line_breaks_are_read_as_ipython_reads_them():
    # IPython splits lines where Python does not: a comment could hide a line that runs.
    code = read("# hi \u2028!x\u2028import gc\nx = 1")
    assert "gc" in code.names or code.python == ""


@pytest.mark.parametrize(
    "text",
    [
        "%time x\n" * 25_000,
        "a b?\n" * 500,
        "a = %x\n" * 400,
        "%time x\n" * 9 + "x = 1  # comment here\n" * 9_000,
        "a" * 150_000 + " ?",
        "a." * 90_000 + " ?",
        ("a" * 290 + " ") * 600 + "?",
        "?" * 190_000,
        "(" * 190_000 + "?",
        "'" * 190_000,
        "\\" * 190_000,
        " \n" * 90_000 + "?",
        " " * 100_000 + "x ?",
        "ls x\n" * 40_000,
        "\t" * 190_000,
        '"""?' * 40_000,
        "elif x:\n" * 20_000,
        "@a\n" * 60_000,
    ],
    ids=lambda text: repr(text[:12]),
)
@pytest.mark.slow
def test_no_cell_takes_long(text):
    began = time.process_time()
    read(text)
    assert time.process_time() - began < 10  # a second or two; the machine may be slow and busy


def test_all_cells_together_have_one_budget():
    reader = Reader(budget=1000)
    assert reader.read("x = 1\n" * 100).python
    assert not reader.read("x = 1\n" * 100).python
    assert reader.read("x = 1\n").python  # what fits still counts


@given(st.text(max_size=200))
@settings(max_examples=300)
def test_any_text_is_read(text):
    code = read(text)
    assert code.names == (names(code.python) if code.python else frozenset())
    shape(code.python)


PIECES = [*"%!?\n#\\\f;1()", "%%time", "x", " = ", '"""', "'", "def f():", "\n    ", "return", ">>> "]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
@settings(max_examples=500)
def test_any_mix_of_pieces_is_read(text):
    python = to_python(text)
    assert not python or parsed(python) is not None


@pytest.mark.parametrize("end", ["\r", "\r\n", "\f\n"])
def test_unusual_line_ends(end):
    """Lines end where Python ends them: `%time` in a file of an old Mac, a form feed."""
    assert names(to_python(f"a = 1{end}%time b = 2{end}%time c = 3{end}")) == {"a", "b", "c"}
    assert parsed(to_python(f"%time t{end * 30}%time {end}")) is not None  # whatever is left of it
