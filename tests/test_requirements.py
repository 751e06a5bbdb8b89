"""What we ask of a machine: the oldest Python that we name is enough for every package that we pin."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tests.test_sandbox import ROOT


def pinned() -> Iterator[PackageMetadata]:
    """Of the pinned versions, those that are installed here."""
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        wanted = Requirement(line)
        try:
            found = metadata(wanted.name)
        except PackageNotFoundError:
            continue
        if Version(found["Version"]) in wanted.specifier:
            yield found


def test_the_oldest_python_is_enough_for_every_pin():
    """Or pip gives up, after minutes, on a machine that has just that: Debian 12 has 3.11.2."""
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    oldest = f"{ours.removeprefix('>=')}.0"
    found = list(pinned())
    assert found
    asking = {one["Name"]: one.get("Requires-Python") for one in found}
    assert {name: asked for name, asked in asking.items() if oldest not in SpecifierSet(asked or "")} == {}
