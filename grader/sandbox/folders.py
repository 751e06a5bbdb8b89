"""A worker's own folder, in which it may make files and folders: how much it holds, and its removal.

Folders in folders may go deeper than a path or Python's stack can: nothing here recurses, nor follows a link.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator


def entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """All files and folders in it, however deep. Raises `OSError` where one of its folders cannot be looked into."""
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as found:
                for entry in found:
                    yield entry
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except FileNotFoundError:  # gone meanwhile
            continue


def remove(folder: str) -> None:
    """Remove it with all it holds; what cannot be removed stays."""
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        with contextlib.suppress(OSError):
            with os.scandir(here) as found:
                held = list(found)
            for entry in held:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(_moved_up(entry.path, folder))
                    else:
                        os.unlink(entry.path)
        if here != folder:
            with contextlib.suppress(OSError):
                os.rmdir(here)
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def _moved_up(path: str, folder: str) -> str:
    """Where a folder in a folder is after it moved to the top."""
    above = os.path.join(folder, uuid.uuid4().hex)
    os.chmod(path, 0o700)  # it may have been made with fewer rights
    os.rename(path, above)
    return above
