"""How much is read of one submission's source, and what has been read of it already.

Whoever reads counts its work in steps of about a microsecond, never by a clock, so the same notebook is read the same
way everywhere. A step is spent before the work is done, on whatever a student can make many of.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

from grader.findings import NotAsAsked
from grader.model import Finding
from grader.source import below, parsed

MAX_STEPS = 1_200_000  # an honest notebook takes a tenth when each of fifty exercises is judged by its source
MAX_AGE = 200_000  # steps after which what was not asked for again is forgotten: far more than an answer takes

T = TypeVar("T")


class TooLarge(NotAsAsked):
    """The submission's source has taken all the steps there are: what else is asked of it is not told."""

    def __init__(self) -> None:
        super().__init__(Finding("forbidden", "too_large", {}))


class Reading:
    """What has been read of one submission: kept as long as this is, the little that may be asked for again."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self._left = steps
        self._trees: dict[tuple[str, int], ast.Module | None] = {}
        self._kept: dict[Hashable, tuple[Any, int]] = {}  # each with the steps left when it was last asked for
        self._facts: dict[Hashable, Any] = {}
        self._latest: dict[str, Any] = {}

    def spend(self, steps: int = 1) -> None:
        """Count some work, before it is done. Raises `TooLarge` when there has been too much."""
        self._left -= steps
        if self._left < 0:
            raise TooLarge

    @property
    def left(self) -> int:
        """The steps that are left."""
        return self._left

    def tree(self, text: str, line: int = 1) -> ast.Module | None:
        """The syntax tree of a text that begins at ``line``, shared: never change it."""
        self.spend(3)
        if (text, line) not in self._trees:
            self.spend(len(text) // 4)
            tree = parsed(text)
            if tree and line > 1:
                ast.increment_lineno(tree, line - 1)
            self._trees[text, line] = tree
        return self._trees[text, line]

    def walk(self, node: ast.AST) -> Iterator[ast.AST]:
        """What `ast.walk` gives but for operators and contexts, counted."""
        todo = deque([node])
        while todo:
            self.spend()
            following = todo.popleft()
            todo.extend(below(following))
            yield following

    def about(self, make: Callable[[ast.AST, Reading], T], node: ast.AST) -> T:
        """What ``make`` finds in a part of these trees alone, whatever stands before it: kept with them."""
        if (make, node) not in self._facts:
            self._facts[make, node] = make(node, self)
        found: T = self._facts[make, node]
        return found

    def once(self, make: Callable[..., T], *of: Hashable) -> T:
        """What ``make(*of)`` gives, made once as long as it is asked for now and then."""
        key = (make, *of)
        found: T = self._kept.pop(key)[0] if key in self._kept else make(*of)
        self._kept[key] = found, self._left  # at the end: what was not asked for the longest goes first
        while self._kept[oldest := next(iter(self._kept))][1] > self._left + MAX_AGE:
            del self._kept[oldest]
        return found

    def grown(self, make: Callable[[T | None], T], name: str) -> T:
        """What ``make`` makes of what it made the last time, or of None. Whatever it raises, then it begins anew."""
        made = make(self._latest.pop(name, None))
        self._latest[name] = made
        return made

    def forget(self) -> None:
        """Drop it all at once: it refers back to this object, and takes up to hundreds of megabytes."""
        self._trees.clear()
        self._kept.clear()
        self._latest.clear()
        self._facts.clear()
