from __future__ import annotations

from typing import Any

from vmformat.dump_vmstate import descriptions, merge_all, merge_dump
from vmformat.schema import Field, Schema


def told(name: str, size: int = 1, since: int = 0, *, exists: bool = False, **more: object) -> dict[str, Any]:
    return {"field": name, "version_id": since, "field_exists": exists, "size": size, **more}


def description(name: str, version: int, minimum: int, *fields: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"name": name, "version_id": version, "minimum_version_id": minimum, "Fields": list(fields), **more}


def test_versions() -> None:
    schema = Schema("d", 3, 3, (Field("a", "uint8"), Field("b", "uint8"), Field("c", "uint8")))
    merged = merge_dump(schema, description("d", 3, 1, told("a"), told("b", since=2), told("c", since=3, exists=True)))
    assert merged.minimum == 1
    assert [f.since for f in merged.fields] == [0, 2, 0]


def test_repeated_names_go_by_ordinal() -> None:
    schema = Schema("d", 1, 1, (Field("config[1]", "pci config", 4096), Field("port[0]", "uint8")))
    dump = description("d", 1, 1, told("config", 256, 1), told("config", 4096, 2), told("port[0]"))
    first, second = merge_dump(schema, dump).fields
    assert (first.since, first.plain_name) == (2, "config")
    assert second.plain_name == "port[0]"


def test_nested() -> None:
    inner = Schema("i", 2, 2, (Field("x", "uint8"),))
    schema = Schema("d", 1, 1, (Field("s", "struct", struct=inner),))
    dump = description("d", 1, 0, told("s", 99, Description=description("i", 2, 1, told("x", since=2))))
    assert merge_dump(schema, dump).fields[0].struct == Schema("i", 2, 1, (Field("x", "uint8", since=2),))


def test_unseen_subsections_are_guessed() -> None:
    sub = description("d/s", 1, 1, told("a", 2), told("b", 4, num=3), told("timer", 48), told("c", 5))
    merged = merge_dump(Schema("d", 1, 1, ()), description("d", 1, 1, Subsections=[sub]))
    fields = (Field("a", "uint16"), Field("b", "uint32", count=3), Field("timer", "timer"), Field("c", "buffer", 5))
    assert merged.subsections == (Schema("d/s", 1, 1, fields),)


def test_another_version_is_not_used() -> None:
    schema = Schema("d", 2, 2, (Field("a", "uint8"),))
    assert merge_dump(schema, description("d", 3, 1, told("a", since=3))) == schema


def test_merge_all_finds_descriptions_inside_others() -> None:
    dump = {
        "vmschkmachine": {"Name": "pc"},
        "dev": {"Name": "dev", "Description": description("d", 1, 0, told("s", 1, Description=description("i", 2, 1)))},
    }
    assert set(descriptions(dump)) == {"d", "i"}
    merged = merge_all({("i", 0): Schema("i", 2, 2, ()), ("x", 0): Schema("x", 1, 1, ())}, dump)
    assert [schema.minimum for schema in merged.values()] == [1, 1]


def test_of_several_with_one_name_the_one_that_fits_is_used() -> None:
    port = description("serial", 3, 1, told("divider", 2, 2), Subsections=[description("serial/tsr", 1, 1)])
    dump = {
        "mm": {"Description": description("serial", 3, 3, told("serial", 99, Description=port))},
        "isa": {"Description": description("serial", 3, 2, told("state", 99, Description=port))},
    }
    inner = Schema("serial", 3, 3, (Field("divider", "uint16"),))
    (merged,) = merge_all(
        {("serial", 0): Schema("serial", 3, 3, (Field("state", "struct", struct=inner),))}, dump
    ).values()
    assert merged.minimum == 2
    assert merged.fields[0].struct is not None
    assert [sub.name for sub in merged.fields[0].struct.subsections] == ["serial/tsr"]
