"""The ``student`` of a suite: call the answer as if it were here; it runs on the other side of the wall.

A tensor sent keeps its identity for the length of a check: ``student.mse_grad(out, targ)`` leaves ``out.g`` on the
suite's own ``out``. The suite's tensors are never modified: values that the student's code changed in place fail the
check instead.
"""

from __future__ import annotations

import functools
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import torch

from grader.attempt import Attempt
from grader.findings import (
    EngineError,
    Mismatch,
    StudentDied,
    StudentError,
    StudentMissing,
    StudentRaised,
    StudentTimeout,
)
from grader.how import How
from grader.model import CallShown, Finding, Shown
from grader.observed import Given
from grader.raised import classify_exception, unreadable
from grader.sandbox import wire
from grader.sandbox.client import Limits, WorkerGone
from grader.sandbox.codec import Codec
from grader.sandbox.wire import (
    MAX_CALLS,
    Call,
    Calls,
    Get,
    Grad,
    Items,
    Raised,
    Remote,
    Reply,
    Returned,
    Seen,
    Several,
    Undefined,
    Unsupported,
    WireError,
)
from grader.sentences import N_, Sentence, Text, place
from grader.show import show
from grader.traced import framed

Case = TypeVar("Case", bound=Sequence[Any])

_CALLS = 2  # an exercise's calls together may take as many times the seconds that one may
_BATCH = 0.2  # what calls in one message may take of that: those that take longer are made one by one
_ALL = 6  # all exercises' calls together may take as many times; after that each gets the least
_HASTE = 3  # the limits halve with each exercise that was late, so often at most


class Handle:
    """An object that stayed in the worker: call it, read its attributes, iterate over it.

    ``kind`` is what its type calls itself, for a suite to compare with; ``type_text`` is as much of it as may be shown.
    """

    __slots__ = ("_number", "_student", "_text", "kind", "type_text")

    def __init__(self, student: Student, number: int, kind: str, type_text: str, text: str) -> None:
        self._student, self._number, self._text = student, number, text
        self.kind, self.type_text = kind, type_text

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return self._student._call(self._number, [], args, kwargs, self._text)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._student._attribute(self._number, name, self._text)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._student._items(self._number))


