"""What the `before` stream says: the machine's sections in handler order, their schemas, its RAM blocks."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fuzz.capture.errors import CaptureError
from fuzz.qemu import find_binary
from vmformat.dump_vmstate import descriptions, merge_all
from vmformat.errors import StreamError
from vmformat.ram.records import BlockEntry, RamState, parse_ram
from vmformat.reading.guess import is_opaque
from vmformat.schema import EQUAL, Schema
from vmformat.stream import Stream, describe
from vmformat.tree import decode
from vmformat.vmdescription import merge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fuzz.capture.prober import Persistent
    from vmformat.section import Section

_LOCAL_TYPES = EQUAL | {"int32 le"}

NUMBERED: Final[Mapping[str, int]] = {"eeprom": 0, "ide": 0}
"""Vmsds whose owners give the old instance number themselves, so that it does not count (asked of QEMU 7.2)."""


@dataclass(frozen=True, slots=True)
class SectionFacts:
    """A section handler: `function` is the address of the PCI function it belongs to, if any."""

    name: str
    instance: int
    version: int
    schema: str | None
    iterable: bool
    compat: tuple[str, int] | None
    function: str | None
    local: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Sections:
    """All handlers in the program's order, their schemas by key, the RAM blocks in stream order.

    `seen`: subsections that a stream has described; of others the program's dump tells, which knows no lengths.
    """

    handlers: tuple[SectionFacts, ...]
    schemas: Mapping[str, Schema]
    blocks: tuple[BlockEntry, ...]
    seen: frozenset[str] = frozenset()


def dump_vmstate(binary: str, machine: str) -> dict[str, Any]:
    """What QEMU says about its device states (`-dump-vmstate`), by device type."""
    with tempfile.TemporaryDirectory(prefix="vmfuzz-dump-") as folder:
        path = Path(folder) / "dump"
        done = subprocess.run(
            [find_binary(binary), "-M", machine, "-display", "none", "-dump-vmstate", str(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        if done.returncode or not path.exists():
            raise CaptureError(f"{binary} -dump-vmstate: status {done.returncode}")
        value: dict[str, Any] = json.loads(path.read_bytes())
        return value


def learn_sections(stream: Stream, dump: Mapping[str, Any], functions: frozenset[str]) -> Sections:
    """The sections of a stream that still has its VMDESCRIPTION. Raises CaptureError if it does not."""
    described = describe(stream.trailing)
    if not described:
        raise CaptureError(
            "the stream has no VMDESCRIPTION (suppress-vmdesc=on?): nothing tells what is in its sections"
        )
    merged = merge_all(described, dump)
    keys: dict[Schema, str] = {}
    schemas: dict[str, Schema] = {}
    full, iterable = _by_role(stream)
    counts: Counter[str] = Counter()
    compat: dict[int, tuple[str, int]] = {}
    for section in sorted(full, key=lambda item: item.section_id):
        vmsd = _vmsd(section, merged)
        if section.name != vmsd:
            compat[section.section_id] = (vmsd, NUMBERED.get(vmsd, counts[vmsd]))
            counts[vmsd] += 1
    facts: dict[int, SectionFacts] = {}
    for section in full:
        schema = merged.get((section.name, section.instance))
        if schema is None:
            raise CaptureError(f"section {section.name}: not in the VMDESCRIPTION")
        if schema not in keys:
            keys[schema] = _key(schema, schemas)
        function = section.name.rpartition("/")[0]
        facts[section.section_id] = SectionFacts(
            section.name,
            section.instance,
            section.version,
            keys[schema],
            iterable=False,
            compat=compat.get(section.section_id),
            function=function if function in functions else None,
            local=_local(section, schema),
        )
    for section in iterable:
        facts[section.section_id] = SectionFacts(
            section.name, section.instance, section.version, None, iterable=True, compat=None, function=None, local={}
        )
    order = handler_order([s.section_id for s in full], [s.section_id for s in iterable])
    seen = frozenset(name for schema in described.values() for name in _subsections(schema))
    return Sections(tuple(facts[number] for number in order), schemas, _blocks(iterable), seen)


def _subsections(schema: Schema) -> Iterator[str]:
    """The names of all subsections, those of nested vmsds and of each other included."""
    for field in schema.fields:
        if field.struct is not None:
            yield from _subsections(field.struct)
    for sub in schema.subsections:
        yield sub.name
        yield from _subsections(sub)


_TOO_OLD = re.compile(r"incoming version_id \d+ is too old for local minimum version_id +(\d+)")


def with_minimums(
    sections: Sections, stream: Stream, dump: Mapping[str, Any], prober: Persistent, prologue: bytes
) -> Sections:
    """The sections with the oldest version that is taken, asked of the program where its dump does not tell.

    A section of version 0 is refused with a line that names it; if it is not refused for that, it is 0.
    """
    known = descriptions(dump)
    schemas = dict(sections.schemas)
    by_name = {(section.name, section.instance): section for section in stream.sections}
    asked: set[str] = set()
    for handler in sections.handlers:
        section, key = by_name.get((handler.name, handler.instance)), handler.schema
        if section is None or key is None or key in asked or not handler.version:
            continue
        schema = schemas[key]
        asked.add(key)
        told = any(one["version_id"] == schema.version for one in known.get(schema.name, ()))
        if told or is_opaque(schema):
            continue
        data = prologue + replace(section, version=0).head() + section.payload + section.foot() + bytes(64)
        lines = prober.load(data)
        too_old = next((match for line in lines or () if (match := _TOO_OLD.search(line))), None)
        schemas[key] = replace(schema, minimum=int(too_old[1]) if too_old else 0)
    return replace(sections, schemas=schemas)


def extended(known: Sections, stream: Stream, dump: Mapping[str, Any], functions: frozenset[str]) -> Sections:
    """What is known with what another stream of the same machine tells: subsections, and sections not sent at reset.

    A section that is new is put behind the one that it follows there.
    """
    other = learn_sections(stream, dump, functions)
    schemas = dict(known.schemas)
    handlers = list(known.handlers)
    at = {(handler.name, handler.instance): handler for handler in handlers}
    previous: SectionFacts | None = None
    for handler in other.handlers:
        schema = other.schemas.get(handler.schema or "")
        mine = at.get((handler.name, handler.instance))
        if mine is None:
            mine = replace(handler, schema=None if schema is None else _key(schema, schemas))
            handlers.insert(handlers.index(previous) + 1 if previous is not None else 0, mine)
        elif mine.schema is not None and schema is not None:
            schemas[mine.schema] = merge(schemas[mine.schema], schema, other.seen - known.seen)
        previous = mine
    return Sections(tuple(handlers), schemas, known.blocks, known.seen | other.seen)


def _key(schema: Schema, schemas: dict[str, Schema]) -> str:
    """The key of a schema, added if it is new: the vmsd's name, with a number where that is taken."""
    for key, other in schemas.items():
        if other == schema:
            return key
    number, key = 1, schema.name
    while key in schemas:
        number += 1
        key = f"{schema.name}#{number}"
    schemas[key] = schema
    return key


