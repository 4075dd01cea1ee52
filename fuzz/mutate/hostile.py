"""Hostile streams: families of bytes meant to make a reader slow, large or deep, each a function of a size.

The law that they put to the test: time grows no faster than the input, memory stays below 64 MB + 40 times its bytes,
nothing but StreamError comes out. `FAMILIES[name](n)` gives some bytes for each of `n`, at most about 120; doubling `n`
doubles what the family is about. The soak's inputs begin with small ones, the tests measure growing ones.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from vmformat import Command, Configuration, Eof, Header, Kind, Section, Stream, pack, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vmformat import Record

_CONFIG: Final = Configuration.build("pc-q35-7.2")


def _stream(records: Iterable[Record], description: bytes = b"") -> bytes:
    """A stream of these records."""
    trailing = b"\x06" + len(description).to_bytes(4, "big") + description if description else b""
    return write(Stream(Header(), _CONFIG, (*records, Eof()), trailing))


def _section(name: str, payload: bytes, number: int = 5, *, version: int = 1, footer: bool = True) -> Section:
    return Section(Kind.FULL, number, name, 0, version, payload, footer=number if footer else None)


def _described(name: str, fields: list[object], **more: object) -> bytes:
    device = {"name": name, "instance_id": 0, "vmsd_name": name, "version": 1, "fields": fields, **more}
    return json.dumps({"page_size": 4096, "devices": [device]}).encode()


def _field(name: str, type_: str, size: int, **more: object) -> dict[str, object]:
    return {"name": name, **more, "type": type_, "size": size}


def _word(number: int) -> bytes:
    return number.to_bytes(4, "big")


# Framing


def footers(n: int) -> bytes:
    """A payload that nobody knows, full of what looks like its footer."""
    return _stream([_section("unknown", (b"\x7e" + _word(5) + b"\xff") * n)])


def footers_before_records(n: int) -> bytes:
    """The same, each with what may be a record behind it, until one that is none."""
    return _stream([_section("unknown", (b"\x7e" + _word(5) + b"\x02" + _word(5)) * n)]) + b"\xff"


def sections(n: int) -> bytes:
    """Sections as small as they get."""
    return _stream(_section("d", b"", i) for i in range(n))


def sections_that_fail(n: int) -> bytes:
    """Sections described as longer than they are, so that each must be looked for."""
    description = _described("d", [_field("n", "uint32", 4), _field("a", "buffer", 1 << 20)])
    return _stream([_section("d", b"\1\2\3", i) for i in range(n)], description)


def sections_without_footers(n: int) -> bytes:
    """Described sections without footers."""
    description = _described("d", [_field("n", "uint32", 4)])
    return _stream([_section("d", b"\1\2\3\4", i, footer=False) for i in range(n)], description)


def sections_well_known(n: int) -> bytes:
    """Sections of a device that everybody knows, with a few bytes that are not it."""
    return _stream(Section(Kind.FULL, i, "cpu", i, 12, bytes(40), footer=i) for i in range(n))


def packages_well_known(n: int) -> bytes:
    """The same, each in a package."""
    return _stream(pack([Section(Kind.FULL, 1, "cpu", 0, 12, bytes(40), footer=1)]) for _ in range(n))


def sections_named_alike(n: int) -> bytes:
    """Sections of one name and many instances."""
    return _stream(Section(Kind.FULL, i, "PCIBUS", i, 1, bytes(8), footer=i) for i in range(n))


def parts(n: int) -> bytes:
    """PARTs of what never started."""
    return _stream(Section(Kind.PART, i, "", 0, 0, b"", footer=i) for i in range(n))


def wrong_footers(n: int) -> bytes:
    """Sections whose footers are of others."""
    return _stream(Section(Kind.FULL, i, "d", 0, 1, b"", footer=i + 1) for i in range(n))


def gaps(n: int) -> bytes:
    """A byte that is no record before each record."""
    part = Section(Kind.PART, 5, "", 0, 0, b"", footer=5).to_bytes()
    return _stream([_section("d", b"")])[:-1] + (b"\xff" + part) * n + b"\0"


def unfinished(n: int) -> bytes:
    """Section heads one after the other, no payload, no footer."""
    head = _section("virtio-net", b"", footer=False).to_bytes()
    return _stream([])[:-1] + head * n


def commands(n: int) -> bytes:
    """Commands."""
    return _stream(Command.ping(i) for i in range(n))


def discards(n: int) -> bytes:
    """Commands with long lists."""
    ranges = bytes(16) * 64
    payload = b"\0\6pc.ram\0" + ranges
    return _stream(Command(6, payload) for _ in range(n // 64 + 1))


def packages(n: int) -> bytes:
    """Packages with one small section each."""
    inside = _section("d", b"\1").to_bytes() + b"\0"
    return _stream(Command.packaged(inside) for _ in range(n))


def packages_among_sections(n: int) -> bytes:
    """A package behind each section, and a long tail behind it all."""
    records: list[Record] = []
    for i in range(n):
        records += [_section("d", b"", i), Command.packaged(b"\0")]
    return _stream(records, _described("d", [])) + bytes(8 * n)


def nested_packages(n: int) -> bytes:
    """Packages in packages: each is the head of the next, whose length stands in the main channel."""
    head = bytes.fromhex("08 0007 0004")
    return _stream([])[:-1] + head + (_word(len(head)) + head) * n + _word(1) + b"\0" * (n + 3)


def zeros(n: int) -> bytes:
    """Nothing but EOFs."""
    return _stream([]) + bytes(10 * n)


def trailing_marks(n: int) -> bytes:
    """What looks like the beginning of a VMDESCRIPTION, again and again."""
    return _stream([]) + (b"\x06" + _word(1 << 30) + b'{"page_size"') * n


def trailing_marks_that_fit(n: int) -> bytes:
    """The same, each of a length that fits."""
    return _stream([]) + (b"\x06" + _word(12) + b'{"page_size"') * n


def configuration(n: int) -> bytes:
    """A list of capabilities."""
    names = [{"name": b"x-ignore-shared"}] * n
    config = Configuration.build("pc", {"configuration/capabilities": {"count": n, "capabilities": names}})
    return write(Stream(Header(), config, (Eof(),)))


def configuration_again(n: int) -> bytes:
    """One subsection of the configuration, again and again."""
    sub = b"\x05" + bytes([len(b"configuration/uuid")]) + b"configuration/uuid" + _word(1) + bytes(16)
    return write(Stream(Header(), Configuration(_CONFIG.payload + sub * n), (Eof(),)))


# Payloads


def array(n: int) -> bytes:
    """A long array of structs."""
    inner = {"vmsd_name": "e", "version": 1, "fields": [_field("x", "uint8", 1), _field("y", "uint32", 4)]}
    description = _described("d", [_field("a", "struct", 5, array_len=n, struct=inner)])
    return _stream([_section("d", bytes(5 * n))], description)


def array_beyond(n: int) -> bytes:
    """Sections described as arrays far longer than all the rest."""
    description = _described("d", [_field("a", "uint64", 8, array_len=0x7FFF_FFFF)])
    return _stream([_section("d", bytes(8), i) for i in range(n)], description)


def array_of_nothing(n: int) -> bytes:
    """Arrays of structs without a byte, of any length."""
    inner = {"vmsd_name": "e", "version": 1, "fields": []}
    description = _described("d", [_field("a", "struct", 0, array_len=0x7FFF_FFFF, struct=inner)])
    return _stream([_section("d", b"", i) for i in range(n)], description)


def array_that_varies(n: int) -> bytes:
    """An array of structs whose elements are lists, so that none is as long as another."""
    element = {"vmsd_name": "f", "version": 1, "fields": [_field("x", "uint8", 1)]}
    of_lists = {"vmsd_name": "e", "version": 1, "fields": [_field("l", "qtailq", 1, **element)]}
    description = _described("d", [_field("a", "struct", 1, array_len=n, struct=of_lists)])
    return _stream([_section("d", b"".join(b"\1\1" * (i % 3) + b"\0" for i in range(n)))], description)


def list_(n: int) -> bytes:
    """A long list."""
    element = {"vmsd_name": "e", "version": 1, "fields": [_field("x", "uint8", 1)]}
    return _stream([_section("d", b"\1\2" * n + b"\0")], _described("d", [_field("l", "qtailq", 1, **element)]))


def list_without_end(n: int) -> bytes:
    """A list that goes on into all that follows, in many sections."""
    element = {"vmsd_name": "e", "version": 1, "fields": []}
    description = _described("d", [_field("l", "qtailq", 1, **element)])
    return _stream([_section("d", b"\1" * 8, 0x01010101) for _ in range(n)], description)


def lists_in_lists(n: int) -> bytes:
    """Lists of lists of lists."""
    element: dict[str, object] = {"vmsd_name": "e0", "version": 1, "fields": [_field("x", "uint8", 1)]}
    for level in range(1, 8):
        element = {"vmsd_name": f"e{level}", "version": 1, "fields": [_field("l", "qtailq", 1, **element)]}
    one = b"\1" * 8 + b"\2" + b"\0" * 7
    return _stream([_section("d", one * n + b"\0")], _described("d", [_field("l", "qtailq", 1, **element)]))


def structs_in_structs(n: int) -> bytes:
    """A schema as deep as JSON can be read, for a few bytes."""
    inner: dict[str, object] = {"vmsd_name": "e", "version": 1, "fields": [_field("x", "uint8", 1)]}
    for _ in range(min(n, 2000)):
        inner = {"vmsd_name": "e", "version": 1, "fields": [_field("s", "struct", 1, struct=inner)]}
    text = _deep_json(inner)
    device = b'{"name": "d", "instance_id": 0, "vmsd_name": "d", "version": 1, "fields": '
    device += b'[{"name": "s", "type": "struct", "size": 1, "struct": ' + text + b"}]}"
    return _stream([_section("d", b"\1")], b'{"page_size": 4096, "devices": [' + device + b"]}")


def _deep_json(value: dict[str, object]) -> bytes:
    """`json.dumps` without its recursion."""
    head: list[str] = []
    tail: list[str] = []
    while True:
        fields = value["fields"]
        assert isinstance(fields, list)
        field = fields[0]
        struct = field.get("struct")
        if struct is None:
            return "".join((*head, json.dumps(value), *reversed(tail))).encode()
        head.append('{"vmsd_name": "e", "version": 1, "fields": [{"name": "s", "type": "struct", "size": 1, "struct": ')
        tail.append("}]}")
        value = struct


def subsections(n: int) -> bytes:
    """One subsection, again and again."""
    sub = {"vmsd_name": "d/s", "version": 1, "fields": [_field("x", "uint8", 1)]}
    description = _described("d", [_field("n", "uint8", 1)], subsections=[sub])
    return _stream([_section("d", b"\0" + b"\x05\x03d/s\0\0\0\1\7" * n)], description)


def subsections_unknown(n: int) -> bytes:
    """What looks like subsections and is none."""
    sub = {"vmsd_name": "d/s", "version": 1, "fields": [_field("x", "uint8", 1)]}
    description = _described("d", [_field("n", "uint8", 1)], subsections=[sub])
    return _stream([_section("d", b"\0" + b"\x05\x03d/t\0\0\0\1\7" * n)], description)


def virtio(n: int) -> bytes:
    """Virtio sections of a few bytes without any description: whatever shape is tried, none fits."""
    return _stream(_section(f"0000:00:{i % 32:02x}.0/virtio-net", b"\0\0\0\2" * 2, i) for i in range(n))


def virtio_queues(n: int) -> bytes:
    """A virtio section of as many queues as there are bytes for."""
    payload = bytes(12) + bytes(12) + _word(n) + bytes(18 * n)
    return _stream([_section("virtio-mmio@0/virtio-rng", payload)])


def virtio_requests(n: int) -> bytes:
    """Announcements of requests under way, of which there is not one byte."""
    payload = bytes(12) + bytes(12) + _word(0) + b"\1" * n
    return _stream([_section("virtio-mmio@0/virtio-blk", payload)])


# VMDESCRIPTION


def described_fields(n: int) -> bytes:
    """A description of very many fields."""
    return _stream([_section("d", bytes(n))], _described("d", [_field(f"f{i}", "uint8", 1) for i in range(n)]))


def described_devices(n: int) -> bytes:
    """A description of very many devices."""
    one = '{{"name": "d", "instance_id": {}, "vmsd_name": "d", "version": 1, "fields": []}}'
    text = ", ".join(one.format(i) for i in range(n))
    return _stream([_section("d", b"")], f'{{"page_size": 4096, "devices": [{text}]}}'.encode())


def described_elements(n: int) -> bytes:
    """An array described element by element, no two of them alike."""
    fields: list[object] = [_field("a", f"uint{8 << i % 2}", 1 + i % 2, index=i) for i in range(n)]
    return _stream([_section("d", bytes(n + n // 2))], _described("d", fields))


def described_list(n: int) -> bytes:
    """A list whose elements have each a subsection of another name: they are merged into one schema."""
    empty = '"version": 1, "fields": []'
    elements = (f'"vmsd_name": "e", {empty}, "subsections": [{{"vmsd_name": "e/{i}", {empty}}}]' for i in range(n))
    field = f'{{"name": "l", "type": "qtailq", {", ".join(elements)}, "size": 1}}'
    device = f'{{"name": "d", "instance_id": 0, "vmsd_name": "d", "version": 1, "fields": [{field}]}}'
    return _stream([_section("d", b"\0")], f'{{"page_size": 4096, "devices": [{device}]}}'.encode())


def described_subsections(n: int) -> bytes:
    """The same subsection described again and again, each time with another one inside."""
    subs: list[object] = [
        {
            "vmsd_name": "d/s",
            "version": 1,
            "fields": [],
            "subsections": [{"vmsd_name": f"d/s/{i}", "version": 1, "fields": []}],
        }
        for i in range(n)
    ]
    return _stream([_section("d", b"")], _described("d", [], subsections=subs))


# RAM


def _ram(*payloads: bytes) -> bytes:
    head = Section(Kind.START, 2, "ram", 0, 4, (0x1004).to_bytes(8, "big") + b"\1a" + bytes(6) + b"\x10\0" + _EOS)
    head = Section(Kind.START, 2, "ram", 0, 4, head.payload, footer=2)
    return _stream([head, *(Section(Kind.PART, 2, "ram", 0, 4, one, footer=2) for one in payloads)])


_EOS: Final = (0x10).to_bytes(8, "big")
_ZERO: Final = (0x22).to_bytes(8, "big") + b"\0"


def ram_zeros(n: int) -> bytes:
    """Zero pages of one block."""
    return _ram(b"".join((0x22 | i << 12).to_bytes(8, "big") + b"\0" for i in range(n)) + _EOS)


def ram_zeros_without_end(n: int) -> bytes:
    """Sections of zero pages without an EOS, so that each runs on."""
    return _ram(*(_ZERO * 2 for _ in range(n)))


def ram_names(n: int) -> bytes:
    """Zero pages that name their block each."""
    return _ram(b"".join((0x02 | i << 12).to_bytes(8, "big") + b"\1a\0" for i in range(n)) + _EOS)


def ram_sections(n: int) -> bytes:
    """Rounds without a page."""
    return _ram(*(_EOS for _ in range(n)))


def ram_blocks(n: int) -> bytes:
    """A long list of blocks of no length, then the one that ends it."""
    head = (0x1004).to_bytes(8, "big") + b"\1b" + bytes(8)
    return _ram(head + (b"\1b" + bytes(8)) * n + b"\1b" + (0x1000).to_bytes(8, "big") + _EOS)


def ram_compressed(n: int) -> bytes:
    """XBZRLE pages without a byte."""
    return _ram(((0x60).to_bytes(8, "big") + b"\1\0\0") * n + _EOS)


def bitmaps(n: int) -> bytes:
    """Pieces of a dirty bitmap."""
    piece = b"\x42" + bytes(12)
    return _stream([Section(Kind.START, 3, "dirty-bitmap", 0, 1, piece * n + b"\1", footer=3)])


def blocks(n: int) -> bytes:
    """Progress of a block migration."""
    payload = b"".join((i << 9 | 4).to_bytes(8, "big") for i in range(n)) + (2).to_bytes(8, "big")
    return _stream([Section(Kind.START, 3, "block", 0, 1, payload, footer=3)])


FAMILIES: Final[dict[str, Callable[[int], bytes]]] = {
    function.__name__.strip("_"): function
    for function in (
        footers, footers_before_records, sections, sections_that_fail, sections_without_footers, sections_named_alike,
        sections_well_known, packages_well_known,
        parts, wrong_footers, gaps, unfinished, zeros, commands, discards,
        packages, packages_among_sections, nested_packages,
        trailing_marks, trailing_marks_that_fit, configuration, configuration_again,
        array, array_beyond, array_of_nothing, array_that_varies, list_, list_without_end, lists_in_lists,
        structs_in_structs, subsections, subsections_unknown, virtio, virtio_queues, virtio_requests,
        described_fields, described_devices, described_elements, described_list, described_subsections,
        ram_zeros, ram_zeros_without_end, ram_names, ram_sections, ram_blocks, ram_compressed, bitmaps, blocks,
    )
}  # fmt: skip
"""All families by name."""
