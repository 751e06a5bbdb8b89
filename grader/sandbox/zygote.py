"""The fork server: a fresh process with the libraries loaded, from which each worker is forked in milliseconds.

Started clean (``python -I -m grader.sandbox.zygote FD``: fixed environment, own session, no inherited descriptor but
its end of a socket pair), it never held a solution, a hidden test or an expected value, and it stays single-threaded.
It ends when its socket closes, and its workers end with it.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys

import msgspec

from grader.sandbox import confine, worker
from grader.sandbox.wire import Done, Order

MESSAGE = 1 << 16


def serve(control: socket.socket) -> None:
    """Fork workers and end them as ordered, until the client goes away."""
    program = confine.compile_filter()
    worker.warm()
    gc.collect()
    gc.freeze()
    control.sendall(b"R")
    while True:
        body, fds, _, _ = socket.recv_fds(control, MESSAGE, 2)
        if not body:
            return
        order = msgspec.msgpack.decode(body, type=Order)
        if order.start is not None:
            pid = _fork(control, order, fds, program)
            answer = Done(pid)
        else:
            answer = Done(order.end or 0, _end(order.end or 0))
        control.sendall(msgspec.msgpack.encode(answer))


def _fork(control: socket.socket, order: Order, fds: list[int], program: bytes | None) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            assert order.start is not None
            control.close()
            worker.main(order.start, fds[0], fds[1], parent, program)
            status = 0
        except BaseException:
            pass
        finally:
            os._exit(status)
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
    """Entry point: the descriptor of our end of the socket pair is the one argument."""
    with socket.socket(fileno=int(sys.argv[1])) as control:
        serve(control)


if __name__ == "__main__":
    main()
