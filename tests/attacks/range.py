"""The shooting range: a course of its own, tokens planted in every secret, canaries around it, and what came of it."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import nbformat
import psutil

from grader.languages import ENGLISH
from grader.names import safe_name
from grader.store import read_results
from tests.attacks import files, pages
from tests.attacks.entries import EXERCISES, FEW, ROOT, Entry, filled, notebook, reference, snippets
from tests.attacks.judging import Judged, judge, shortcomings, twin, without

SECRETS = {
    "solution": "TOKEN-7f31-SOLUTION",
    "hidden": "TOKEN-7f31-HIDDEN",
    "victim": "TOKEN-7f31-VICTIM",
    "gradebook": "TOKEN-7f31-GRADEBOOK",
    "environment": "TOKEN-7f31-ENVIRONMENT",
    "escape": "TOKEN-7f31-ESCAPED",  # said by an attack that got through where it cannot touch a canary
    "hidden input": "31337",
}
HIDDEN_TEST = f'''
"""Inputs that nobody may see."""

import pytest
import torch

from grader.compare import assert_close

pytestmark = pytest.mark.hidden
TOKEN = "{SECRETS["hidden"]}"


@pytest.mark.exercise("relu", points=0)
def test_relu_of_a_secret(student):
    """Right for numbers that nobody knows."""
    x = torch.tensor([{SECRETS["hidden input"]}.25, -{SECRETS["hidden input"]}.25])
    assert_close(student.relu(x), x.clamp_min(0))


@pytest.mark.exercise("mse", points=0)
def test_mse_of_a_secret(student):
    """Right for numbers that nobody knows."""
    output = torch.tensor([[{SECRETS["hidden input"]}.0]])
    assert_close(student.mse(output, torch.tensor([1.0])), torch.tensor(31336.0**2))
'''
SHADOWS = ("torch", "multiprocessing", "json", "conftest", "sitecustomize", "grader", "numpy", "msgspec")
TIME_LIMIT = 0.4
MEMORY = 256
WORKERS = 2
PR_SET_CHILD_SUBREAPER = 36
ENDING = 5.0  # seconds that a process may take to end after its parent
LAUNCH = "import sys; sys.path.pop(0); from grader.cli import main; sys.exit(main(sys.argv[1:]))"


class Canaries:
    """Things outside that no notebook may touch: a folder anyone may write to, and listening sockets."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "canary"
        self.folder.mkdir(mode=0o777)
        self._sockets = contextlib.ExitStack()
        kinds = {"PORT": ("127.0.0.1", 0), "UNIX": str(home / "s"), "ABSTRACT": f"\0range-{os.getpid()}-{home.name}"}
        self._servers = {name: self._server(address) for name, address in kinds.items()}
        self._datagrams = {
            "UDP": self._datagram(socket.AF_INET, ("127.0.0.1", 0)),
            "DGRAM": self._datagram(socket.AF_UNIX, str(home / "d")),
        }
        self.places: dict[str, Any] = {
            "CANARY": self.folder,
            "PORT": self._servers["PORT"].getsockname()[1],
            "UNIX": home / "s",
            "ABSTRACT": kinds["ABSTRACT"][1:],
            "UDP": self._datagrams["UDP"].getsockname()[1],
            "DGRAM": home / "d",
        }

    def _server(self, address: Any) -> socket.socket:
        server = socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX)
        return self._ready(server, address, listen=True)

    def _datagram(self, family: int, address: Any) -> socket.socket:
        return self._ready(socket.socket(family, socket.SOCK_DGRAM), address, listen=False)

    def _ready(self, found: socket.socket, address: Any, listen: bool) -> socket.socket:
        self._sockets.enter_context(found)
        found.bind(address)
        found.setblocking(False)
        if listen:
            found.listen(50)
        return found

    def touched(self) -> list[str]:
        """The canaries that something touched since the last time; they are as new afterwards."""
        found = []
        for path in sorted(self.folder.iterdir()):
            found.append(f"wrote {path.name}")
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for name, server in self._servers.items():
            with contextlib.suppress(BlockingIOError):
                server.accept()[0].close()
                found.append(f"connected to {name}")
        for name, datagram in self._datagrams.items():
            with contextlib.suppress(BlockingIOError):
                datagram.recv(1)
                found.append(f"sent to {name}")
        return found

    def close(self) -> None:
        self._sockets.close()


