"""What crosses the wall: typed msgpack messages, framed, with every size known before anything is allocated.

A frame is a header (two little-endian uint32: bytes of the control message, bytes of the blobs), the control message,
and the blobs, raw, one after the other: the storages of the tensors the message speaks of. One request, one reply.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

HEADER = struct.Struct("<II")
MAX_CONTROL = 1 << 18
MAX_BLOBS = 1 << 26
MAX_DEPTH = 32
MAX_ITEMS = 20_000
MAX_KEYS = 4_000
MAX_CHOSEN_KEYS = 256  # tuples and the like: they can be chosen so that they all collide
MAX_TEXT = 4_000
MAX_ATTRS = 500
MAX_BLOB_COUNT = 512
MAX_CALLS = 64  # in one request

Name = Annotated[str, Meta(max_length=400)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]


class WireError(Exception):
    """A frame or a message that does not keep to the rules; the worker that sent it is not to be believed."""


# ---------------------------------------------------------------- values


class Big(msgspec.Struct, frozen=True, array_like=True, tag="b"):
    """An integer beyond 64 bits, in hexadecimal (read in linear time, unlike decimal)."""

    text: str


class Seq(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """A list, tuple, set, frozenset or ``torch.Size``."""

    kind: Literal["list", "tuple", "set", "frozenset", "size"]
    items: Annotated[list[Value], Meta(max_length=MAX_ITEMS)]


class Map(msgspec.Struct, frozen=True, array_like=True, tag="m"):
    """A dict (an ordered one counts as a dict)."""

    items: Annotated[list[tuple[Value, Value]], Meta(max_length=MAX_KEYS)]


class Known(msgspec.Struct, frozen=True, array_like=True, tag="k"):
    """A tensor that the other side already has under this number, unchanged."""

    id: int


class TensorV(msgspec.Struct, frozen=True, array_like=True, tag="t"):
    """A tensor or NumPy array: a strided window on storage number ``storage``, which travels once, as a blob."""

    id: int
    kind: Literal["tensor", "parameter", "ndarray", "scalar"]
    dtype: Name
    shape: list[int]
    strides: list[int]
    offset: int
    storage: int
    requires_grad: bool


class DType(msgspec.Struct, frozen=True, array_like=True, tag="d"):
    """A torch dtype."""

    name: Name


class Source(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """Source of the suite's own that the worker evaluates: an expression, or a class or function named ``name``."""

    text: str
    name: str


