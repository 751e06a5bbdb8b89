"""Each layer of the wall on its own: what it holds when the others are not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grader.findings import CannotConfine
from grader.sandbox import confine
from grader.sandbox.client import Limits, Worker, WorkerGone
from grader.sandbox.wire import Get, Request
from tests.test_sandbox import ROOT

PROBE = """
import ctypes, errno, os, resource, signal, socket, sys
from grader.sandbox import confine
folder, secret, port, parent = sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
confine.preload()
program = confine.compile_filter()
{layer}

def tried(name, attempt):
    try:
        attempt()
    except BaseException as error:
        return
    print(name)

tried("read", lambda: open(secret).read())
tried("write", lambda: open(secret, "a").close())
tried("write elsewhere", lambda: open(os.path.join(os.path.dirname(secret), "new"), "w").close())
tried("own file", lambda: open(os.path.join(folder, "own"), "w").close())
tried("library", lambda: __import__("wave"))
tried("tcp", lambda: socket.create_connection(("127.0.0.1", port), 2).close())
tried("signal", lambda: os.kill(parent, 0))
tried("memory", lambda: bytearray(3 << 30))
tried("raise limit", lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096)))
tried("capability", lambda: os.chroot("/"))

def fork():
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitpid(child, 0)

tried("fork", fork)
"""
LAYERS = {
    "nothing": "",
    "landlock": "confine._prctl(38, 1); confine._landlock(folder, confine.library_folders())",
    "seccomp": "confine._prctl(38, 1); confine._load(program)",
    "limits": "confine._limits(1 << 30)",
    "no capabilities": "confine._drop_capabilities()",
    "namespaces": "assert confine.leave_network()",
    "no capabilities in namespaces": "assert confine.leave_network(); confine._drop_capabilities()",
}
NEEDED = {"landlock", "seccomp", "limits", "no capabilities", "no new privileges", "not dumpable"}
OPEN = {"read", "write", "write elsewhere", "own file", "library", "tcp", "signal", "memory", "fork"}


def doors(layer: str, home: Path) -> set[str]:
    """What a process can still do behind one layer alone."""
    import socket

    (home / "own").mkdir(exist_ok=True)
    (home / "secret").write_text("TOKEN")
    with socket.create_server(("127.0.0.1", 0)) as server:
        arguments = ["-", str(home / "own"), str(home / "secret"), str(server.getsockname()[1]), str(os.getpid())]
        done = subprocess.run(
            [sys.executable, "-c", PROBE.replace("{layer}", LAYERS[layer]), *arguments],
            capture_output=True, text=True, cwd=home, timeout=60, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    if "namespaces" in layer and "AssertionError" in done.stderr:
        pytest.skip("no user namespaces for this user here")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines())


def test_without_any_layer_every_door_is_open(tmp_path):
    """The control: the probe finds doors where there are some."""
    assert doors("nothing", tmp_path) >= OPEN


def test_landlock_alone(tmp_path):
    """Files, TCP and signals; own folder and libraries stay."""
    assert doors("landlock", tmp_path).isdisjoint({"read", "write", "write elsewhere", "tcp", "signal"})


def test_landlock_alone_leaves_what_honest_code_needs(tmp_path):
    assert doors("landlock", tmp_path) >= {"own file", "library", "memory"}


def test_seccomp_alone(tmp_path):
    """Sockets, processes, signals, ptrace, limits; files are Landlock's."""
    left = doors("seccomp", tmp_path)
    assert left.isdisjoint({"tcp", "signal", "fork", "ptrace", "raise limit", "capability"})
    assert left >= {"own file", "library", "read"}


def test_limits_alone(tmp_path):
    assert doors("limits", tmp_path).isdisjoint({"memory", "raise limit"})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has capabilities to drop; the next test is an ordinary user's")
def test_no_capabilities_alone(tmp_path):
    assert "capability" in doors("nothing", tmp_path)
    assert "capability" not in doors("no capabilities", tmp_path)


