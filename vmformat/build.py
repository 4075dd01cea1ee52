"""Streams from nothing: from schemas and plain values, as a QEMU that has such a machine would send them.

`complete` turns a few values into all that `encode` asks for: what nobody said is zero, arrays are as long as the
numbers that count them, and such a number follows its array where only the array was given. `build_stream` puts
sections together in the order and with the frame of a migration (facts: stream.md 1.9); `ram_start` and `ram_pages`
write the RAM section. The VMDESCRIPTION is `self_description.describe_sections`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from typing import TYPE_CHECKING, Any, Final, Literal

from vmformat.command import Cmd, Command
from vmformat.configuration import Configuration
from vmformat.errors import StreamError
from vmformat.framing import Kind
from vmformat.node import join
from vmformat.ram.context import PAGE_SIZE
from vmformat.ram.records import BlockEntry, Flag, RamRecord, write_record
from vmformat.records import Eof
from vmformat.schema import INTEGERS, LISTS, NESTED, Count
from vmformat.section import Section
from vmformat.self_description import describe_sections
from vmformat.stream import Stream, pack

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmformat.node import Leafs
    from vmformat.records import Record
    from vmformat.schema import Field, Schema, Schemas, When

RAM_ID: Final = 2
"""The section id that the ram section has where nobody says another: QEMU's own on x86."""

_RAM_VERSION: Final = 4
_MOST_BYTES: Final = 1 << 26
"""Longest field that is filled with zeros: a count that asks for more is a mistake."""

_NULL: Final = 0x30


@dataclass(frozen=True, slots=True)
class Device:
    """A device section to be: what it is called, what it holds, and the values that are not zero.

    `values`: nested, as `Node.values` gives them, but only those that matter. `given`: the same by path
    (`virtio.head.status`); a path wins over a value. `version`: None for the schema's.
    """

    schema: Schema
    name: str
    instance: int = 0
    values: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Leafs] = field(default_factory=dict)
    version: int | None = None

    def section(self, section_id: int, *, footer: bool = True) -> Section:
        """The FULL section. Raises StreamError if values do not fit the schema."""
        values = complete(self.schema, self.values, self.version, given=self.given)
        return Section.build(
            self.schema,
            values,
            name=self.name,
            section_id=section_id,
            instance=self.instance,
            version=self.version,
            footer=footer,
        )


@dataclass(frozen=True, slots=True)
class Page:
    """A page of guest RAM: `address` in its block (bytes, a multiple of the page size), and either its 4096 bytes or
    the byte (0..255) that it is full of.
    """

    block: str
    address: int
    content: bytes | int = 0


@dataclass(frozen=True, slots=True)
class Ram:
    """Guest RAM to be: the blocks, and the pages to send."""

    blocks: tuple[BlockEntry, ...] = ()
    pages: tuple[Page, ...] = ()

    @classmethod
    def of(cls, lengths: Mapping[str, int], pages: Iterable[Page] = ()) -> Ram:
        """From the blocks' used lengths (bytes) by name."""
        return cls(tuple(BlockEntry(0, name, length) for name, length in lengths.items()), tuple(pages))


def build_stream(
    devices: Sequence[Device],
    *,
    machine: str | None = "pc",
    capabilities: Sequence[str] = (),
    uuid: bytes | None = None,
    page_bits: int | None = None,
    ram: Ram | None = None,
    form: Literal["precopy", "postcopy"] = "precopy",
    footers: bool = True,
    described: bool = True,
) -> Stream:
    """A whole stream. Raises StreamError if anything does not fit its place.

    `machine`: the machine type, None for a stream without a configuration section (as of machine types up to 2.3).
    `capabilities`, `uuid` (16 bytes) and `page_bits` are its subsections, left out if not given. `form`: "postcopy"
    sends the devices in a package, as the 7.2 does, and has no VMDESCRIPTION; `described`: whether precopy has one.
    """
    sections = [one.section(RAM_ID + 1 + i, footer=footers) for i, one in enumerate(devices)]
    config = None if machine is None else _configuration(machine, capabilities, uuid, page_bits)
    start, pages, end = _rounds(ram, footers=footers, shared="x-ignore-shared" in capabilities)
    if form == "postcopy":
        sizes = PAGE_SIZE.to_bytes(8, "big")
        package = pack([Command(Cmd.POSTCOPY_LISTEN), *sections, Command.ping(3), Command(Cmd.POSTCOPY_RUN)])
        head: list[Record] = [
            Command(Cmd.OPEN_RETURN_PATH),
            Command.ping(1),
            Command(Cmd.POSTCOPY_ADVISE, sizes + sizes),
        ]
        records = [*head, *start, Command.ping(2), package, Command.ping(4), *pages, *end, Eof()]
        return Stream(configuration=config, records=tuple(records))
    stream = Stream(configuration=config, records=(*start, *pages, *end, *sections, Eof()))
    return describe_itself(stream) if described else stream