class Student:
    """One submission's answers, for the checks of one exercise after another.

    Raises `StudentError` (missing, raised, late, died) from any call, which fails the check that made it.
    """

    def __init__(self, attempt: Attempt, parameters: dict[str, list[str]]) -> None:
        self._attempt = attempt
        self._parameters = parameters
        self._exercise, self._place = "", 0
        self._begins = False  # a check has begun, and the worker does not know yet
        self._late: dict[str, StudentTimeout] = {}
        self._spent: dict[str, float] = {}  # seconds in an exercise's calls
        self._watching: list[Seen] | None = None
        self._last: _Last | None = None
        self._unread: _Batch | None = None
        self._given: list[Given] = []
        self._codec = Codec(+1, leave=self._cannot_send, fetch=self._handle, make=self._cannot_make)

    # ------------------------------------------------------------ the plugin's side

    def clear(self) -> None:
        """Another check begins, if it gets so far: nothing that the last one called is to be shown as its own."""
        self._watching, self._last, self._unread = None, None, None
        self._given = []

    def begin(self, exercise: str, place: int, attempt: Attempt) -> None:
        """A check of ``exercise`` begins: ``attempt`` has run the cells up to ``place``, tables are empty.

        The worker's seed is the exercise's: it tells nothing of which check it is, nor of the suite's own numbers.
        """
        self._exercise, self._place, self._attempt = exercise, place, attempt
        self.clear()
        self._codec.forget()
        if late := self._late.get(exercise):
            raise late
        self._attempt.reach(place)
        self._begins = True

    @property
    def last(self) -> CallShown | None:
        """The last call of this check, as a report shows it."""
        return self._last.shown() if self._last else None

    @property
    def given(self) -> tuple[Given, ...]:
        """All that the answer gave back in this check so far."""
        return tuple(self._given)

    # ------------------------------------------------------------ the suite's side

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return _Answer(self, name)

    def value(self, name: str) -> Any:
        """The plain value bound to ``name`` in the notebook."""
        value = self._ask(Get(name, []), name, ())
        self._given[-1] = self._given[-1]._replace(read=True)
        return value

    def raises(self, name: str, *args: object, **kwargs: object) -> StudentRaised:
        """Call the answer, which must raise; any exception will do but a stub's. Raises `Mismatch` when it returns."""
        return self._refused(name, lambda: self._call(name, [], args, kwargs, name))

    def each(self, name: str, cases: Iterable[Case]) -> Iterator[tuple[Case, Any]]:
        """Call the answer with each case's arguments; yields each case with its result.

        As a loop around `student.<name>(*case)`, except that all calls are made before the first result is looked at:
        they cross the wall together, which takes a fraction of the time, where nothing was asked before in this check.
        """
        for case, result in self._together(name, list(cases)):
            yield case, result()

    def raises_each(self, name: str, cases: Iterable[Case]) -> Iterator[tuple[Case, StudentRaised]]:
        """As `each`, for calls that must raise: yields each case with what was raised."""
        for case, result in self._together(name, list(cases)):
            yield case, self._refused(name, result)

    def _refused(self, name: str, call: Callable[[], object]) -> StudentRaised:
        try:
            value = call()
        except StudentRaised as raised:
            if raised.finding.reason == "missing":
                raise
            self._given[-1] = self._given[-1]._replace(demanded=True)
            return raised
        raise Mismatch(Finding("wrong", "did_not_raise", {"name": name}, got=show(value)))

    def grad(
        self, outputs: object, inputs: Sequence[object], grad_outputs: object = None
    ) -> tuple[torch.Tensor | None, ...]:
        """``torch.autograd.grad`` in the worker: the gradient of each of ``inputs``, None where none flows."""
        many = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        grads = list(grad_outputs) if isinstance(grad_outputs, (list, tuple)) else [grad_outputs] * len(many)
        self._codec.begin_message()
        encode = self._codec.encode
        ask = Grad([encode(v) for v in many], [encode(v) for v in inputs], [encode(v) for v in grads])
        found = self._send(ask)
        if type(found) is not list or len(found) != len(inputs):
            raise self._tampered("no gradients")
        return tuple(found)

    def shares_storage(self, result: object, argument: object) -> bool:
        """Does a returned tensor look at the memory of one that was sent?"""
        numbers = [self._codec.number(value) for value in (result, argument)]
        if None in numbers:
            return False
        first, second = (self._codec.storage_of.get(number or 0) for number in numbers)
        return first is not None and first == second

    @contextmanager
    def watching(self) -> Iterator[_Watched]:
        """Record which torch functions run in the calls inside; read it as ``seen`` afterwards."""
        self._watching = []
        watched = _Watched()
        try:
            yield watched
        finally:
            watched.seen = merge(self._watching)
            self._watching = None

    def how(self, name: str, watched: _Watched | None = None) -> How:
        """How the answer computes, read from its source and from what was seen."""
        cells = [(cell.label, cell.python) for cell in self._attempt.submission.cells[: self._place] if cell.python]
        return How(name, cells, watched.seen if watched else None, self._attempt.reading)

    # ------------------------------------------------------------ requests

    def _call(
        self, base: str | int, attrs: list[str], args: Sequence[object], kwargs: dict[str, object], text: str
    ) -> Any:
        self._last = _Last(text, self._named(text, args, kwargs))
        self._codec.begin_message()
        encode = self._codec.encode
        wire_args = [encode(value) for value in args]
        wire_kwargs = {name: encode(value) for name, value in kwargs.items()}
        return self._send(Call(base, attrs, wire_args, wire_kwargs, self._watching is not None))

    def _together(self, name: str, cases: Sequence[Case]) -> Iterator[tuple[Case, Callable[[], Any]]]:
        """Each case, with what gives its result, or raises what came in its place, when its turn comes.

        All calls are made in one message where it is the check's first, so that there is a way back: whatever goes
        wrong, they are made one by one in a new worker, as if nothing had happened.
        """
        batch = self._batch(name, cases) if self._begins and 1 < len(cases) <= MAX_CALLS else None
        for case in cases:
            single = functools.partial(self._call, name, [], case, {}, name)
            yield case, single if batch is None else batch.result

    def _batch(self, name: str, cases: Sequence[Case]) -> _Batch | None:
        self._codec.begin_message()
        encode, watch = self._codec.encode, self._watching is not None
        calls = [Call(name, [], [encode(value) for value in case], {}, watch) for case in cases]
        lasts = [_Last(name, self._named(name, case, {})) for case in cases]
        try:
            reply, blobs = self._asked(Calls(calls), list(self._codec.new_attrs()), seed_of(self._exercise))
            self._unread = _Batch(self, calls, lasts, reply, blobs)
        except (WorkerGone, WireError, EngineError):
            self._attempt.drop()
            self._codec.forget()
            self._attempt.reach(self._place)
            return None
        self._begins = False
        return self._unread

    def _attribute(self, number: int, name: str, text: str) -> Any:
        return self._ask(Get(number, [name]), f"{text}.{name}", ())

    def _items(self, number: int) -> list[Any]:
        items: list[Any] = self._ask(Items(number), "", ())
        if type(items) is not list:  # anything else may have items without end
            raise self._tampered("no items")
        return items

    def _ask(self, ask: wire.Ask, text: str, args: Sequence[object]) -> Any:
        if text:
            self._last = _Last(text, None)
        self._codec.begin_message()
        return self._send(ask)

    def _send(self, ask: wire.Ask) -> Any:
        attrs = list(self._codec.new_attrs())
        if self._unread is not None:
            self._unread.open_all()
        try:
            reply, blobs = self._begun(ask, attrs) if self._begins else self._asked(ask, attrs)
        except WorkerGone as gone:
            self._attempt.drop()
            raise self._gone(gone) from None
        return self._conclude(ask, self._open(reply, blobs))

    def _begun(self, ask: wire.Ask, attrs: list[wire.Attr]) -> tuple[Reply, wire.Blobs]:
        """A check's first request, which says that it begins: a worker may end now for what an earlier one left.

        Then it is asked again of a new one, which knows as little of the check's tensors. Raises `WorkerGone`.
        """
        self._begins, seed = False, seed_of(self._exercise)
        try:
            return self._asked(ask, attrs, seed)
        except WorkerGone as gone:
            if gone.how == "late":
                raise
        self._attempt.reach(self._place)
        return self._asked(ask, attrs, seed)

    def _asked(self, ask: wire.Ask, attrs: list[wire.Attr], begin: int | None = None) -> tuple[Reply, wire.Blobs]:
        with self._counted():
            limits = self._limits(_BATCH if isinstance(ask, Calls) else 1)
            return self._attempt.ask(ask, limits, attrs, self._codec.outgoing, begin)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count the time inside for the exercise."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._spent[self._exercise] = self._spent.get(self._exercise, 0.0) + time.monotonic() - began

    def _limits(self, share: float) -> Limits:
        """That share of what a call may take. Raises `WorkerGone` ("late") when the exercise has had its time."""
        limits, late = self._attempt.call_limits, len(self._late)
        if sum(self._spent.values()) > _ALL * limits.wall:  # nobody was late, and all together they are
            late = _HASTE
        haste = 2 ** min(late, _HASTE)
        left = _CALLS * limits.wall / haste - self._spent.get(self._exercise, 0.0)
        if left <= 0:
            raise WorkerGone("late", f"{_CALLS * limits.wall / haste:g}")
        share /= haste
        return replace(limits, cpu=limits.cpu * share, wall=min(limits.wall * share, left))

    def _tampered(self, why: str) -> StudentError:
        """The worker is not to be believed any more: end it."""
        self._attempt.drop()
        return self._gone(WorkerGone("protocol", why))

    def _open(self, reply: Reply, blobs: wire.Blobs) -> _Opened:
        """Read a reply; nothing is set on the suite's tensors yet. Raises `StudentDied` for one that cannot be."""
        changed = self._names(reply) if reply.changed or reply.spoilt else ""  # before others take their numbers
        try:
            self._codec.receive(blobs)
            result = self._codec.decode(reply.outcome.value) if isinstance(reply.outcome, Returned) else None
            attrs = self._codec.read_attrs(reply.attrs)  # after the value, which they may be set on
        except WireError as error:
            raise self._tampered(str(error)) from None
        return _Opened(reply, result, attrs, changed)

    def _conclude(self, ask: wire.Ask, opened: _Opened) -> Any:
        """The result of a request, or what came in its place."""
        reply = opened.reply
        for attr in opened.attrs:
            self._codec.put_attr(*attr)
        if reply.printed and self._last is not None:
            self._last.printed += reply.printed + (f"\n... {reply.cut} characters more" if reply.cut else "")
        if self._watching is not None and reply.seen is not None:
            self._watching.append(reply.seen)
        self._given.append(self._what_came(opened))
        match reply.outcome:
            case Undefined(name):
                if not isinstance(ask, (Call, Get)) or name not in (ask.base, *ask.attrs):
                    raise self._tampered("a name that nobody asked for")
                raise self._missing(ask, name)
            case Raised():
                raise self._raised(reply.outcome)
            case Several():
                raise self._tampered("several answers to one question")
        if reply.changed or reply.spoilt:
            raise Mismatch(Finding("wrong", "changed_input", {"names": opened.changed}))
        return opened.result

    def _what_came(self, opened: _Opened) -> Given:
        """A reply as the check sees it. Tensors that are known to the worker alone have no say in it."""
        reply, result, attrs = opened.reply, opened.result, {}
        results = [*self._given, Given(result)] if opened.attrs else []
        mine = {id(given.value): -number for number, given in enumerate(results, 1)}
        for number, tensor, name, value in opened.attrs:
            place = number if number > 0 else mine.get(id(tensor))
            if place is not None:
                attrs[place, name] = value
        seen, raised = reply.seen, reply.outcome
        changed = frozenset(number for number in reply.changed if number > 0) | {-1 - n for n in reply.spoilt}
        told = (raised.type_name, raised.text) if isinstance(raised, Raised) else None
        means = frozenset((*seen.functions, *(op.name for op in seen.ops))) if seen else None
        return Given(result, attrs, changed, told, means=means)

    # ------------------------------------------------------------ findings

    def _missing(self, ask: Call | Get, name: str) -> StudentMissing:
        """An object of theirs lacks an attribute, or the notebook a name: then its cell may not be Python."""
        if name != ask.base:
            owner = self._last.text.rpartition(f".{name}")[0] if self._last else ""
            return StudentMissing(Finding("wrong", "no_member", {"name": name, "owner": owner}))
        for cell in self._attempt.submission.cells[: self._place]:
            if cell.exercise == self._exercise and cell.source.strip() and not cell.python:
                facts: dict[str, Text] = {"name": self._exercise, **unreadable(cell.source)}
                return StudentMissing(Finding("missing", "not_python", facts))
        return StudentMissing(Finding("missing", "missing", {"name": name}))

    def _raised(self, raised: Raised) -> StudentRaised:
        cells = [(cell.label, cell.python) for cell in self._attempt.submission.cells]
        frames = tuple(framed(line.label, line.line, line.code, cells) for line in raised.lines)
        code, found = classify_exception(raised.type_name, raised.text)
        stub = raised.type_name == "NotImplementedError" and code in ("raised", "stub")  # the others are torch's own
        if stub:
            code, found = "stub", {"name": self._exercise}
        elif "MemoryError" in raised.bases or "can't allocate memory" in raised.text:
            code = "memory"
            self._attempt.note("memory", self._about(N_("%(name)s: ran out of memory")))
        facts: dict[str, Text] = {"type": raised.type_name, "text": raised.text, **found}
        if frames:
            facts |= {"cell": place(frames[-1].cell), "line": str(frames[-1].line), "code": frames[-1].code.strip()}
        finding = Finding("missing" if stub else "raised", code, facts, frames=frames)
        return StudentRaised(finding, raised.type_name, raised.text, raised.bases)

    def _about(self, text: str) -> Sentence:
        return Sentence(text, {"name": self._exercise})

    def _gone(self, gone: WorkerGone) -> StudentError:
        if gone.how == "late":
            self._attempt.note("timeout", self._about(N_("%(name)s: still running after its time limit")))
            late = StudentTimeout(Finding("timeout", "timeout", {"limit": gone.detail}))
            self._late[self._exercise] = late
            return late
        if gone.how == "protocol":
            self._attempt.note("protocol", self._about(N_("%(name)s: tampered with the messages of its process")))
            return StudentDied(Finding("died", "protocol", {}))
        if gone.how == "disk":
            self._attempt.note("memory", self._about(N_("%(name)s: wrote too many or too large files")))
            return StudentDied(Finding("died", "disk", {}))
        self._attempt.note("died", self._about(N_("%(name)s: ended the process it ran in")))
        return StudentDied(Finding("died", "died", {"how": gone.detail}))

    # ------------------------------------------------------------ names and texts

    def _named(self, text: str, args: Sequence[object], kwargs: dict[str, object]) -> list[tuple[str, object]]:
        """The arguments with the parameters' names, as far as the exercise's stub tells them."""
        names = self._parameters.get(text, [])
        spare = ["x"] if len(args) == 1 else [f"x{number + 1}" for number in range(len(args))]
        return [*zip([*names, *spare[len(names) :]], args, strict=False), *((f"{k}=", v) for k, v in kwargs.items())]

    def _names(self, reply: Reply) -> str:
        """The arguments, and attributes of arguments, that a call changed."""
        inputs = [(name.rstrip("="), value) for name, value in (self._last and self._last.arguments) or ()]
        attrs = [(f"{name}.{k}", held) for name, value in inputs for k, held in getattr(value, "__dict__", {}).items()]
        known = [name for n, (name, _) in enumerate(inputs) if n in reply.spoilt]
        known += [name for name, value in [*inputs, *attrs] if self._codec.number(value) in reply.changed]
        return ", ".join(known)

    # ------------------------------------------------------------ the codec's needs

    def _cannot_send(self, value: object) -> wire.Value:
        if isinstance(value, Handle):
            return Remote(value._number, "")
        if isinstance(value, (wire.Source, Unsupported)):
            return value
        raise TypeError(f"a suite cannot send {type(value).__name__}")

    def _handle(self, value: Remote | Unsupported) -> object:
        # What a type calls itself is the student's text, and goes into messages: not out of a hidden check.
        type_text = "object" if self._attempt.quiet else value.type_text
        if isinstance(value, Unsupported):
            return Unsupported(type_text)
        return Handle(self, value.id, value.type_text, type_text, self._last.call() if self._last else "")

    def _cannot_make(self, source: wire.Source) -> object:
        raise WireError("source from the worker")


