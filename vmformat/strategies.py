"""Hypothesis strategies: valid streams, their parts, and streams that are nearly valid. For others' tests.

    from hypothesis import given
    from vmformat import read, write
    from vmformat.strategies import near_valid_streams, streams

    @given(streams())
    def test_my_reader(stream): ...

    @given(near_valid_streams())
    def test_it_never_crashes(data): ...

Needs hypothesis (`pip install vmfuzz[strategies]`), and is the only module here that does. What is drawn is mostly
zero, with few devices and few fields that are not: small examples come first and failures shrink to the fields that
matter. `docs/strategies.md` tells more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from vmformat.build import Device, Page, Ram, build_stream, complete
from vmformat.command import Cmd, Command
from vmformat.framing import Kind
from vmformat.interesting import SPECIAL
from vmformat.ram.context import PAGE_SIZE
from vmformat.ram.records import Flag, RamRecord, write_record
from vmformat.records import Eof
from vmformat.schema import INTEGERS, LISTS, NESTED, Count, Field, Schema, When
from vmformat.section import Section
from vmformat.self_description import describe_sections
from vmformat.stream import Stream, pack, write
from vmformat.tree import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vmformat.records import Record
    from vmformat.schema import Schemas

__all__ = [
    "commands",
    "near_valid_streams",
    "packages",
    "payloads",
    "ram_payloads",
    "schemas",
    "sections",
    "streams",
    "values",
    "vmdescriptions",
]

_NUMBERS: Final = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "bool", "timer")
_FEW: Final = 3
_MOST_COUNTED: Final = 4
_LARGE: Final = 64


@st.composite
def schemas(draw: st.DrawFn, *, name: str = "device", depth: int = 2) -> Schema:
    """Schemas of a device: numbers, bytes, arrays, structs, lists, counts, conditions, subsections.

    `depth`: how deep structs nest.
    """
    fields: list[Field] = []
    counters: list[str] = []
    for i in range(draw(st.integers(0, 2 + depth))):
        field = draw(_fields(f"f{i}", f"{name}{i}", depth, tuple(counters)))
        if field.type in {"uint8", "uint16"} and field.count is None and field.when is None:
            counters.append(field.name)
        fields.append(field)
    subsections: tuple[Schema, ...] = ()
    if depth:
        inner = st.integers(0, depth).flatmap(lambda n: _in_turn([_subschema(name, i, depth - 1) for i in range(n)]))
        subsections = draw(inner)
    version = draw(st.integers(1, 3))
    return Schema(name, version, draw(st.integers(0, version)), tuple(fields), subsections)


def _subschema(owner: str, number: int, depth: int) -> st.SearchStrategy[Schema]:
    return schemas(name=f"{owner}/s{number}", depth=depth)


def _in_turn(strategies: Sequence[st.SearchStrategy[Schema]]) -> st.SearchStrategy[tuple[Schema, ...]]:
    return st.tuples(*strategies)


@st.composite
def _fields(draw: st.DrawFn, name: str, inner: str, depth: int, counters: tuple[str, ...]) -> Field:
    """A field that may refer to the counters before it."""
    kinds = ["number", "numbers", "bytes", "text"]
    if counters:
        kinds += ["counted", "conditional"]
    if depth:
        kinds += ["struct", "structs", "list"]
        if counters:
            kinds.append("counted structs")
    kind = draw(st.sampled_from(kinds))
    number = st.sampled_from(_NUMBERS)
    match kind:
        case "number":
            return Field(name, draw(number))
        case "numbers":
            return Field(name, draw(number), count=draw(st.integers(0, 5)))
        case "bytes":
            return Field(name, draw(st.sampled_from(("buffer", "unused_buffer"))), draw(st.integers(0, 20)))
        case "text":
            return Field(name, draw(st.sampled_from(("string", "vbuffer"))))
        case "counted":
            return Field(name, draw(number), count=Count(draw(st.sampled_from(counters)), less=draw(st.integers(0, 1))))
        case "conditional":
            when = When(draw(st.sampled_from(counters)), draw(st.sampled_from((1, 0xFF))), draw(st.booleans()))
            return Field(name, draw(number), when=when)
        case "list":
            kind = draw(st.sampled_from(("qtailq", "qlist", "gtree", "repeat", "repeat uint32")))
            return Field(name, kind, struct=replace(draw(schemas(name=inner, depth=depth - 1)), version=1, minimum=0))
        case "struct":
            return Field(name, "struct", struct=draw(schemas(name=inner, depth=depth - 1)))
        case "structs":
            return Field(
                name, "struct", count=draw(st.integers(0, 3)), struct=draw(schemas(name=inner, depth=depth - 1))
            )
        case _:
            count = Count(draw(st.sampled_from(counters)))
            return Field(name, "struct", count=count, struct=draw(schemas(name=inner, depth=depth - 1)))


@st.composite
def values(draw: st.DrawFn, schema: Schema) -> dict[str, Any]:
    """Values that `encode(schema, ...)` takes: mostly zeros, a few fields and subsections drawn."""
    return complete(schema, draw(_partial(schema, _counting(schema), 3)))


def payloads(schema: Schema) -> st.SearchStrategy[bytes]:
    """Payloads of a schema, which `decode` reads to the last byte."""
    return values(schema).map(lambda drawn: encode(schema, drawn))


def _counting(schema: Schema) -> frozenset[str]:
    """The names of fields that count others, anywhere in a schema: they are kept small."""
    found = set()
    for field in schema.fields:
        if isinstance(field.count, Count):
            found.add(field.count.field.rpartition(".")[2])
        if field.struct is not None:
            found |= _counting(field.struct)
    for sub in schema.subsections:
        found |= _counting(sub)
    return frozenset(found)


@st.composite
def _partial(draw: st.DrawFn, schema: Schema, counting: frozenset[str], few: int) -> dict[str, Any]:
    """A few values: what `complete` is given."""
    found: dict[str, Any] = {}
    usable = [f for f in schema.fields if f.when is None and f.exists(schema.version) and _chosen(f, schema)]
    if usable and few:
        chosen = draw(st.lists(st.sampled_from(range(len(usable))), max_size=few, unique=True))
        for index in sorted(chosen):
            field = usable[index]
            if isinstance(field.count, Count) and field.count.field in found:
                continue
            value = draw(_value(field, counting, few - 1))
            if value is not None:
                found.setdefault(field.name, value)
                if isinstance(field.count, Count):
                    found.pop(field.count.field, None)
    if schema.subsections and not schema.raw:
        for sub in draw(st.lists(st.sampled_from(schema.subsections), max_size=2, unique_by=lambda one: one.name)):
            found[sub.name] = draw(_partial(sub, counting, few - 1 if few else 0))
    return found


def _chosen(field: Field, schema: Schema) -> bool:
    """Whether values of that field can be made without regard to anything around it."""
    if field.type in {"must exist", "subsections", "pci irq state", "nullptr"}:
        return False
    if not isinstance(field.count, Count):
        return True
    counter = next((other for other in schema.fields if other.name == field.count.field), None)
    counted = sum(isinstance(f.count, Count) and f.count.field == field.count.field for f in schema.fields)
    return counter is not None and counted == 1 and field.count.times == 1


def _value(field: Field, counting: frozenset[str], few: int) -> st.SearchStrategy[Any]:
    """A value of one field; None for none after all."""
    if field.type in LISTS:
        if field.struct is None:
            return st.none()
        return st.lists(_partial(field.struct, counting, few), max_size=_FEW)
    if field.type in NESTED:
        if field.struct is None:
            return st.none()
        one = _partial(field.struct, counting, few)
        if field.count is None:
            return one
        if isinstance(field.count, Count):
            return st.lists(one, max_size=_FEW)
        return _one_of_many(one, field.count, {}) if field.count else st.none()
    if field.type in {"string", "vbuffer"}:
        return st.binary(max_size=12)
    if field.type in INTEGERS:
        number = st.integers(0, _MOST_COUNTED) if field.name in counting else _number(field)
        if field.count is None:
            return number
        if isinstance(field.count, Count):
            return st.lists(number, max_size=_FEW).map(tuple)
        return _one_of_many(number, field.count, 0).map(tuple) if field.count else st.none()
    if field.count is not None:
        return st.none()
    return st.binary(max_size=min(field.size, _LARGE)).map(lambda drawn: drawn.ljust(field.size, b"\0"))


def _number(field: Field) -> st.SearchStrategy[int]:
    code, width = INTEGERS[field.type]
    bits = 8 * width
    if not code.islower():
        return st.integers(0, (1 << bits) - 1) | st.sampled_from(SPECIAL[width])
    half = 1 << bits - 1
    signed = sorted({(value + half) % (1 << bits) - half for value in SPECIAL[width]}, key=lambda n: (abs(n), n))
    return st.integers(-half, half - 1) | st.sampled_from(signed)


def _one_of_many(one: st.SearchStrategy[Any], count: int, rest: Any) -> st.SearchStrategy[list[Any]]:
    """An array with one element drawn."""

    def place(drawn: tuple[int, Any]) -> list[Any]:
        return [drawn[1] if i == drawn[0] else rest for i in range(count)]

    return st.tuples(st.integers(0, count - 1), one).map(place)


@st.composite
def sections(draw: st.DrawFn, schema: Schema | None = None, *, footer: bool = True) -> Section:
    """FULL sections: of `schema`, or of any."""
    schema = draw(schemas()) if schema is None else schema
    return Section.build(
        schema,
        draw(values(schema)),
        name=draw(st.sampled_from(("", "0000:00:02.0/"))) + schema.name,
        section_id=draw(st.integers(0, 0xFFFF_FFFF)),
        instance=draw(st.integers(0, 3)),
        footer=footer,
    )


_BLOCKS: Final = ("pc.ram", "pc.bios", "0000:00:02.0/vga.vram")


@st.composite
def ram_payloads(draw: st.DrawFn) -> bytes:
    """Payloads of PART and END sections of RAM: zero, full and XBZRLE pages, with and without a name; EOS."""
    out = []
    named = False
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from((Flag.ZERO, Flag.PAGE, Flag.XBZRLE)))
        again = named and draw(st.booleans())
        address = draw(st.integers(0, 1 << 20)) * PAGE_SIZE
        size = {Flag.ZERO: 1, Flag.PAGE: PAGE_SIZE}.get(kind)
        data = draw(st.binary(max_size=8))
        data = data if size is None else data.ljust(size, b"\0")[:size]
        flags = int(kind) | (int(Flag.CONTINUE) if again else 0)
        out.append(write_record(RamRecord(0, flags, address, draw(st.sampled_from(_BLOCKS)), not again, data)))
        named = True
    return b"".join(out) + write_record(RamRecord(0, int(Flag.EOS), 0))


@st.composite
def commands(draw: st.DrawFn) -> Command:
    """Commands as a source sends them, but for packages."""
    cmd = draw(st.sampled_from([cmd for cmd in Cmd if cmd not in {Cmd.INVALID, Cmd.PACKAGED}]))
    name = draw(st.sampled_from(_BLOCKS)).encode()
    match cmd:
        case Cmd.PING:
            return Command.ping(draw(st.integers(0, 0xFFFF_FFFF)))
        case Cmd.POSTCOPY_ADVISE:
            return Command(cmd, draw(st.sampled_from((b"", PAGE_SIZE.to_bytes(8, "big") * 2))))
        case Cmd.POSTCOPY_RAM_DISCARD:
            ranges = draw(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=_FEW))
            return Command(cmd, bytes([0, len(name)]) + name + b"\0" + b"".join(ranges))
        case Cmd.RECV_BITMAP:
            return Command(cmd, bytes([len(name)]) + name)
        case _:
            return Command(cmd)


@st.composite
def packages(draw: st.DrawFn) -> Command:
    """PACKAGED commands with sections and commands inside, ended by EOF or RUN."""
    inside: list[Record] = list(draw(st.lists(sections(), max_size=2)))
    harmless = commands().filter(lambda one: not one.from_main and one.cmd != Cmd.POSTCOPY_RUN)
    inside += draw(st.lists(harmless, max_size=2))
    last: Record = Command(Cmd.POSTCOPY_RUN) if draw(st.booleans()) else Eof()
    inside.append(last)
    return pack(inside)


@st.composite
def vmdescriptions(draw: st.DrawFn) -> bytes:
    """JSON texts that describe some sections, as QEMU writes them."""
    return describe_sections(draw(st.lists(sections(), max_size=3)))


@st.composite
def streams(draw: st.DrawFn, schemas: Schemas | None = None, machine: str | None = None) -> Stream:
    """Valid streams: they are read strictly, and their records are these again.

    `schemas`: a machine's, of which a few sections are drawn; None: of devices that there are not. `machine`: the
    machine type in the configuration; None: any, or no configuration at all. A stream without footers or of a machine
    of yours may need `schemas` to be read.
    """
    devices = draw(_devices(schemas))
    footers, described = draw(st.booleans()) or schemas is None, draw(st.booleans())
    postcopy = draw(st.integers(0, 3)) == 3 and footers  # as many draws either way: examples shrink to the shorter form
    pages = st.builds(Page, st.sampled_from(_BLOCKS), st.integers(0, 15).map(lambda n: n * PAGE_SIZE), _CONTENTS)
    ram = draw(st.none() | st.lists(pages, max_size=_FEW).map(lambda drawn: Ram.of(_LENGTHS, drawn)))
    return build_stream(
        devices,
        machine=draw(st.sampled_from(("pc-q35-7.2", None))) if machine is None else machine,
        capabilities=draw(st.sampled_from(((), ("x-ignore-shared",)))) if ram is not None else (),
        uuid=draw(st.none() | st.binary(min_size=16, max_size=16)),
        page_bits=draw(st.sampled_from((None, 12))),
        ram=ram,
        form="postcopy" if postcopy else "precopy",
        footers=footers,
        described=described or not footers,
    )


_CONTENTS: Final = st.integers(0, 255) | st.binary(max_size=16).map(lambda drawn: drawn.ljust(PAGE_SIZE, b"\0"))
_LENGTHS: Final = dict.fromkeys(_BLOCKS, 16 * PAGE_SIZE)


@st.composite
def _devices(draw: st.DrawFn, known: Mapping[tuple[str, int], Schema] | None) -> list[Device]:
    """A few devices, no two of one name and instance."""
    if known is not None:
        keys = draw(st.lists(st.sampled_from(sorted(known)), max_size=_FEW, unique=True)) if known else []
        return [_device(draw, known[key], *key) for key in keys]
    drawn = draw(st.lists(schemas(), max_size=_FEW))
    return [_device(draw, schema, f"0000:00:{i:02x}.0/{schema.name}", 0) for i, schema in enumerate(drawn)]


def _device(draw: st.DrawFn, schema: Schema, name: str, instance: int) -> Device:
    return Device(schema, name, instance, draw(_partial(schema, _counting(schema), _FEW)))


@st.composite
def near_valid_streams(
    draw: st.DrawFn, base: Stream | bytes | st.SearchStrategy[Stream] | st.SearchStrategy[bytes] | None = None
) -> bytes:
    """Bytes that are nearly a stream: one to four things of a valid one are wrong.

    Records are dropped, doubled, swapped, given another id, version, kind or footer; then bytes are cut, changed,
    inserted, repeated, or taken for lengths. `base`: a stream, its bytes, or a strategy of either; None: `streams()`.
    """
    if base is None:
        base = streams()
    drawn: Any = draw(base) if isinstance(base, st.SearchStrategy) else base
    if isinstance(drawn, Stream):
        for _ in range(draw(st.integers(0, 2))):
            drawn = draw(_wrong_records(drawn))
        drawn = write(drawn)
    data: bytes = drawn
    for damage in draw(st.lists(_DAMAGES, max_size=2)):
        data = damage(data)
    return data


@st.composite
def _wrong_records(draw: st.DrawFn, stream: Stream) -> Stream:
    """The same with one record out of order."""
    if not stream.records:
        return stream
    at = draw(st.integers(0, len(stream.records) - 1))
    other = draw(st.integers(0, len(stream.records) - 1))
    record = stream.records[at]
    match draw(st.sampled_from(("drop", "double", "swap", "section", "command"))):
        case "drop":
            return stream.replace_record(at)
        case "double":
            return stream.replace_record(at, record, record)
        case "swap":
            records = list(stream.records)
            records[at], records[other] = records[other], records[at]
            return stream.with_records(records)
        case "command":
            return stream.replace_record(at, draw(commands()), record)
        case _:
            if not isinstance(record, Section):
                return stream
            number = draw(st.sampled_from((0, 1, record.section_id, 0xFFFF_FFFF)))
            change: dict[str, Any] = draw(
                st.sampled_from(
                    (
                        {"footer": None},
                        {"footer": number},
                        {"section_id": number},
                        {"version": number},
                        {"instance": number},
                        {"name": ""},
                        {"kind": Kind.PART},
                        {"kind": Kind.START},
                    )
                )
            )
            return stream.replace_record(at, replace(record, **change))


def _cut(at: float) -> Callable[[bytes], bytes]:
    return lambda data: data[: int(at * len(data))]


def _overwrite(at: float, new: bytes) -> Callable[[bytes], bytes]:
    def damage(data: bytes) -> bytes:
        start = int(at * len(data))
        return (data[:start] + new + data[start + len(new) :])[: len(data)]

    return damage


def _insert(at: float, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data[: int(at * len(data))] + new + data[int(at * len(data)) :]


def _repeat(at: float, length: int, to: float) -> Callable[[bytes], bytes]:
    def damage(data: bytes) -> bytes:
        start, place = int(at * len(data)), int(to * len(data))
        return data[:place] + data[start : start + length] + data[place:]

    return damage


_PLACES: Final = st.floats(0, 1, exclude_max=True)
_WORDS: Final = st.sampled_from(SPECIAL[4]).map(lambda n: n.to_bytes(4, "big"))
_DAMAGES: Final[st.SearchStrategy[Callable[[bytes], bytes]]] = st.one_of(
    st.builds(_cut, _PLACES),
    st.builds(_overwrite, _PLACES, st.binary(min_size=1, max_size=8) | _WORDS),
    st.builds(_insert, _PLACES, st.binary(min_size=1, max_size=8)),
    st.builds(_repeat, _PLACES, st.integers(1, 64), _PLACES),
)
