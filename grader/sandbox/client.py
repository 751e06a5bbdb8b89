"""The trusted end of the wall: starts the zygote, starts and ends workers, sends requests, believes nothing.

A reply is read without blocking, under a size limit known before anything is allocated and a deadline on the worker's
CPU time with wall time behind it. A worker that is late, silent, or answers what was not asked is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec
import psutil

from grader.findings import CannotConfine, EngineError
from grader.sandbox import confine, folders, wire
from grader.sandbox.wire import Done, Hello, Order, Reply, Request, Start

TRIES = 3
START_SECONDS = 120.0
STEP_SECONDS = 0.05
_GLANCE = 0.001
_BUSY = 0.05  # of the time: who uses less waits for something
PIECE = 1 << 16  # what a pipe holds
FOLDER_BYTES = 256 << 20
FOLDER_FILES = 2_000
_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # fewer, larger pages: less to copy for each fork
    "MPLBACKEND": "Agg",
}
_libc = ctypes.CDLL(None)


class WorkerGone(Exception):
    """The worker ended, or had to be ended. ``how`` is "late", "died", "protocol" or "disk"; ``detail`` is facts."""

    def __init__(self, how: str, detail: str = "") -> None:
        super().__init__(f"{how} {detail}".strip())
        self.how, self.detail = how, detail


@dataclass(frozen=True)
class Limits:
    """``cpu`` and ``wall`` seconds a request may take; ``memory`` bytes a worker may add to what it starts with.

    ``settle`` seconds are spent on waiting whether a second answer follows.
    """

    cpu: float = 5.0
    wall: float = 20.0
    memory: int = 1 << 30
    settle: float = 0.0

    @classmethod
    def of(cls, cpu: float, memory: int = 1 << 30) -> Limits:
        """Four times as long by the clock as of CPU time: another's turn on a busy machine is nobody's fault."""
        return cls(cpu, cpu * 4, memory)


@dataclass(frozen=True)
class Policy:
    """How workers are confined: ``protected`` paths must be out of reach; ``required`` refuses a missing layer.

    ``modules`` are loaded before workers are forked, so that none of them pays for it.
    """

    protected: tuple[str, ...] = ()
    confined: bool = True
    required: bool = True
    limits: Limits = field(default_factory=Limits)
    modules: tuple[str, ...] = ()


class Transport(Protocol):
    """Whatever answers requests: a worker behind the wall, or a session in the student's own kernel."""

    def request(self, request: Request, blobs: Sequence[memoryview], limits: Limits) -> tuple[Reply, wire.Blobs]: ...

    def end(self) -> None: ...


