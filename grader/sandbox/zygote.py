"""The fork server: a fresh process with the libraries loaded, from which each worker is forked in milliseconds.

Started clean (``python -P -s -m grader.sandbox.zygote FD [MODULE ...]``: fixed environment, own session, no inherited
descriptor but its end of a socket pair), it never held a solution, a hidden test or an expected value, and it stays
single-threaded. It ends when its socket closes, its workers end with it, and its folder goes last.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from collections.abc import Sequence

import msgspec

from grader.sandbox import confine, folders, worker
from grader.sandbox.wire import Done, Order, Start

MESSAGE = 1 << 16


class _InWorker(BaseException):
    """Raised in a new worker: student code must not find the fork server's frames, and in them what it was told."""


def serve(control: socket.socket, modules: Sequence[str] = ()) -> None:
    """Load what workers need and ``modules``; start and end workers and load more as ordered; end with the client."""
    program = confine.compile_filter()
    confine.preload()
    worker.warm(modules)
    apart = confine.leave_network()
    gc.freeze()
    gc.enable()
    control.sendall(b"R")
    workers: set[int] = set()
    while True:
        body, fds, _, _ = socket.recv_fds(control, MESSAGE, 2)
        if not body:
            for pid in workers:
                _end(pid)
            return
        order = msgspec.msgpack.decode(body, type=Order)
        if order.start is not None:
            pid = _fork(control, order.start, fds, program, apart)
            workers.add(pid)
            answer = Done(pid)
        elif order.load:
            gc.disable()
            worker.load(order.load)
            gc.freeze()
            gc.enable()
            answer = Done(0)
        else:
            workers.discard(order.end or 0)
            answer = Done(order.end or 0, _end(order.end or 0))
        control.sendall(msgspec.msgpack.encode(answer))


def _fork(control: socket.socket, start: Start, fds: list[int], program: bytes | None, apart: list[str]) -> int:
    """Fork a worker, which shuts itself in. Raises `_InWorker` in it."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            control.close()
            worker.shut_in(start, fds[0], fds[1], parent, program, apart)
        except BaseException:
            os._exit(1)
        raise _InWorker
    for fd in fds:
        os.close(fd)
    return pid


def _end(pid: int) -> int:
    """Kill and reap one of our children; it cannot be anyone else, since it was not reaped before."""
    if pid <= 0:
        return 0
    try:
        os.kill(pid, signal.SIGKILL)
        return os.waitpid(pid, 0)[1]
    except (ProcessLookupError, ChildProcessError):
        return 0


def main() -> None:
    """Entry point: the arguments are the descriptor of our end of the socket pair, and modules to load."""
    gc.disable()  # libraries make little garbage while they load, and to look for it again and again takes time
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # who is ignored by a parent's parent cannot be waited for
    try:
        with socket.socket(fileno=int(sys.argv[1])) as control:
            serve(control, sys.argv[2:])
    except _InWorker:
        pass
    else:
        folders.remove(os.getcwd())
        os._exit(0)  # to take torch down module by module takes a third of a second, for which a student would wait
    try:
        worker.serve()
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
