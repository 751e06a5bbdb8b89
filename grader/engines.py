"""Fork servers, each kept as long as it is of use: they take seconds to start, and hold nothing of any submission.

Nothing here imports torch: a fork server can start while its client still does.
"""

from __future__ import annotations

import atexit
import functools
from collections.abc import Sequence

from grader.course import Assignment, Course
from grader.sandbox.client import Engine, Policy
from grader.store import Job, out_of_reach


@functools.cache
def _engine(policy: Policy) -> Engine:
    engine = Engine(policy)
    atexit.register(engine.close)
    return engine


@functools.lru_cache(maxsize=8)
def _policy(job: Job) -> Policy:
    modules = Course(job.root).assignment(job.assignment).modules
    return Policy(job.protected, not job.unconfined, not job.unconfined, job.limits, modules)


def engine_for(job: Job) -> Engine:
    """This process's engine for a batch."""
    return _engine(_policy(job))


class Warm:
    """A fork server that outlives one pytest session: pass it among the plugins, and close it at the end."""

    def __init__(self) -> None:
        self._engine: Engine | None = None

    def engine(self, assignment: Assignment, modules: Sequence[str]) -> Engine:
        """The one engine, begun to start when it is first asked for; another course has another.

        It loads ``modules`` beforehand.
        """
        protected = out_of_reach(assignment.secrets)
        if self._engine is None or self._engine.policy.protected != protected:
            self.close()
            self._engine = Engine(Policy(protected, required=False))
        self._engine.load(modules)
        self._engine.prepare()
        return self._engine

    def close(self) -> None:
        """End the fork server."""
        if self._engine is not None:
            self._engine.close()

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
