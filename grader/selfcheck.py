"""``grader check``: a student's notebook, checked as ``pytest`` does, once or whenever it is saved.

The process stays, and with it torch, the suite's modules and the fork server: a check after a save takes what the
checks themselves take.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import pytest
from watchfiles import watch

from grader.engines import Warm

_GATHER = 100  # milliseconds: an editor saves in several steps
_LOOK = 20
_ANYWAY = 500


def check(notebook: Path, words: Sequence[str]) -> int:
    """Check a notebook once; ``words`` are further arguments for pytest. Returns pytest's exit code."""
    with Warm() as warm:
        return _run(notebook, words, warm)


def check_again(notebook: Path, words: Sequence[str]) -> Iterator[int]:
    """Check a notebook now and after each save; gives pytest's exit code each time. Ends when interrupted."""
    checked = None
    with Warm() as warm:
        for _ in chain([None], _saves(notebook)):
            state = _state(notebook)
            if state not in (None, checked):
                checked = state
                yield _run(notebook, words, warm)


def _saves(notebook: Path) -> Iterator[object]:
    """Whenever it may have been saved; now and then in any case, for a save that came while nobody watched."""
    watched = watch(
        notebook.parent,
        watch_filter=lambda _, path: Path(path).name == notebook.name,  # editors put a new file in its place
        debounce=_GATHER,
        step=_LOOK,
        rust_timeout=_ANYWAY,
        yield_on_timeout=True,
        recursive=False,
    )
    try:
        yield from watched
    except (RuntimeError, OSError):  # editors may hold every watch that the system grants a user: then look ourselves
        while True:
            time.sleep(_ANYWAY / 1000)
            yield None


def _state(notebook: Path) -> tuple[int, int, int] | None:
    """What changes with a save; None while there is no file."""
    try:
        found = notebook.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _run(notebook: Path, words: Sequence[str], warm: Warm) -> int:
    quiet = "--no-header", "-q", "-W", "ignore::pytest.PytestAssertRewriteWarning"  # we are imported already
    return int(pytest.main(["--submission", str(notebook), *quiet, *words], plugins=[warm]))
