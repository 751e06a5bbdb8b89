"""Fuzz with atheris, guided by coverage: ``python -m tests.fuzz wire|values|notebook|cell [-max_total_time=60]``.

What follows the target's name goes to libFuzzer. The exit code is 0 when nothing but a named refusal came of any input;
figures (executions, coverage, crashes) are what libFuzzer prints.
"""

from __future__ import annotations

import ast
import contextlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import atheris
import msgspec
import torch

with atheris.instrument_imports(include=["grader"]):
    from grader.course import Course
    from grader.notebook import Problem, Submission, read
    from grader.sandbox import wire
    from grader.sandbox.codec import Codec
    from grader.sandbox.tensors import DTYPES
    from grader.source import to_python
from tests.test_sandbox import ROOT


def take(control: bytes, raw: bytearray) -> None:
    """What the client does with an answer: plain data comes of it, or a `WireError`."""

    def refuse(source: wire.Source) -> object:
        raise wire.WireError("source")

    codec = Codec(+1, leave=wire.Unsupported, fetch=repr, make=refuse)  # type: ignore[arg-type]
    codec.begin_message()
    codec.encode([torch.zeros(2), torch.ones(2, 2)])  # two tensors of ours that it may speak of
    with contextlib.suppress(wire.WireError):
        reply = wire.decode(control, wire.Reply)
        codec.receive(wire.split(raw, reply.blobs))
        if isinstance(reply.outcome, wire.Returned):
            codec.decode(reply.outcome.value)
        codec.set_attrs(reply.attrs)
        codec.changed()


def fuzz_wire(data: bytes) -> None:
    """A frame of arbitrary bytes."""
    with contextlib.suppress(wire.WireError):
        control, blobs = wire.sizes(data[:8].ljust(8, b"\0"))
        take(data[8 : 8 + control], bytearray(data[8 + control : 8 + control + blobs]))


def fuzz_values(data: bytes) -> None:
    """An answer that can be read, of arbitrary values and tensors."""
    given = atheris.FuzzedDataProvider(data)
    raw = bytearray(given.ConsumeBytes(given.ConsumeIntInRange(0, 64)))
    attrs = [wire.Attr(_small(given), given.ConsumeUnicodeNoSurrogates(6), _value(given, 2)) for _ in range(2)]
    outcome = wire.Returned(_value(given, 4))
    reply = wire.Reply(1, outcome, attrs, [_small(given)], blobs=[(_small(given), len(raw))])
    with contextlib.suppress(OverflowError):
        take(msgspec.msgpack.encode(reply), raw)


def _small(given: Any) -> int:
    return int(given.ConsumeIntInRange(-4, 4))


def _value(given: Any, depth: int) -> Any:
    kind = given.ConsumeIntInRange(0, 11 if depth else 7)
    if kind >= 10:
        pairs = [(_value(given, depth - 1), _value(given, depth - 1)) for _ in range(given.ConsumeIntInRange(0, 3))]
        return wire.Map(pairs)
    if kind >= 8:
        items = [_value(given, depth - 1) for _ in range(given.ConsumeIntInRange(0, 4))]
        return wire.Seq(given.PickValueInList(["list", "tuple", "set", "frozenset", "size"]), items)
    if kind >= 4:
        return _tensor(given)
    return [
        given.ConsumeInt(8),
        wire.Big(given.ConsumeUnicodeNoSurrogates(8)),
        wire.Known(_small(given)),
        wire.DType(given.ConsumeUnicodeNoSurrogates(8)),
    ][kind]


def _tensor(given: Any) -> wire.TensorV:
    def numbers() -> list[int]:
        return [given.ConsumeIntInRange(-1, 5) for _ in range(given.ConsumeIntInRange(0, 4))]

    return wire.TensorV(
        _small(given), given.PickValueInList(["tensor", "parameter", "ndarray", "scalar"]),
        given.PickValueInList([*DTYPES, "float8"]), numbers(), numbers(),
        given.ConsumeIntInRange(-1, 70), _small(given), given.ConsumeBool(),
    )  # fmt: skip


def fuzz_notebook() -> Callable[[bytes], None]:
    """A notebook file: a submission, or a problem in one line."""
    assignment = Course(ROOT).assignment("ch17")

    def target(data: bytes) -> None:
        found = read(data, assignment)
        if isinstance(found, Problem):
            assert found.text.count("\n") == 0
        else:
            assert isinstance(found, Submission)

    return target


def fuzz_cell(data: bytes) -> None:
    """A cell's source: plain Python that parses, or nothing."""
    python = to_python(data.decode("utf-8", "replace"))
    if python:
        ast.parse(python)


def seeds(target: str) -> Sequence[bytes]:
    """Inputs to begin with."""
    if target == "wire":
        value = wire.Map([("a", wire.Seq("list", [1, 2.5, None])), ("b", wire.Big("0xff"))])
        tensor = wire.TensorV(-1, "tensor", "float32", [2, 2], [2, 1], 0, -1, True)
        replies = [
            wire.Reply(1, wire.Returned(value), printed="x"),
            wire.Reply(1, wire.Returned(tensor), [wire.Attr(-1, "g", tensor)], [1], blobs=[(-1, 16)]),
            wire.Reply(1, wire.Raised("ValueError", ["ValueError"], "no", [])),
        ]
        return [b"".join(map(bytes, wire.encode(reply, [bytes(16)] if reply.blobs else []))) for reply in replies]
    if target == "values":
        return [bytes(range(256)), bytes(range(255, -1, -1)) * 4]
    if target == "cell":
        return [b"%time x = 1\n!ls\nx?", b"def f(a):\n    return a @ a\n", b"  x = 1\n  await y"]
    return [(ROOT / "assignments/ch17/ch17.ipynb").read_bytes()]


def main(arguments: Sequence[str]) -> None:
    """Entry point."""
    name, *options = arguments
    targets = {
        "wire": lambda: fuzz_wire,
        "values": lambda: fuzz_values,
        "notebook": fuzz_notebook,
        "cell": lambda: fuzz_cell,
    }
    if name not in targets:
        sys.exit(f"one of {', '.join(targets)} is needed")
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    for number, seed in enumerate(seeds(name)):
        (folder / str(number)).write_bytes(seed)
    atheris.Setup([sys.argv[0], f"-artifact_prefix={folder}/", *options, str(folder)], targets[name]())
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
