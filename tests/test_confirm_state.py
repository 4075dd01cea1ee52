"""Device state, field by field."""

from __future__ import annotations

from fuzz.confirm.state import fields
from vmformat import Field, Kind, Schema, Section


def test_arrays_are_told_element_by_element_and_images_row_by_row() -> None:
    row = Schema("row", 1, 1, (Field("pixels", "uint32", count=2),))
    schema = Schema("x", 1, 1, (Field("a", "uint16", count=2), Field("row", "struct", struct=row)))
    section = Section(Kind.FULL, 1, "x", 0, 1, bytes(range(12)), schema)
    assert fields(section) == {"a[0]": 0x0001, "a[1]": 0x0203, "row.pixels[]": bytes(range(4, 12))}
