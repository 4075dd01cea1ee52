"""Shapes of a vmsd lend each other the arrays that were empty in one of them."""

from __future__ import annotations

from pathlib import Path

from vmformat import Field, Schema, read
from vmformat.store.arrays import completed

SLOT = Schema("slot", 1, 1, (Field("enabled", "uint8"),))
DEVS = Field("devs", "struct", count=4, struct=SLOT)
FULL = Schema("hotplug", 1, 1, (Field("selector", "uint32"), DEVS))
EMPTY = Schema("hotplug", 1, 1, (Field("selector", "uint32"),))
FREE = {("hotplug", "devs")}


def around(inner: Schema, *more: Field) -> Schema:
    hotplug = Schema("pm/hp", 1, 1, (Field("hp", "struct", struct=inner),))
    return Schema("pm", 3, 3, (Field("status", "uint16"), *more), (hotplug,))


def test_an_array_that_was_empty_is_there() -> None:
    one, other = completed([around(FULL), around(EMPTY, Field("index", "uint32"))], FREE)
    assert one == around(FULL)
    hotplug = other.subsections[0].fields[0].struct
    assert hotplug is not None
    assert [(field.name, field.count) for field in hotplug.fields] == [("selector", None), ("devs", 0)]


def test_what_is_no_array_of_the_machines_is_another_shape() -> None:
    schemas = [around(FULL), around(EMPTY)]
    assert completed(schemas, ()) == schemas


def test_memory_slots_of_an_old_machine_have_their_names() -> None:
    stream = read((Path(__file__).parent / "streams" / "pc-i440fx-2.3.vmstate").read_bytes())
    assert len(stream["piix4_pm/devs"].children) == 5
