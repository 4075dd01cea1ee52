"""What several streams teach together: lengths of arrays, shapes, field versions."""

from __future__ import annotations

import pytest

from vmformat import Count, Field, Kind, Schema, Section
from vmformat.store.learn import Learner


def counted(n: int, count: int | None) -> Schema:
    array = () if n == 0 else (Field("list", "uint16", count=count),)
    return Schema("dev", 1, 1, (Field("other", "uint8"), Field("n", "uint32"), *array, Field("end", "uint8")))


def section(schema: Schema, payload: bytes) -> Section:
    return Section(Kind.FULL, 1, "dev", 0, schema.version, payload, schema, 1)


def learnt(*pairs: tuple[Schema, bytes]) -> Learner:
    learner = Learner()
    for schema, payload in pairs:
        learner.add(section(schema, payload))
    return learner


def array(n: int, other: int = 9) -> tuple[Schema, bytes]:
    return counted(n, None if n == 1 else n), bytes([other]) + n.to_bytes(4, "big") + bytes(2 * n) + b"\xff"


@pytest.mark.parametrize("lengths", [(2, 5), (5, 2, 0), (2, 3, 1)], ids=["two", "one is empty", "one of one element"])
def test_a_number_that_counts(lengths: tuple[int, ...]) -> None:
    learner = learnt(*(array(n) for n in lengths))
    assert learner.counts() == {("dev", "list"): Count("n")}
    (found,) = learner.schemas()["dev", 1]
    assert found.seen == len(lengths)
    assert found.schema.field("list").count == Count("n")
    assert [f.name for f in found.schema.fields] == ["other", "n", "list", "end"]


def test_a_length_that_nothing_counts() -> None:
    schemas = [Schema("dev", 1, 1, (Field("n", "uint8"), Field("list", "uint16", count=n))) for n in (2, 3)]
    learner = learnt(*((schema, b"\7" + bytes(2 * n)) for schema, n in zip(schemas, (2, 3), strict=True)))
    assert learner.counts() == {}
    assert learner.free() == {("dev", "list")}
    assert [one.schema.field("list").count for one in learner.schemas()["dev", 1]] == [2, 3]


def test_a_field_that_is_there_or_not_makes_a_shape() -> None:
    long = Schema("dev", 1, 1, (Field("a", "uint8"), Field("b", "uint8")))
    short = Schema("dev", 1, 1, (Field("a", "uint8"),))
    learner = learnt((short, b"1"), (long, b"12"), (long, b"34"))
    assert [(one.schema, one.seen) for one in learner.schemas()["dev", 1]] == [(long, 2), (short, 1)]


def test_subsections_of_all_are_known() -> None:
    one, two = (Schema(f"dev/{name}", 1, 1, (Field(name, "uint8"),)) for name in ("x", "y"))
    head = (Field("a", "uint8"),)
    learner = learnt(
        (Schema("dev", 1, 1, head, (one,)), b"a\5\5dev/x\0\0\0\1x"),
        (Schema("dev", 1, 1, head, (two,)), b"a\5\5dev/y\0\0\0\1y"),
    )
    (found,) = learner.schemas()["dev", 1]
    assert found.schema.subsections == (one, two)


def test_opaque_state_is_of_any_size() -> None:
    learner = learnt(*((Schema("dev", 1, 1, (Field("virtio", "virtio", n),)), bytes(n)) for n in (3, 4)))
    (found,) = learner.schemas()["dev", 1]
    assert found.schema.fields == (Field("virtio", "virtio", 0),)


def test_a_dump_adds_what_no_stream_shows() -> None:
    more = {"name": "dev/more", "version_id": 1, "minimum_version_id": 1, "Fields": []}
    dump = {
        "dev": {
            "Description": {
                "name": "dev",
                "version_id": 3,
                "minimum_version_id": 2,
                "Fields": [{"field": "a", "version_id": 3, "field_exists": False, "size": 1}],
                "Subsections": [more],
            }
        }
    }
    learner = learnt((Schema("dev", 3, 3, (Field("a", "uint8"),)), b"a"))
    (found,) = learner.schemas([dump])["dev", 3]
    assert (found.schema.minimum, found.schema.fields[0].since) == (2, 3)
    assert [sub.name for sub in found.schema.subsections] == ["dev/more"]
