"""The IPython shell that runs a notebook's cells: real, but with nobody at the keyboard.

Magics that would leave the process, wait for somebody, or take their time are replaced by ones that say so and go on.
"""

from __future__ import annotations

import builtins
import sys
import types
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

_QUIET_LINE = [
    "matplotlib",
    "pylab",
    "autoreload",
    "aimport",
    "load_ext",
    "reload_ext",
    "pip",
    "conda",
    "mamba",
    "uv",
    "pdb",
    "debug",
    "run",
    "cd",
    "env",
    "set_env",
]
_QUIET_LINE += [
    "store",
    "history",
    "recall",
    "edit",
    "pinfo",
    "pinfo2",
    "psearch",
    "page",
    "logstart",
    "notebook",
    "save",
    "sx",
    "sc",
    "system",
    "gui",
    "macro",
]
_QUIET_CELL = [
    "bash",
    "sh",
    "script",
    "html",
    "HTML",
    "javascript",
    "js",
    "svg",
    "latex",
    "markdown",
    "writefile",
    "file",
    "perl",
    "ruby",
    "python2",
    "pypy",
    "sx",
]
_QUIET_CELL += ["system", "debug"]
_ours: list[str] = []


class Shell(InteractiveShell):
    """An `InteractiveShell` for batch: no history, no colours, no tracebacks printed, cells named by label."""

    def enable_gui(self, gui: Any = None) -> None:
        """There is no display."""

    def init_history(self) -> None:
        """Nothing is remembered."""
        self.config.HistoryManager.enabled = False
        super().init_history()  # type: ignore[no-untyped-call]

    def showtraceback(self, *args: Any, **kwargs: Any) -> None:
        """The worker reports errors itself."""

    def showsyntaxerror(self, *args: Any, **kwargs: Any) -> None:
        """The worker reports errors itself."""

    def showindentationerror(self) -> None:
        """The worker reports errors itself."""

    def system(self, cmd: str) -> int:
        """``!command``: not here."""
        print("shell commands are not run while grading")
        return 0

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
        """``x = !command``: nothing comes out."""
        self.system(cmd)
        return [] if split else ""

    def ask_exit(self) -> None:
        """``exit`` in a cell does not end the worker."""


def build() -> Shell:
    """A shell ready to run cells; made once before any fork."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.ast_node_interactivity = "none"
    config.InteractiveShell.automagic = True
    config.InteractiveShell.banner1 = ""
    shell: Shell = Shell.instance(config=config)
    for name in _QUIET_LINE:
        shell.register_magic_function(_quiet(name), "line", name)
    for name in _QUIET_CELL:
        shell.register_magic_function(_quiet(name), "cell", name)
    shell.register_magic_function(_timeit(shell), "line_cell", "timeit")
    builtins.input = _no_input
    sys.breakpointhook = lambda *args, **kwargs: None
    _install_stubs()
    return shell


def _quiet(name: str) -> Any:
    def magic(line: str = "", cell: str = "") -> None:
        pass

    magic.__name__ = name
    return magic


def _timeit(shell: Shell) -> Any:
    def timeit(line: str = "", cell: str | None = None) -> None:
        """Runs the statement once: nobody reads the time."""
        words = line.split()
        while words and words[0].startswith("-"):
            option = words.pop(0)
            if option in ("-n", "-r", "-t", "-p") and words and option in ("-n", "-r", "-p"):
                words.pop(0)
        code = cell if cell is not None else " ".join(words)
        python = shell.transform_cell(code)  # type: ignore[no-untyped-call]
        exec(compile(python, "<timeit>", "exec"), shell.user_ns, {})

    return timeit


def _no_input(prompt: object = "") -> str:
    raise EOFError("input() has nobody to ask while grading")


def _install_stubs() -> None:
    """``from grader import check`` in a student's cell: the checks are not run from inside."""
    stub = types.ModuleType("grader")
    stub.check = lambda *args, **kwargs: 0.0  # type: ignore[attr-defined]
    sys.modules["grader_stub"] = stub
    _ours[:] = [name for name in sys.modules if name == "grader" or name.startswith("grader.")]


def hide_ourselves() -> None:
    """Take our own modules out of reach of ``import`` and leave the stub for ``from grader import check``."""
    for name in _ours:  # found before the fork: to look at every name there is copies a thousand pages of memory
        sys.modules.pop(name, None)
    sys.modules["grader"] = sys.modules.pop("grader_stub")
