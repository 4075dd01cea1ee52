"""The records of a stream as a list that can be changed, packages and what is in them too.

A record keeps its slot whatever happens around it, so that several changes can mean the stream as it came. What was not
touched is written as it was; a package with something changed in it is packed again, and tells its new length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from vmformat.command import Cmd, Command
from vmformat.errors import StreamError
from vmformat.framing import NAMED
from vmformat.section import Section
from vmformat.stream import package_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vmformat.paths import Place
    from vmformat.records import Record
    from vmformat.schema import Schemas
    from vmformat.stream import Stream

_DEEPEST: Final = 16
_COMMAND_HEAD: Final = 5
_PACKAGE_HEAD: Final = 9


@dataclass(eq=False, slots=True)
class Slot:
    """A record. `inside`: those of a package that was looked into, and the bytes behind them in both channels."""

    record: Record
    inside: list[Slot] | None = None
    rest: tuple[bytes, bytes] = (b"", b"")
    changed: bool = False
    entry: int | str | None = None
    """What the VMDESCRIPTION says of it: the number of a device in it, or a text from elsewhere ("": none yet)."""
    size: int = 0
    """Bytes of the payload that it says this of."""


class Slots:
    """All records of a stream."""

    def __init__(self, stream: Stream, schemas: Schemas | None = None) -> None:
        self.stream, self.schemas = stream, schemas
        self.slots = [Slot(record) for record in stream.records]

    def at(self, place: Place) -> Slot:
        """The slot at a place of the stream as it came. Raises StreamError if there is none."""
        slots: list[Slot] | None = self.slots
        slot = None
        for depth, number in enumerate(place):
            if slot is not None:
                slots = self.look_into(slot, depth)
            if slots is None or number >= len(slots):
                raise StreamError(0, "#" + ".".join(map(str, place)), "a record", "none")
            slot = slots[number]
        if slot is None:
            raise StreamError(0, "", "a record", "the configuration")
        return slot

    def look_into(self, slot: Slot, depth: int) -> list[Slot] | None:
        """The records in a package; None for what is none, or cannot be read and written again."""
        command = slot.record
        if slot.inside is None and isinstance(command, Command) and command.cmd == Cmd.PACKAGED and depth <= _DEEPEST:
            try:
                inner = package_records(self.stream, command, self.schemas)
            except StreamError:
                return None
            here, there = halves(inner)
            if command.package.startswith(here) and command.outside.startswith(there):
                slot.inside = [Slot(record) for record in inner]
                slot.rest = command.package[len(here) :], command.outside[len(there) :]
        return slot.inside

    def put(self, place: Place, record: Record) -> None:
        """Another record in that slot."""
        slot = self.at(place)
        slot.record, slot.changed, slot.inside = record, True, None
        for i in range(1, len(place)):
            self.at(place[:i]).changed = True

    def walk(self) -> Iterator[tuple[Place, Slot]]:
        """All slots in order, packages before what is in them, with the places that they have now."""
        yield from self._walk(self.slots, ())

    def _walk(self, slots: list[Slot], around: Place) -> Iterator[tuple[Place, Slot]]:
        for i, slot in enumerate(slots):
            yield (*around, i), slot
            inner = self.look_into(slot, len(around) + 1)
            if inner is not None:
                yield from self._walk(inner, (*around, i))

    def take(self, slot: Slot) -> None:
        """Take a slot out."""
        around, where = self._where(slot)
        del around[where]

    def place(self, slots: Iterable[Slot], beside: Slot, *, after: bool) -> None:
        """Put slots before or after another one, in their order."""
        around, where = self._where(beside)
        at = where + after
        around[at:at] = list(slots)

    def _where(self, slot: Slot) -> tuple[list[Slot], int]:
        """The list that a slot stands in, and where; whoever is around it will be another one."""
        stack: list[tuple[list[Slot], tuple[Slot, ...]]] = [(self.slots, ())]
        while stack:
            slots, around = stack.pop()
            for i, one in enumerate(slots):
                if one is slot:
                    for package in around:
                        package.changed = True
                    return slots, i
                if one.inside is not None:
                    stack.append((one.inside, (*around, one)))
        raise StreamError(0, "", "a record that is still there", "one that was dropped")

    def result(self) -> Stream:
        """The stream with these records, each knowing where it stands now. Raises StreamError if one cannot be."""
        records = [_packed(slot) for slot in self.slots]
        stream = self.stream
        at = len(stream.leading) + len(stream.header.to_bytes())
        if stream.configuration is not None:
            at += len(stream.configuration.to_bytes())
        owners: dict[int, Section] = {}
        moved = []
        for record in records:
            record = _moved(record, at, owners)
            if isinstance(record, Section):
                at += len(record.head()) + len(record.buffer) + len(record.foot())
            else:
                at += record.size if hasattr(record, "size") else len(record.to_bytes())
            moved.append(record)
        return stream.with_records(moved)


def halves(records: Iterable[Record]) -> tuple[bytes, bytes]:
    """What records in a package take of it, and of the main channel."""
    pairs = [record.halves() if isinstance(record, Command) else (record.to_bytes(), b"") for record in records]
    return b"".join(here for here, _ in pairs), b"".join(there for _, there in pairs)


def _packed(slot: Slot) -> Record:
    if slot.inside is None or not slot.changed:
        return slot.record
    here, there = halves(_packed(inner) for inner in slot.inside)
    command = slot.record
    offset = command.offset if isinstance(command, Command) else 0
    return replace(Command.packaged(here + slot.rest[0], there + slot.rest[1]), offset=offset)


def _moved(record: Record, at: int, owners: dict[int, Section]) -> Record:
    """The record at another offset. A PART or END is named as the START or FULL of its id before it."""
    if isinstance(record, Section):
        owner = owners.get(record.section_id)
        if record.kind in NAMED:
            owners[record.section_id] = record
        elif owner is not None and (owner.name, owner.instance) != (record.name, record.instance):
            name, instance, version = owner.name, owner.instance, owner.version
            record = replace(record, payload=record.buffer, name=name, instance=instance, version=version)
        return record if record.offset == at else replace(record, payload=record.buffer, offset=at)
    if record.offset == at:
        return record
    if isinstance(record, Command):
        return replace(record, offset=at, package_offset=at + _PACKAGE_HEAD if record.package else 0)
    return replace(record, offset=at)
