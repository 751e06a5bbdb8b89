"""The worker: runs a notebook's cells and serves calls. All of it is at the mercy of the code that it runs.

Nothing here is trusted: the client checks each reply, and a worker that answers what was not asked is killed.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import functools
import gc
import importlib
import inspect
import io
import linecache
import os
import random
import resource
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import torch

from grader.sandbox import confine, wire
from grader.sandbox.codec import Codec
from grader.sandbox.shell import Shell, build, hide_ourselves
from grader.sandbox.steady import steady
from grader.sandbox.watch import Watch
from grader.sandbox.wire import (
    MAX_ITEMS,
    Call,
    Calls,
    Get,
    Grad,
    Hello,
    Items,
    Line,
    Raised,
    Remote,
    Reply,
    Request,
    Returned,
    Run,
    Several,
    Source,
    Start,
    Undefined,
    Unsupported,
    Value,
)

INBOX, OUTBOX = 3, 4
PRINTED = 4_000
PIECE = 1 << 16  # what a pipe holds
MESSAGE = 1_000
_FOLDER = {"HOME", "TMPDIR", "IPYTHONDIR", "MPLCONFIGDIR", "XDG_CACHE_HOME"}
_autograd_grad = torch.autograd.grad
_seed_torch = torch.default_generator.manual_seed  # `torch.manual_seed` formats a traceback for each kind of GPU
_set_default_dtype, _set_grad_enabled = torch.set_default_dtype, torch.set_grad_enabled
_set_default_device = torch.set_default_device
_is_inference, _usage, _set_timer = torch.is_inference_mode_enabled, resource.getrusage, signal.setitimer
_seed_python, _seed_numpy, _set_recursion_limit = random.seed, np.random.seed, sys.setrecursionlimit
_KEPT = 256 << 20
_RECURSION = sys.getrecursionlimit()
_filters = list(warnings.filters)
_compile, _eval, _exec, _Module = compile, eval, exec, ast.Module  # a cell can replace the names, and the shell's own
_COMPARABLE = frozenset({bool, int, float, str, set})
_FUTURE = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
_AWAIT, _TREE = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, ast.PyCF_ONLY_AST
_shell: Shell | None = None


def warm(modules: Sequence[str] = ()) -> None:
    """Import and run once what notebooks need, so that no fork pays for it: late imports, a shell, ``modules``."""
    global _shell
    torch.set_num_threads(1)
    # No thread can be started after confinement, and OpenMP ends the process when it cannot.
    torch.set_num_threads = torch.set_num_interop_threads = lambda *args: None
    a = torch.randn(3, 3, requires_grad=True)
    torch.einsum("ij,jk->ik", a, a).sum().backward()
    x = torch.randn(1, 1, 4, 4, requires_grad=True)
    torch.nn.functional.conv2d(x, torch.randn(1, 1, 2, 2)).sum().backward()
    (torch.nn.functional.unfold(x, 2).sum() + torch.nn.Linear(4, 2)(x).sum()).backward()
    torch.save(a, saved := io.BytesIO())
    torch.load(io.BytesIO(saved.getvalue()))
    _ = repr(a)
    with Watch() as watch:
        (a @ a).sum().backward()
    _ = watch.seen
    _shell = build()
    load(modules)
    run_cell(Runner(_shell), "import math\nx = [1]\nfor i in x: pass", "warm")
    gc.freeze()  # the reset looks for garbage, of which libraries leave little
    _shell.reset(new_session=False)  # type: ignore[no-untyped-call]


def load(modules: Sequence[str]) -> None:
    """Import what somebody will use; nothing happens where it cannot be."""
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if plt := sys.modules.get("matplotlib.pyplot"):
        plt.switch_backend("agg")
        plt.close(plt.figure())


class Printed(io.TextIOBase):
    """A bounded stand-in for stdout: keeps the beginning, counts the rest."""

    def __init__(self, folder: str = "") -> None:
        self.folder = folder  # where the worker writes: another one each time, and no reader's business
        self.parts: list[str] = []
        self.size = self.cut = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        text = text if type(text) is str else str(text)
        room = max(PRINTED - self.size, 0)
        if room:
            self.parts.append(text[:room])
            self.size += len(text[:room])
        self.cut += max(len(text) - room, 0)
        return len(text)

    def take(self) -> tuple[str, int]:
        """What was printed since the last time, and how many characters were dropped."""
        taken = steady("".join(self.parts).encode("utf-8", "replace").decode(), self.folder), self.cut
        self.parts, self.size, self.cut = [], 0, 0
        return taken


# ---------------------------------------------------------------- cells


class Runner:
    """The parts of a shell that run cells, taken before a cell can replace them."""

    def __init__(self, shell: Shell) -> None:
        self.namespace, self.run_loop = shell.user_ns, shell.loop_runner
        self.future = 0  # what ``from __future__ import`` switched on, for all that follows


def run_cell(runner: Runner, python: str, label: str, only: Sequence[int] | None = None) -> BaseException | None:
    """Run one cell, as Jupyter would, except that a statement that fails costs only itself: the rest still runs.

    ``python`` is the cell after IPython's transformer, made on the trusted side: what runs here is what was read there,
    whatever hooks an earlier cell put into the shell. ``only`` are the numbers of the statements to run, None for all.
    Returns the first exception.
    """
    file = f"<{label}>"
    linecache.cache[file] = (len(python), None, python.splitlines(keepends=True), file)
    first: BaseException | None = None
    try:
        body = _compile(python, file, "exec", _TREE | runner.future, dont_inherit=True).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return error
    for statement in body if only is None else [body[number] for number in only]:
        try:
            _execute(runner, _Module([statement], []), file)
        except BaseException as error:
            first = first or error
    return first


def _execute(runner: Runner, module: ast.Module, file: str) -> None:
    code = _compile(module, file, "exec", _AWAIT | runner.future, dont_inherit=True)
    runner.future |= code.co_flags & _FUTURE
    if code.co_flags & inspect.CO_COROUTINE:
        runner.run_loop(_eval(code, runner.namespace))
    else:
        _exec(code, runner.namespace)


def _frames(error: BaseException) -> Iterator[tuple[str, int]]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next


# ---------------------------------------------------------------- calls


def make(source: Source) -> Any:
    """What a suite's own source defines: a function or class that an answer is called with."""
    space: dict[str, Any] = {"torch": torch, "nn": torch.nn, "__name__": "suite"}
    exec(source.text, space)
    return space[source.name]


