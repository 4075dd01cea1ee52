"""Schemas of another machine: an array gets the length that the payload shows."""

from __future__ import annotations

import pytest

from vmformat import Count, Field, Schema, decode
from vmformat.reading.stretch import stretched

SLOT = Schema("slot", 1, 1, (Field("enabled", "uint8"), Field("size", "uint32")))
HOTPLUG = Schema("hotplug", 1, 1, (Field("selector", "uint32"), Field("devs", "struct", count=4, struct=SLOT)))
PM = Schema(
    "pm", 1, 1, (Field("status", "uint16"),), (Schema("pm/memhp", 1, 1, (Field("hp", "struct", struct=HOTPLUG),)),)
)
GIC = Schema("gic", 1, 1, (Field("ctlr", "uint32"), Field("cpu", "struct", struct=SLOT), Field("end", "uint8")))
LIST = Schema("list", 1, 1, (Field("n", "uint8"), Field("x", "uint8", count=Count("n")), Field("y", "uint8", count=2)))
MEMHP = b"\0\7" + b"\5\x08pm/memhp\0\0\0\1" + b"\0\0\0\3"


@pytest.mark.parametrize(
    ("schema", "payload", "path", "count"),
    [
        pytest.param(PM, MEMHP + bytes(5 * 2), "pm/memhp.hp.devs", 2, id="fewer slots, in a subsection"),
        pytest.param(PM, MEMHP, "pm/memhp.hp.devs", 0, id="no slot"),
        pytest.param(PM, MEMHP + bytes(5 * 9), "pm/memhp.hp.devs", 9, id="more slots"),
        pytest.param(GIC, bytes(4) + bytes(5 * 3) + b"\1", "cpu", 3, id="what stood alone is an array"),
        pytest.param(LIST, b"\2ab" + bytes(5), "y", 5, id="an array beside one that is counted"),
    ],
)
def test_an_array_gets_its_length(schema: Schema, payload: bytes, path: str, count: int) -> None:
    found = stretched(schema, payload)
    assert found is not None
    node = decode(found, payload).find(path)
    assert node is not None
    assert len(node.value if isinstance(node.value, tuple | bytes) else node.children) == count


@pytest.mark.parametrize("payload", [b"", b"\0", MEMHP[:-1], MEMHP + b"1234"], ids=["none", "cut", "cut array", "part"])
def test_what_is_no_number_of_elements(payload: bytes) -> None:
    assert stretched(PM, payload) is None
