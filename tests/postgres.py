"""A PostgreSQL server of one's own, in a folder of its own, on a socket alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL


def binary(name: str) -> str | None:
    """The newest installed program of that name; Debian keeps them off the PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    return str(installed[-1]) if installed else shutil.which(name)


def missing() -> str | None:
    """Why there can be no server here."""
    lacking = [name for name in ("initdb", "pg_ctl") if binary(name) is None]
    return f"PostgreSQL is not installed ({', '.join(lacking)}); apt-get install postgresql" if lacking else None


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Start a server; its URL, of an empty database. It refuses to run as root: then it runs as its own user."""
    folder = Path(tempfile.mkdtemp(prefix="grader-pg-"))
    user: dict[str, Any] = {"user": "postgres"} if os.getuid() == 0 else {}
    if user:
        shutil.chown(folder, "postgres")

    def call(name: str, *arguments: str) -> None:
        command = [str(binary(name)), "-D", str(folder / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, timeout=100, **user)

    try:
        call("initdb", "--username=grader", "--auth=trust", "--encoding=UTF8", "--no-sync", "--locale=C")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c shared_buffers=16MB -c max_connections=10"
        call("pg_ctl", "start", "--wait", "-l", str(folder / "log"), "-o", options)
        try:
            yield URL.create(
                "postgresql+psycopg", "grader", database="postgres", query={"host": str(folder)}
            ).render_as_string()
        finally:
            call("pg_ctl", "stop", "--mode=immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