class Engine:
    """One zygote and the workers forked from it. Use as a context manager, or call `close`.

    Raises `EngineError` when the zygote does not start, `CannotConfine` when a worker cannot be confined as required.
    """

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self._readable = confine.library_folders()
        if self.policy.required and (inside := confine.exposed(self._readable, self.policy.protected)):
            raise CannotConfine(f"{inside[0]} lies in a library folder that student code may read: move it elsewhere")
        self.missing: tuple[str, ...] = ()
        self.layers: tuple[str, ...] = ()
        self.disturbed = False  # something other than student code or ourselves ended a worker since this was set
        self._home = Path(tempfile.mkdtemp(prefix="grader-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._ready = False
        self._modules = dict.fromkeys(self.policy.modules)  # what it loads as it starts
        self._unloaded: list[str] = []  # of that, what was asked for since
        self._count = 0
        self._alive: set[int] = set()  # workers

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the zygote, and with it every worker."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            if self._alive:  # it ends them first, and then the folder that they write to is removed
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(5)
            self._process.kill()
            self._process.wait()
            self._process = None
        folders.remove(str(self._home))

    def prepare(self) -> None:
        """Have the fork server start while something else is done; what goes wrong is told with the first worker."""
        with contextlib.suppress(OSError):
            self._launch()

    def load(self, modules: Iterable[str]) -> None:
        """Have the fork server load these before it starts another worker, so that no worker has to."""
        new = [name for name in modules if name not in self._modules]
        self._modules.update(dict.fromkeys(new))
        self._unloaded += new

    def worker(self) -> Worker:
        """A new worker, confined and checked. Starts the zygote again when it is gone."""
        why = ""
        for _ in range(TRIES):
            try:
                return self._worker()
            except (OSError, EOFError, msgspec.DecodeError) as error:
                why = str(error)
                self._stop_zygote()
        raise EngineError(f"no worker could be started: {why}")

    def _worker(self) -> Worker:
        self._start_zygote()
        if self._unloaded:
            self._order(Order(load=self._unloaded))
            self._unloaded = []
        self._home.mkdir(exist_ok=True)
        self._count += 1
        folder = self._home / str(self._count)
        folder.mkdir(mode=0o700)
        start = Start(
            str(folder), self._readable, list(self.policy.protected), self.policy.limits.memory, self.policy.confined
        )
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        try:
            pid = self._order(Order(start=start), [theirs_in, theirs_out]).pid
        except BaseException:
            os.close(ours_in)
            os.close(ours_out)
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        self._alive.add(pid)
        worker = Worker(self, pid, ours_in, ours_out, folder)
        self._check(worker)
        return worker

    def _check(self, worker: Worker) -> None:
        try:
            hello = worker.hello()
        except (WorkerGone, wire.WireError) as error:
            worker.end()
            if self.disturbed:
                raise EOFError("it was killed") from None
            raise EngineError(f"a worker did not start: {error}") from None
        self.layers, self.missing = tuple(hello.layers), tuple(hello.missing)
        if self.policy.required and (hello.missing or hello.open_doors):
            worker.end()
            raise CannotConfine(
                "student code cannot be confined on this machine: "
                + "; ".join([*hello.missing, *(f"it could still {door}" for door in hello.open_doors)])
            )

    def end(self, pid: int) -> int | None:
        """Kill and reap a worker. Its wait status, None when the zygote is gone, and the worker with it."""
        self._alive.discard(pid)
        try:
            return self._order(Order(end=pid)).status
        except (OSError, EOFError, EngineError, msgspec.DecodeError):
            return None

    def _order(self, order: Order, fds: Sequence[int] = ()) -> Done:
        if self._control is None:
            raise EOFError("the fork server is gone")
        socket.send_fds(self._control, [msgspec.msgpack.encode(order)], list(fds))
        answer = self._control.recv(1 << 12)
        if not answer:
            raise EOFError("the fork server is gone")
        return msgspec.msgpack.decode(answer, type=Done)

    def _start_zygote(self) -> None:
        self._launch()
        if self._ready:
            return
        assert self._process is not None
        assert self._control is not None
        if self._control.recv(1) != b"R":
            if self._process.wait() == -signal.SIGKILL:
                raise EOFError("the fork server was killed")
            detail = self._complaint()
            self._stop_zygote()
            raise EngineError(f"the fork server did not start: {detail}")
        self._ready = True

    def _launch(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self._stop_zygote()
        ours, theirs = socket.socketpair()
        with theirs, (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen(
                # `-I` would ignore the environment, which is ours, and with it the seed of hashes
                [sys.executable, "-P", "-s", "-m", "grader.sandbox.zygote", str(theirs.fileno()), *self._modules],
                env={**_ENVIRONMENT, "HOME": str(self._home), "MPLCONFIGDIR": str(self._home)},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=self._home,
                start_new_session=True,
            )
        ours.settimeout(START_SECONDS)
        self._control, self._unloaded = ours, []

    def _complaint(self) -> str:
        lines = (self._home / "log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no reason given"

    def _stop_zygote(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._control is not None:
            self._control.close()
        self._process = self._control = None
        self._ready = False
        self._alive.clear()


class Worker:
    """One worker behind the wall. Every method raises `WorkerGone` when it is no more; `end` never raises."""

    def __init__(self, engine: Engine, pid: int, inbox: int, outbox: int, folder: Path) -> None:
        self._engine, self._pid, self._folder = engine, pid, folder
        self._inbox, self._outbox = inbox, outbox
        self._ended = False
        self._looked = time.monotonic()
        os.set_blocking(inbox, False)
        os.set_blocking(outbox, False)

    def hello(self) -> Hello:
        """What the worker says of its confinement."""
        body, _ = self._frame(_Deadline(self, START_SECONDS, START_SECONDS))
        return wire.decode(body, Hello)

    def request(self, request: Request, blobs: Sequence[memoryview], limits: Limits) -> tuple[Reply, wire.Blobs]:
        """Send one request and read its one reply, within ``limits``. Raises `EngineError` when it is too large."""
        if self._ended:
            raise WorkerGone("died")
        try:
            frame = wire.encode(request, blobs)
        except wire.WireError as error:
            raise EngineError(f"a check asks too much at once: {error}") from None
        deadline = _Deadline(self, limits.cpu, limits.wall)
        try:
            if self._surplus():
                raise wire.WireError("an answer before the question")
            self._write(frame, deadline)
            body, raw = self._frame(deadline)
            reply = wire.decode(body, Reply)
            if reply.seq != request.seq:
                raise wire.WireError("an answer to something else")
            if self._surplus(limits.settle):
                raise wire.WireError("more than one answer")
            if time.monotonic() - self._looked > STEP_SECONDS:  # as often as while waiting, however short the requests
                self.check_folder()
            return reply, wire.split(raw, reply.blobs)
        except wire.WireError as error:
            self.end()
            raise WorkerGone("protocol", str(error)) from None
        except WorkerGone:
            self.end()
            raise

    def _surplus(self, wait: float = 0.0) -> bool:
        """Is there a byte that nobody asked for? An end of file is none: the next read will find it.

        ``wait`` for it as many seconds, unless the worker is seen to wait for us: then it has said what it had to say.
        """
        until = time.monotonic() + wait
        while wait and not self._idle() and time.monotonic() < until:
            if select.select([self._inbox], [], [], _GLANCE)[0]:
                break
        try:
            return bool(os.read(self._inbox, 1))
        except OSError:  # nothing there, as it should be
            return False

    def _idle(self) -> bool:
        try:
            return psutil.Process(self._pid).status() == psutil.STATUS_SLEEPING
        except psutil.Error:  # a system can hide the worker from its own user, since nobody may look into it
            return False

    def _write(self, parts: Sequence[bytes | memoryview], deadline: _Deadline) -> None:
        views = [memoryview(part).cast("B") for part in parts if len(part)]
        while views:
            try:
                sent = os.writev(self._outbox, views)
            except BlockingIOError:
                deadline.wait(writing=self._outbox)
                continue
            except BrokenPipeError:
                raise WorkerGone("died", self._how_it_ended()) from None
            while views and sent >= len(views[0]):
                sent -= len(views.pop(0))
            if sent:
                views[0] = views[0][sent:]

    def _frame(self, deadline: _Deadline) -> tuple[bytes, bytearray]:
        """One frame, which mostly comes in one piece. Nothing may follow it."""
        data = bytearray()
        self._fill(data, wire.HEADER.size, deadline)
        control, size = wire.sizes(bytes(data[: wire.HEADER.size]))
        del data[: wire.HEADER.size]
        self._fill(data, control + size, deadline)
        if len(data) > control + size:
            raise wire.WireError("more than one answer")
        body = bytes(data[:control])
        del data[:control]
        return body, data

    def _fill(self, data: bytearray, size: int, deadline: _Deadline) -> None:
        """Read until ``data`` holds ``size`` bytes, or somewhat more if more has come."""
        while len(data) < size:
            deadline.wait(reading=self._inbox)
            with contextlib.suppress(BlockingIOError):
                part = os.read(self._inbox, min(max(size - len(data), PIECE), 1 << 20))
                if not part:
                    raise WorkerGone("died", self._how_it_ended())
                data += part

    def _how_it_ended(self) -> str:
        status = self._kill()
        if status is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            self._engine.disturbed = True  # a worker can send no signal, not even to itself
            return ""
        if os.WIFSIGNALED(status):
            return f"signal {signal_name(os.WTERMSIG(status))}"
        return f"exit status {os.WEXITSTATUS(status)}"

    def cpu_seconds(self) -> float:
        """CPU time the worker has used so far."""
        try:
            return _cpu_seconds(self._pid)
        except (OSError, psutil.Error):  # it is gone
            return 0.0

    def check_folder(self) -> None:
        """Raises `WorkerGone` when the worker's folder holds too much."""
        self._looked = time.monotonic()
        total = 0
        try:
            for count, entry in enumerate(folders.entries(str(self._folder))):
                with contextlib.suppress(FileNotFoundError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                if count > FOLDER_FILES or total > FOLDER_BYTES:
                    raise WorkerGone("disk")
        except OSError:  # too deep to be looked into, or shut
            raise WorkerGone("disk") from None

    def _kill(self) -> int | None:
        if self._ended:
            return 0
        self._ended = True
        return self._engine.end(self._pid)

    def end(self) -> None:
        """Kill the worker and remove what it left."""
        self._kill()
        for fd in (self._inbox, self._outbox):
            with contextlib.suppress(OSError):
                os.close(fd)
        self._inbox = self._outbox = -1
        folders.remove(str(self._folder))


def _cpu_seconds(pid: int) -> float:
    """By the process's own clock, which an ordinary user may read even where `/proc` hides the process.

    Raises `OSError` or `psutil.Error` when there is no such process.
    """
    if sys.platform != "linux":
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    clock = ctypes.c_int()
    if code := _libc.clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise OSError(code, os.strerror(code))
    return time.clock_gettime(clock.value)


def signal_name(number: int) -> str:
    """``SIGSEGV``; real-time signals, which Python does not name, by their numbers."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


class _Deadline:
    """Waits for a descriptor, watching the worker's clock and folder meanwhile."""

    def __init__(self, worker: Worker, cpu: float, wall: float) -> None:
        self._worker, self._cpu, self._wall = worker, cpu, wall
        self._began = self._looked = time.monotonic()
        self._cpu_began: float | None = None

    def wait(self, reading: int | None = None, writing: int | None = None) -> None:
        """Return when the descriptor is ready. Raises `WorkerGone` ("late", "disk")."""
        read, write = ([reading] if reading is not None else []), ([writing] if writing is not None else [])
        ready = False
        while not ready:
            ready = any(select.select(read, write, [], STEP_SECONDS)[:2])
            if time.monotonic() - self._looked > STEP_SECONDS:  # also at one who answers byte by byte
                self._look()

    def _look(self) -> None:
        self._looked = time.monotonic()
        used = self._worker.cpu_seconds()
        if self._cpu_began is None:  # what it used before we first looked is at most one step's worth of this request
            self._cpu_began = used - STEP_SECONDS
        if used - self._cpu_began > self._cpu:
            raise WorkerGone("late", f"{self._cpu:g}")
        if (waited := self._looked - self._began) > self._wall:
            seen = used - self._cpu_began - STEP_SECONDS
            busy = seen > _BUSY * waited  # late all the same, on a machine that has much to do
            raise WorkerGone("late", f"{self._cpu if busy else self._wall:g}")
        self._worker.check_folder()
