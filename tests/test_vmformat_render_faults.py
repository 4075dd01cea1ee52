"""Faults as a table."""

from __future__ import annotations

from rendered import DEVICE, NESTED, SCHEMAS

from vmformat import Eof, Kind, Section, Stream, pack, read, write
from vmformat.errors import Fault
from vmformat.render import plain
from vmformat.render.faults import MOST, all_faults, fault_table, in_order

TABLE = """\
2 faults
offset      field  expected    found
0x00000010  dev.n  more bytes  the end of the payload
0x00000020  -      07          ff\\x1b
"""


def test_table() -> None:
    faults = [Fault(16, "dev.n", "more bytes", "the end of the payload"), Fault(32, "", "07", "ff\x1b")]
    assert list(plain(fault_table(faults))) == TABLE.splitlines()


def test_no_faults() -> None:
    assert list(plain(fault_table([]))) == ["no faults"]


def test_a_great_many_are_counted() -> None:
    rows = list(plain(fault_table([Fault(i, "", "", "") for i in range(MOST + 5)])))
    assert rows[0] == f"{MOST + 5} faults"
    assert rows[-1] == "and 5 more"
    assert len(rows) == MOST + 3


def test_order_and_no_fault_twice() -> None:
    one, two = Fault(5, "a", "b", "c"), Fault(3, "a", "b", "c")
    assert in_order([one, two, one]) == [two, one]


def test_a_whole_stream_has_none() -> None:
    assert list(all_faults(read(NESTED, SCHEMAS), SCHEMAS)) == []


def test_faults_inside_sections_and_inside_packages() -> None:
    short = Section(Kind.FULL, 3, "dev", 0, 1, b"\0" * 10, footer=3)
    stream = Stream(records=(short, pack([short, Eof()]), Eof()))
    found = list(all_faults(read(write(stream), {("dev", 0): DEVICE}), {("dev", 0): DEVICE}))
    assert [fault.path for fault in found] == ["text", "text"]
    assert found[0].offset < found[1].offset
