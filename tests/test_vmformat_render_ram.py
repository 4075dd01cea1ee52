"""The RAM in a stream: blocks, pages by kind, runs of pages with where they stand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendered import RAM, SCHEMAS, STREAM

from vmformat import Configuration, Eof, Kind, Section, Stream, pack, read, write
from vmformat.errors import Fault
from vmformat.ram.context import RamContext
from vmformat.render import plain
from vmformat.render.pages import Block, RamReader, Run
from vmformat.render.ram import Ram

TABLE = """\
block        size        zero   in stream
pd          8 KiB           2        21 B
total       8 KiB           2        21 B

pd
offset      address                       pages  kind
0x0000005b  0x0..0x1fff                       2  zero
"""


def word(address: int, flags: int) -> bytes:
    return (address | flags).to_bytes(8, "big")


def page(address: int, flags: int, *rest: bytes) -> bytes:
    return word(address, flags) + b"".join(rest)


def walked(payload: bytes, context: RamContext | None = None) -> list[Block | Run | Fault]:
    section = Section(Kind.PART, 2, "ram", 0, 4, payload, context=context)
    start = section.payload_offset
    return list(RamReader().walk(section)) if start == 5 else []


FULL = b"\x11" * 4096
EOS = word(0, 0x10)

KINDS: dict[str, tuple[bytes, list[tuple[str | None, str, int, int]]]] = {
    "full pages that follow": (page(0, 8, b"\2pd", FULL) + page(4096, 0x28, FULL) + EOS, [("pd", "full", 0, 2)]),
    "a hole between": (
        page(0, 8, b"\2pd", FULL) + page(8192, 0x28, FULL) + EOS,
        [("pd", "full", 0, 1), ("pd", "full", 8192, 1)],
    ),
    "two blocks": (
        page(0, 2, b"\2pd", b"\0") + page(4096, 2, b"\2pe", b"\0") + EOS,
        [("pd", "zero", 0, 1), ("pe", "zero", 4096, 1)],
    ),
    "no block": (page(0, 0x22, b"\0") + EOS, [(None, "zero", 0, 1)]),
    "filled": (page(0, 2, b"\2pd", b"\xaa") + EOS, [("pd", "filled with aa", 0, 1)]),
    "xbzrle": (page(0, 0x40, b"\2pd", b"\1\0\2", b"\0\1") + EOS, [("pd", "xbzrle", 0, 1)]),
    "compressed": (page(0, 0x100, b"\2pd", b"\0\0\0\2", b"zz") + EOS, [("pd", "compressed", 0, 1)]),
    "flush between pages": (
        page(0, 8, b"\2pd", FULL) + word(0, 0x200) + page(4096, 0x28, FULL) + EOS,
        [("pd", "full", 0, 2)],
    ),
}


@pytest.mark.parametrize(("payload", "runs"), KINDS.values(), ids=KINDS.keys())
def test_runs(payload: bytes, runs: list[tuple[str | None, str, int, int]]) -> None:
    found = walked(payload)
    assert [(r.block, r.kind, r.address, r.pages) for r in found if isinstance(r, Run)] == runs
    assert not any(isinstance(item, Fault) for item in found)


def test_runs_say_where_their_records_stand() -> None:
    first, second = walked(page(0, 8, b"\2pd", FULL) + page(8192, 0x22, b"\0") + EOS)
    assert isinstance(first, Run)
    assert isinstance(second, Run)
    assert (first.offset, first.size) == (5, 11 + 4096)
    assert (second.offset, second.size, second.end) == (5 + 11 + 4096, 9, 12288)


def test_what_is_cut_off_is_a_fault_behind_the_rest() -> None:
    run, fault = walked(page(0, 8, b"\2pd", FULL) + page(4096, 0x28, FULL)[:100])
    assert isinstance(run, Run)
    assert run.pages == 1
    assert isinstance(fault, Fault)


def test_pages_of_other_sizes() -> None:
    payload = page(0, 8, b"\2pd", b"\1" * 16384) + page(16384, 0x28, b"\1" * 16384) + EOS
    (run,) = walked(payload, RamContext(page_size=16384))
    assert isinstance(run, Run)
    assert (run.pages, run.end) == (2, 32768)


def test_blocks_with_addresses() -> None:
    payload = word(0x2000, 4) + b"\2pd" + (0x2000).to_bytes(8, "big") + (0xE0000).to_bytes(8, "big") + EOS
    (block,) = walked(payload, RamContext(ignore_shared=True))
    assert block == Block(13, "pd", 0x2000, None, 0xE0000)


def test_mapped_ram_tells_pages_by_a_bitmap() -> None:
    bitmap = (0b1011).to_bytes(8, "little")
    start = 5 + 8 + 11 + 28
    head = b"".join((
        (1).to_bytes(4, "big"), (4096).to_bytes(8, "big"), start.to_bytes(8, "big"), (start + 8).to_bytes(8, "big"),
    ))  # fmt: skip
    pages = FULL + FULL + bytes(4096) + FULL
    payload = word(0x4000, 4) + b"\2pd" + (0x4000).to_bytes(8, "big") + head + bitmap + pages + EOS
    block, *runs = walked(payload, RamContext(mapped_ram=True))
    assert isinstance(block, Block)
    assert [(r.kind, r.address, r.pages) for r in runs if isinstance(r, Run)] == [
        ("mapped", 0, 2),
        ("mapped", 0x3000, 1),
    ]


def test_table() -> None:
    ram = Ram(read(write(STREAM), SCHEMAS), SCHEMAS)
    assert list(plain(ram.lines())) == TABLE.splitlines()


def test_json() -> None:
    ram = Ram(read(write(STREAM), SCHEMAS), SCHEMAS)
    document = json.loads("".join(ram.json()) + "}")
    assert document == {
        "runs": [{"block": "pd", "kind": "zero", "address": 0, "pages": 2, "offset": 0x5B, "size": 21}],
        "blocks": [{"name": "pd", "offset": 0x50, "length": 0x2000}],
    }


def test_runs_beyond_the_limit_are_counted() -> None:
    payload = b"".join(page(8192 * i, 2, b"\2pd", b"\0") for i in range(5)) + EOS
    stream = read(write(Stream(records=(Section(Kind.FULL, 2, "ram", 0, 4, payload, footer=2), Eof()))))
    rows = list(plain(Ram(stream).lines(limit=2)))
    assert rows[-1] == "            and 3 runs more (--all lists them)"
    assert rows[-2].split()[0] != rows[-3].split()[0]


def test_ram_in_packages_counts() -> None:
    section = Section(Kind.FULL, 2, "ram", 0, 4, RAM, footer=2)
    stream = read(write(Stream(records=(pack([section, Eof()]), Eof()), configuration=Configuration.build("pc"))))
    ram = Ram(stream)
    assert sum(run.pages for run in ram.items() if isinstance(run, Run)) == 2
    assert ram.found.blocks[0].name == "pd"


@given(st.binary(max_size=100), st.sampled_from([4096, 16384]))
def test_any_bytes_give_runs_and_at_most_one_fault(payload: bytes, size: int) -> None:
    found = walked(payload, RamContext(page_size=size))
    assert sum(isinstance(item, Fault) for item in found) <= 1
    section = Section(Kind.PART, 2, "ram", 0, 4, payload)
    ram = Ram(Stream(records=(section,)))
    assert all(row.isprintable() for row in plain(ram.lines()))
    json.loads("".join(Ram(Stream(records=(section,))).json()) + "}")