def default_stream(
    machine: str,
    schemas: Schemas,
    *,
    ram: Mapping[str, int] | None = None,
    given: Mapping[tuple[str, int], Mapping[str, Leafs]] | None = None,
    configuration: bool = True,
    footers: bool = True,
    described: bool = True,
) -> Stream:
    """A machine's default stream: each section of `schemas`, in that order, with zeros but for what is `given`.

    `machine`: its type. `ram`: the used lengths of its blocks (bytes). `given`: values by path, by section name and
    instance; a machine knows what its devices insist on. Raises StreamError as `build_stream` does.
    """
    given = given or {}
    devices = [Device(schema, *key, given=given.get(key, {})) for key, schema in schemas.items()]
    return build_stream(
        devices,
        machine=machine if configuration else None,
        ram=None if ram is None else Ram.of(ram),
        footers=footers,
        described=described,
    )


def describe_itself(stream: Stream) -> Stream:
    """The same with a VMDESCRIPTION made from its sections' schemas; FULL sections without one are left out."""
    text = describe_sections(s for s in stream.sections if s.kind is Kind.FULL)
    return replaced(stream, trailing=bytes([Kind.VMDESCRIPTION]) + len(text).to_bytes(4, "big") + text)


def _configuration(
    machine: str, capabilities: Sequence[str], uuid: bytes | None, page_bits: int | None
) -> Configuration:
    subsections: dict[str, Any] = {}
    if page_bits is not None:
        subsections["configuration/target-page-bits"] = {"bits": page_bits}
    if capabilities:
        names = [{"name": name} for name in capabilities]
        subsections["configuration/capabilities"] = {"count": len(names), "capabilities": names}
    if uuid is not None:
        subsections["configuration/uuid"] = {"uuid": uuid}
    return Configuration.build(machine, subsections)


def _rounds(ram: Ram | None, *, footers: bool, shared: bool) -> tuple[list[Record], list[Record], list[Record]]:
    """The sections of RAM: START, a PART if there are pages, END."""
    if ram is None:
        return [], [], []
    start = ram_start(ram.blocks, footer=footers, shared=shared)
    parts: list[Record] = [ram_pages(ram.pages, footer=footers)] if ram.pages else []
    return [start], parts, [ram_pages((), kind=Kind.END, footer=footers)]


def ram_start(
    blocks: Iterable[BlockEntry], *, section_id: int = RAM_ID, footer: bool = True, shared: bool = False
) -> Section:
    """The START section of RAM, which lists the blocks; `shared`: with their addresses (capability x-ignore-shared)."""
    entries = [replaced(one, address=(one.address or 0) if shared else None) for one in blocks]
    total = sum(entry.length for entry in entries)
    if any(entry.length % PAGE_SIZE for entry in entries) or total >= 1 << 64:
        raise StreamError(0, "ram", "blocks of whole pages", ", ".join(f"{e.name} {e.length:#x}" for e in entries))
    head = write_record(RamRecord(0, int(Flag.MEM_SIZE), total))
    payload = head + b"".join(map(write_record, entries)) + _eos()
    id_ = section_id if footer else None
    return Section(Kind.START, section_id, "ram", 0, _RAM_VERSION, payload, footer=id_)


def ram_pages(
    pages: Iterable[Page], *, kind: Kind = Kind.PART, section_id: int = RAM_ID, footer: bool = True
) -> Section:
    """A PART or END section of RAM with these pages, each block named once in a row."""
    out = []
    last: str | None = None
    for page in pages:
        fill = isinstance(page.content, int)
        data = bytes([page.content]) if isinstance(page.content, int) else page.content
        if len(data) != (1 if fill else PAGE_SIZE) or page.address % PAGE_SIZE:
            raise StreamError(0, f"ram.{page.block}", "a page", f"{len(data)} bytes at {page.address:#x}")
        named = page.block != last
        flags = int(Flag.ZERO if fill else Flag.PAGE) | (0 if named else int(Flag.CONTINUE))
        out.append(write_record(RamRecord(0, flags, page.address, page.block, named, data)))
        last = page.block
    id_ = section_id if footer else None
    payload = b"".join(out) + _eos()
    return Section(kind, section_id, "ram", 0, _RAM_VERSION, payload, footer=id_)


