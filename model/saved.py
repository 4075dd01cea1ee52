"""What a loaded machine would save again: the sections that it was loaded from, and what its devices say of them since.

A section that brought something is what would be saved, but for config space, which the function holds, and for what
the device says of itself (`Effects.saved`): indices taken from rings, marks, registers derived. `saved_stream` writes
that into the stream, which so becomes what the machine would send to the next destination.

Model: a program writes a section for every device; here one that the stream had none for has none again, which loads
alike. RAM is that of the stream: what a load writes into guest memory is little (option ROM, interrupt messages). A
table in which every queue has a row is changed where the stream had it, and a subsection is added only if it is a flag;
what else would have to be added or taken away stays as it was loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from model.errors import Abort
from model.memory import MemoryAbort
from vmformat import Cmd, Command, Eof, Kind, Section, StreamError, encode, read, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from model.machine import AnyHandler, Machine
    from vmformat import Leaf, Stream

FLAGS: Final = frozenset({"virtio/broken", "virtio/started", "virtio/disabled"})
"""Subsections of the virtio core that are written only when they say yes."""

_CORE: Final = "virtio.core."
_HEAD: Final = "virtio.head."


def parsed(data: bytes, machine: Machine) -> Stream | None:
    """The stream with the machine's schemas; None when it cannot be read as a whole."""
    try:
        return read(data, machine.schemas)
    except StreamError:
        return None


@dataclass(frozen=True, slots=True)
class Brought:
    """A section that was loaded, and what its device says of the fields that would be saved otherwise."""

    section: Section
    said: Mapping[str, int | bytes | None]


def brought(stream: Stream, machine: Machine) -> dict[AnyHandler, Brought]:
    """The last section of the stream for each handler that is not iterable; the machine is as the load left it.

    Empty where the stream has packages (what is loaded of one depends on how it ends), and where saving kills.
    """
    found: dict[AnyHandler, Brought] = {}
    if not _begin_saving(machine):
        return found
    for record in stream.records:
        if isinstance(record, Eof):
            break  # nothing behind it is loaded
        if isinstance(record, Command) and record.cmd == Cmd.PACKAGED:
            return {}
        if not isinstance(record, Section):
            continue
        handler = machine.find_handler(record.name, record.instance)
        if handler is not None and handler.effects is not None:
            found[handler] = Brought(_with_config(record, handler), handler.effects.saved())
    return found


def _begin_saving(machine: Machine) -> bool:
    """Saving switches dirty logging on, which is a commit (memory.md 2.2): listeners hear of it. False: they abort."""
    memory = machine.memory
    try:
        memory.begin()
        memory.mark_pending(wanted=True)
        memory.commit()
    except (Abort, MemoryAbort):
        return False
    return True


def _with_config(section: Section, handler: AnyHandler) -> Section:
    """The section with the config space that the model's function has at the end of the load."""
    function = handler.function
    place = next((leaf for leaf in section.leaves if leaf.path.endswith(".vendor_id")), None) if function else None
    if function is None or place is None or place.offset + len(function.config) > len(section.buffer):
        return section
    return section.replace_bytes(place.offset, function.config)


def saved_stream(data: bytes, machine: Machine) -> bytes | None:
    """The stream that the machine would save, which is as the load of `data` left it; None where nobody can tell.

    Saving is itself a commit, of which listeners hear.
    """
    stream = parsed(data, machine)
    if stream is None or any(_loads_again(record, machine) for record in stream.records):
        return None
    loaded = brought(stream, machine)
    if not loaded:
        return None
    last: dict[AnyHandler, int] = {}
    for index, record in enumerate(stream.records):
        handler = _loads(record, machine)
        if handler is not None:
            last[handler] = index
    records = []
    for index, record in enumerate(stream.records):
        handler = _loads(record, machine)
        if handler is None:
            records.append(record)
        elif last[handler] == index and handler in loaded:
            records.append(edited(loaded[handler]))
    try:
        return write(stream.with_records(records))
    except StreamError:
        return None


def _loads_again(record: object, machine: Machine) -> bool:
    """Whether a record is a PART or END of a device, which nobody writes; whose it is depends on what came before."""
    if not isinstance(record, Section) or record.kind not in {Kind.PART, Kind.END}:
        return False
    return not any(handler.iterable for handler in machine.handlers if handler.name == record.name)


def _loads(record: object, machine: Machine) -> AnyHandler | None:
    """The handler of a device that a record is a section of."""
    handler = machine.find_handler(record.name, record.instance) if isinstance(record, Section) else None
    return handler if handler is not None and handler.effects is not None else None


def edited(one: Brought) -> Section:
    """The section with what its device says of it."""
    section = _with_flags(_with_config_space(one))
    buffer = bytearray(section.payload)
    places = {path: leaf for leaf in section.leaves for path, leaf in _rows(leaf)}
    for path, value in one.said.items():
        leaf = places.get(path)
        if leaf is None or value is None:
            continue
        order: Any = "little" if leaf.byteorder == "little" else "big"
        new = value if isinstance(value, bytes) else (value & (1 << 8 * leaf.size) - 1).to_bytes(leaf.size, order)
        if len(new) == leaf.size:
            buffer[leaf.offset : leaf.offset + leaf.size] = new
    return replace(section, payload=bytes(buffer))


def _rows(leaf: Leaf) -> Iterator[tuple[str, Leaf]]:
    """A leaf's elements by path, each as a leaf of its own."""
    if leaf.count == 1 and not leaf.stride:
        yield leaf.path, leaf
        return
    for index in range(leaf.count):
        at = leaf.offset + index * leaf.stride
        yield leaf.path.replace("[]", f"[{index}]", 1), replace(leaf, offset=at, count=1, stride=0)


def _with_config_space(one: Brought) -> Brought:
    """With as many bytes of virtio config space as the device has, where the stream brought fewer or more."""
    section, size = one.section, one.said.get(f"{_HEAD}config_len")
    found = next((leaf for leaf in section.leaves if leaf.path == f"{_HEAD}config_len"), None)
    if section.layout is None or found is None or not isinstance(size, int):
        return one
    if int.from_bytes(section.payload[found.offset : found.offset + found.size], "big") == size:
        return one
    values: Any = section.decoded().values()
    head, said = values["virtio"]["head"], one.said.get(f"{_HEAD}config")
    config = said if isinstance(said, bytes) else head["config"]
    values["virtio"]["head"] = {**head, "config_len": size, "config": config[:size].ljust(size, b"\0")}
    try:
        return replace(one, section=replace(section, payload=encode(section.layout, values, section.version)))
    except StreamError:
        return one


def _with_flags(one: Brought) -> Section:
    """The section with the flags of the virtio core that would be written, and without the others."""
    section = one.section
    wanted = {name: one.said.get(f"{_CORE}{name}.{name.partition('/')[2]}") for name in FLAGS}
    there = {name for name in FLAGS if any(leaf.path.startswith(f"{_CORE}{name}.") for leaf in section.leaves)}
    if section.layout is None or not any(f"{_CORE}{name}.{name.partition('/')[2]}" in one.said for name in FLAGS):
        return section
    if there == {name for name, value in wanted.items() if value}:
        return section
    values: Any = section.decoded().values()
    core = values.get("virtio", {}).get("core")
    if not isinstance(core, dict):
        return section
    for name, value in sorted(wanted.items()):
        core.pop(name, None)
        if value:
            core[name] = {"@version": 1, name.partition("/")[2]: int(value)}
    try:
        return replace(section, payload=encode(section.layout, values, section.version))
    except StreamError:
        return section
