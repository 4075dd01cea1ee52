"""Faults as a table."""

from __future__ import annotations

from rendered import DEVICE, NESTED, SCHEMAS

from vmformat import Eof, Kind, Section, Stream, read, write
from vmformat.errors import Fault
from vmformat.faults import every_fault
from vmformat.render import plain
from vmformat.render.faults import MOST, fault_table, placed

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


def test_faults_say_in_which_section_they_are() -> None:
    short = Section(Kind.FULL, 3, "dev", 0, 1, b"\0" * 10, footer=3)
    wrong = Section(Kind.FULL, 4, "dev", 1, 1, b"\0", footer=9)
    stream = read(write(Stream(records=(short, wrong, Eof()))), {("dev", 0): DEVICE, ("dev", 1): DEVICE}, tolerant=True)
    found = placed([*every_fault(stream), *every_fault(stream)], stream)
    assert [fault.path for fault in found][:3] == ["dev@0/text", "dev@1/level", "dev"]
    assert [fault.offset for fault in found] == sorted(fault.offset for fault in found)


def test_what_is_in_no_section_keeps_its_path() -> None:
    stream = read(NESTED, SCHEMAS)
    for fault in (Fault(2, "header", "", ""), Fault(len(NESTED) - 1, "vmdescription.length", "", "")):
        assert placed([fault], stream) == [fault]