class _Opened(NamedTuple):
    """A reply that was read: its result, the attributes to set (number, tensor, name, value), what it changed."""

    reply: Reply
    result: Any
    attrs: list[tuple[int, torch.Tensor, str, object]]
    changed: str


class _Batch:
    """The replies to several calls. Each is opened when its turn comes, as if its call had been made only then.

    Raises `WireError` when there is not one reply to each call.
    """

    def __init__(
        self, student: Student, calls: Sequence[Call], lasts: Sequence[_Last], reply: Reply, blobs: wire.Blobs
    ) -> None:
        parts = reply.outcome.replies if isinstance(reply.outcome, Several) else []
        if len(parts) != len(calls) or blobs.keys() != set(range(len(calls))):
            raise WireError("not an answer to each call")
        split = [wire.split(blobs[number], part.blobs) for number, part in enumerate(parts)]
        self._student = student
        self._unread = deque(zip(calls, lasts, parts, split, strict=True))
        self._opened: deque[tuple[Call, _Last, _Opened]] = deque()

    def open_all(self) -> None:
        """Open what is left, before anything else is asked that may speak of it."""
        last = self._student._last
        while self._unread:
            self._open_next()
        self._student._last = last

    def _open_next(self) -> None:
        call, last, part, blobs = self._unread.popleft()
        self._student._last = last  # what stays in the worker is called after the call that it came from
        self._opened.append((call, last, self._student._open(part, blobs)))

    def result(self) -> Any:
        """The next call's result, or what came in its place."""
        if not self._opened:
            self._open_next()
        call, self._student._last, opened = self._opened.popleft()
        return self._student._conclude(call, opened)