class Session:
    """Serves requests on a namespace; one for a worker's life, or in a student's own kernel."""

    def __init__(
        self,
        namespace: dict[str, Any],
        shell: Shell | None,
        out: Printed,
        passing: tuple[type[BaseException], ...] = (),
    ) -> None:
        self.namespace, self.shell, self.out = namespace, shell, out
        self.passing = passing  # what is no answer's business, and goes through
        self.runner = Runner(shell) if shell else None
        self.sources: dict[str, list[str]] = {}
        self.handles: dict[int, object] = {}
        self._usual = _state()
        self._spoilt: list[int] = []  # which arguments of the last call, lists and their like, it changed
        self._called: object = None
        self.codec = Codec(-1, leave=self._leave, fetch=self._fetch, make=make)

    # what cannot travel stays here, under a number
    def _leave(self, value: object) -> Value:
        kind = type(value)
        if len(self.handles) >= MAX_ITEMS:
            return Unsupported("too many objects")
        number = next((n for n, held in self.handles.items() if held is value), len(self.handles) + 1)
        self.handles[number] = value
        return Remote(number, f"{kind.__module__}.{kind.__qualname__}"[:200])

    def _fetch(self, value: Remote | Unsupported) -> object:
        return self.handles[value.id] if isinstance(value, Remote) else value

    def handle(self, request: Request, blobs: dict[int, memoryview]) -> tuple[Reply, list[memoryview]]:
        """One request, one reply; whatever the student's code raises is in the reply."""
        ask = request.ask
        if request.begin is not None:
            self._begin(request.begin)
        self.codec.receive(blobs)
        if isinstance(ask, Calls):
            return self._several(ask.calls, request)
        watch = Watch() if isinstance(ask, Call) and ask.watch else None
        return self._reply(request.seq, lambda: self._do(ask, request, watch), watch, silent=isinstance(ask, Run))

    def _several(self, calls: list[Call], request: Request) -> tuple[Reply, list[memoryview]]:
        """A reply to each call, together; one to all when not even the arguments can be made."""
        try:
            given = self._given(calls, request)
        except Exception as error:
            return Reply(request.seq, self._raised(error)), []
        parts = []
        for call, (args, kwargs) in zip(calls, given, strict=True):
            watch = Watch() if call.watch else None
            parts.append(self._reply(0, functools.partial(self._call, call, args, kwargs, watch), watch))
        joined = [memoryview(b"".join(blobs)) for _, blobs in parts]
        table = [(number, len(blob)) for number, blob in enumerate(joined)]
        return Reply(request.seq, Several([reply for reply, _ in parts]), blobs=table), joined

    def _reply(
        self, seq: int, act: Callable[[], object], watch: Watch | None, silent: bool = False
    ) -> tuple[Reply, list[memoryview]]:
        """What came of ``act``, and what ``watch`` saw meanwhile; ``silent``: attributes are not told."""
        codec = self.codec
        codec.begin_message()
        changed: list[int] = []
        self._spoilt = []
        try:
            value = act()
            changed = codec.changed()  # before anything is encoded, and so known to the other side
            outcome: Returned | Raised | Undefined = Returned(codec.encode(value))
        except self.passing:
            raise
        except _Undefined as error:
            watch, outcome = None, Undefined(error.name)
        except BaseException as error:
            outcome = self._raised(error)
        attrs = [] if silent else list(codec.new_attrs())
        printed, cut = self.out.take()
        table = [(number, len(blob)) for number, blob in codec.outgoing.items()]
        reply = Reply(seq, outcome, attrs, changed, self._spoilt, printed, cut, watch.seen if watch else None, table)
        return reply, list(codec.outgoing.values())

    def _given(self, calls: list[Call], request: Request) -> list[tuple[list[Any], dict[str, Any]]]:
        """The arguments of each call."""
        given = [
            (
                [self.codec.decode(value) for value in call.args],
                {name: self.codec.decode(value) for name, value in call.kwargs.items()},
            )
            for call in calls
        ]
        self.codec.set_attrs(request.attrs)  # after the arguments, which they may be set on
        return given

    def _call(self, call: Call, args: list[Any], kwargs: dict[str, Any], watch: Watch | None) -> object:
        target = self._resolve(call.base, call.attrs)
        self._called = target, args, kwargs  # nothing of a call ends, and runs code, before its result has been read
        given = [*args, *kwargs.values()]
        before = [_copied(value) for value in given]
        with watch or contextlib.nullcontext():
            result = target(*args, **kwargs)
        self._spoilt = [n for n, (old, now) in enumerate(zip(before, given, strict=True)) if not _is_same(old, now)]
        return result

    def _do(self, ask: wire.Ask, request: Request, watch: Watch | None) -> object:
        match ask:
            case Call():
                [(args, kwargs)] = self._given([ask], request)
                return self._call(ask, args, kwargs, watch)
            case Run(source, label, only):
                self._run(source, label, only)
                return None
            case Get(base, attrs):
                self.codec.set_attrs(request.attrs)
                return self._resolve(base, attrs)
            case Items(number):
                self.codec.set_attrs(request.attrs)
                return list(islice(iter(self.handles[number]), MAX_ITEMS))  # type: ignore[call-overload]
            case Grad():
                return self._grad(ask)
            case _:
                return None

    def _run(self, source: str, label: str, only: list[int] | None) -> None:
        assert self.runner is not None
        self.sources[f"<{label}>"] = source.split("\n")
        error = run_cell(self.runner, source, label, only)
        self._usual = _state()
        if error:
            raise error

    def _begin(self, seed: int) -> None:
        self.codec.forget()
        self.handles.clear()
        _set_default_dtype(torch.float32)
        _set_grad_enabled(True)
        if self.shell is not None:  # in the student's own kernel these are the student's own business
            self._end_if_spoilt()
            _set_default_device(None)
            _set_recursion_limit(_RECURSION)
            warnings.filters[:] = _filters  # type: ignore[index]
        _seed_torch(seed)
        _seed_python(seed)
        _seed_numpy(seed % 2**32)

    def _end_if_spoilt(self) -> None:
        """Make way for a new worker when an earlier call, no cell, left behind what cannot be undone."""
        (memory, inference), (usual, usually) = _state(), self._usual
        if memory > usual + _KEPT or inference != usually:
            os._exit(0)

    def _resolve(self, base: str | int, attrs: list[str]) -> Any:
        if isinstance(base, int):
            value = self.handles[base]
        elif base in self.namespace:
            value = self.namespace[base]
        else:
            raise _Undefined(base)
        for name in attrs:
            try:
                value = getattr(value, name)
            except AttributeError:
                if isinstance(value, torch.nn.Module) and "_parameters" not in vars(value):
                    raise
                raise _Undefined(name) from None
        return value

    def _grad(self, ask: Grad) -> list[torch.Tensor | None]:
        outputs, inputs, grads = (
            [self.codec.decode(value) for value in values] for values in (ask.outputs, ask.inputs, ask.grad_outputs)
        )
        return list(_autograd_grad(outputs, inputs, grads, allow_unused=True, retain_graph=True))

    def _raised(self, error: BaseException) -> Raised:
        lines = [
            Line(file[1:-1], number, self._code(file, number))
            for file, number in islice(_frames(error), 1000)
            if file in self.sources
        ]
        return Raised(type(error).__name__[:200], _bases(error), steady(_text(error), self.out.folder), lines[-8:])

    def _code(self, file: str, number: int) -> str:
        lines = self.sources[file]
        return lines[number - 1][:300] if 0 < number <= len(lines) else ""


