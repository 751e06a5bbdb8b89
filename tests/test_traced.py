"""After an exception: the student's own line, those around it, and what the call was given."""

from __future__ import annotations

from grader.model import CallShown, CheckResult, Shown
from grader.traced import framed, lines

CELL = "import torch\n\ndef product(a, b):\n    c = torch.zeros(2, 2)\n    c += a * b\n    return c\n"


def test_the_lines_around():
    frame = framed("cell 3", 5, "    c += a * b", [("cell 2", "x = 1"), ("cell 3", CELL)])
    call = CallShown("product(a, b)", (Shown("a", "float32 tensor of shape [3, 4]\n [[1, 2]]"),))
    check = CheckResult("test", "failed", reason="raised", frames=(frame,), call=call)
    assert "\n".join(lines(check)) == (
        "in cell 3:\n"
        "     3 def product(a, b):\n"
        "     4     c = torch.zeros(2, 2)\n"
        "->   5     c += a * b\n"
        "     6     return c\n"
        "     7\n"
        "a is float32 tensor of shape [3, 4]"
    )


def test_a_line_that_no_cell_holds_stands_alone():
    assert framed("cell 9", 5, "x", [("cell 3", CELL)]).before == ()
    assert framed("cell 3", 99, "x", [("cell 3", CELL)]).after == ()
    assert framed("cell 3", 1, "import torch", [("cell 3", CELL)]).before == ()


def test_other_failures_have_no_such_lines():
    assert not list(lines(CheckResult("test", "failed", reason="wrong", frames=(framed("c", 1, "x", []),))))


def test_what_a_student_wrote_is_printed_plainly():
    frame = framed("cell\x1b[2J", 1, "    x = '\x1b]0;title\x07'\u202e", [])
    [where, code] = lines(CheckResult("test", "failed", reason="raised", frames=(frame,)))
    assert (where, code) == ("in cell[2J:", "->   1     x = ']0;title'")
