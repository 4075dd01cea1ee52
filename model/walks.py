"""What reading a section comes to, kept for the next time that the same bytes come.

Which fields a section has depends on its bytes and its version alone, as long as nobody refuses: the first walk writes
down what the device was shown, and where the reader stood; the next ones show it again without reading, be it under
another design or in another stream. It is the same call for call, so outcomes are the same.

Kept are walks that ended well within the data and in which no field was read by a loader of its own
(`Visitor.opaque`), from a machine's second load on: most machines of a command load once. When a device refuses in a
repetition, or has another value of its own (`Visitor.local`) than before, the walk is done once more in earnest: up to
there it gets the answers that are known, behind it the device is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model.shelf import Shelf

if TYPE_CHECKING:
    from vmformat import Field, Reader, Refusal, Schema
    from vmformat.plan import Plan, Visitor

MOST: Final = 2_000
"""Events kept of one section: a hostile one may have any number of fields that are shown."""

MOST_BYTES: Final = 32 << 20
"""Bytes of all sections kept, with `EVENT` for each event: beyond, those go that did not come again."""

EVENT: Final = 100

_Event = tuple[int, int, tuple[Any, ...], Any]
"""Which call of the visitor, where the reader stood behind the payload's first byte, the arguments, the answer."""

FIELD, PRE_LOAD, POST_LOAD, LOCAL = range(4)


class _Walk:
    """One walk. All positions count from the payload's first byte; `data` is all that was looked at."""

    __slots__ = ("came_again", "data", "end", "events", "takes")

    def __init__(self, data: bytes, events: list[_Event], end: int, takes: list[tuple[int, int]]) -> None:
        self.data = data
        self.events = events
        self.end = end
        self.takes = takes
        self.came_again = False

    @property
    def cost(self) -> int:
        """As `MOST_BYTES` counts it."""
        return len(self.data) + EVENT * len(self.events)


class Walks:
    """The walks over sections that one machine has loaded. `remembers`: whether they are used, and kept."""

    def __init__(self) -> None:
        self.remembers = True
        self._loads = 0
        self._cost = 0
        self._shelves: dict[tuple[object, int], Shelf[_Walk]] = {}

    def begin(self) -> None:
        """A load begins."""
        self._loads += 1

    def load(self, plan: Plan, reader: Reader, version: int, visitor: Visitor, whose: object = None) -> Refusal | None:
        """As `plan.load`. `whose`: the device; what is alike of several is kept for each."""
        if self._loads < 2 or reader.error or not self.remembers:
            return plan.load(reader, version, visitor)
        key = whose or plan, version
        shelf = self._shelves.get(key)
        if shelf is None:
            shelf = self._shelves[key] = Shelf()
        start = reader.pos
        walk = shelf.find(reader.data, start)
        if walk is None:
            return self._first(shelf, plan, reader, version, visitor)
        calls = (visitor.field, visitor.pre_load, visitor.post_load, visitor.local)
        for number, (which, pos, arguments, before) in enumerate(walk.events):
            reader.pos = start + pos
            answer = calls[which](*arguments)
            if answer != before:
                reader.pos = start
                return plan.load(reader, version, _Rest(visitor, walk.events[:number], answer))
        for pos, size in walk.takes:
            reader.taken(start + pos, size)
        reader.pos = start + walk.end
        return None

    def _first(self, shelf: Shelf[_Walk], plan: Plan, reader: Reader, version: int, visitor: Visitor) -> Refusal | None:
        start, furthest = reader.pos, reader.furthest
        recorder = _Recorder(reader, visitor)
        reader.furthest, reader.takes = 0, []
        refusal = plan.load(reader, version, recorder)
        seen, takes = max(reader.furthest, reader.pos), reader.takes
        reader.furthest, reader.takes = max(furthest, reader.furthest), None
        if refusal is None and not reader.error and not recorder.asked and len(recorder.events) <= MOST:
            events = [(which, pos - start, arguments, answer) for which, pos, arguments, answer in recorder.events]
            relative = [(pos - start, size) for pos, size in takes]
            self._cost += shelf.put(_Walk(reader.data[start:seen], events, reader.pos - start, relative))
            if self._cost > MOST_BYTES:
                self._cost = sum(one.tidy() for one in self._shelves.values())
        return refusal


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
