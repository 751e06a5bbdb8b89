"""`check_linear`, the student's own test: tried on a layer that is right and on one that is not."""

import pytest

from grader.findings import Mismatch, StudentRaised
from grader.model import Finding
from grader.sandbox.wire import Source
from grader.sentences import both

RIGHT = """
class Layer(nn.Linear):
    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out)
        nn.init.kaiming_normal_(self.weight)
        nn.init.zeros_(self.bias)
"""
BROKEN = """
class Layer(nn.Identity):
    pass
"""


def accepts(student, text):
    """Does the student's test return for this layer? A stub fails the check."""
    try:
        student.check_linear(Source(text, "Layer"))
    except StudentRaised as raised:
        if raised.finding.reason == "missing":
            raise
        return False
    return True


@pytest.mark.exercise("check_linear", points=0.5)
def test_check_linear(student):
    """Returns for a layer that is right, and raises for one that gives back its input and has no parameters.

    对正确的层正常返回；对原样返回输入、没有参数的层抛出异常。
    """
    first, broken, last = [accepts(student, text) for text in (RIGHT, BROKEN, RIGHT)]
    if not (first and last):
        raise Mismatch(
            Finding("wrong", "rejects_right", {"kind": both("one made from nn.Linear", zh="由 nn.Linear 构成的层")})
        )
    if broken:
        kind = both("it gives back its input and has no parameters", zh="它原样返回输入，没有参数")
        raise Mismatch(Finding("wrong", "accepts_broken", {"kind": kind}))