def _eos() -> bytes:
    return write_record(RamRecord(0, int(Flag.EOS), 0))


def complete(
    schema: Schema,
    values: Mapping[str, Any] | None = None,
    version: int | None = None,
    *,
    given: Mapping[str, Leafs] | None = None,
) -> dict[str, Any]:
    """All values that `encode(schema, ..., version)` asks for: those of `values` and `given`, zeros for the rest.

    No list element and no subsection is added; a pointer is null. Raises StreamError if a count or a condition names a
    field that there is not, or a count is beyond all sense.
    """
    return _Filling(given or {}).schema(schema, values or {}, schema.version if version is None else version, (), "")


class _Filling:
    """One `complete`. Scopes are the names already filled, the nearest schema first."""

    def __init__(self, given: Mapping[str, Leafs]) -> None:
        self.given = given
        self.under = {path[:i] for path in given for i, char in enumerate(path) if char in ".["} | {""}
        self.elements: dict[tuple[int, int], dict[str, Any]] = {}

    def schema(
        self, schema: Schema, values: Mapping[str, Any], version: int, outer: tuple[Mapping[str, Any], ...], path: str
    ) -> dict[str, Any]:
        if not isinstance(values, Mapping):
            raise StreamError(0, path, "a dict of fields", type(values).__name__)
        filled: dict[str, Any] = {}
        scopes = (filled, *outer)
        rest = dict(values)
        counts = _demanded(schema, rest) | _counts_of(schema, rest)
        for one in schema.fields:
            if one.type in {"must exist", "subsections"} or not one.exists(version):
                continue
            at = join(path, one.name)
            when = one.when
            if when is not None and not when.holds(_number(scopes, when.field, at)):
                continue
            if one.name not in rest and at not in self.given and one.name in counts:
                filled[one.name] = counts[one.name]
            else:
                filled[one.name] = self.field(one, rest.pop(one.name, None), scopes, at)
        self.subsections(schema, rest, filled, scopes, path)
        filled.update(rest)  # what the schema does not have is for `encode` to complain about
        return filled

    def subsections(
        self,
        schema: Schema,
        rest: dict[str, Any],
        filled: dict[str, Any],
        scopes: tuple[Mapping[str, Any], ...],
        path: str,
    ) -> None:
        known = {sub.name: sub for sub in schema.subsections}
        for name in list(rest):
            sub = known.get(name.partition("#")[0])
            if sub is None:
                continue
            value = dict(rest.pop(name))
            version = value.pop("@version", sub.version)
            inner = self.schema(sub, value, min(version & 0xFF, sub.version), scopes, join(path, name))
            filled[name] = {"@version": version, **inner}

    def field(self, one: Field, value: Any, scopes: tuple[Mapping[str, Any], ...], path: str) -> Any:
        if path in self.given:
            return self.given[path]
        if one.type in LISTS:
            return self.list(one, value or [], scopes, path)
        if one.type in NESTED:
            return self.nested(one, value, scopes, path)
        if value is not None:
            return value
        if one.type in {"string", "vbuffer"}:
            return b""
        count = 1 if one.count is None else _times(one.count, scopes, path)
        if one.width * count > _MOST_BYTES:
            raise StreamError(0, path, "a field of sane size", f"{count} times {one.width} bytes")
        if one.type == "pci irq state":
            return (0,) * (4 * count)
        if one.type in INTEGERS:
            zero = _NULL if one.type == "nullptr" else 0
            return zero if one.count is None else (zero,) * count
        return bytes(one.width * count)

    def list(self, one: Field, value: Any, scopes: tuple[Mapping[str, Any], ...], path: str) -> Any:
        if one.struct is None or not isinstance(value, Sequence):
            return value
        found: list[Any] = []
        for i, element in enumerate(value):
            if isinstance(element, int):  # the number that ends a list, where it is not 0
                found.append(element)
                continue
            rest = dict(element)
            more = rest.pop("@more", 1)
            inner = self.schema(one.struct, rest, one.since, ({"@more": more}, *scopes), f"{path}[{i}]")
            found.append(inner if more == 1 else {"@more": more, **inner})
        return found

    def nested(self, one: Field, value: Any, scopes: tuple[Mapping[str, Any], ...], path: str) -> Any:
        schema, version = _versioned(one)
        if one.count is None:
            return self.schema(schema, {} if value is None else value, version, scopes, path)
        if isinstance(value, bytes):
            return value
        count = _times(one.count, scopes, path)
        if _without_bytes(schema, version):
            count, value = min(count, 1), None if value is None else value[:1]
        if value is None and count > _MOST_BYTES >> 6:
            raise StreamError(0, path, "an array of sane length", f"{count} elements")
        elements = [{}] * count if value is None else value
        if value is None and path not in self.under and count:
            # All alike, and one object: `encode` builds it once.
            return [self.schema(schema, {}, version, scopes, f"{path}[0]")] * count
        return [self.schema(schema, inner, version, scopes, f"{path}[{i}]") for i, inner in enumerate(elements)]


