"""How known mistakes behave, kept on disk: what one process of a batch has tried out the others need not.

Files of plain data in the user's cache, never beside results that somebody may hand on: they hold what hidden checks
ask. Their names are made of everything they depend on. They are read by `torch.load` in its safe mode; one that cannot
be read is as if it were not there.
"""

from __future__ import annotations

import contextlib
import io
import pickle
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from filelock import FileLock, Timeout

from grader.model import Finding
from grader.observed import Behaviour, Given, Observed
from grader.sandbox.wire import Unsupported
from grader.store import write_whole

_WAIT = 120.0  # seconds: whoever tries the same exercise out takes less
_PLAIN = (type(None), bool, int, float, str, torch.dtype)
_ORDERED: dict[type, str] = {list: "list", tuple: "tuple", torch.Size: "tuple"}
_SETS: dict[type, str] = {set: "set", frozenset: "frozenset"}


class Kept:
    """One exercise's behaviours in a folder: use as a context manager, so that nobody tries them out twice."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.pt"
        self._lock = FileLock(folder / f"{name}.lock")

    def __enter__(self) -> Kept:
        with contextlib.suppress(OSError, Timeout):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=_WAIT)
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def read(self) -> list[Behaviour] | None:
        """What is there, if anything."""
        try:
            packed = torch.load(io.BytesIO(self._path.read_bytes()), weights_only=True)
            return [{check: _observed(seen) for check, seen in behaviour.items()} for behaviour in packed]
        except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError):
            return None

    def write(self, behaviours: list[Behaviour]) -> None:
        """Keep these, where there is room."""
        packed = [{check: seen and _packed_check(seen) for check, seen in one.items()} for one in behaviours]
        data = io.BytesIO()
        torch.save(packed, data)
        with contextlib.suppress(OSError):
            write_whole(self._path, data.getvalue())


def _packed_check(seen: Observed) -> tuple[Any, ...]:
    finding = msgspec.to_builtins(msgspec.structs.replace(seen.finding, frames=()))
    return finding, [_packed_given(given) for given in seen.given]


def _packed_given(given: Given) -> tuple[Any, ...]:
    attrs = [(key, _packed(value)) for key, value in given.attrs.items()]
    means = None if given.means is None else sorted(given.means)
    return _packed(given.value), attrs, sorted(given.changed), given.raised, given.demanded, given.read, means


def _observed(packed: Any) -> Observed | None:
    if packed is None:
        return None
    finding, found = packed
    return Observed(msgspec.convert(finding, Finding), tuple(_given(*one) for one in found))


def _given(value: Any, attrs: Any, changed: Any, raised: Any, demanded: bool, read: bool, means: Any) -> Given:
    named = {key: _unpacked(one) for key, one in attrs}
    seen = None if means is None else frozenset(means)
    return Given(_unpacked(value), named, frozenset(changed), raised, demanded, read, seen)


def _packed(value: Any) -> tuple[str, Any]:
    """A value as a tag and plain data; objects that stayed in their worker keep no more than that they were objects."""
    kind = type(value)
    if kind in _PLAIN:
        return "plain", value
    if isinstance(value, torch.Tensor):
        return "tensor", value.detach().clone()
    if isinstance(value, np.ndarray | np.generic):
        return ("array" if isinstance(value, np.ndarray) else "scalar"), torch.from_numpy(np.array(value))
    if kind in _ORDERED or kind in _SETS:
        return {**_ORDERED, **_SETS}[kind], [_packed(item) for item in value]
    if kind is dict:
        return "dict", [(_packed(key), _packed(item)) for key, item in value.items()]
    return ("unsupported", value.type_text) if kind is Unsupported else ("object", None)


class _Object:
    """Stands for an object that stayed in its worker."""


def _unpacked(packed: Any) -> Any:
    tag, held = packed
    match tag:
        case "plain" | "tensor":
            return held
        case "array":
            return held.numpy()
        case "scalar":
            return held.numpy()[()]
        case "list" | "tuple" | "set" | "frozenset":
            made = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[tag]
            return made(_unpacked(item) for item in held)
        case "dict":
            return {_unpacked(key): _unpacked(item) for key, item in held}
        case "unsupported":
            return Unsupported(held)
        case _:
            return _Object()
