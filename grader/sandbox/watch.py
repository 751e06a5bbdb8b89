"""What ran during a call: the torch functions called, the ATen operators, and whether autograd's engine was at work."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode

from grader.sandbox.wire import Op, Seen

MAX_NAMES = 400


class _Functions(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if len(self.names) < MAX_NAMES:
            self.names.add(_name(func))
            if kwargs and kwargs.get("requires_grad") is True:
                self.names.add("torch.Tensor.requires_grad_")
        return func(*args, **(kwargs or {}))


class _Ops(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: dict[str, list[int]] = {}
        self.autograd = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch asks: True would have it load its compiler, which takes longer to load than all else together."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        entry = self.counts.setdefault(f"{func.namespace}::{func._opname}", [0, 0])
        entry[0] += 1
        entry[1] = max(entry[1], _largest(args), _largest((result,)))
        self.autograd = self.autograd or torch._C._current_graph_task_id() != -1
        return result


def _largest(values: Any) -> int:
    sizes = [0]
    for value in values:
        if isinstance(value, torch.Tensor):
            sizes.append(value.numel())
        elif isinstance(value, (list, tuple)):
            sizes.extend(item.numel() for item in value if isinstance(item, torch.Tensor))
    return max(sizes)


def _name(func: Any) -> str:
    try:
        found = resolve_name(func)
    except Exception:
        found = None
    return str(found or f"{getattr(func, '__module__', '')}.{getattr(func, '__name__', '?')}")[:120]


class Watch:
    """A context manager; `seen` holds what ran inside it."""

    def __init__(self) -> None:
        self._functions, self._ops = _Functions(), _Ops()

    def __enter__(self) -> Watch:
        self._functions.__enter__()  # type: ignore[no-untyped-call]
        self._ops.__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ops.__exit__(kind, value, trace)  # type: ignore[no-untyped-call]
        self._functions.__exit__(kind, value, trace)  # type: ignore[no-untyped-call]

    @property
    def seen(self) -> Seen:
        """The record so far, sorted."""
        ops = tuple(Op(name, count, largest) for name, (count, largest) in sorted(self._ops.counts.items()))
        return Seen(tuple(sorted(self._functions.names)), ops[:MAX_NAMES], self._ops.autograd)
