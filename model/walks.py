"""What reading a section comes to, kept for the next load of the same bytes.

A stream is loaded under one design after the other. Which fields its sections have depends on its bytes alone, as long
as nobody refuses: the first walk writes down what the device was shown, and where the reader stood; the next loads show
it again without reading. It is the same call for call, so outcomes are the same.

Kept are walks that ended well and asked nobody for a value (`Visitor.local`, `Visitor.opaque`), of one stream at a
time, from its second load on: most streams of a command are loaded once. When a device refuses in a repetition, the
walk is done once more in earnest, up to there, so that the refusal gets its lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from vmformat import Field, Reader, Refusal, Schema
    from vmformat.plan import Plan, Visitor

MOST: Final = 100_000
"""Events kept of one stream: a hostile one may have any number of fields that are shown."""

_Event = tuple[str, tuple[int, int], tuple[Any, ...]]


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
        for number, (method, mark, arguments) in enumerate(events):
            reader.back_to(mark)
            refusal = getattr(visitor, method)(*arguments)
            if refusal is not None:
                reader.back_to(start)
                return plan.load(reader, version, _Answer(number, refusal))
        reader.back_to(end)
        return None


class _Recorder:
    """Writes down what a visitor is shown."""

    def __init__(self, reader: Reader, visitor: Visitor) -> None:
        self.events: list[_Event] = []
        self.asked = False
        self._reader = reader
        self._visitor = visitor

    def field(self, schema: Schema, field: Field, path: str, value: object) -> Refusal | None:
        self.events.append(("field", self._reader.mark(), (schema, field, path, value)))
        return self._visitor.field(schema, field, path, value)

    def pre_load(self, schema: Schema, path: str, version: int) -> Refusal | None:
        self.events.append(("pre_load", self._reader.mark(), (schema, path, version)))
        return self._visitor.pre_load(schema, path, version)

    def post_load(self, schema: Schema, path: str, version: int) -> Refusal | None:
        self.events.append(("post_load", self._reader.mark(), (schema, path, version)))
        return self._visitor.post_load(schema, path, version)

    def local(self, path: str) -> int:
        self.asked = True
        return self._visitor.local(path)

    def opaque(self, reader: Reader, schema: Schema, field: Field, path: str) -> Refusal | None:
        self.asked = True
        return self._visitor.opaque(reader, schema, field, path)


class _Answer:
    """Lets everything pass but one call, which it refuses."""

    def __init__(self, number: int, refusal: Refusal) -> None:
        self._left = number
        self._refusal = refusal

    def _next(self) -> Refusal | None:
        self._left -= 1
        return self._refusal if self._left < 0 else None

    def field(self, schema: Schema, field: Field, path: str, value: object) -> Refusal | None:
        return self._next()

    def pre_load(self, schema: Schema, path: str, version: int) -> Refusal | None:
        return self._next()

    def post_load(self, schema: Schema, path: str, version: int) -> Refusal | None:
        return self._next()

    def local(self, path: str) -> int:
        raise AssertionError(path)

    def opaque(self, reader: Reader, schema: Schema, field: Field, path: str) -> Refusal | None:
        raise AssertionError(path)
