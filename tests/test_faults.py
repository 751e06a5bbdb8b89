"""What goes wrong outside: processes killed, a disk full, two commands at once. Nothing is lost, nobody pays for it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest

from grader import chunk
from grader.course import Course
from grader.digests import digests
from grader.sandbox.client import Engine
from grader.store import Job, Stored, Task, read_results, write_result
from grader.submissions import find
from tests.test_sandbox import ROOT

CLASS = ROOT / "tests" / "sample_class"
STUDENTS = ("amara_okafor", "bianca_costa", "uma_krishnan")
ONLY = "relu,mse,mse_grad"


@pytest.fixture(scope="module")
def submissions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    for student in STUDENTS:
        shutil.copy(CLASS / f"{student}.ipynb", folder)
    return folder


@pytest.fixture(scope="module")
def undisturbed(submissions: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The results when nothing goes wrong."""
    out = tmp_path_factory.mktemp("undisturbed")
    done = finish(start(submissions, out, out))
    assert done == 0
    return (out / "results.jsonl").read_bytes()


def start(submissions: Path, out: Path, home: Path, **options: object) -> subprocess.Popen[str]:
    """The command, with a TMPDIR by which its processes can be found."""
    command = [sys.executable, "-m", "grader.cli", "grade", "ch17", submissions, "--out", out, "--only", ONLY]
    (home / "tmp").mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(home / "tmp")}
    return subprocess.Popen(
        [*map(str, command), "--workers", "1"], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # fmt: skip


def finish(command: subprocess.Popen[str]) -> int:
    command.communicate(timeout=200)
    return command.returncode


def role(process: psutil.Process) -> str:
    """What a process below the command is. Raises `psutil.Error` when it is gone."""
    words = " ".join(process.cmdline())
    if "grader.sandbox.zygote" in words:
        return "worker" if "grader.sandbox.zygote" in " ".join(process.parent().cmdline()) else "fork server"
    return "pool" if "spawn_main" in words else "other"


def kill_one(command: subprocess.Popen[str], victim: str) -> list[psutil.Process]:
    """Kill a process of that role as soon as there is one, give or take; returns all that were there then."""
    luck, top = random.Random(victim), psutil.Process(command.pid)
    while command.poll() is None:
        below = top.children(recursive=True)
        for process in [top] if victim == "command" and len(below) > 2 else below:
            with contextlib.suppress(psutil.Error):
                if process == top or role(process) == victim:
                    time.sleep(luck.random() / 20)
                    process.kill()
                    return below
    raise AssertionError(f"there was no {victim} to kill")


@pytest.mark.parametrize("victim", ["worker", "fork server", "pool", "command"])
def test_a_killed_process_costs_no_result(submissions, undisturbed, tmp_path, victim):
    """One of its processes is killed at a random moment; the same command again ends as if nothing had been."""
    out = tmp_path / "out"
    command = start(submissions, out, tmp_path)
    below = kill_one(command, victim)
    code = finish(command)
    if victim == "command":
        assert code == -signal.SIGKILL
        code = finish(start(submissions, out, tmp_path))
    assert code == 0
    assert (out / "results.jsonl").read_bytes() == undisturbed
    assert not psutil.wait_procs(below, 20)[1]
    assert not [path.name for path in out.rglob(".*.new")]


def test_a_worker_killed_from_outside_is_nobodys_fault(submissions, tmp_path, monkeypatch):
    """Always once, in the middle of a submission: it is graded again, and there is no trace of it."""
    ask, asked = chunk.Engine.worker, []

    def worker(engine: Engine):
        found = ask(engine)
        asked.append(found)
        if len(asked) == 1:
            os.kill(found._pid, signal.SIGKILL)
        return found

    monkeypatch.setattr(Engine, "worker", worker)
    monkeypatch.setattr(chunk, "engine_for", lambda job: engine)
    tasks = [Task(file, "key") for file in find(submissions, "ch17", tmp_path) if file.student == "amara_okafor"]
    with Engine() as engine:
        chunk.grade(Job(ROOT, "ch17", tmp_path, (), only=("relu",)), digests(Course(ROOT).assignment("ch17")), tasks)
    result = json.loads((tmp_path / "amara_okafor.json").read_bytes())["result"]
    assert len(asked) > 1
    assert result["score"] == result["max_score"]
    assert result["flags"] == []


def test_a_full_disk_is_one_line_and_the_next_run_goes_on(submissions, undisturbed, tmp_path):
    """No file may grow beyond 4 kB, which is how a full disk shows: results cannot be written."""
    out = tmp_path / "out"

    def nearly_full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    command = start(submissions, out, tmp_path, preexec_fn=nearly_full)
    _, said = command.communicate(timeout=200)
    assert command.returncode in (1, 2)
    assert "File too large" in said
    assert "Traceback" not in said
    assert finish(start(submissions, out, tmp_path)) == 0
    assert (out / "results.jsonl").read_bytes() == undisturbed


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_is_stopped_leaves_nobodys_notebook(submissions, undisturbed, tmp_path, how):
    """It ends at once; what it unpacked is gone, or goes with the next command where it could not even say that."""
    out, packed = tmp_path / "out", tmp_path / "class.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in submissions.iterdir():
            archive.write(path, path.name)
    command = start(packed, out, tmp_path, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    while not list(out.glob("results/*.json")):
        assert command.poll() is None
    below = psutil.Process(command.pid).children(recursive=True)
    assert list(out.rglob("*.ipynb"))
    command.send_signal(how)
    _, said = command.communicate(timeout=20)
    assert not psutil.wait_procs(below, 20)[1]
    if how != signal.SIGKILL:
        assert (command.returncode, said.count("\n")) == (1, 1)
        assert "the same command goes on from there" in said
        assert not list(out.rglob("*.ipynb"))
    assert finish(start(packed, out, tmp_path)) == 0
    assert (out / "results.jsonl").read_bytes() == undisturbed
    assert not list(tmp_path.rglob("*.ipynb"))


def test_what_cannot_be_written_of_one_is_not_run_and_stops_nobody(submissions, tmp_path, monkeypatch):
    def write(folder: Path, stored: Stored) -> None:
        if (stored.result.student, stored.result.status) == (STUDENTS[0], "graded"):
            raise UnicodeEncodeError("utf-8", "\udce9", 0, 1, "surrogates not allowed")
        write_result(folder, stored)

    monkeypatch.setattr(chunk, "write_result", write)
    tasks = [Task(file, "key") for file in find(submissions, "ch17", tmp_path)]
    state = digests(Course(ROOT).assignment("ch17"))
    assert chunk.grade(Job(ROOT, "ch17", tmp_path, (), only=("relu",)), state, tasks) is None
    results = {one.result.student: one.result for one in read_results(tmp_path)}
    assert {name: result.status == "error" for name, result in results.items()} == {
        name: name == STUDENTS[0] for name in STUDENTS
    }
    assert "UnicodeEncodeError" in str(results[STUDENTS[0]].problem)


@pytest.mark.parametrize("out", ["/proc/grader", "/dev/null/grader"])
def test_an_output_folder_that_cannot_be_made(submissions, tmp_path, out):
    command = start(submissions, Path(out), tmp_path)
    _, said = command.communicate(timeout=200)
    assert command.returncode == 2
    assert said.count("\n") == 1
    assert said.startswith("grader: ")


def test_two_commands_on_one_folder(submissions, tmp_path):
    """The second one says so and leaves; the first is not disturbed."""
    out = tmp_path / "out"
    first = start(submissions, out, tmp_path)
    while not (out / ".lock").exists():
        assert first.poll() is None
    second = start(submissions, out, tmp_path)
    _, said = second.communicate(timeout=200)
    assert second.returncode == 2
    assert "another command" in said
    assert first.poll() is None
    first.kill()
    finish(first)


def test_clocks_that_jump(submissions, tmp_path, monkeypatch):
    """The time of day goes back and forth by years; limits are taken by a clock that does not."""
    luck = random.Random(0)
    monkeypatch.setattr(time, "time", lambda: luck.uniform(0, 4e9))
    tasks = [Task(file, "key") for file in find(submissions, "ch17", tmp_path) if file.student == "amara_okafor"]
    chunk.grade(Job(ROOT, "ch17", tmp_path, (), only=("relu",)), digests(Course(ROOT).assignment("ch17")), tasks)
    result = json.loads((tmp_path / "amara_okafor.json").read_bytes())["result"]
    assert result["score"] == result["max_score"]
