"""Tensors as data: a storage's bytes and a strided window on it, checked against each other before a tensor is built.

Both sides use this module; it trusts neither. A tensor is never built on memory that did not come whole from the
message (uninitialised memory could hold expected values just freed), and never with more elements than `MAX_NUMEL`,
whatever its strides say.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from math import prod

import numpy as np
import torch

from grader.sandbox.wire import TensorV, WireError

MAX_RANK = 8
MAX_NUMEL = 1 << 24
MAX_AXIS = 1 << 18  # what iterates over a tensor makes as many
DTYPES: dict[str, torch.dtype] = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
        torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128,
    )
}  # fmt: skip
NAMES = {dtype: name for name, dtype in DTYPES.items()}
_SIZES = {dtype: dtype.itemsize for dtype in NAMES}


def plain(tensor: torch.Tensor) -> torch.Tensor | None:
    """``tensor`` as a plain strided CPU tensor on the same storage, or None when it has no such form."""
    with torch._C.DisableTorchFunctionSubclass():
        if tensor.layout is not torch.strided or not tensor.is_cpu or tensor.is_quantized:
            return None
        if tensor.dtype not in NAMES or too_large(tensor.shape):
            return None
        detached = tensor.detach()
        if type(detached) is not torch.Tensor:
            detached = detached.as_subclass(torch.Tensor)
        return detached.resolve_conj().resolve_neg()


def storage_copy(tensor: torch.Tensor) -> bytes:
    """A copy of the whole storage behind a plain tensor. Raises `ValueError` when there is no memory behind it."""
    storage = tensor.untyped_storage()
    size, pointer = storage.nbytes(), storage.data_ptr()
    if size and not pointer:
        raise ValueError("a tensor without memory")
    return ctypes.string_at(pointer, size) if size else b""  # small ones cost a fraction of what `numpy()` does


def too_large(shape: Sequence[int]) -> bool:
    """Has a tensor too many axes, or too much along them (also where another is of size 0, and it holds nothing)?"""
    if len(shape) <= MAX_RANK and 0 < prod(shape) <= MAX_AXIS:
        return False
    return len(shape) > MAX_RANK or max(shape, default=1) > MAX_AXIS or prod(max(n, 1) for n in shape) > MAX_NUMEL


def window(value: TensorV) -> torch.dtype:
    """The dtype of a described tensor. Raises `WireError` when the description is impossible."""
    dtype = DTYPES.get(value.dtype)
    if dtype is None or len(value.shape) != len(value.strides):
        raise WireError("bad tensor")
    if any(not 0 <= number <= MAX_NUMEL for number in (*value.shape, *value.strides, value.offset)):
        raise WireError("bad tensor size or stride")
    if too_large(value.shape):
        raise WireError("tensor too large")
    return dtype


def needed_bytes(shape: Sequence[int], strides: Sequence[int], offset: int, size: int) -> int:
    """Bytes of storage that a window of elements of ``size`` bytes reaches into."""
    if any(length == 0 for length in shape):
        return 0
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    return (last + 1) * size


def build(value: TensorV, storage: bytearray, bools: bool = True) -> torch.Tensor:
    """A fresh plain tensor on ``storage``'s own memory. Raises `WireError` when bytes and description differ.

    ``bools`` False: that the bytes of a bool tensor are all 0 or 1 has been looked at already.
    """
    dtype = window(value)
    size = _SIZES[dtype]
    if len(storage) % size or needed_bytes(value.shape, value.strides, value.offset, size) > len(storage):
        raise WireError("tensor does not fit its bytes")
    if bools and dtype is torch.bool and storage.translate(None, b"\x00\x01"):
        raise WireError("bad bool")
    if 0 in value.shape:
        return torch.empty_strided(value.shape, value.strides, dtype=dtype)  # no element, so no memory either
    flat = torch.frombuffer(storage, dtype=dtype)
    return flat.set_(flat.untyped_storage(), value.offset, value.shape, value.strides)


def from_numpy(array: np.ndarray) -> torch.Tensor | None:
    """A NumPy array's memory as a tensor (copied when its strides are negative), or None when it has no such form."""
    if np.dtype(array.dtype).hasobject or array.dtype.name not in DTYPES or array.ndim > MAX_RANK:
        return None
    base = np.asarray(array)
    if any(stride < 0 or stride % max(base.itemsize, 1) for stride in base.strides) or not base.flags.writeable:
        base = base.copy()
    return torch.from_numpy(base)
