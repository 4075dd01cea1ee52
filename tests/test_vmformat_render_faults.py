"""Faults as a table."""

from __future__ import annotations

from vmformat.errors import Fault
from vmformat.render import plain
from vmformat.render.faults import MOST, fault_table

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
