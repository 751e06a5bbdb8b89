"""The usual slips are known by the exceptions that they really raise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from grader.model import Finding
from grader.raised import classify_exception, unreadable
from grader.wording import CODES, message

X, W = torch.randn(5, 4), torch.randn(3, 4)
NOTHING: object = None
LEAF = torch.ones(3, requires_grad=True)


class Relu:
    """A layer that cannot be called."""


class NoSuper(nn.Module):
    """A layer without ``super().__init__()``."""

    def __init__(self) -> None:
        self.weight = nn.Parameter(torch.ones(2))


def f(a: object) -> object:
    return a


def unbound() -> None:
    total += 1  # type: ignore[name-defined]  # noqa: F821, F841


def changed_too_late() -> None:
    a = LEAF.exp()
    a += 1
    a.sum().backward()


def again() -> None:
    again()


def vector_in_a_cell() -> None:
    c = torch.zeros(2, 2)
    c[0, 0] = X[0] * W[0]


SLIPS: list[tuple[str, str, Callable[[], object]]] = [
    ("product", "shape_error", lambda: X @ W),
    ("power", "no_operation", lambda: X ^ 2),
    ("no forward", "no_forward", lambda: nn.Module()(X)),
    ("sum", "shape_error", lambda: X + torch.ones(5)),
    ("expand", "shape_error", lambda: X.expand(7, 4)),
    ("bmm", "shape_error", lambda: torch.bmm(torch.ones(2, 3, 4), torch.ones(2, 5, 4))),
    ("mm of three axes", "shape_error", lambda: torch.mm(torch.ones(2, 3, 4), X)),
    ("matrix and vector", "shape_error", lambda: X @ torch.ones(3)),
    ("einsum", "shape_error", lambda: torch.einsum("ij,jk->ik", X, W)),
    ("dot", "shape_error", lambda: torch.ones(3).dot(torch.ones(4))),
    ("cat", "shape_error", lambda: torch.cat([X, W.t()])),
    ("stack", "shape_error", lambda: torch.stack([X, W])),
    ("vector in a cell", "shape_error", vector_in_a_cell),
    ("in place", "shape_error", lambda: torch.zeros(2).add_(torch.ones(3, 2))),
    ("layer", "shape_error", lambda: nn.Linear(3, 4)(X)),
    ("convolution", "shape_error", lambda: torch.conv2d(torch.ones(1, 2, 4, 4), torch.ones(1, 3, 2, 2))),
    ("numpy product", "shape_error", lambda: np.zeros((2, 3)) @ np.zeros((4, 2))),
    ("numpy dot", "shape_error", lambda: np.dot(np.zeros(2), np.zeros(3))),
    ("numpy sum", "shape_error", lambda: np.zeros(3) + np.zeros(4)),
    ("reshape", "reshape_error", lambda: X.reshape(7, 3)),
    ("view", "reshape_error", lambda: X.view(3, -1)),
    ("numpy reshape", "reshape_error", lambda: np.zeros(6).reshape(4, 4)),
    ("parameters", "state_dict", lambda: nn.Linear(2, 2).load_state_dict({"w": X})),
    ("shapes of parameters", "shape_error", lambda: nn.Linear(2, 2, bias=False).load_state_dict({"weight": X})),
    ("view of a transpose", "not_contiguous", lambda: X.t().view(20)),
    ("item", "not_one_number", lambda: X.item()),
    ("float", "not_one_number", lambda: float(X)),
    ("name", "name_error", lambda: not_defined_anywhere),  # type: ignore[name-defined]  # noqa: F821
    ("local", "unbound_local", unbound),
    ("module", "module_missing", lambda: __import__("no_such_module")),
    ("no argument", "wrong_arguments", lambda: f()),  # type: ignore[call-arg]
    ("two arguments", "wrong_arguments", lambda: f(1, 2)),  # type: ignore[call-arg]
    ("keyword", "wrong_arguments", lambda: f(stride=1)),  # type: ignore[call-arg]
    ("no __call__", "not_callable", lambda: Relu()(X)),  # type: ignore[operator]
    ("missing operator", "not_callable", lambda: X(2)),  # type: ignore[operator]
    ("missing brackets", "not_called", lambda: X @ W.t),  # type: ignore[operator]
    ("None in a sum", "none_used", lambda: X + None),  # type: ignore[operator]
    ("attribute of None", "none_used", lambda: NOTHING.g),  # type: ignore[attr-defined]
    ("item of None", "none_used", lambda: NOTHING[0]),  # type: ignore[index]
    ("no gradient yet", "g_not_set", lambda: X.g),  # type: ignore[attr-defined]
    ("not stored", "no_attribute", lambda: Relu().out),  # type: ignore[attr-defined]
    ("no super", "no_super_init", NoSuper),
    ("if", "ambiguous_truth", lambda: 0 if X < 0 else X),
    ("max", "ambiguous_truth", lambda: max(0, X)),  # type: ignore[type-var]
    ("numpy if", "ambiguous_truth", lambda: 0 if np.zeros(3) < 0 else 1),
    ("leaf", "inplace_leaf", lambda: LEAF.add_(1)),
    ("view of a leaf", "inplace_leaf", lambda: LEAF[0].add_(1)),
    ("needed later", "inplace_needed", changed_too_late),
    ("no graph", "no_grad_fn", lambda: X.sum().backward()),
    ("dtypes", "dtype_clash", lambda: X @ W.t().double()),
    ("index", "index_error", lambda: X[7]),
    ("list index", "index_error", lambda: [1][3]),
    ("axis", "index_error", lambda: X.sum(5)),
    ("memory", "memory", lambda: torch.zeros(10**15)),
    ("numpy memory", "memory", lambda: np.zeros(10**15)),
    ("recursion", "recursion", again),
    ("assert", "assertion", lambda: (_ for _ in ()).throw(AssertionError("sizes"))),
    ("stub", "stub", lambda: (_ for _ in ()).throw(NotImplementedError)),
    ("not the stub", "raised", lambda: (_ for _ in ()).throw(NotImplementedError("Could not run 'aten::_foo'"))),
    ("division", "raised", lambda: 1 / 0),
    ("number and list", "raised", lambda: 1.0 + [1.0]),  # type: ignore[operator]
]


@pytest.mark.parametrize(("code", "slip"), [row[1:] for row in SLIPS], ids=[row[0] for row in SLIPS])
def test_knows(code: str, slip: Callable[[], object]) -> None:
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        slip()
    found, facts = classify_exception(type(caught.value).__name__, str(caught.value))
    assert found == code
    assert found in CODES
    assert facts["type"] == type(caught.value).__name__
    assert str(message(Finding("raised", found, facts))).isprintable()


def test_facts_from_the_text() -> None:
    def facts(type_name: str, text: str) -> dict[str, str]:
        return classify_exception(type_name, text)[1]

    assert facts("NameError", "name 'w1' is not defined")["name"] == "w1"
    assert facts("TypeError", "Lin.bwd() missing 2 required positional arguments: 'a' and 'b'")["function"] == "Lin.bwd"
    assert facts("AttributeError", "'Relu' object has no attribute 'out'")["attribute"] == "out"
    assert facts("TypeError", "'Relu' object is not callable")["called"] == "Relu"
    for state, missing, extra in (({}, None, '"weight", "bias"'), ({"weight": W, "w": W}, '"w"', '"bias"')):
        with pytest.raises(RuntimeError) as caught:
            nn.Linear(4, 3).load_state_dict(state)
        found = facts("RuntimeError", str(caught.value))
        assert (found.get("missing"), found.get("extra")) == (missing, extra)


@pytest.mark.parametrize(
    ("source", "facts"),
    [
        ("def f(x):\n    return (x", {"line": "2", "text": "'(' was never closed"}),
        ("%%time\n!ls\n  %time f(\ndef f(x)\n    return x", {"line": "3", "text": "unexpected indent"}),
        ("%%time\n!ls\ndef f(x)\n    return x", {"line": "3", "text": "expected ':'"}),
        ("    x = 1\n    y = = 2", {"line": "2", "text": "invalid syntax"}),
        ("x = 1", {}),
        ("x\0", {}),
        ("(" * 9_999, {"line": "1", "text": "too many nested parentheses"}),
        ("(" * 10**6, {}),
        ("-" * 9_999 + "1", {}),
    ],
)
def test_where_a_cell_stops_being_python(source: str, facts: dict[str, str]) -> None:
    assert unreadable(source) == facts


def test_a_type_that_only_quotes_the_words_is_not_taken_for_the_slip() -> None:
    assert classify_exception("MyError", "name 'x' is not defined")[0] == "raised"
    assert classify_exception("KeyError", "shapes cannot be multiplied")[0] == "raised"


@given(st.text(max_size=30) | st.sampled_from(["TypeError", "RuntimeError", "NameError"]), st.text())
def test_any_text_gives_bounded_facts(type_name: str, text: str) -> None:
    code, facts = classify_exception(type_name, text)
    assert code in CODES
    assert all(len(value) <= 200 and (value.isprintable()) for value in facts.values())


def test_a_long_text_costs_no_time() -> None:
    for text in ("name '" * 10**6, "'" * 10**7, "unsupported operand " * 10**5 + "'", "leaf Variable " * 10**6):
        for type_name in ("NameError", "TypeError", "AttributeError", "RuntimeError", "UnboundLocalError"):
            assert len(classify_exception(type_name, text)[1]["text"]) <= 200
