"""The wall from inside: what a worker can and cannot do, and what happens when it misbehaves."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from grader.findings import CannotConfine
from grader.sandbox import confine, wire
from grader.sandbox.client import Engine, Limits, Policy, WorkerGone, signal_name
from grader.sandbox.wire import Request

ROOT = Path(__file__).parents[1]


def refused(outcome: object) -> str:
    assert isinstance(outcome, wire.Raised), outcome
    return f"{outcome.type_name}: {outcome.text}"


def test_runs_cells_and_calls(worker):
    assert worker.run("def f(x): return x + 1\nprint('hi')") == wire.Returned(None)
    assert worker.ask(wire.Call("f", [], [3], {})).outcome == wire.Returned(4)


def test_magics_and_shell_lines_are_harmless(worker):
    source = "%matplotlib inline\n!ls /\nfiles = !ls\n%time x = 1\n%timeit 1 + 1\n%load_ext autoreload\n%autoreload 2\n"
    assert worker.run(source + "?len\ny = 5") == wire.Returned(None)
    assert worker.value("y") == 5


@pytest.mark.parametrize("magic", ["%%bash\nsleep 100", "%%time\ny = 7", "%%timeit -n 10\ny", "%%html\n<b>", "%debug"])
def test_cell_magics(worker, magic):
    worker.run("y = 7")
    assert worker.run(magic) == wire.Returned(None)
    assert worker.value("y") == 7


def test_every_signal_has_a_name_to_show():
    assert signal_name(signal.SIGSEGV) == "SIGSEGV"
    assert signal_name(35) == "35"  # a real-time signal, of which Python names only the first and the last


def test_top_level_await(worker):
    assert worker.run("import asyncio\nawait asyncio.sleep(0)\nx = 3") == wire.Returned(None)
    assert worker.value("x") == 3


def test_a_failing_statement_costs_only_itself(worker):
    raised = worker.run("a = 1\nfrom fastai.vision.all import *\nb = 2\n1 / 0\n@staticmethod\ndef c(): return 3")
    assert refused(raised).startswith("ModuleNotFoundError")
    assert raised.lines == [wire.Line("cell 1", 2, "from fastai.vision.all import *")]
    assert (worker.value("a"), worker.value("b")) == (1, 2)
    assert worker.ask(wire.Call("c", [], [], {})).outcome == wire.Returned(3)


def test_check_is_a_stub_inside(worker):
    assert worker.run("from grader import check\nx = check('relu')") == wire.Returned(None)
    assert worker.value("x") == 0.0
    assert "grader.sandbox" in refused(worker.run("import grader.sandbox"))


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/etc/shadow", "/proc/self/environ", "/proc/1/cmdline", "/root", "/home", "/tmp", str(ROOT),
     str(ROOT / "README.md"), str(ROOT / "pyproject.toml"), str(ROOT / "grader" / "cli.py")],
)  # fmt: skip
def test_cannot_read(worker, path):
    source = f"import os\nr = os.listdir({path!r}) if os.path.isdir({path!r}) else open({path!r}).read()"
    assert "Permission" in refused(worker.run(source)) or "No such file" in refused(worker.run(source))


def test_cannot_read_what_is_protected(worker, engine):
    [secret] = engine.policy.protected
    assert "Permission" in refused(worker.run(f"open({secret!r}).read()"))


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.socket()",
        "import socket; socket.socket(socket.AF_UNIX)",
        "import socket; socket.socketpair()",
        "import os; os.fork()",
        "import subprocess; subprocess.run(['/bin/true'])",
        "import os; os.execv('/bin/true', ['true'])",
        "import threading; threading.Thread(target=print).start()",
        "import os; os.kill(os.getppid(), 9)",
        "import os; os.kill(os.getpid(), 9)",
        "import os; os.mkdir('/tmp/d')",
        "import os; os.makedirs('d'); os.mkdir('d/../../d')",
        "import os; os.symlink('/etc/passwd', 'x')",
        "import os; os.mkfifo('x')",
        "import os; os.link('/bin/true', 'x')",
        "open('/dev/shm/x', 'w')",
        "open('/var/tmp/x', 'w')",
        "import os; os.memfd_create('x')",
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        "import resource; resource.prlimit(1, resource.RLIMIT_NOFILE)",
        "import os; os.sched_setaffinity(0, {0})",
        "import os; os.setpriority(os.PRIO_PROCESS, 0, 5)",
        "import os; os.chroot('.')",
        "import os; os.setuid(1)",
    ],
)
def test_cannot(worker, attempt):
    assert "Error" in refused(worker.run(attempt))


@pytest.mark.parametrize(
    "call",
    ["101, 0, 0, 0, 0", "165, 0, 0, 0, 0", "272, 0x10000000, 0, 0, 0", "321, 0, 0, 0", "425, 1, 0", "250, 0, 0",
     "298, 0, 0", "435, 0, 0", "57", "58", "41, 2, 1, 0", "59, 0, 0, 0"],
    ids=["ptrace", "mount", "unshare", "bpf", "io_uring", "keyctl",
         "perf", "clone3", "fork", "vfork", "socket", "execve"],
)  # fmt: skip
def test_raw_syscalls_are_refused(worker, call):
    source = f"import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nr = libc.syscall({call}), ctypes.get_errno()"
    assert worker.run(source) == wire.Returned(None)
    result, code = worker.value("r").items
    assert result == -1
    assert code in (1, 38)


def test_a_32_bit_call_ends_the_worker(worker):
    code = "b8" + "14000000" + "cd80" + "c3"  # mov eax, 20 (getpid); int 0x80; ret
    source = (
        "import ctypes, mmap\n"
        "m = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
        f"m.write(bytes.fromhex('{code}'))\n"
        "f = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))\nf()"
    )
    with pytest.raises(WorkerGone) as gone:
        worker.run(source)
    assert gone.value.how == "died"


def test_the_surroundings_are_bare(worker):
    worker.run("import os, sys\nenv = sorted(os.environ)")
    assert set(worker.value("env").items) <= {
        "HOME", "IPYTHONDIR", "LANG", "MPLBACKEND", "MPLCONFIGDIR", "PATH", "TMPDIR", "XDG_CACHE_HOME",
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
    }  # fmt: skip
    worker.run(
        "mods = [m for m in sys.modules"
        " if '_pytest.' in m or m == 'pytest' or 'autotests' in m or m.startswith('grader.')]"
    )
    assert worker.value("mods").items == []


def test_own_folder_is_writable_and_goes_with_the_worker(engine):
    worker = engine.worker()
    request = wire.Request(1, wire.Run("import os\nopen('a.txt', 'w').write('x')\nhere = os.getcwd()", "cell 1"))
    worker.request(request, [], engine.policy.limits)
    reply, _ = worker.request(wire.Request(2, wire.Get("here", [])), [], engine.policy.limits)
    here = Path(reply.outcome.value)
    assert (here / "a.txt").read_text() == "x"
    worker.end()
    assert not here.exists()


def deep(levels: int, name: str) -> str:
    """A cell that goes down into folders, each in the other, and leaves a file in each."""
    return (
        f"import os\nhere = os.getcwd()\nfor _ in range({levels}):\n"
        f"    os.mkdir({name!r})\n    os.chdir({name!r})\n    open('f', 'w').close()"
    )


@pytest.mark.parametrize(
    "source", [deep(900, "d"), deep(40, "d" * 255), "import os\nhere = os.getcwd()\nos.mkdir('d', 0)"]
)
def test_folders_in_folders_go_with_the_worker(engine, source):
    worker = engine.worker()
    worker.request(wire.Request(1, wire.Run(source, "cell 1")), [], engine.policy.limits)
    reply, _ = worker.request(wire.Request(2, wire.Get("here", [])), [], engine.policy.limits)
    worker.end()
    assert not Path(reply.outcome.value).exists()


@pytest.mark.parametrize("source", [deep(40, "d" * 255), deep(1500, "d")], ids=["too long a path", "too many"])
def test_folders_that_hide_what_they_hold_are_too_much(worker, source):
    with pytest.raises(WorkerGone) as gone:
        worker.run(f"{source}\nwhile True: pass")
    assert gone.value.how == "disk"


def test_torch_makes_the_folders_it_needs(worker):
    worker.run("import torch\nslope = torch.func.grad(lambda x: (x ** 2).sum())(torch.ones(2)).tolist()")
    assert worker.value("slope") == wire.Seq("list", [2.0, 2.0])


@pytest.mark.parametrize(
    ("source", "how"),
    [
        ("while True: pass", "late"),
        ("while True:\n    try:\n        while True: pass\n    except BaseException: pass", "late"),
        ("import re; re.match('(a+)+$', 'a' * 64 + 'b')", "late"),
        ("import os; os._exit(0)", "died"),
        ("import ctypes; ctypes.string_at(0)", "died"),
        ("import os; os.write(4, b'x' * 100)", "protocol"),
        ("import os\nfor fd in range(3, 8):\n    try: os.close(fd)\n    except OSError: pass", "died"),
    ],
)
def test_misbehaviour_is_named(worker, source, how):
    with pytest.raises(WorkerGone) as gone:
        worker.run(source, cpu=0.4, wall=3.0)
    assert gone.value.how == how


def test_a_busy_machine_changes_no_word_of_who_was_late(worker):
    """Who gets too little of it to use up the CPU time is told the same limit as on a machine that is idle."""
    with pytest.raises(WorkerGone) as gone:
        worker.run("while True: pass", cpu=5.0, wall=0.5)
    assert (gone.value.how, gone.value.detail) == ("late", "5")


def test_a_sleeper_is_late_by_the_wall_clock(worker):
    with pytest.raises(WorkerGone) as gone:
        worker.run("import time; time.sleep(60)", cpu=5.0, wall=0.3)
    assert (gone.value.how, gone.value.detail) == ("late", "0.3")


def test_cpu_time_is_counted_where_the_system_hides_processes(worker, monkeypatch):
    """`/proc` mounted with ``hidepid=2`` shows ordinary users no process that others may not look into: no worker."""
    monkeypatch.setattr(psutil, "Process", hidden)
    with pytest.raises(WorkerGone) as gone:
        worker.run("while True: pass", cpu=0.3, wall=10.0)
    assert (gone.value.how, gone.value.detail) == ("late", "0.3")


def hidden(pid: int) -> psutil.Process:
    raise psutil.NoSuchProcess(pid)


def test_a_declared_length_allocates_nothing(worker):
    source = "import os, struct\nos.write(4, struct.pack('<II', 0xffffffff, 0xffffffff))"
    before = psutil.Process().memory_info().rss
    with pytest.raises(WorkerGone, match="protocol"):
        worker.run(source)
    assert psutil.Process().memory_info().rss - before < 50 << 20


def test_memory_is_bounded(worker):
    assert "memory" in refused(worker.run("import torch; torch.zeros(10**10)")).lower()
    assert "MemoryError" in refused(worker.run("x = bytearray(5 << 30)"))
    assert worker.run("x = 1") == wire.Returned(None)


def test_endless_output_is_cut(worker):
    reply = worker.ask(wire.Run("for _ in range(10**5): print('x' * 100)", "cell 1"))
    assert len(reply.printed) <= 4_000
    assert reply.cut > 10**6


def test_a_huge_answer_is_named_not_sent(worker):
    worker.run("import torch\ndef f(): return torch.zeros(2**26)\ndef g(): return [0] * 10**6")
    for name in "fg":
        outcome = worker.ask(wire.Call(name, [], [], {})).outcome
        assert isinstance(outcome.value, wire.Unsupported)


def test_the_worker_dies_with_the_fork_server():
    with Engine(Policy()) as engine:
        worker = engine.worker()
        process = psutil.Process(worker._pid)
        engine._process.kill()
        engine._process.wait()
        psutil.wait_procs([process], timeout=10)
        assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
        assert engine.worker() is not None  # and the next one comes from a new fork server


def test_no_process_is_left_over():
    source = (
        "import os\nfrom grader.sandbox.client import Engine, Policy\n"
        "engine = Engine(Policy())\nworker = engine.worker()\nprint(engine._process.pid, worker._pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    for pid in map(int, done.stdout.split()):
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait(10)


def test_refuses_when_a_protected_path_is_readable():
    inside = Path(pytest.__file__)
    with pytest.raises(CannotConfine, match="library folder"):
        Engine(Policy(protected=(str(inside),)))


def test_refuses_without_a_layer(monkeypatch):
    monkeypatch.setattr("grader.sandbox.client._ENVIRONMENT", {"PATH": "/nonexistent", "LANG": "C.UTF-8"})
    with Engine(Policy(confined=False)) as engine, pytest.raises(CannotConfine, match="landlock"):
        engine.worker()


def test_exposed_names_what_a_rule_would_open(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert confine.exposed([str(tmp_path)], [str(tmp_path / "a" / "b")]) == [str(tmp_path / "a" / "b")]
    assert confine.exposed([str(tmp_path / "a" / "b")], [str(tmp_path / "a")]) == []


def test_no_socket_is_reached(worker):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert "Error" in refused(worker.run(f"import socket; socket.create_connection(('127.0.0.1', {port}))"))
        assert "Error" in refused(
            worker.run(f"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/', timeout=1)")
        )
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_only_the_sandbox_is_loaded_in_the_fork_server():
    source = (
        "import sys, grader.sandbox.zygote\n"
        "others = ('pytest', 'nbgrader', 'jinja2.loaders')\n"
        "print(sorted(m for m in sys.modules if m.startswith('grader') or m in others))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", source], capture_output=True, text=True, check=True)
    names = eval(done.stdout)
    assert names
    assert all(name == "grader" or name.startswith("grader.sandbox") for name in names), names
    assert "grader.sandbox.client" not in names


def test_what_is_to_be_loaded_is_there_in_the_next_worker_and_after_another_start():
    """A student who goes on, and uses what the notebook did not use when it was first checked."""

    def is_there() -> object:
        worker = engine.worker()
        worker.request(Request(1, wire.Run("import sys\nthere = 'colorsys' in sys.modules", "cell 1")), [], Limits())
        outcome = worker.request(Request(2, wire.Get("there", [])), [], Limits())[0].outcome
        worker.end()
        return outcome

    with Engine(Policy(required=False)) as engine:
        engine.load(["no_such_module"])
        assert is_there() == wire.Returned(False)
        engine.load(["colorsys"])
        assert is_there() == wire.Returned(True)
        assert engine._process is not None
        engine._process.kill()
        assert is_there() == wire.Returned(True)


def test_sets_have_the_same_order_in_every_fork_server(worker):
    """Or the same answer would come out differently in another process, or the next time."""
    source = "order = str(set('a set of words in the order of their hashes'.split()))"
    worker.run(source)
    environment = {"PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", f"{source}; print(order)"], env=environment, capture_output=True, text=True
    )
    assert worker.value("order") == done.stdout.strip()


def test_a_parent_that_ignores_its_children_s_end_is_no_hindrance():
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # as some services leave it to what they start
    try:
        with Engine(Policy((), required=False)) as engine:
            engine.worker().end()
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize("module", ["scipy.linalg", "scipy.stats", "sklearn.datasets", "matplotlib.pyplot", "pandas"])
def test_what_would_start_threads_as_it_is_imported_can_be(worker, module):
    pytest.importorskip(module)
    assert worker.run(f"import {module}") == wire.Returned(None)
