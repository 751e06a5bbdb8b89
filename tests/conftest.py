"""What the tests share: one warm engine, and a worker or a session on it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

from grader.sandbox import wire
from grader.sandbox.client import Engine, Limits, Policy, Worker
from grader.source import to_python

hypothesis.settings.register_profile("untimed", deadline=None)  # others may be busy on the machine
hypothesis.settings.load_profile("untimed")
os.environ["LANGUAGE"] = "en"  # whoever runs the tests, and in the processes that they start


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A confined engine; its protected path holds a token that no worker may ever read."""
    secret = tmp_path_factory.mktemp("secret") / "token.txt"
    secret.write_text("TOKEN-THAT-NO-WORKER-READS")
    with Engine(Policy(protected=(str(secret),))) as engine:
        yield engine


class Line:
    """A worker, spoken to request by request."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._seq = itertools.count(1)

    def ask(self, ask: wire.Ask, cpu: float = 5.0, wall: float = 20.0) -> wire.Reply:
        request = wire.Request(next(self._seq), ask)
        return self.worker.request(request, [], Limits(cpu, wall))[0]

    def run(self, source: str, **limits: float) -> Any:
        """The outcome of running a cell, transformed as the trusted side does it."""
        return self.ask(wire.Run(to_python(source) or source, "cell 1"), **limits).outcome

    def value(self, name: str) -> Any:
        """The value of a name, on the wire."""
        return self.ask(wire.Get(name, [])).outcome.value


@pytest.fixture
def worker(engine: Engine) -> Iterator[Line]:
    """A fresh worker."""
    found = engine.worker()
    yield Line(found)
    found.end()
