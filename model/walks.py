"""What reading a section comes to, kept for the next load of the same bytes.

A stream is loaded under one design after the other. Which fields its sections have depends on its bytes alone, as long
as nobody refuses: the first walk writes down what the device was shown, and where the reader stood; the next loads show
it again without reading. It is the same call for call, so outcomes are the same.

Kept are walks that ended well and in which no field was read by a loader of its own (`Visitor.opaque`), of one stream
at a time, from its second load on: most streams of a command are loaded once. When a device refuses in a repetition, or
has another value of its own (`Visitor.local`) than before, the walk is done once more in earnest: up to there it gets
the answers that are known, behind it the device is asked.

Who knows a record by its bytes (`model.known`) keeps its walks with it, for as long as it keeps the record: `Kept`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.lights import Lights
    from vmformat import Field, Reader, Refusal, Schema
    from vmformat.plan import Plan, Visitor

MOST: Final = 100_000
"""Events kept of one stream: a hostile one may have any number of fields that are shown."""

_Event = tuple[int, int, tuple[Any, ...], Any]
"""Which call of the visitor, where the reader stood, the arguments, the answer."""

MOST_OF_RECORD: Final = 2_000
"""Events kept of one record."""

FIELD, PRE_LOAD, POST_LOAD, LOCAL = range(4)

_Result = tuple["Refusal | None", bool]


class Kept:
    """The walks over one record, wherever it stands: its fields, how far it was looked at, what reading it lights."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[Plan, int, int], _Walk] = {}

    def __len__(self) -> int:
        return len(self._known)

    def load(
        self, plan: Plan, reader: Reader, version: int, visitor: Visitor, begin: int, lights: Lights | None
    ) -> _Result:
        """As `plan.load`, of the record that begins at `begin`; and whether nothing was read.

        `lights`: told what reading would have lit; None where that does not matter.
        """
        start = reader.pos
        key = plan, version, start - begin
        walk = self._known.get(key)
        if walk is None:
            recorder = _Recorder(reader, visitor)
            refusal = plan.load(reader, version, recorder)
            if refusal is None and not reader.error and not recorder.asked and len(recorder.events) <= MOST_OF_RECORD:
                self._known[key] = _Walk(recorder.events, begin, reader)
            return refusal, False
        calls = (visitor.field, visitor.pre_load, visitor.post_load, visitor.local)
        for number, (which, pos, arguments, before) in enumerate(walk.events):
            reader.pos = begin + pos
            answer = calls[which](*arguments)
            if answer != before:
                reader.pos = start
                return plan.load(reader, version, _Rest(visitor, walk.events[:number], answer)), False
        if lights is not None:
            if walk.lit is None:
                reader.pos = start
                lit = lights.take()
                plan.load(reader, version, _Rest(visitor, walk.events))
                walk.lit = lights.take()
                lights.light(lit)
            lights.light(walk.lit)
        reader.pos = begin + walk.end
        reader.furthest = max(reader.furthest, begin + walk.furthest)
        return None, True


class _Walk:
    """One walk. All positions count from the record's first byte."""

    __slots__ = ("end", "events", "furthest", "lit")

    def __init__(self, events: list[_Event], begin: int, reader: Reader) -> None:
        self.events = [(which, pos - begin, arguments, answer) for which, pos, arguments, answer in events]
        self.end = reader.pos - begin
        self.furthest = reader.furthest - begin
        self.lit: bytes | None = None


