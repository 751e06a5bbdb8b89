"""What kind of slip an exception shows, read from its type's name and its text; where a cell stops being Python.

Only the usual slips of this material are known, in the wordings of PyTorch 2.x, NumPy and Python 3.11 and later, old
and new. A student can raise anything with any text, so the answer is a hint for the message and decides no points.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from typing import NamedTuple

from grader.legible import plain

_LONGEST = 2000  # characters looked at
_LONGEST_CELL = 10_000
_COMMANDS = re.compile(r"^([ \t]*)[%!].*$", re.MULTILINE)


class _Sign(NamedTuple):
    """An exception of one of ``types`` (any, if none) whose text holds ``pattern``; its named groups are facts."""

    code: str
    types: tuple[str, ...]
    pattern: str


_SHAPES = (
    r"shapes cannot be multiplied|must match the (existing )?size|Sizes of tensors must match|size mismatch"
    r"|inconsistent tensor size|to be equal size|Expected size for|to have \d+ channels|broadcast|not aligned"
    r"|mismatch in its core dimension|must be a matrix|1D tensors expected|number of sizes provided|shape mismatch"
)

_STATE_DICT = (  # what torch calls missing the module has, and nobody gave
    r"in loading state_dict for \w+:(?=.*key\(s\) in state_dict)"
    r"(\s*Missing key\(s\) in state_dict: (?P<extra>[^\n]*?)\. )?"
    r"(\s*Unexpected key\(s\) in state_dict: (?P<missing>[^\n]*?)\. )?"
)

_SIGNS = (
    _Sign("name_error", ("NameError",), r"name '(?P<name>[^']*)' is not defined"),
    _Sign("unbound_local", ("UnboundLocalError",), r"variable '(?P<name>[^']*)'"),
    _Sign("module_missing", ("ModuleNotFoundError",), r"No module named '(?P<name>[^']*)'"),
    _Sign(
        "wrong_arguments",
        ("TypeError",),
        r"(?P<function>[\w.]+)\(\) (takes |missing \d+ required|got an unexpected keyword|got multiple values)",
    ),
    _Sign("not_callable", ("TypeError",), r"'(?P<called>[^']*)' object is not callable"),
    _Sign("not_called", ("TypeError",), r"unsupported operand .*'(builtin_function_or_method|method|function)'"),
    _Sign("none_used", ("TypeError", "AttributeError"), r"'?NoneType'? object|unsupported operand .*'NoneType'"),
    _Sign("g_not_set", ("AttributeError",), r"'(Tensor|Parameter)' object has no attribute 'g'"),
    _Sign("no_super_init", ("AttributeError",), r"before Module\.__init__\(\) call"),
    _Sign("no_attribute", ("AttributeError",), r"'(?P<owner>[^']*)' object has no attribute '(?P<attribute>[^']*)'"),
    _Sign("ambiguous_truth", ("RuntimeError", "ValueError"), r"(Boolean|bool|truth) value of .* ambiguous"),
    _Sign("inplace_leaf", ("RuntimeError",), r"leaf Variable that requires grad .*in-place"),
    _Sign("inplace_needed", ("RuntimeError",), r"modified by an inplace operation"),
    _Sign("no_grad_fn", ("RuntimeError",), r"does not require grad and does not have a grad_fn"),
    _Sign("reshape_error", ("RuntimeError",), r"shape '[^']*' is invalid for input of size"),
    _Sign("reshape_error", ("ValueError",), r"cannot reshape array of size"),
    _Sign("not_contiguous", ("RuntimeError",), r"view size is not compatible"),
    _Sign("not_one_number", ("RuntimeError", "ValueError"), r"one element tensors|cannot be converted to Scalar"),
    _Sign("dtype_clash", ("RuntimeError",), r"(same dtype|expected scalar type|Found dtype|same data ?type)"),
    _Sign("memory", ("RuntimeError", "MemoryError"), r"can't allocate memory|not enough memory|Unable to allocate"),
    _Sign("state_dict", ("RuntimeError",), _STATE_DICT),
    _Sign("shape_error", ("RuntimeError", "ValueError", "IndexError"), _SHAPES),
    _Sign("index_error", ("IndexError",), r"out of (range|bounds)"),
    _Sign("memory", ("MemoryError", "OutOfMemoryError", "_ArrayMemoryError"), ""),
    _Sign("recursion", ("RecursionError",), ""),
    _Sign("assertion", ("AssertionError",), ""),
    _Sign("no_forward", ("NotImplementedError",), r'is missing the required "forward" function'),
    _Sign("no_operation", ("NotImplementedError", "RuntimeError"), r"not implemented for '(?P<dtype>\w+)'"),
    _Sign("stub", ("NotImplementedError",), r"^$"),
)

_READ = tuple((sign.code, sign.types, re.compile(sign.pattern, re.DOTALL)) for sign in _SIGNS)


def classify_exception(type_name: str, text: str) -> tuple[str, dict[str, str]]:
    """The message code ("raised" when it is none of the usual slips), and its facts: ``type``, ``text`` and, where
    the text tells, ``name``, ``function``, ``called``, ``owner``, ``attribute``. All are one line and bounded."""
    head = text[:_LONGEST]
    facts = {"type": plain(type_name, 80), "text": plain(text)}
    for code, types, pattern in _READ:
        if type_name in types and (found := pattern.search(head)):
            return code, facts | {key: plain(value, 80) for key, value in found.groupdict().items() if value}
    return "raised", facts


def unreadable(source: str) -> dict[str, str]:
    """Where a cell that is not Python goes wrong first (``line``), and how (``text``), as far as Python tells."""
    if len(source) > _LONGEST_CELL:
        return {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(_COMMANDS.sub(r"\1pass", textwrap.dedent(source)))
    except SyntaxError as error:
        return {"line": str(error.lineno), "text": plain(error.msg, 200)} if error.lineno else {}
    except (ValueError, RecursionError, MemoryError):
        return {}
    return {}