def test_no_capabilities_in_a_namespace(tmp_path):
    """Anybody has all of them in a user namespace of their own: what the fork server has there, no worker keeps."""
    assert "capability" in doors("namespaces", tmp_path)
    assert "capability" not in doors("no capabilities in namespaces", tmp_path)


def test_namespaces_alone(tmp_path):
    """No network, not even this machine's own."""
    left = doors("namespaces", tmp_path)
    assert "tcp" not in left
    assert left >= {"own file", "library", "read"}


@pytest.mark.parametrize(
    ("layer", "remedy"), [("_landlock", "landlockpy"), ("_load", "install libseccomp2")], ids=["landlock", "seccomp"]
)
def test_a_missing_layer_is_refused_in_one_line_that_helps(monkeypatch, tmp_path, layer, remedy):
    """As `Engine` finds it in what a worker says of itself."""
    monkeypatch.setattr(confine, layer, _missing)
    holding, missing = _confined(tmp_path)
    assert len(missing) == 1
    assert remedy in missing[0]
    assert "\n" not in missing[0]
    assert len(holding) == 5


def _missing(*_: object) -> None:
    raise OSError(38, "Function not implemented")


def _confined(folder: Path) -> tuple[list[str], list[str]]:
    """Confine a process that is thrown away; what it says of itself."""
    import json

    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            confine._limits = lambda memory: None  # of the child only
            said = confine.confine(str(folder), confine.library_folders(), 0, confine.compile_filter())
            os.write(write, json.dumps(said).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        text = file.read()
    os.waitpid(child, 0)
    holding, missing = json.loads(text)
    return holding, missing


@pytest.mark.parametrize("said", [{"missing": ["seccomp (x)"]}, {"open_doors": ["fork"]}])
def test_student_code_never_goes_to_a_worker_that_did_not_prove_itself(engine, monkeypatch, said):
    """Whatever is missing or open, the engine ends the worker before anybody can speak to it."""
    import msgspec

    hello, ended = Worker.hello, []

    def lying(worker: Worker) -> object:
        ended.append(worker)
        return msgspec.structs.replace(hello(worker), **said)

    monkeypatch.setattr(Worker, "hello", lying)
    with pytest.raises(CannotConfine, match="cannot be confined"):
        engine.worker()
    with pytest.raises(WorkerGone):
        ended[0].request(Request(1, Get("x", [])), [], Limits())


FORBIDDEN = """
import sys
from grader.sandbox import confine
from grader.sandbox.client import Engine
confine._prctl(38, 1)
{how}
with Engine() as engine:
    worker = engine.worker()
    worker.end()
    print(*engine.layers, sep="\\n")
"""
HOW = {
    "no user namespace": "import pyseccomp as sc\n"
    "rules = sc.SyscallFilter(sc.ALLOW)\n"
    "rules.add_rule(sc.ERRNO(1), 'unshare')\n"
    "rules.load()",
    "nothing allowed in it": "import landlockpy as ll\n"
    "with ll.Ruleset(handled_fs=ll.AccessFS.WRITE_FILE) as rules:\n"
    "    for path in (sys.argv[1], '/dev'):\n"
    "        rules.allow_path(path, ll.AccessFS.WRITE_FILE)\n"
    "    rules.restrict()",
}


@pytest.mark.parametrize("how", HOW)
def test_a_system_that_keeps_namespaces_to_itself_still_grades(tmp_path, how):
    """As containers do, and Ubuntu, where an ordinary user may make a user namespace but not write its maps."""
    done = subprocess.run(
        [sys.executable, "-c", FORBIDDEN.replace("{how}", HOW[how]), str(tmp_path)],
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
        env={"PATH": os.defpath, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.splitlines()) == NEEDED


def test_every_layer_holds_here(engine):
    """What this machine has; recorded by the engine."""
    engine.worker().end()
    assert engine.missing == ()
    assert set(engine.layers) >= NEEDED
