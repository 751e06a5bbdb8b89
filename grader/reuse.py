"""One worker for many notebooks of ours, one after the other: a new worker for each costs more than what is run in it.

For the course's own code alone. Between two notebooks all names are as in a new worker; what code did to the libraries
stays, so code that may do such things needs workers of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from grader.sandbox.client import Limits, Transport, WorkerGone
from grader.sandbox.wire import Blobs, Reply, Request, Run

_AFRESH = """
import sys
sys.__dict__.setdefault("names_at_first", {k: v for k, v in globals().items() if k != "sys"})
(lambda names, first: (names.clear(), names.update(first)))(globals(), sys.names_at_first)
"""


class Reused:
    """Workers that can be had again. Use as a context manager; ``start`` makes new ones."""

    def __init__(self, start: Callable[[], Transport]) -> None:
        self._start = start
        self._idle: list[Transport] = []

    def __enter__(self) -> Reused:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._idle:
            worker.end()

    def start(self) -> Transport:
        """A worker as if it were new."""
        while self._idle:
            worker = self._idle.pop()
            try:
                return self._lend(worker)
            except WorkerGone:
                worker.end()
        return self._lend(self._start())

    def _lend(self, worker: Transport) -> Transport:
        worker.request(Request(0, Run(_AFRESH, "afresh", None)), [], Limits())
        return _Lent(worker, self._idle)


class _Lent:
    """A worker that goes back when it is ended, unless it is gone."""

    def __init__(self, worker: Transport, idle: list[Transport]) -> None:
        self._worker, self._idle = worker, idle
        self._gone = False

    def request(self, request: Request, blobs: Sequence[memoryview], limits: Limits) -> tuple[Reply, Blobs]:
        """As the worker answers. Raises `WorkerGone`."""
        try:
            return self._worker.request(request, blobs, limits)
        except WorkerGone:
            self._gone = True
            raise

    def end(self) -> None:
        """Hand it back."""
        if self._gone:
            self._worker.end()
        else:
            self._idle.append(self._worker)