@dataclass
class _Last:
    """The last call: its text and arguments (None for an attribute read); put into words only when a report asks."""

    text: str
    arguments: list[tuple[str, object]] | None
    printed: str = ""

    def call(self) -> str:
        """``mse_grad(inp, targ)``: plain values as they are, tensors and containers by name."""
        if self.arguments is None:
            return self.text
        return f"{self.text}({', '.join(self._word(name, value) for name, value in self.arguments)})"

    def shown(self) -> CallShown:
        """The call with its inputs and output."""
        inputs = [(name.rstrip("="), value) for name, value in self.arguments or () if not _is_plain(value)]
        return CallShown(self.call(), tuple(Shown(name, show(value)) for name, value in inputs), self.printed[:8000])

    def _word(self, name: str, value: object) -> str:
        keyword = name if name.endswith("=") else ""
        return keyword + (show(value) if _is_plain(value) else name.rstrip("="))


def _is_plain(value: object) -> bool:
    return value is None or type(value) in (bool, int, float, str)


class _Answer:
    """A name of the notebook, or a dotted one (``MyRelu.apply``): call it."""

    def __init__(self, student: Student, name: str, attrs: tuple[str, ...] = ()) -> None:
        self._student, self._name, self._attrs = student, name, attrs

    def __call__(self, *args: object, **kwargs: object) -> Any:
        text = ".".join((self._name, *self._attrs))
        return self._student._call(self._name, list(self._attrs), args, kwargs, text)

    def __getattr__(self, name: str) -> _Answer:
        if name.startswith("_"):
            raise AttributeError(name)
        return _Answer(self._student, self._name, (*self._attrs, name))


class _Watched:
    """What `Student.watching` saw, once it is over."""

    seen: Seen = Seen()


def merge(seens: Sequence[Seen]) -> Seen:
    """Several calls' records as one."""
    ops: dict[str, tuple[int, int]] = {}
    for seen in seens:
        for op in seen.ops:
            count, largest = ops.get(op.name, (0, 0))
            ops[op.name] = (count + op.count, max(largest, op.largest))
    names = sorted({name for seen in seens for name in seen.functions})
    return Seen(
        tuple(names),
        tuple(wire.Op(name, *figures) for name, figures in sorted(ops.items())),
        any(seen.autograd for seen in seens),
    )


def seed_of(check_id: str) -> int:
    """The seed of a check's random inputs: the same everywhere, always."""
    return zlib.crc32(check_id.encode())
