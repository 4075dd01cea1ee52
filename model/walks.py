"""What reading a section comes to, kept for the next load of the same bytes.

A stream is loaded under one design after the other. Which fields its sections have depends on its bytes alone, as long
as nobody refuses: the first walk writes down what the device was shown, and where the reader stood; the next loads show
it again without reading. It is the same call for call, so outcomes are the same.

Kept are walks that ended well and in which no field was read by a loader of its own (`Visitor.opaque`), of one stream
at a time, from its second load on: most streams of a command are loaded once. When a device refuses in a repetition, or
has another value of its own (`Visitor.local`) than before, the walk is done once more in earnest: up to there it gets
the answers that are known, behind it the device is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from vmformat import Field, Reader, Refusal, Schema
    from vmformat.plan import Plan, Visitor

MOST: Final = 100_000
"""Events kept of one stream: a hostile one may have any number of fields that are shown."""

_Event = tuple[int, int, tuple[Any, ...], Any]
"""Which call of the visitor, where the reader stood, the arguments, the answer."""

FIELD, PRE_LOAD, POST_LOAD, LOCAL = range(4)


class Walks:
    """The walks over one stream's sections."""

    def __init__(self) -> None:
        self._data = b""
        self._loads = 0
        self._room = 0
        self._known: dict[tuple[Plan, int, tuple[int, int]], tuple[list[_Event], tuple[int, int]]] = {}

    def begin(self, data: bytes) -> None:
        """A load of these bytes begins."""
        if data is self._data:
            self._loads += 1
            return
        self._data, self._loads, self._room = data, 1, MOST
        self._known.clear()

    def forget(self) -> None:
        """The next load is the first of its stream."""
        self._data, self._loads = b"", 0
        self._known.clear()

    def load(self, plan: Plan, reader: Reader, version: int, visitor: Visitor) -> Refusal | None:
        """As `plan.load`."""
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
    """Gives the answers that are known, then the one that is new, and then passes on."""

    def __init__(self, visitor: Visitor, events: list[_Event], new: Any) -> None:
        self._visitor = visitor
        self._answers = [new, *(answer for *_, answer in reversed(events))]

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
