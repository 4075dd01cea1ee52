"""Schemas with other fields: found wherever they stand, and nothing else is changed."""

from __future__ import annotations

from model.seeded.revised import revised, without
from vmformat import Field, Schema

INNER = Schema("inner", 1, 1, (Field("number", "uint32"), Field("more", "uint8")))
SUB = Schema("outer/sub", 1, 1, (Field("number", "uint32"), Field("again", "struct", struct=INNER)))
OUTER = Schema("outer", 1, 1, (Field("number", "uint32"), Field("of", "struct", count=2, struct=INNER)), (SUB,))


def test_a_field_is_found_in_structs_and_subsections() -> None:
    found = revised(OUTER, "inner", "number", type="uint16")
    for struct in (found.field("of").struct, found.subsections[0].field("again").struct):
        assert struct is not None
        assert [field.type for field in struct.fields] == ["uint16", "uint8"]
    assert found.field("number").type == found.subsections[0].field("number").type == "uint32"
    assert found.field("of").count == 2


def test_a_field_is_taken_away() -> None:
    found = without(OUTER, "outer", "number")
    assert [field.name for field in found.fields] == ["of"]
    assert found.subsections == OUTER.subsections


def test_what_is_not_there_changes_nothing() -> None:
    assert without(OUTER, "inner", "none") == revised(OUTER, "none", "number", type="uint8") == OUTER
