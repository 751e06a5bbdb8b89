"""``grader check`` in a process of its own, and saves as editors make them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def start(notebook: Path, *words: str) -> subprocess.Popen[str]:
    """The command, in the notebook's folder."""
    command = [sys.executable, "-m", "grader.cli", "check", *words]
    return subprocess.Popen(
        command, cwd=notebook.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # in the background it may be ignored
    )  # fmt: skip


def until_waiting(process: subprocess.Popen[str]) -> str:
    """What it says until it waits for the next save."""
    said = ""
    assert process.stdout
    for line in process.stdout:
        if line.startswith("waiting for"):
            return said
        said += line
    raise AssertionError(said)


def save(notebook: Path, data: bytes) -> None:
    """A whole new file in the place of the old one."""
    saved = notebook.with_suffix(".new")
    saved.write_bytes(data)
    os.replace(saved, notebook)