class Walks:
    """The walks over one stream's sections."""

    def __init__(self) -> None:
        self._data = b""
        self._loads = 0
        self._room = 0
        self.of_record: Callable[[Plan, Reader, int, Visitor], Refusal | None] | None = None
        """Asked instead, of a record that is known by its bytes."""

        self._known: dict[tuple[Plan, int, tuple[int, int]], tuple[list[_Event], tuple[int, int]]] = {}

    def begin(self, data: bytes) -> None:
        """A load of these bytes begins."""
        self.of_record = None
        if data is self._data:
            self._loads += 1
            return
        self._data, self._loads, self._room = data, 1, MOST
        self._known.clear()

    def forget(self) -> None:
        """The next load is the first of its stream."""
        self.of_record = None
        self._data, self._loads = b"", 0
        self._known.clear()

    def load(self, plan: Plan, reader: Reader, version: int, visitor: Visitor) -> Refusal | None:
        """As `plan.load`."""
        if self.of_record is not None:
            return self.of_record(plan, reader, version, visitor)
        if self._loads < 2 or reader.error or reader.data is not self._data:
            return plan.load(reader, version, visitor)
        start = reader.mark()
        key = plan, version, start
        known = self._known.get(key)
        if known is None:
            recorder = _Recorder(reader, visitor)
            refusal = plan.load(reader, version, recorder)
            if refusal is None and not reader.error and not recorder.asked and len(recorder.events) <= self._room:
                self._room -= len(recorder.events)
                self._known[key] = recorder.events, reader.mark()
            return refusal
        events, end = known
        calls = (visitor.field, visitor.pre_load, visitor.post_load, visitor.local)
        for number, (which, pos, arguments, before) in enumerate(events):
            reader.pos = pos
            answer = calls[which](*arguments)
            if answer != before:
                reader.back_to(start)
                return plan.load(reader, version, _Rest(visitor, events[:number], answer))
        reader.back_to(end)
        return None


class _Recorder:
    """Writes down what a visitor is shown, and what it answers."""

    def __init__(self, reader: Reader, visitor: Visitor) -> None:
        self.events: list[_Event] = []
        self.asked = False
        self._reader = reader
        self._visitor = visitor

    def field(self, schema: Schema, field: Field, path: str, value: object) -> Refusal | None:
        pos, answer = self._reader.pos, self._visitor.field(schema, field, path, value)
        self.events.append((FIELD, pos, (schema, field, path, value), answer))
        return answer

    def pre_load(self, schema: Schema, path: str, version: int) -> Refusal | None:
        pos, answer = self._reader.pos, self._visitor.pre_load(schema, path, version)
        self.events.append((PRE_LOAD, pos, (schema, path, version), answer))
        return answer

    def post_load(self, schema: Schema, path: str, version: int) -> Refusal | None:
        pos, answer = self._reader.pos, self._visitor.post_load(schema, path, version)
        self.events.append((POST_LOAD, pos, (schema, path, version), answer))
        return answer

    def local(self, path: str) -> int:
        pos, answer = self._reader.pos, self._visitor.local(path)
        self.events.append((LOCAL, pos, (path,), answer))
        return answer

    def opaque(self, reader: Reader, schema: Schema, field: Field, path: str) -> Refusal | None:
        self.asked = True
        return self._visitor.opaque(reader, schema, field, path)


class _Rest:
    """Gives the answers that are known, then what is new, and then passes on."""

    def __init__(self, visitor: Visitor, events: list[_Event], *new: Any) -> None:
        self._visitor = visitor
        self._answers = [*new, *(answer for *_, answer in reversed(events))]

    def field(self, schema: Schema, field: Field, path: str, value: object) -> Refusal | None:
        if self._answers:
            return self._answers.pop()  # type: ignore[no-any-return]
        return self._visitor.field(schema, field, path, value)

    def pre_load(self, schema: Schema, path: str, version: int) -> Refusal | None:
        if self._answers:
            return self._answers.pop()  # type: ignore[no-any-return]
        return self._visitor.pre_load(schema, path, version)

    def post_load(self, schema: Schema, path: str, version: int) -> Refusal | None:
        if self._answers:
            return self._answers.pop()  # type: ignore[no-any-return]
        return self._visitor.post_load(schema, path, version)

    def local(self, path: str) -> int:
        if self._answers:
            return self._answers.pop()  # type: ignore[no-any-return]
        return self._visitor.local(path)

    def opaque(self, reader: Reader, schema: Schema, field: Field, path: str) -> Refusal | None:
        return self._visitor.opaque(reader, schema, field, path)
