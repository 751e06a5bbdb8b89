"""Graded by the workers of a dask cluster: the same bytes as on one machine, whoever is killed meanwhile."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from pathlib import Path

import psutil
import pytest

from grader import outpost
from grader.cli import main
from grader.digests import Digests
from grader.outpost import ClusterError, Sight
from grader.store import Job
from tests.test_sandbox import ROOT

pytest.importorskip("distributed", reason="distributed is not installed")

CLASS = ROOT / "tests" / "sample_class"
STUDENTS = ("amara_okafor", "bianca_costa", "olivia_johansson", "uma_krishnan")


pytestmark = pytest.mark.whole


@dataclasses.dataclass
class Machines:
    """A scheduler and workers, each a process as somebody would start it."""

    home: Path
    address: str = ""
    started: list[subprocess.Popen[bytes]] = dataclasses.field(default_factory=list)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """``dask`` with these words."""
        command = [sys.executable, "-P", "-m", "dask", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.home)}
        with (self.home / "log").open("ab") as log:
            done = subprocess.Popen(command, cwd=self.home, env=environment, stdout=log, stderr=log)
        self.started.append(done)
        return done

    def schedule(self) -> None:
        """Start the scheduler, at a port of its own choice."""
        told = self.home / "scheduler.json"
        words = (
            "--dashboard-address",
            "127.0.0.1:0",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--scheduler-file",
            str(told),
        )
        self.start("scheduler", *words)
        wait_for(lambda: told.exists() and '"address"' in told.read_text())
        self.address = json.loads(told.read_text())["address"]

    def work(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a worker."""
        return self.start("worker", self.address, "--nthreads", "1", "--no-dashboard", *words)


