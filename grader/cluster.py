"""A cluster's workers as an executor, through `dask.distributed`: they come and go, and what they lose is done again.

Calls travel as bytes to `grader.outpost` on the workers' machines. Needs the extra ``cluster``.
"""

from __future__ import annotations

import contextlib
import functools
import pickle
import secrets
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from typing import Any

from distributed import Client, KilledWorker
from distributed.scheduler import NoWorkerError

from grader.batch import probe
from grader.outpost import ClusterError, Sight, errand, leave
from grader.sentences import N_, sentence
from grader.store import Job

CONNECT_SECONDS = 10
_LOST = KilledWorker, NoWorkerError  # what dask says when it gives a call up


class Cluster(Executor):
    """Connected to the scheduler at an address; all workers were seen to be able to grade.

    Raises `ClusterError` when there is no scheduler, no worker, or one that sees something else than we do, and
    `EngineError` when one cannot confine student code.
    """

    def __init__(self, address: str, sight: Sight) -> None:
        self._client, self._sight = connect(address), sight
        self._executor = self._client.get_executor(pure=False)  # or a call made again would get its old answer
        try:
            self._greet()
        except BaseException:
            self.shutdown()
            raise

    def _greet(self) -> None:
        call = pickle.dumps((probe, (self._sight.job,)))
        options = {"pure": False, "allow_other_workers": True}  # one that leaves meanwhile is not waited for
        try:
            self._client.gather(
                [
                    self._client.submit(errand, self._sight, call, workers=[worker], **options)
                    for worker in _workers(self._client)
                ]
            )
        except (BrokenExecutor, *_LOST, ImportError, RuntimeError) as error:
            text = N_("a worker of the cluster cannot grade (%(why)s); its log may say more")
            raise ClusterError(sentence(text, why=f"{type(error).__name__}: {error}".splitlines()[0])) from None

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Have a call done by some worker; the future's error is `BrokenExecutor` when workers were lost over it."""
        outer: Future[Any] = Future()
        call = pickle.dumps((functools.partial(function, **named), arguments))
        inner = self._executor.submit(errand, self._sight, call)
        inner.add_done_callback(functools.partial(_passed_on, outer))
        return outer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End at once what is still being done; a batch leaves nothing behind that it wants."""
        self._executor.shutdown(wait=False)
        with contextlib.suppress(OSError, TimeoutError, ValueError):
            if self._client.status == "running":
                self._client.run(leave, self._sight.command, on_error="ignore")
        self._client.close()


def _passed_on(outer: Future[Any], inner: Future[Any]) -> None:
    if inner.cancelled():
        outer.set_exception(BrokenExecutor("the scheduler is gone"))
    elif isinstance(error := inner.exception(), _LOST):
        outer.set_exception(BrokenExecutor(str(error)))
    elif error is not None:
        outer.set_exception(error)
    else:
        outer.set_result(inner.result())


def processes(address: str, job: Job, submissions: Path) -> tuple[Callable[[], Executor], int]:
    """What connects to the cluster, and how many calls it can do at once. Raises `ClusterError`."""
    with connect(address) as client:
        count = sum(_workers(client).values())

    def executor() -> Executor:
        return Cluster(address, Sight.here(secrets.token_hex(8), job, submissions))

    return executor, count


def connect(address: str) -> Client:
    """A connection to a scheduler that has workers. Raises `ClusterError`."""
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        text = N_("%(address)s: no scheduler answers (%(why)s); start one with: dask scheduler")
        raise ClusterError(sentence(text, address=address, why=str(error).splitlines()[0])) from None
    if not _workers(client):
        client.close()
        text = N_("%(address)s: the cluster has no workers; start some with: dask worker %(address)s --nthreads 1")
        raise ClusterError(sentence(text, address=address))
    return client


def _workers(client: Client) -> dict[str, int]:
    """The threads of each worker."""
    return dict(client.nthreads())
