"""A grader for tensor code; ``from grader import check`` is all that a notebook needs.

Nothing is imported here until it is asked for: the sandbox's processes import this package too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grader.inline import check

__all__ = ["check"]


def __getattr__(name: str) -> Any:
    if name == "check":
        from grader.inline import check

        return check
    raise AttributeError(f"module 'grader' has no attribute {name!r}")
