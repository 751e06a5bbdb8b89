"""Values to wire values and back, keeping the identity of tensors for the length of a check.

Each side of the wall holds one `Codec`. A tensor that crosses gets a number (the client's are positive, the worker's
negative) under which both sides know it from then on: it then travels as `Known`, unless its content changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import Any, TypeGuard

import numpy as np
import torch

from grader.sandbox import tensors
from grader.sandbox.wire import (
    MAX_BLOBS,
    MAX_CHOSEN_KEYS,
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_KEYS,
    MAX_TEXT,
    Attr,
    Big,
    DType,
    Known,
    Map,
    Remote,
    Seq,
    Source,
    TensorV,
    Unsupported,
    Value,
    WireError,
)

_SEQUENCES: dict[type, str] = {
    list: "list", tuple: "tuple", set: "set", frozenset: "frozenset", torch.Size: "size"
}  # fmt: skip
_PLAIN = (bool, int, float, str)
# A subclass's instance (a namedtuple, say) as its base makes it, with no say of the subclass's own methods.
_BASES: dict[type, Callable[[Any], Any]] = {
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
    list: list.copy,
    tuple: lambda value: tuple.__getitem__(value, slice(None)),
    dict: dict.copy,
    set: set().union,
    frozenset: frozenset().union,
}
_WHOLE_STORAGE = 1 << 22  # a small view of a larger storage than this travels as a copy
_MOST_RECEIVED = 2 * MAX_BLOBS  # bytes of one check, kept until it is over

Window = tuple[Any, ...]


def _window(flat: torch.Tensor) -> Window:
    """Where and how a plain tensor looks at memory."""
    return flat.dtype, flat.shape, flat.stride(), flat.storage_offset(), flat.data_ptr()


class Codec:
    """One side's tables. ``sign`` is +1 for the client's numbers and -1 for the worker's."""

    def __init__(
        self,
        sign: int,
        *,
        leave: Callable[[object], Value],
        fetch: Callable[[Remote | Unsupported], object],
        make: Callable[[Source], object],
    ) -> None:
        self.sign = sign
        self.leave = leave  # what to send for an object that cannot travel
        self.fetch = fetch  # what a handle from the other side stands for, or a value that it could not send
        self.make = make  # what a piece of source from the other side makes
        self.forget()

    def forget(self) -> None:
        """A check is over: no number means anything any more."""
        self.by_id: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}  # id() of a tensor held in by_id -> its number
        self._snapshots: dict[int, tuple[Window, bytes]] = {}  # where each looked when it last crossed, and at what
        self._storages: dict[int, int] = {}  # data_ptr of a storage -> its number
        self.received: dict[int, bytearray] = {}  # storage number -> the memory built on it
        self._contents: dict[int, bytes] = {}  # ... and what it held then: one copy for all tensors on it
        self._bools: set[int] = set()  # ... and those known to hold nothing but 0 and 1
        self._size = 0  # bytes received so far
        self.storage_of: dict[int, int] = {}  # tensor number -> storage number
        self._attrs: dict[tuple[int, str], object] = {}  # what the other side knows of attributes
        self._next = 0
        self.begin_message()

    def number(self, tensor: object) -> int | None:
        """The number under which both sides know a tensor, or None."""
        return self._numbers.get(id(tensor))

    def _new_number(self) -> int:
        self._next += 1
        return self.sign * self._next

    def _register(self, number: int, tensor: object, window: Window, content: bytes) -> None:
        old = self.by_id.get(number)
        if old is not None:
            self._numbers.pop(id(old), None)
        self.by_id[number] = tensor
        self._numbers[id(tensor)] = number
        self._snapshots[number] = window, content

    # ------------------------------------------------------------ out

    def begin_message(self) -> None:
        """Start collecting the blobs of one message."""
        self.outgoing: dict[int, memoryview] = {}
        self._new: list[int] = []  # the tensors in it that are not yet known, and the attributes
        self._new_attrs: list[tuple[int, str]] = []

    def unsent(self) -> None:
        """The last message did not go: what was new in it is not known to the other side."""
        for number in self._new:
            self._snapshots[number] = (), b""
            if number * self.sign > 0 and number in self.by_id:
                self._numbers.pop(id(self.by_id.pop(number)), None)
        for key in self._new_attrs:
            self._attrs.pop(key, None)

    def encode(self, value: object, depth: int = 0) -> Value:
        """``value`` as a wire value; a subclass's instance as its base, so that no subclass has a say in it."""
        kind = type(value)
        if value is None or kind is bool or kind is float:
            return value  # type: ignore[return-value]
        if kind is int:
            return value if -(2**63) <= value < 2**63 else self._big(value)  # type: ignore[operator,return-value,arg-type]
        if kind is str:
            return value if len(value) <= MAX_TEXT else Unsupported(f"str of {len(value)} characters")  # type: ignore[arg-type,return-value]
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, (np.ndarray, np.generic)):
            return self._array(value)
        if isinstance(value, torch.dtype):
            return DType(str(value))
        if kind in _SEQUENCES or kind is dict:
            return self._container(value, depth)
        base = None if callable(value) else next((base for base in _BASES if isinstance(value, base)), None)
        return self.leave(value) if base is None else self.encode(_BASES[base](value), depth)

    def _big(self, value: int) -> Value:
        return Big(hex(value)) if value.bit_length() <= 8192 else Unsupported(f"int of {value.bit_length()} bits")

    def _container(self, value: Any, depth: int) -> Value:
        if depth >= MAX_DEPTH:
            return Unsupported(f"{type(value).__name__} nested deeper than {MAX_DEPTH}")
        if len(value) > MAX_ITEMS or not (isinstance(value, (list, tuple)) or _usual_keys(value)):
            return Unsupported(f"{type(value).__name__} of {len(value)} items")
        if type(value) is dict:
            return Map([(self.encode(k, depth + 1), self.encode(v, depth + 1)) for k, v in value.items()])
        return Seq(_SEQUENCES[type(value)], [self.encode(item, depth + 1) for item in value])  # type: ignore[arg-type]

    def _tensor(self, tensor: torch.Tensor) -> Value:
        flat = tensors.plain(tensor)
        if flat is None:
            return Unsupported(describe(tensor))
        kind = "parameter" if type(tensor) is torch.nn.Parameter else "tensor"
        return self._send(tensor, flat, kind, bool(tensor.requires_grad))

    def _array(self, array: Any) -> Value:
        flat = tensors.from_numpy(np.asarray(array))
        if flat is None:
            return Unsupported(f"numpy {array.dtype} array"[:200])
        return self._send(array, flat, "ndarray" if isinstance(array, np.ndarray) else "scalar", False)

    def _send(self, owner: object, flat: torch.Tensor, kind: Any, requires_grad: bool) -> Value:
        window, content = _window(flat), tensors.storage_copy(flat)
        number = self.number(owner)
        if number is not None and self._snapshots[number] == (window, content):
            return Known(number)
        if number is None:
            number = self._new_number()
        self._register(number, owner, window, content)
        self._new.append(number)
        if flat.untyped_storage().nbytes() > max(_WHOLE_STORAGE, 2 * flat.numel() * flat.element_size()):
            flat = flat.contiguous().clone()
            storage = self._storage(number, flat, tensors.storage_copy(flat))
        else:
            storage = self._storage(number, flat, content)
        return TensorV(
            number, kind, tensors.NAMES[flat.dtype], list(flat.shape), list(flat.stride()),
            int(flat.storage_offset()), storage, requires_grad,
        )  # fmt: skip

    def _storage(self, number: int, flat: torch.Tensor, content: bytes) -> int:
        pointer = flat.untyped_storage().data_ptr()
        storage = self._storages.setdefault(pointer, number) if pointer else number
        self.storage_of[number] = storage
        self.outgoing[storage] = memoryview(content)
        return storage

    # ------------------------------------------------------------ in

    def receive(self, blobs: dict[int, memoryview]) -> None:
        """Take over the storages that came with a message. Raises `WireError` when it is too much."""
        self._size += sum(map(len, blobs.values()))
        if self._size > _MOST_RECEIVED:
            raise WireError("too many bytes for one check")
        self._bools -= blobs.keys()
        for number, blob in blobs.items():
            self.received[number], self._contents[number] = bytearray(blob), bytes(blob)

    def decode(self, value: Value, depth: int = 0) -> Any:
        """A wire value as a plain object. Raises `WireError` when it cannot be one."""
        if depth > MAX_DEPTH + 2:
            raise WireError("nested too deep")
        if value is None or type(value) in _PLAIN:
            return value
        match value:
            case Known(number):
                if number not in self.by_id:
                    raise WireError("unknown tensor")
                return self.by_id[number]
            case TensorV():
                return self._rebuild(value)
            case Seq(kind, items):
                return self._sequence(kind, [self.decode(item, depth + 1) for item in items])
            case Map(items):
                return self._map([(self.decode(k, depth + 1), self.decode(v, depth + 1)) for k, v in items])
            case Big(text):
                return self._integer(text)
            case DType(name):
                return tensors.DTYPES.get(name.removeprefix("torch."), name)
            case Remote() | Unsupported():
                return self.fetch(value)
            case Source():
                return self.make(value)
            case _:
                return value

    def _integer(self, text: str) -> int:
        if len(text) > 2100:
            raise WireError("integer too long")
        try:
            return int(text, 16)
        except ValueError:
            raise WireError("bad integer") from None

    def _sequence(self, kind: str, items: list[Any]) -> Any:
        try:
            match kind:
                case "list":
                    return items
                case "tuple":
                    return tuple(items)
                case "set" | "frozenset":
                    _check_keys(items)
                    return set(items) if kind == "set" else frozenset(items)
                case _:
                    return torch.Size(items)
        except (TypeError, ValueError, RuntimeError, OverflowError):
            raise WireError(f"bad {kind}") from None

    def _map(self, items: list[tuple[Any, Any]]) -> dict[Any, Any]:
        _check_keys([key for key, _ in items])
        try:
            return dict(items)
        except TypeError:
            raise WireError("bad dict") from None

    def _rebuild(self, value: TensorV) -> Any:
        memory = self.received.get(value.storage)
        if memory is None:
            raise WireError("tensor without bytes")
        if value.id * self.sign > 0 and value.id not in self.by_id:
            raise WireError("tensor under a number of ours")
        flat = tensors.build(value, memory, bools=value.storage not in self._bools)
        if flat.dtype is torch.bool:
            self._bools.add(value.storage)
        if value.kind in ("ndarray", "scalar"):
            if flat.dtype is torch.bfloat16:
                raise WireError("no such array")
            result: Any = flat.numpy() if value.kind == "ndarray" else flat.numpy()[()]
        elif value.kind == "parameter" and (flat.is_floating_point() or flat.is_complex()):
            result = torch.nn.Parameter(flat, requires_grad=value.requires_grad)
        else:
            result = flat
            if value.requires_grad and (flat.is_floating_point() or flat.is_complex()):
                result.requires_grad_()
        self.storage_of[value.id] = value.storage
        if flat.untyped_storage().nbytes():
            self._storages[flat.untyped_storage().data_ptr()] = value.storage
        self._register(value.id, result, _window(flat), self._contents[value.storage])
        return result

    # ------------------------------------------------------------ attributes and changes

    def new_attrs(self) -> Iterator[Attr]:
        """Attributes set since the last message on tensors both sides know (``inp.g``), plain data only."""
        done = 0
        while done < len(self.by_id):  # it grows at its end: an attribute may be a tensor that is new there
            for number in list(islice(self.by_id, done, None)):
                done += 1
                if getattr(self.by_id[number], "__dict__", None):
                    yield from self._attrs_of(number)

    def _attrs_of(self, number: int) -> Iterator[Attr]:
        for name, value in list(getattr(self.by_id[number], "__dict__", {}).items()):
            if type(name) is not str:  # before it is hashed
                continue
            known = self._attrs.get((number, name), self) is value
            if known and self.sign > 0:
                continue  # as it came, or as it was sent; to look for changes would cost what the worker likes
            if not known and not allowed_attr(name):
                continue
            try:
                if known and self._is_as_sent(value):
                    continue
                wire = self.encode(value)
            except Exception:  # an object of the student's that breaks when it is looked at
                wire = Unsupported("")
            if isinstance(wire, (Remote, Unsupported)):
                wire = Unsupported(type(value).__name__[:200])
            self._attrs[number, name] = value
            if not (known and isinstance(wire, Known)):
                self._new_attrs.append((number, name))
                yield Attr(number, name, wire)

    def _is_as_sent(self, value: object) -> bool:
        """Is this a tensor that the other side knows, unchanged? Of some only encoding tells."""
        number = self.number(value)
        if number is None or not _is_usual(value):
            return False
        return self._snapshots[number] == (_window(value), tensors.storage_copy(value))

    def set_attrs(self, attrs: list[Attr]) -> None:
        """Set what the other side says was set on its twins of our tensors. Raises `WireError` for any other name."""
        for change in self.read_attrs(attrs):
            self.put_attr(*change)

    def read_attrs(self, attrs: list[Attr]) -> list[tuple[int, torch.Tensor, str, object]]:
        """Number, tensor, name and value of each, for `put_attr`. Raises `WireError` for a name that may not be set."""
        return [self._read_attr(attr) for attr in attrs]

    def _read_attr(self, attr: Attr) -> tuple[int, torch.Tensor, str, object]:
        tensor = self.by_id.get(attr.tensor)
        if not isinstance(tensor, torch.Tensor) or not allowed_attr(attr.name):
            raise WireError("attribute on no tensor of ours, or not to be set")
        return attr.tensor, tensor, attr.name, self.decode(attr.value)

    def put_attr(self, number: int, tensor: torch.Tensor, name: str, value: object) -> None:
        """Set an attribute that came."""
        self._attrs[number, name] = value
        tensor.__dict__[name] = value

    def changed(self) -> list[int]:
        """The other side's tensors and arrays that are no longer what it sent; ask before anything is encoded."""
        touched = {number for number, memory in self.received.items() if memory != self._contents[number]}
        return [
            number
            for number, held in self.by_id.items()
            if number * self.sign < 0 and (self.storage_of[number] in touched or self._moved(number, held))
        ]

    def _moved(self, number: int, held: object) -> bool:
        """Does a tensor look at its memory in another way than when it came, or at another memory?"""
        if not isinstance(held, torch.Tensor):
            return False
        flat = held if _is_usual(held) else tensors.plain(held)  # asked after each call: `plain` takes longer
        return flat is None or _window(flat) != self._snapshots[number][0]


