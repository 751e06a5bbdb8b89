"""Runs ``grader``, ``nbgrader`` and the like in forks of one process that has imported them: each alone takes seconds.

Nothing of it is for pytest's own process, which has threads: start it with `Shell`.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[1]


class Shell:
    """A person's shell: commands run one after the other, each in a process of its own."""

    def __init__(self, log: Path, **environment: str) -> None:
        self.log = log
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.shell", str(log)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, **environment},
        )  # fmt: skip

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.communicate(timeout=20)

    def run(self, words: list[str], folder: Path) -> tuple[int, str]:
        """The exit code, and what was written to either output."""
        assert self._process.stdin
        assert self._process.stdout
        self.log.write_text("")
        self._process.stdin.write(json.dumps([words, str(folder)]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline()), self.log.read_text(encoding="utf-8")


def serve(log: str) -> None:
    """Run the commands that come in, a line each."""
    import nbgrader.apps.nbgraderapp
    import nbgrader.converters
    import nbgrader.exchange.default

    import grader.cli
    import grader.commands
    import grader.recorder
    import grader.steps

    entries = {"grader": grader.cli.main, "nbgrader": nbgrader.apps.nbgraderapp.main}
    for line in sys.stdin:
        words, folder = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _child(entries[words[0]], words, folder, log)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _child(entry: object, words: list[str], folder: str, log: str) -> None:
    code: object = 1
    with contextlib.suppress(BaseException):
        to = os.open(log, os.O_WRONLY | os.O_APPEND)
        os.dup2(to, 1)
        os.dup2(to, 2)
        os.chdir(folder)
        sys.argv = words
        try:
            code = entry()  # type: ignore[operator]
        except SystemExit as done:
            code = done.code
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    serve(sys.argv[1])
