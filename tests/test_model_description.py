"""Descriptions: what is wrong with one is one line that says where."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from model import DescriptionError, Machine, from_json, parse


def changed(*path: Any, value: Any) -> dict[str, Any]:
    document: Any = tiny.description()
    place = document
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return dict(document)


WRONG = {
    "format": (changed("format", value=2), "format: expected 1, found 2"),
    "no name": (changed("name", value=...), "name: expected a value, found nothing"),
    "region's kind": (changed("regions", 0, "kind", value="blob"), "regions[0].kind: expected one of"),
    "region's size": (changed("regions", 0, "size", value="big"), "regions[0].size: expected a number, found 'big'"),
    "config row": (changed("pci", 0, "config", value=["xyz"]), "pci[0].config[0]: expected a row"),
    "config size": (changed("pci", 0, "size", value=300), "pci[0].size: expected 256 or 4096, found 300"),
    "mask": (changed("pci", 0, "compare", value={"00-ffff": "ff"}), "pci[0].compare.00-ffff: expected offsets below"),
    "BAR size": (changed("pci", 0, "bars", 0, "size", value=3), "pci[0].bars[0].size: expected a power of two"),
    "schema": (changed("schemas", "timer", value={}), "schemas.timer: expected a schema"),
}


@pytest.mark.parametrize(("document", "line"), WRONG.values(), ids=WRONG.keys())
def test_wrong_documents(document: dict[str, Any], line: str) -> None:
    with pytest.raises(DescriptionError) as raised:
        from_json(document)
    assert str(raised.value).startswith(line)
    assert "\n" not in str(raised.value)


DANGLING = {
    "alias target": (changed("regions", 3, "target", value="nobody"), "regions.ram-below-4g.target"),
    "alias of itself": (changed("regions", 3, "target", value="ram-below-4g"), "regions.ram-below-4g.target"),
    "container": (changed("regions", 3, "container", value="nobody"), "container: expected the id of a region"),
    "space": (changed("spaces", value=[]), "spaces: expected an address space named 'memory'"),
    "BAR region": (changed("pci", 0, "bars", 0, "region", value="nobody"), "pci.0000:00:02.0: expected the id"),
    "function": (changed("sections", 2, "function", value="0000:00:1f.0"), "sections.0000:00:02.0/virtio-blk"),
    "schema": (changed("sections", 0, "schema", value="nothing"), "sections.timer.schema"),
}


@pytest.mark.parametrize(("document", "line"), DANGLING.values(), ids=DANGLING.keys())
def test_references_to_nothing(document: dict[str, Any], line: str) -> None:
    with pytest.raises(DescriptionError) as raised:
        Machine(from_json(document))
    assert str(raised.value).startswith(line)


def test_what_is_not_json() -> None:
    with pytest.raises(DescriptionError, match="expected JSON"):
        parse(b"{")


def test_the_hash_is_that_of_the_content_not_of_the_layout() -> None:
    document = tiny.description()
    plain, spaced = json.dumps(document), json.dumps(document, indent=3, sort_keys=True)
    assert parse(plain).sha256 == parse(spaced).sha256
    assert parse(plain).sha256 != from_json(changed("name", value="other")).sha256


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(key=st.sampled_from(sorted(tiny.description())), value=JSON)
def test_whatever_stands_at_a_key_is_taken_or_refused(key: str, value: object) -> None:
    with contextlib.suppress(DescriptionError):
        Machine(from_json(tiny.description() | {key: value}))
