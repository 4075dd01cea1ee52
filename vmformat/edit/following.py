"""How a VMDESCRIPTION follows the sections that it describes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vmformat import paths
from vmformat.edit.description import Description, renamed, resized
from vmformat.framing import NAMED
from vmformat.iterable.payloads import ITERABLE
from vmformat.reading.guess import OPAQUE
from vmformat.section import Section
from vmformat.self_description import describe_sections

if TYPE_CHECKING:
    from vmformat.edit.records import Slots
    from vmformat.paths import Place
    from vmformat.schema import Schemas
    from vmformat.stream import Stream


def entries_of(stream: Stream, described: Description | None, schemas: Schemas | None) -> dict[Place, tuple[int, int]]:
    """The number of the device in the description for each section, and the bytes of the section's payload.

    Of several sections of one name the first is the first that is described.
    """
    if described is None:
        return {}
    waiting: dict[tuple[str, int], list[int]] = {}
    for number, key in reversed(list(enumerate(described.keys))):
        waiting.setdefault(key, []).append(number)
    found: dict[Place, tuple[int, int]] = {}
    for place, record in paths.walk_records(stream, schemas):
        if isinstance(record, Section) and record.kind in NAMED and waiting.get((record.name, record.instance)):
            found[place] = waiting[record.name, record.instance].pop(), len(record.buffer)
    return found


def followed(stream: Stream, slots: Slots, described: Description, owned: set[int]) -> Stream:
    """The description in the order of the sections; a device without one stays behind what it stood behind."""
    behind: dict[int, list[str]] = {-1: []}
    last = -1
    for number, entry in enumerate(described.entries):
        if number in owned:
            last = number
            behind[last] = []
        else:
            behind[last].append(entry)
    kept = behind.pop(-1)
    for _, slot in slots.walk():
        record = slot.record
        if isinstance(slot.entry, int) and isinstance(record, Section):
            entry = renamed(described.entries[slot.entry], record.name, record.instance)
            kept.append(_of_another_size(entry, record) if len(record.buffer) != slot.size else entry)
            kept += behind.pop(slot.entry, [])
        elif isinstance(slot.entry, str) and isinstance(record, Section):
            kept += [text for text in (slot.entry or _described_anew(record),) if text]
    for rest in behind.values():
        kept += rest
    if kept == described.entries:
        return stream
    return replace(stream, trailing=described.written(kept, stream.trailing))


def _described_anew(section: Section) -> str:
    """What a description says of a section whose schema is known; "" of others."""
    if section.kind not in NAMED or section.name in ITERABLE:
        return ""
    found = Description.of_text(describe_sections([section]).decode("ascii"))
    return found.entries[0] if found is not None else ""


def _of_another_size(entry: str, section: Section) -> str:
    """What the description says of a section whose payload has grown or shrunk."""
    anew = _described_anew(section)
    if anew:
        return anew
    opaque = [field for field in section.schema.fields if field.type in OPAQUE] if section.schema is not None else []
    for field in opaque:
        node = section.tree.find(field.name)
        if node is not None and node.size != field.size:
            entry = resized(entry, field.name, field.type, node.size)
    return entry