def _copied(value: Any) -> Any:
    """A copy of a container that a suite sent, with all containers in it; anything else as it is."""
    kind = type(value)
    if kind is list or kind is tuple:
        return kind(map(_copied, value))
    if kind is dict:
        return {key: _copied(item) for key, item in value.items()}
    return value.copy() if kind is set else value


def _is_same(old: Any, now: Any) -> bool:
    """Does a container still hold what it held? Of tensors in it only which they are: others look at their values."""
    kind = type(old)
    if kind is not type(now):
        return False
    if kind is list or kind is tuple:
        return len(old) == len(now) and all(map(_is_same, old, now))
    if kind is dict:
        return list(old) == list(now) and all(map(_is_same, old.values(), now.values()))
    return old is now or (kind in _COMPARABLE and bool(old == now or (old != old and now != now)))


def _state() -> tuple[int, bool]:
    """The most memory used so far, in bytes, and whether inference mode is on."""
    return _usage(resource.RUSAGE_SELF).ru_maxrss << 10, _is_inference()


class _Undefined(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _bases(error: BaseException) -> list[str]:
    return [kind.__name__[:100] for kind in type(error).__mro__[:10]]


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException:
        return "(its message could not be read)"
    return str(text)[:MESSAGE].encode("utf-8", "replace").decode()


# ---------------------------------------------------------------- process


def shut_in(
    start: Start, inbox: int, outbox: int, parent: int, program: bytes | None, apart: Sequence[str] = ()
) -> None:
    """The first half of a worker's life, in a freshly forked process: nothing of the student's has run yet.

    ``apart`` names the layers that the fork server put around itself, and so around us.
    """
    confine.die_with_parent(parent)
    _own_descriptors(inbox, outbox)
    _own_surroundings(start.folder)
    if start.confine:
        _event_loop()
        holding, missing = confine.confine(start.folder, start.readable, start.memory, program)
    else:
        holding, missing = confine.confine_lightly(start.memory)
    doors = confine.open_doors(start.protected) if start.confine else []
    _send(OUTBOX, wire.encode(Hello([*apart, *holding], missing, doors)))
    hide_ourselves()


def serve() -> None:
    """The second half: answer requests until the client closes the pipe."""
    assert _shell is not None
    out = Printed(os.getcwd())
    sys.stdout = sys.stderr = out
    session = Session(_shell.user_ns, _shell, out)
    while (request := _receive(INBOX)) is not None:
        reply, blobs = session.handle(*request)
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            _set_timer(timer, 0.0)  # what one request started must not meet the next
        _send(OUTBOX, _fit(reply, blobs, session.codec))


def _fit(reply: Reply, blobs: list[memoryview], codec: Codec) -> list[bytes | memoryview]:
    try:
        return wire.encode(reply, blobs)
    except (wire.WireError, OverflowError, UnicodeError, RecursionError) as error:
        codec.unsent()
        small = Reply(reply.seq, Returned(Unsupported(f"an answer too large to send ({error})"[:200])))
        return wire.encode(msgspec.structs.replace(small, printed=reply.printed, changed=reply.changed[:100]))


def _own_descriptors(inbox: int, outbox: int) -> None:
    """Keep the two pipes, under numbers of their own; put /dev/null on 0 to 2; close everything else."""
    null = os.open(os.devnull, os.O_RDWR)
    high = [os.dup2(fd, number, inheritable=False) for fd, number in ((inbox, 100), (outbox, 101), (null, 102))]
    for number, fd in ((0, high[2]), (1, high[2]), (2, high[2]), (INBOX, high[0]), (OUTBOX, high[1])):
        os.dup2(fd, number, inheritable=False)
    os.closerange(OUTBOX + 1, 1 << 16)


def _own_surroundings(folder: str) -> None:
    os.chdir(folder)
    alone = {name: "1" for name in os.environ if name.endswith("_NUM_THREADS")}  # who asks for threads gets none
    os.environ.clear()
    os.environ.update(dict.fromkeys(_FOLDER, folder), PATH="/usr/bin:/bin", MPLBACKEND="Agg", LANG="C.UTF-8", **alone)
    sys.path[:] = [path for path in sys.path if "site-packages" in path or "lib/python" in path or ".zip" in path]
    sys.argv[:] = [""]
    tempfile.tempdir = None  # found before the fork, where it was another folder


def _event_loop() -> None:
    """Top-level ``await`` needs a loop, and a loop needs a socket pair, which confinement forbids."""
    try:
        from IPython.core.async_helpers import get_asyncio_loop

        get_asyncio_loop()
    except (ImportError, OSError):
        pass


def _read(fd: int, size: int) -> bytearray | None:
    data = bytearray()
    while len(data) < size:
        part = os.read(fd, min(size - len(data), 1 << 20))
        if not part:
            return None
        data += part
    return data


def _receive(inbox: int) -> tuple[Request, dict[int, memoryview]] | None:
    header = _read(inbox, wire.HEADER.size)
    if header is None:
        return None
    control, size = wire.sizes(bytes(header))
    body, blobs = _read(inbox, control), _read(inbox, size)
    if body is None or blobs is None:
        return None
    request = wire.decode(bytes(body), Request)
    return request, wire.split(blobs, request.blobs)


def _send(outbox: int, parts: list[bytes | memoryview]) -> None:
    if sum(map(len, parts)) <= PIECE:  # in one write, so that the reader wakes once
        parts = [b"".join(parts)]
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[os.write(outbox, view) :]