def _is_usual(value: object) -> TypeGuard[torch.Tensor]:
    """Is it a strided tensor on the CPU that shows its memory as it is: one that `tensors.plain` need not change?"""
    if type(value) is not torch.Tensor or value.layout is not torch.strided or not value.is_cpu:
        return False
    return not (value.is_neg() or value.is_conj())


def _check_keys(keys: list[Any]) -> None:
    if not _usual_keys(keys):
        raise WireError("keys that nobody uses")


def _usual_keys(keys: Collection[Any]) -> bool:
    """Not by the thousand, nor integers of which any number share one hash, nor many tuples: theirs can be chosen."""
    chosen = sum(type(key) not in _PLAIN for key in keys)
    huge = any(type(key) is int and not -(2**63) <= key < 2**64 for key in keys)
    return len(keys) <= MAX_KEYS and chosen <= MAX_CHOSEN_KEYS and not huge


def allowed_attr(name: object) -> bool:
    """May an attribute of this name cross the wall? Plain new names only, nothing that a tensor has already."""
    return (
        type(name) is str
        and name.isidentifier()
        and not name.startswith("_")
        and len(name) <= 64
        and not hasattr(torch.Tensor, name)
    )


def describe(value: object) -> str:
    """What kind of tensor a value is, for one that cannot travel."""
    try:
        with torch._C.DisableTorchFunctionSubclass():
            if isinstance(value, torch.Tensor):
                layout = str(value.layout).removeprefix("torch.")
                shape = list(torch.Tensor.size(value))
                return f"{layout} tensor on {value.device.type}, {value.dtype}, shape {shape}"[:200]
    except Exception:  # a subclass may break any of these
        pass
    return type(value).__name__[:200]