class Remote(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """An object that stays in the worker; ``type_text`` is what it calls itself, at most a hint."""

    id: int
    type_text: Name


class Unsupported(msgspec.Struct, frozen=True, array_like=True, tag="u"):
    """A value that has no plain form (sparse, quantised, on no device, too large, nested too deep)."""

    type_text: Name


Value = None | bool | int | float | Text | Big | Seq | Map | Known | TensorV | DType | Source | Remote | Unsupported


class Attr(msgspec.Struct, frozen=True, array_like=True):
    """An attribute set on a tensor that both sides know, such as ``inp.g``."""

    tensor: int
    name: Name
    value: Value


# ---------------------------------------------------------------- requests


class Run(msgspec.Struct, frozen=True, tag=True):
    """Run one cell of the notebook, as plain Python: all of it, or the statements with these numbers alone."""

    python: str
    label: str
    only: list[int] | None = None


class Call(msgspec.Struct, frozen=True, tag=True):
    """Call ``base.attrs[0].attrs[1]...`` where ``base`` is a name of the notebook or a handle's number."""

    base: str | int
    attrs: list[str]
    args: list[Value]
    kwargs: dict[str, Value]
    watch: bool = False


class Calls(msgspec.Struct, frozen=True, tag=True):
    """Several calls, one after the other, whatever comes of those before."""

    calls: list[Call]


class Get(msgspec.Struct, frozen=True, tag=True):
    """Read a name of the notebook, or an attribute of it or of a handle."""

    base: str | int
    attrs: list[str]


class Items(msgspec.Struct, frozen=True, tag=True):
    """Iterate over a handle, and answer a list (at most ``MAX_ITEMS``)."""

    handle: int


class Grad(msgspec.Struct, frozen=True, tag=True):
    """``torch.autograd.grad`` in the worker, on tensors it knows."""

    outputs: list[Value]
    inputs: list[Value]
    grad_outputs: list[Value]


Ask = Run | Call | Calls | Get | Items | Grad


class Request(msgspec.Struct, frozen=True):
    """One request. ``attrs`` brings the worker up to date with what the suite set on its tensors.

    With ``begin``, a seed, a check begins: first forget the tensors and handles of the last one, and reset random
    generators, default dtype and modes.
    """

    seq: int
    ask: Ask
    begin: int | None = None
    attrs: list[Attr] = []
    blobs: list[tuple[int, int]] = []


# ---------------------------------------------------------------- replies


class Op(msgspec.Struct, frozen=True, array_like=True):
    """An ATen operator that ran: how often, and the most elements among its tensor inputs and outputs."""

    name: Name
    count: int
    largest: int


class Seen(msgspec.Struct, frozen=True):
    """What the worker saw while a call ran. A hint: it comes from the untrusted side.

    ``functions`` are Python-level names such as ``torch.Tensor.matmul``, sorted; ``autograd`` tells whether an
    operator ran inside the autograd engine.
    """

    functions: tuple[Name, ...] = ()
    ops: tuple[Op, ...] = ()
    autograd: bool = False


class Line(msgspec.Struct, frozen=True, array_like=True):
    """A line of the student's own in a traceback."""

    label: Name
    line: int
    code: Name


class Returned(msgspec.Struct, frozen=True, tag=True):
    """The call came back."""

    value: Value


class Raised(msgspec.Struct, frozen=True, tag=True):
    """The student's code raised."""

    type_name: Name
    bases: list[Name]
    text: Text
    lines: Annotated[list[Line], Meta(max_length=8)]


class Undefined(msgspec.Struct, frozen=True, tag=True):
    """The name or attribute asked for is not there."""

    name: Name


class Several(msgspec.Struct, frozen=True, tag=True):
    """What came of `Calls`: a reply to each. The whole reply's blob number n, from 0, holds those of the n-th."""

    replies: Annotated[list[Reply], Meta(max_length=MAX_CALLS)]


class Reply(msgspec.Struct, frozen=True):
    """One reply.

    ``attrs``: attributes the student's code set on tensors; ``changed``: the suite's tensors whose values it
    changed in place; ``spoilt``: which of the call's arguments, as lists and dicts, it did; ``printed``: the beginning
    of what it printed, ``cut`` characters more were dropped.
    """

    seq: int
    outcome: Returned | Raised | Undefined | Several
    attrs: Annotated[list[Attr], Meta(max_length=MAX_ATTRS)] = []
    changed: list[int] = []
    spoilt: list[int] = []
    printed: Text = ""
    cut: int = 0
    seen: Seen | None = None
    blobs: list[tuple[int, int]] = []


class Hello(msgspec.Struct, frozen=True):
    """What a worker says first: the layers that hold it, those that are missing, and what it could still do.

    ``open_doors`` must be empty: each is something the worker tried from inside, and that should have failed.
    """

    layers: list[str]
    missing: list[str]
    open_doors: list[str]


class Start(msgspec.Struct, frozen=True):
    """What the zygote needs to start a worker (its two pipes come with the message)."""

    folder: str
    readable: list[str]
    protected: list[str]
    memory: int
    confine: bool


class Order(msgspec.Struct, frozen=True):
    """What the client asks of the zygote: start a worker, end one and tell how it ended, or load modules."""

    start: Start | None = None
    end: int | None = None
    load: list[str] = []


class Done(msgspec.Struct, frozen=True):
    """The zygote's answer: the new worker's process id, or the wait status of the ended one."""

    pid: int
    status: int = 0


# ---------------------------------------------------------------- frames

Blobs = dict[int, memoryview]
T = TypeVar("T")
_encoder = msgspec.msgpack.Encoder()
_decoders = {kind: msgspec.msgpack.Decoder(kind) for kind in (Request, Reply, Hello)}  # made before any fork


def encode(message: msgspec.Struct, blobs: Sequence[bytes | memoryview] = ()) -> list[bytes | memoryview]:
    """The parts of a frame, ready for ``os.writev``. Raises `WireError` when it is over the limits."""
    control = _encoder.encode(message)
    size = sum(len(blob) for blob in blobs)
    if len(control) > MAX_CONTROL or size > MAX_BLOBS or len(blobs) > MAX_BLOB_COUNT:
        raise WireError(f"message too large: {len(control)} + {size} bytes, {len(blobs)} tensors")
    return [HEADER.pack(len(control), size), control, *blobs]


def sizes(header: bytes) -> tuple[int, int]:
    """Bytes of control message and of blobs that a header announces. Raises `WireError` over the limits."""
    control, blobs = HEADER.unpack(header)
    if control > MAX_CONTROL or blobs > MAX_BLOBS:
        raise WireError(f"announced {control} + {blobs} bytes")
    return control, blobs


def decode(control: bytes, kind: type[T]) -> T:
    """A control message as ``kind``. Raises `WireError` for anything else."""
    try:
        return _decoders[kind].decode(control)  # type: ignore[index,return-value]
    except (msgspec.DecodeError, RecursionError, UnicodeError, OverflowError, ValueError) as error:
        raise WireError(f"not a {kind.__name__}: {type(error).__name__}") from None


def split(blobs: bytearray | memoryview, table: list[tuple[int, int]]) -> dict[int, memoryview]:
    """The blobs by storage number. Raises `WireError` when the table does not fit the bytes."""
    if len(table) > MAX_BLOB_COUNT or any(size < 0 for _, size in table):
        raise WireError("bad blob table")
    if sum(size for _, size in table) != len(blobs) or len({number for number, _ in table}) != len(table):
        raise WireError("blob table does not fit")
    view, at, parts = memoryview(blobs), 0, {}
    for number, size in table:
        parts[number] = view[at : at + size]
        at += size
    return parts
