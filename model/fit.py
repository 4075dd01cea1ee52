"""What of a stream does not fit a machine: one line for each thing, before anybody asks how a load of it ends.

A stream taken from another machine is refused at the first thing that differs, and QEMU's words name only that. Here
the whole stream is held against the description: header and configuration, footers, sections and their versions, RAM
blocks, lengths of config spaces, and what the machine has that the stream lacks. Nothing of it changes a verdict: a
missing section, say, is none of the loader's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vmformat import Command, Kind, Section, StreamError, describe, package_records
from vmformat.pci import told_config_size
from vmformat.ram.pages import listed
from vmformat.stream import read_some

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from model.description import Description
    from model.machine import Machine
    from vmformat import Record, Schemas, Stream

_PAGE: Final = 4096
_FIRST_BYTES: Final = 8


def misfits(machine: Machine, data: bytes) -> tuple[str, ...]:
    """The lines, in the order of the stream; none for a stream of this very machine. Raises nothing."""
    description = machine.description
    try:
        stream, whole = read_some(data, machine.schemas)
    except StreamError as error:
        if error.offset < _FIRST_BYTES:
            return (f"header: not a stream of version 3: {error}",)
        return (f"configuration: {error}",)
    sections = [*_sections(stream, stream.records, machine.schemas)]
    lines = [*_configuration(description, stream), *_footers(description, sections)]
    seen: set[tuple[str, int]] = set()
    blocks: set[str] | None = None
    own = describe(stream.trailing)
    for section in sections:
        if section.kind not in {Kind.FULL, Kind.START} or (section.name, section.instance) in seen:
            continue
        seen.add((section.name, section.instance))
        lines += _section(machine, section, own)
        if section.name == "ram":
            named = dict(_named_blocks(section))
            blocks = set(named)
            lines += _blocks(description, named)
    if whole:
        lines += _lacking(machine, seen, blocks)
    return tuple(lines)


def _sections(stream: Stream, records: Iterable[Record], schemas: Schemas) -> Iterator[Section]:
    """The sections, those in packages too."""
    for record in records:
        if isinstance(record, Section):
            yield record
        elif isinstance(record, Command) and record.package:
            try:
                inner = package_records(stream, record, schemas)
            except StreamError:
                continue
            yield from (one for one in inner if isinstance(one, Section))


def _configuration(description: Description, stream: Stream) -> list[str]:
    if stream.configuration is None:
        if description.config_section:
            return [f"configuration: the stream has none, the machine type {description.machine} wants one"]
        return []
    try:
        name = stream.configuration.machine
    except StreamError as error:
        return [f"configuration: {error}"]
    if not description.config_section:
        return [
            f"configuration: the stream has one (of {_shown(name)}), the machine type {description.machine} takes none"
        ]
    if name != description.machine:
        return [f"configuration: of machine type {_shown(name)}, the machine is {description.machine}"]
    return []


def _footers(description: Description, sections: Iterable[Section]) -> list[str]:
    without = sum(section.footer is None for section in sections)
    have = sum(section.footer is not None for section in sections)
    if description.footers and without:
        return [f"footers: {without} of {without + have} sections have none, the machine type wants them"]
    if not description.footers and have:
        return [f"footers: {have} of {without + have} sections have one, the machine type takes none"]
    return []


def _section(machine: Machine, section: Section, own: Schemas) -> list[str]:
    handler = machine.find_handler(section.name, section.instance)
    where = f"section {_shown(section.name)}"
    if handler is None:
        instances = sorted(one.instance for one in machine.handlers if one.name == section.name)
        if instances:
            listed = ", ".join(map(str, instances))
            return [f"{where}: instance {section.instance}, the machine has {listed}"]
        number = f"/{section.instance}" if section.instance else ""
        return [f"{where}{number}: no such device in the machine"]
    where += f"/{section.instance}" if section.instance else ""
    if section.version > handler.version:
        return [f"{where}: version {section.version}, the machine takes up to {handler.version}"]
    schema = machine.schemas.get((handler.name, handler.instance))
    if schema is not None and section.version < schema.minimum:
        return [f"{where}: version {section.version}, the machine takes {schema.minimum} and later"]
    if handler.function is not None:
        length, wanted = _config_size(section, own), len(handler.function.config)
        if length is not None and length != wanted:
            return [f"{where}: a config space of {length} bytes, the machine's has {wanted}"]
    return []


def _config_size(section: Section, own: Schemas) -> int | None:
    """The length of a config space: as the stream describes itself, else as the bytes tell."""
    schema = own.get((section.name, section.instance))
    if schema is not None:
        for field in schema.fields:
            for inner in (field, *(field.struct.fields if field.struct is not None else ())):
                if inner.type == "pci config":
                    return inner.size
    return told_config_size(section.payload)


def _named_blocks(section: Section) -> Iterator[tuple[str, int]]:
    """The block list at the head of the ram section: names and lengths."""
    try:
        for entry in listed(section):
            yield entry.name.decode("latin-1"), entry.length
    except StreamError:
        return


def _blocks(description: Description, named: dict[str, int]) -> list[str]:
    known = {block.name: block for block in description.blocks}
    lines = []
    for name, length in named.items():
        block = known.get(name)
        if block is None:
            lines.append(f"RAM block {_shown(name)}: {length:#x} bytes, the machine has no such block")
        elif block.max_length == block.length and _pages(length) != _pages(block.length):
            lines.append(f"RAM block {name}: {length:#x} bytes, the machine's has {block.length:#x}")
        elif _pages(length) > _pages(block.max_length):
            lines.append(f"RAM block {name}: {length:#x} bytes, the machine's has {block.max_length:#x} at most")
    return lines


def _lacking(machine: Machine, seen: set[tuple[str, int]], blocks: set[str] | None) -> list[str]:
    found = {id(machine.find_handler(*key)) for key in seen}
    lines = dict.fromkeys(
        f"section {handler.name}{f'/{handler.instance}' if handler.instance else ''}: not in the stream"
        for handler in machine.handlers
        if id(machine.find_handler(handler.name, handler.instance)) not in found  # equal ones: the first gets it all
    )
    if blocks is None:
        return [*lines]
    return [
        *lines,
        *(f"RAM block {one.name}: not in the stream" for one in machine.description.blocks if one.name not in blocks),
    ]


def _pages(length: int) -> int:
    return (length + _PAGE - 1) // _PAGE


def _shown(text: str) -> str:
    """A name out of a stream, which may hold anything."""
    return text if text.isprintable() and text.isascii() else ascii(text)