def handler_order(full: list[int], iterable: list[int]) -> list[int]:
    """Section ids in the order of QEMU's list, from those of FULL and of START sections in stream order.

    The list is sorted by priority, and by registration (the ids count it) among equals. Iterable handlers have the
    lowest priority, so they are in the last run of ascending ids.
    """
    last = max((index for index in range(1, len(full)) if full[index] < full[index - 1]), default=0)
    return full[:last] + sorted(full[last:] + iterable)


def _by_role(stream: Stream) -> tuple[list[Section], list[Section]]:
    full = [section for section in stream.sections if section.kind.name == "FULL"]
    return full, [section for section in stream.sections if section.kind.name == "START"]


def _vmsd(section: Section, schemas: Mapping[tuple[str, int], Schema]) -> str:
    schema = schemas.get((section.name, section.instance))
    return section.name if schema is None else schema.name


def _local(section: Section, schema: Schema) -> dict[str, int]:
    try:
        tree = decode(schema, section.payload, 0, section.version)
    except StreamError as error:
        raise CaptureError(f"section {section.name}: the schema does not fit: {error}") from None
    found: dict[str, int] = {}
    for path, node in tree.walk():
        if node.type in _LOCAL_TYPES and isinstance(node.value, int):
            found[path] = node.value
        elif node.type in _LOCAL_TYPES and isinstance(node.value, tuple):
            found |= {f"{path}[{index}]": value for index, value in enumerate(node.value) if isinstance(value, int)}
    return found


def _blocks(iterable: list[Section]) -> tuple[BlockEntry, ...]:
    for section in iterable:
        if section.name == "ram":
            records = parse_ram(section.payload, 0, RamState())
            return tuple(record for record in records if isinstance(record, BlockEntry))
    raise CaptureError("the stream has no ram section")