def wait_for(there, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    found = Machines(tmp_path_factory.mktemp("machines"))
    try:
        found.schedule()
        yield found
    finally:
        below = [child for one in found.started if one.poll() is None for child in psutil.Process(one.pid).children()]
        for one in [*found.started[::-1], *below]:
            one.kill()
        for one in found.started:
            one.wait()


@pytest.fixture(scope="module")
def submissions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip, which has to be unpacked where all can read it."""
    folder = tmp_path_factory.mktemp("in")
    for student in STUDENTS:
        shutil.copy(CLASS / f"{student}.ipynb", folder)
    return Path(shutil.make_archive(str(folder), "zip", folder))


def grade(submissions: Path, out: Path, *options: str) -> int:
    words = ["grade", "ch17", str(submissions), "--out", str(out), "--only", "relu,mse", "--course", str(ROOT)]
    return main([*words, "--lang", "en", *options])


def test_a_cluster_without_workers_is_one_line(machines, submissions, tmp_path, capsys):
    assert grade(submissions, tmp_path, "--cluster", machines.address) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"grader: {machines.address}: the cluster has no workers; start some with: dask worker")
    assert said.count("\n") == 1


def test_no_scheduler_is_one_line(submissions, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("grader.cluster.CONNECT_SECONDS", 0.5)
    assert grade(submissions, tmp_path, "--cluster", "tcp://127.0.0.1:9") == 2
    assert grade(submissions, tmp_path, "--cluster", "nonsense://") == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("grader: tcp://127.0.0.1:9: no scheduler answers (")
    assert second.startswith("grader: nonsense://: no scheduler answers (")


def test_without_distributed_it_says_what_to_install(submissions, tmp_path, capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "grader.cluster", raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert grade(submissions, tmp_path, "--cluster", "tcp://127.0.0.1:9") == 2
    assert capsys.readouterr().err == "grader: --cluster needs distributed; run: pip install 'ch17-grader[cluster]'\n"


def test_the_same_bytes_though_a_worker_is_killed(machines, submissions, tmp_path, capsys):
    """One of two workers is killed while it grades; the other one has a nanny, as `dask worker` gives it."""
    here, there = tmp_path / "here", tmp_path / "there"
    victim = machines.work("--no-nanny")
    machines.work()
    command = [sys.executable, "-m", "grader.cli", "grade", "ch17", submissions, "--out", there, "--course", ROOT]
    words = [*map(str, command), "--only", "relu,mse", "--cluster", machines.address]
    wait_for(lambda: (machines.home / "log").read_text().count("Starting established connection") >= 2)
    running = subprocess.Popen(words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE)
    wait_for(lambda: psutil.Process(victim.pid).children() and any((there / "results").glob("*.json")), 200)
    outposts = psutil.Process(victim.pid).children()
    victim.kill()
    _, said = running.communicate(timeout=200)
    assert (running.returncode, said) == (0, b"")
    assert not psutil.wait_procs(outposts, 20)[1]
    assert grade(submissions, here, "--workers", "1") == 0
    assert (there / "results.jsonl").read_bytes() == (here / "results.jsonl").read_bytes()
    assert {path.name for path in there.iterdir()} == {path.name for path in here.iterdir()}
    assert not list(there.rglob(".*.new"))


def test_a_stopped_command_stops_its_processes_on_the_cluster(machines, submissions, tmp_path):
    """As by Ctrl-C; the worker stays for the next command."""
    worker = machines.work("--no-nanny")
    command = [sys.executable, "-m", "grader.cli", "grade", "ch17", submissions, "--out", tmp_path, "--course", ROOT]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    wait_for(lambda: (machines.home / "log").read_text().count("Registered to:") >= len(machines.started) - 1)
    running = subprocess.Popen(
        [*map(str, command), "--cluster", machines.address], env=environment, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    wait_for(lambda: psutil.Process(worker.pid).children(), 200)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert (running.returncode, said.count("stopped; what was graded is kept")) == (1, 1)
    wait_for(lambda: not psutil.Process(worker.pid).children())
    assert worker.poll() is None


@pytest.fixture
def sight(tmp_path: Path) -> Sight:
    return Sight.here("command", Job(ROOT, "ch17", tmp_path, ()), tmp_path)


def test_a_machine_that_sees_the_same_may_grade(sight):
    outpost.compare(sight)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"submissions": Path("/nowhere/else")}, "cannot read /nowhere/else: all machines need the same files"),
        ({"versions": "Python 2.7"}, "and this machine Python 2.7: install the same everywhere"),
        ({"state": Digests("another", {})}, "other files of the course or another grader"),
    ],
)
def test_a_machine_that_sees_something_else_is_one_line(sight, changes, says):
    with pytest.raises(ClusterError) as refused:
        outpost.compare(dataclasses.replace(sight, **changes))
    assert says in str(refused.value.said)


def test_what_the_process_of_a_worker_says_is_what_it_raises(sight):
    """Across the pipe, from a process of its own; it is gone afterwards."""
    with pytest.raises(ClusterError, match=r"Python 2\.7"):
        outpost.errand(dataclasses.replace(sight, versions="Python 2.7"), b"")
    assert not outpost._outposts


def test_a_killed_process_of_a_worker_is_replaced_until_the_command_ends(sight, monkeypatch):
    """As by a kernel that is out of memory; and what begins after the end does not begin."""
    monkeypatch.setattr(outpost, "TRIES", 1)
    monkeypatch.setattr(outpost, "_ended", set())
    first = outpost.errand(sight, pickle.dumps((os.getpid, ())))
    assert outpost.errand(sight, pickle.dumps((os.getpid, ()))) == first
    with pytest.raises(BrokenExecutor):
        outpost.errand(sight, pickle.dumps((os.abort, ())))
    second = outpost.errand(sight, pickle.dumps((os.getpid, ())))
    assert second not in (first, os.getpid())
    outpost.leave(sight.command)
    assert not psutil.pid_exists(second)
    with pytest.raises(BrokenExecutor):
        outpost.errand(sight, pickle.dumps((os.getpid, ())))
