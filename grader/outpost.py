"""The process in which a worker of a cluster grades: one for each of its threads, and a new one for each command.

A worker lives for days: what it has loaded of suite and grader may be yesterday's, and a thread of it is no place for
pytest. So it only passes on what it gets, and starts another process when that one is killed. What a process of the
same machine sees by being there is looked at first: the same files, the same versions.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import platform
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.batch import versions
from grader.course import Course
from grader.digests import Digests, digests
from grader.sandbox.confine import die_with_parent
from grader.sentences import N_, Told, sentence
from grader.store import Job

TRIES = 3


class ClusterError(Told):
    """The cluster cannot grade: one line that says why, and what to do."""


@dataclass(frozen=True)
class Sight:
    """What a command sees, and whoever grades for it must see too. ``command`` is a name that no other command has."""

    command: str
    job: Job
    submissions: Path
    versions: str
    state: Digests

    @classmethod
    def here(cls, command: str, job: Job, submissions: Path) -> Sight:
        """What this process sees."""
        state = digests(Course(job.root).assignment(job.assignment))
        return cls(command, job, submissions, versions(), state)


def compare(sight: Sight) -> None:
    """In an outpost: raise `ClusterError` when not the same is seen from here."""
    machine = platform.node()
    for path in (sight.job.root, sight.submissions, sight.job.results):
        if not os.access(path, os.R_OK):
            text = N_("%(machine)s of the cluster cannot read %(path)s: all machines need the same files in one place")
            raise ClusterError(sentence(text, machine=machine, path=path))
    here = Sight.here(sight.command, sight.job, sight.submissions)
    if here.versions != sight.versions:
        text = N_("%(machine)s of the cluster has %(theirs)s, and this machine %(ours)s: install the same everywhere")
        raise ClusterError(sentence(text, machine=machine, theirs=here.versions, ours=sight.versions))
    if here.state != sight.state:
        text = N_("%(machine)s of the cluster has other files of the course or another grader: use the same everywhere")
        raise ClusterError(sentence(text, machine=machine))


class Outpost:
    """A process that does what it is handed, one call after the other, and is killed with the thread that began it."""

    def __init__(self, sight: Sight) -> None:
        self.command = sight.command
        command = [sys.executable, "-P", "-m", "grader.outpost", str(os.getpid())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.do(pickle.dumps((compare, (sight,))))
        except BaseException:
            self.end()
            raise

    def do(self, call: bytes) -> Any:
        """What a pickled call returns or raises. Raises `BrokenExecutor` when the process ended over it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(call)
            self._process.stdin.flush()
            raised, value = pickle.load(self._process.stdout)
        except (OSError, EOFError, ValueError, pickle.UnpicklingError):  # of a pipe that ends, or was closed
            self.end()
            raise BrokenExecutor(f"on {platform.node()}") from None
        if raised:
            raise value
        return value

    def end(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what is left in a buffer reaches nobody
                pipe.close()  # type: ignore[union-attr]


_outposts: dict[int, Outpost] = {}  # of this worker, by thread
_ended: set[str] = set()  # commands that want nothing done any more


def errand(sight: Sight, call: bytes) -> Any:
    """In a thread of a worker: have a call done by its outpost, by another one when that is killed."""
    for _ in range(TRIES):
        try:
            return _outpost(sight).do(call)
        except BrokenExecutor as error:
            broken = error
            _outposts.pop(threading.get_ident(), None)
    raise broken


def _outpost(sight: Sight) -> Outpost:
    if sight.command in _ended:
        raise BrokenExecutor("the command has ended")
    there = _outposts.pop(threading.get_ident(), None)
    if there and there.command != sight.command:  # one that was killed before it could say that it ends
        there.end()
        there = None
    found = _outposts[threading.get_ident()] = there or Outpost(sight)
    if sight.command in _ended:  # meanwhile
        found.end()
    return found


def leave(command: str) -> None:
    """In a worker: end what was begun for a command, whatever it is doing."""
    _ended.add(command)
    for outpost in list(_outposts.values()):
        if outpost.command == command:
            outpost.end()


def serve(parent: int) -> None:
    """The outpost itself: do calls until nobody is there to hand one over."""
    die_with_parent(parent)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints is not to be read as an answer
    while True:
        try:
            function, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        answers.write(_done(function, arguments))
        answers.flush()


def _done(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bytes:
    try:
        return pickle.dumps((False, function(*arguments)))
    except Exception as error:
        return pickle.dumps((True, error))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        serve(int(sys.argv[1]))
