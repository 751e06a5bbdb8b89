"""One submission on its way through the sandbox: which cells have run, in which worker, and what had to be flagged."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from grader.model import Flag
from grader.notebook import RunCell, Submission
from grader.reading import Reading
from grader.sandbox import wire
from grader.sandbox.client import Limits, Transport, WorkerGone
from grader.sandbox.wire import Raised, Reply, Request, Run
from grader.sentences import N_, Text, place, sentence

_CELL = 2  # a cell may take as many times what a call may
_CELLS = 4  # all cells together, each time that they run, may take as many times what one may; answers twice that
_SHORTEST = 0.5
_MOST_FAILED = 10
_SETTLE = 0.03
_FLAGS: dict[str, Flag] = {"late": "cell_timeout", "died": "died", "protocol": "protocol", "disk": "memory"}


@dataclass
class Attempt:
    """Runs a submission's cells in order, as far as an exercise needs, and carries requests to the worker.

    ``start`` makes a new worker. After a worker is gone the next request gets a new one, in which the cells so far
    have run again, but for those that ended the last one.
    """

    submission: Submission
    start: Callable[[], Transport]
    call_limits: Limits = field(default_factory=Limits)
    flags: set[Flag] = field(default_factory=set)
    notes: list[Text] = field(default_factory=list)
    reading: Reading = field(default_factory=Reading)  # of the cells' source, for as long as they are graded
    printed: list[str] = field(default_factory=list)
    kept: Mapping[int, Sequence[int]] | None = None  # run these statements of these cells alone, and tell nothing
    quiet: bool = False  # this worker has seen what hidden checks ask: no text of its own is kept
    _worker: Transport | None = None
    _done: int = 0
    _bad: set[int] = field(default_factory=set)
    _seq: int = 0
    _spent: float = 0.0  # seconds that cells took, and new workers for them
    _failed: set[str] = field(default_factory=set)
    _printed: set[str] = field(default_factory=set)
    _careful: bool = False  # something tampered with the messages: from then on wait for what follows an answer

    def reach(self, place: int) -> None:
        """Run the cells before ``place`` that have not run yet."""
        while self._worker is None or self._done < place:
            began = time.monotonic()
            if self._worker is None:
                self._worker, self._done = self.start(), 0
            place = max(place, self._done)
            if self._done < place:
                self._run(self._done, self.submission.cells[self._done])
            self._spent += time.monotonic() - began

    def _run(self, index: int, cell: RunCell) -> None:
        self._done = index + 1
        if index in self._bad or not cell.python or (self.kept is not None and index not in self.kept):
            return
        limits = self._cell_limits(cell)
        if limits is None:
            self.note("cell_timeout", sentence(_TOO_LONG, cell=place(cell.label)))
            return
        careful = self._careful
        try:
            only = None if self.kept is None else list(self.kept[index])
            reply, _ = self.ask(Run(cell.python, cell.label, only), limits)
        except WorkerGone as gone:
            if gone.how == "protocol" and not careful:
                return  # what an earlier cell or answer sent may come to light here: find out whose it is
            self._bad.add(index)
            self.note(_FLAGS[gone.how], sentence(_WORDS[gone.how], cell=place(cell.label)))
            return
        if self.kept is not None:
            return
        if isinstance(reply.outcome, Raised) and not _is_stub(cell, reply.outcome):
            self._note_failed(cell.label, reply.outcome.type_name)
        if reply.printed and not self.quiet and cell.label not in self._printed:
            self._printed.add(cell.label)
            self.printed.append(f"{cell.label}\n{reply.printed}")

    def _cell_limits(self, cell: RunCell) -> Limits | None:
        """What a cell may take, less after each one that was late; None when it is not to run any more."""
        limits = replace(self.call_limits, cpu=_CELL * self.call_limits.cpu, wall=_CELL * self.call_limits.wall)
        over = self._spent / (_CELLS * limits.wall)
        if over > 2 or (over > 1 and cell.kind == "own"):
            return None
        late = 10 if over > 1 else self.notes_of("cell_timeout")
        return replace(limits, cpu=max(limits.cpu / 2**late, _SHORTEST), wall=max(limits.wall / 2**late, 2 * _SHORTEST))

    def _note_failed(self, label: str, type_name: str) -> None:
        if label in self._failed:
            return
        self._failed.add(label)
        if len(self._failed) > _MOST_FAILED:
            self.note("cell_failed", sentence("more cells raised"))
        else:
            what = sentence("an exception") if self.quiet else type_name
            said = sentence("%(cell)s raised %(what)s; what follows it still ran", cell=place(label), what=what)
            self.note("cell_failed", said)

    def notes_of(self, flag: Flag) -> int:
        """How many cells ended a worker so far."""
        return len(self._bad) if flag in self.flags else 0

    def note(self, flag: Flag, text: Text) -> None:
        """Flag the submission, once for each text."""
        self.flags.add(flag)
        if text not in self.notes:
            self.notes.append(text)

    def ask(
        self,
        ask: wire.Ask,
        limits: Limits,
        attrs: Sequence[wire.Attr] = (),
        blobs: dict[int, memoryview] | None = None,
        begin: int | None = None,
    ) -> tuple[Reply, wire.Blobs]:
        """Carry one request; ``begin`` is the seed of a check that begins with it.

        Raises `WorkerGone`; the next `reach` then starts over.
        """
        assert self._worker is not None, "reach() first"
        self._seq += 1
        blobs = blobs or {}
        if self._careful:
            limits = replace(limits, settle=_SETTLE)
        request = Request(self._seq, ask, begin, list(attrs), [(number, len(blob)) for number, blob in blobs.items()])
        try:
            return self._worker.request(request, list(blobs.values()), limits)
        except WorkerGone as gone:
            self._careful = self._careful or gone.how == "protocol"
            self.drop()
            raise

    @property
    def alive(self) -> bool:
        """Is there a worker at present?"""
        return self._worker is not None

    def drop(self) -> None:
        """End the worker, if there is one."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()


def _is_stub(cell: RunCell, raised: Raised) -> bool:
    """Is this what a question's cell raises as long as it is as released? Its checks say so; the cell is no failure."""
    return cell.kind == "answer" and raised.type_name == "NotImplementedError"


_WORDS = {
    "late": N_("%(cell)s: still running after its time limit; it was left out"),
    "died": N_("%(cell)s: ended the process it ran in; it was left out"),
    "protocol": N_("%(cell)s: tampered with the messages of the process it ran in; it was left out"),
    "disk": N_("%(cell)s: wrote too many or too large files; it was left out"),
}
_TOO_LONG = N_("%(cell)s and others were left out: the cells together took too long")