def _versioned(one: Field) -> tuple[Schema, int]:
    """A field's struct and the version it is loaded with."""
    if one.struct is None:
        raise StreamError(0, one.name, "a struct", "none")
    if one.type == "tmp":
        return one.struct, one.since
    if one.type == "vstruct" and one.version is not None:
        return one.struct, one.version
    return one.struct, one.struct.version


def _without_bytes(schema: Schema, version: int) -> bool:
    """Whether a payload of that schema never has a byte: of an array of such structs one stands for all."""
    if schema.subsections and not schema.raw:
        return False
    for one in schema.fields:
        if one.type == "must exist" or not one.exists(version):
            continue
        if one.when is not None or one.type == "subsections" or one.type in LISTS:
            return False
        if one.type in NESTED:
            if one.count != 0 and not (_without_bytes(*_versioned(one)) and not isinstance(one.count, Count)):
                return False
        elif one.type in {"string", "vbuffer"} or isinstance(one.count, Count) or (one.width and one.count != 0):
            return False
    return True


def _counts_of(schema: Schema, values: Mapping[str, Any]) -> dict[str, int]:
    """What counting fields must be, by the arrays that were given without them."""
    found: dict[str, int] = {}
    for one in schema.fields:
        value = values.get(one.name)
        if not isinstance(one.count, Count) or one.count.field in values or not isinstance(value, Sequence):
            continue
        length = len(value) // one.width if isinstance(value, bytes) and one.width else len(value)
        found.setdefault(one.count.field, length // one.count.times + (one.count.less if length else 0))
    return found


def _demanded(schema: Schema, values: Mapping[str, Any]) -> dict[str, int]:
    """What fields must be for a load to go on, where 0 is not among it ("must exist")."""
    demands: dict[str, list[When]] = {}
    for one in schema.fields:
        if one.type == "must exist" and one.when is not None and one.when.field not in values:
            demands.setdefault(one.when.field, []).append(one.when)
    found = {}
    for name, whens in demands.items():
        tries = [0, *(n for when in whens for n in _candidates(when))]
        fits = next((n for n in tries if all(when.holds(n) for when in whens)), 0)
        if fits:
            found[name] = fits
    return found


def _candidates(when: When) -> tuple[int, ...]:
    """Numbers one of which fulfils a condition."""
    if when.among:
        return (*when.among, max(when.among) + 1)
    if when.at_most is not None:
        return (when.at_most, when.at_most + 1)
    return (when.mask & -when.mask,)


def _times(count: int | Count, scopes: tuple[Mapping[str, Any], ...], path: str) -> int:
    if isinstance(count, int):
        return count
    return count.elements(_number(scopes, count.field, path), loading=False) or 0


def _number(scopes: tuple[Mapping[str, Any], ...], name: str, path: str) -> int:
    """The integer field that `name` means here (rules: `schema`)."""
    for names in scopes:
        value = _reach(names, name)
        if value is not None:
            return value
    raise StreamError(0, path, f"an earlier field {name!r}", "none")


def _reach(names: Mapping[str, Any], name: str) -> int | None:
    value = names.get(name)
    if isinstance(value, int):
        return value
    at = name.find(".")
    while at >= 0:
        inner = names.get(name[:at])
        if isinstance(inner, Mapping) and (reached := _reach(inner, name[at + 1 :])) is not None:
            return reached
        at = name.find(".", at + 1)
    return None
