"""The client against a worker that answers whatever it likes: it never dies, never grows, never waits for longer."""

from __future__ import annotations

import contextlib
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.sandbox import wire
from grader.sandbox.client import Limits, Worker, WorkerGone
from grader.sandbox.wire import Get, Known, Reply, Request, Returned
from tests.test_sandbox import hidden

LIMITS = Limits(cpu=0.3, wall=0.3)
RIGHT = Reply(1, Returned(1.0))


class NoEngine:
    """Stands in for the fork server; the worker is a thread of this process."""

    disturbed = False

    def end(self, pid: int) -> int:
        return 0


def packed(reply: Reply, blobs: bytes = b"") -> bytes:
    return b"".join(bytes(part) for part in wire.encode(reply)) + blobs


@contextlib.contextmanager
def worker_that(answers: Callable[[int], None], folder: Path) -> Iterator[Worker]:
    """A worker whose side of the pipes is ``answers(outbox)``, in a thread, once it was asked."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()

    def live() -> None:
        os.read(theirs_in, 1 << 16)
        with contextlib.suppress(BrokenPipeError):
            answers(theirs_out)

    folder.mkdir(exist_ok=True)
    worker = Worker(NoEngine(), os.getpid(), ours_in, ours_out, folder)
    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield worker
    finally:
        worker.end()
        thread.join()
        os.close(theirs_in)
        os.close(theirs_out)


def ask(worker: Worker, number: int = 1) -> Reply:
    return worker.request(Request(number, Get("x", [])), [], LIMITS)[0]


def drip(data: bytes) -> Callable[[int], None]:
    def answer(outbox: int) -> None:
        for at in range(len(data)):
            os.write(outbox, data[at : at + 1])
            time.sleep(0.05)

    return answer


def forever(data: bytes) -> Callable[[int], None]:
    def answer(outbox: int) -> None:
        while True:
            os.write(outbox, data)

    return answer


def once(data: bytes) -> Callable[[int], None]:
    def answer(outbox: int) -> None:
        for at in range(0, len(data), 1 << 16):
            os.write(outbox, data[at : at + (1 << 16)])

    return answer


def deep(levels: int) -> bytes:
    """An answer of lists in lists."""
    start = b"\x82\xa3seq\x01\xa7outcome\x82\xa4type\xa8Returned\xa5value"
    control = start + b"\x93\xa1s\xa4list\x91" * levels + b"\x01"
    return wire.HEADER.pack(len(control), 0) + control


HOSTILE = {
    "late": lambda outbox: time.sleep(0.5),
    "byte by byte": drip(packed(RIGHT)),
    "twice": once(packed(RIGHT) * 2),
    "out of order": once(packed(Reply(2, Returned(1.0))) + packed(RIGHT)),
    "to something else": once(packed(Reply(7, Returned(1.0)))),
    "for ever": forever(packed(RIGHT)),
    "zeros for ever": forever(b"\0" * 4096),
    "10 GB of message": forever(wire.HEADER.pack(10 * 10**9 % 2**32, 0) + b"\0" * 4096),
    "the largest length": forever(b"\xff" * 4096),
    "10,000 deep": once(deep(10_000)),
    "half a header": once(packed(RIGHT)[:5]),
    "half a message": once(packed(RIGHT)[:-1]),
    "no message": once(b""),
    "blobs that never come": once(packed(Reply(1, Returned(Known(1)), blobs=[(-1, 1 << 20)]))),
    "blobs of negative size": once(packed(Reply(1, Returned(1.0), blobs=[(-1, -5)]))),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_worker_ends_in_time(how, tmp_path):
    """However it answers, the request ends in about its limit, and the client has grown by next to nothing."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with worker_that(HOSTILE[how], tmp_path / "w") as worker:
        with contextlib.suppress(WorkerGone):
            ask(worker)
        with pytest.raises(WorkerGone):  # what came after the answer is found here at the latest
            ask(worker, 2)
        with pytest.raises(WorkerGone):  # and it stays gone
            ask(worker, 3)
        assert time.monotonic() - began < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("visible", [True, False])
def test_a_second_answer_is_waited_for(visible, tmp_path, monkeypatch):
    """Also where the system hides the worker, so that nobody can see whether it still does something."""

    def answers(outbox: int) -> None:
        os.write(outbox, packed(RIGHT))
        time.sleep(0.1)
        os.write(outbox, packed(RIGHT))

    if not visible:
        monkeypatch.setattr(psutil, "Process", hidden)
    with worker_that(answers, tmp_path / "w") as worker, pytest.raises(WorkerGone, match="more than one answer"):
        worker.request(Request(1, Get("x", [])), [], Limits(5.0, 5.0, settle=2.0))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300), keep=st.booleans())
def test_arbitrary_bytes_are_an_answer_or_the_end(data, keep, tmp_path):
    """Bytes as they come, or behind a header that fits them."""
    sent = wire.HEADER.pack(len(data), 0) + data if keep else data

    def answer(outbox: int) -> None:
        os.write(outbox, sent)
        os.close(os.dup(outbox))

    with worker_that(answer, tmp_path / "w") as worker, contextlib.suppress(WorkerGone):
        worker.request(Request(1, Get("x", [])), [], Limits(0.05, 0.05))