class Orphans:
    """Takes in every process whose parent ends meanwhile; a context manager. `left` names those that did not end, too.

    Looking through all processes for ours would not do: into a worker nobody but root may look.
    """

    def __init__(self) -> None:
        self.left: list[str] = []

    def __enter__(self) -> Orphans:
        self._before = psutil.Process().children()
        self._take_in(True)
        return self

    def __exit__(self, *_: object) -> None:
        taken = [child for child in psutil.Process().children() if child not in self._before]
        self._take_in(False)
        for process in psutil.wait_procs(taken, ENDING)[1]:
            self.left.append(f"process {process.pid}")
            process.kill()
            process.wait()

    def _take_in(self, switch: bool) -> None:
        if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(switch), 0, 0, 0):
            raise OSError("who is left over cannot be found out")


@dataclass
class Outcome:
    """What batches came to. Everything but ``judged`` and the figures must be empty, and ``code`` 0."""

    code: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    judged: list[Judged] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    poisoned: list[str] = field(default_factory=list)
    stderr: str = ""

    def add(self, other: Outcome) -> None:
        """Take in what another batch came to."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def faults(self) -> Iterator[str]:
        """Everything that must not be, one line each."""
        if self.code:
            yield f"the batch ended with {self.code}: {self.stderr.strip()[-2000:]}"
        for kind in ("touched", "leaked", "left", "changed", "poisoned"):
            yield from (f"{kind}: {text}" for text in getattr(self, kind))
        for judged in self.judged:
            yield from (f"{judged.entry.name}: {text}" for text in shortcomings(judged))


class Range:
    """A place to grade entries in; use as a context manager."""

    def __init__(self, home: Path, exercises: Sequence[str] = EXERCISES) -> None:
        self.home, self.exercises = home, exercises
        home.mkdir(exist_ok=True)
        self.course, self.out, self.tmp, self.cwd = (home / name for name in ("course", "out", "tmp", "cwd"))
        self.submissions = home / "class"
        for folder in (self.tmp, self.cwd, self.submissions):
            folder.mkdir()
        self.canaries = Canaries(home)
        self._plant()
        self.places: dict[str, Any] = {
            **self.canaries.places,
            "SOLUTION": self.course / "solutions/ch17/ch17.ipynb",
            "HIDDEN": self.course / "autotests/ch17/hidden/test_tokens.py",
            "GRADEBOOK": self.course / "gradebook.db",
            "VICTIM": self.submissions / "victim.ipynb",
            "COURSE": self.course,
            "SUBMISSIONS": self.submissions,
            "OUT": self.out,
        }

    def __enter__(self) -> Range:
        return self

    def __exit__(self, *_: object) -> None:
        self.canaries.close()

    def _plant(self) -> None:
        for name in ("assignments", "autotests", "solutions"):
            shutil.copytree(ROOT / name, self.course / name, ignore=shutil.ignore_patterns("__pycache__"))
        (self.course / "autotests/ch17/hidden/test_tokens.py").write_text(HIDDEN_TEST, encoding="utf-8")
        (self.course / "gradebook.db").write_text(SECRETS["gradebook"])
        path = self.course / "solutions/ch17/ch17.ipynb"
        solutions = nbformat.read(path, 4)
        next(
            cell for cell in solutions.cells if cell.cell_type == "code"
        ).source += f"\nSOLUTION_TOKEN = {SECRETS['solution']!r}"
        nbformat.write(solutions, path)
        for name in SHADOWS:
            (self.cwd / f"{name}.py").write_text(f"open({str(self.canaries.folder / name)!r}, 'w').close()\n")
        (self.cwd / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\n")

    # ------------------------------------------------------------ handing in

    def hand_in(self, entries: Iterable[Entry]) -> None:
        """Write the submissions: a victim, the entries, and what they are compared with."""
        base, shared = reference(self.exercises), snippets()
        victim = notebook(base, [f"# {SECRETS['victim']}\nmine = 1"], [], {})
        nbformat.write(victim, self.submissions / "victim.ipynb")
        for entry in entries:
            cells = [shared[name] for name in entry.use] + entry.cells
            texts = [[filled(text, self.places) for text in part] for part in (cells, entry.after)]
            answers = {name: filled(text, self.places) for name, text in entry.answers.items()}
            made = notebook(base, *texts, answers)
            target = self.submissions / f"{entry.handed_in_as}.ipynb"
            if entry.file:
                getattr(files, entry.file)(made, target, self.places)
            else:
                target.write_text(nbformat.writes(made), encoding="utf-8")
            if name := twin(entry):
                plain = notebook(base, [], [], without(entry))
                (self.submissions / f"{name}.ipynb").write_text(nbformat.writes(plain), encoding="utf-8")

    # ------------------------------------------------------------ grading

    def grade(self, entries: Sequence[Entry], *more: str) -> Outcome:
        """Grade all that was handed in, in one batch, and look at what is left."""
        before = {path: _digest(path) for path in (self.course, self.submissions)}
        command = [
            "grade", "ch17", str(self.submissions), "--out", str(self.out), "--course", str(self.course),
            "--workers", str(WORKERS), "--time-limit", str(TIME_LIMIT), "--memory", str(MEMORY),
            "--only", ",".join(self.exercises), *more,
        ]  # fmt: skip
        environment = {**os.environ, "TMPDIR": str(self.tmp), "PYTEST_ADDOPTS": "--collect-only"}
        environment |= {"GRADEBOOK_PASSWORD": SECRETS["environment"], "PYTHONDONTWRITEBYTECODE": "1"}
        began, used = time.monotonic(), _cpu()
        with Orphans() as orphans:
            done = subprocess.run(
                [sys.executable, "-c", LAUNCH, *command],
                cwd=self.cwd, env=environment, capture_output=True, text=True, timeout=600, check=False,
            )  # fmt: skip
        outcome = Outcome(done.returncode, time.monotonic() - began, _cpu() - used, stderr=done.stderr)
        outcome.touched = self.canaries.touched()
        outcome.changed = [path.name for path, digest in before.items() if _digest(path) != digest]
        outcome.left = [*orphans.left, *sorted(path.name for path in self.tmp.iterdir())]
        outcome.leaked = sorted(self._leaks(done.stdout + done.stderr))
        outcome.poisoned = list(pages.poison(self.out, done.stdout + done.stderr))
        outcome.judged = list(self._judged(entries))
        return outcome

    def _judged(self, entries: Sequence[Entry]) -> Iterator[Judged]:
        results = self._results()
        rows = pages.class_rows((self.out / "index.html").read_text(encoding="utf-8"))
        for entry in entries:
            unsaid: list[str] = []
            if result := results.get(safe_name(entry.handed_in_as)):
                page = self.out / "feedback" / result["student"] / "ch17/ch17.html"
                row = rows.get(pages.squeezed(result["student"]), "")
                unsaid = list(pages.unsaid(result, pages.page_text(page.read_text(encoding="utf-8")), row))
            yield judge(entry, results, self.exercises, unsaid)

    def _leaks(self, printed: str) -> Iterator[str]:
        """Secrets in what the batch wrote; a victim's own page holds the victim's own words."""
        texts = {"the terminal": printed}
        for path in self.out.rglob("*"):
            if path.is_file():
                texts[path.relative_to(self.out).as_posix()] = path.read_text(encoding="utf-8", errors="replace")
        for place, text in texts.items():
            if place == "results.jsonl":
                text = "\n".join(line for line in text.splitlines() if '"student":"victim"' not in line)
            for name, token in SECRETS.items():
                if token in text and not (name == "victim" and "victim" in place):
                    yield f"{name} in {place}"

    def _results(self) -> dict[str, Any]:
        stored = read_results(self.out / "results")
        return {one.result.student: msgspec.to_builtins(ENGLISH.result(one.result)) for one in stored}


def shoot(home: Path, entries: Sequence[Entry]) -> Outcome:
    """Grade ``entries``, in two batches: those that are about two exercises only need no others beside them."""
    outcome = Outcome()
    few = [entry for entry in entries if entry.is_about(FEW)]
    for name, exercises, part in (("few", FEW, few), ("all", EXERCISES, [e for e in entries if e not in few])):
        if part:
            with Range(home / name, exercises) as place:
                place.hand_in(part)
                outcome.add(place.grade(part))
    return outcome


def _cpu() -> float:
    """Seconds of processor time that ended processes have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(str(path).encode(errors="replace"))
        if path.is_file() and not path.is_symlink():
            digest.update(path.read_bytes())
    return digest.hexdigest()
