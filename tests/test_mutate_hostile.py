"""Hostile streams: each family is a function of a size, grows with it, and is what its words say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fuzz.mutate import hostile
from fuzz.mutate.hostile import FAMILIES
from vmformat import Command, Eof, Section, read

if TYPE_CHECKING:
    from collections.abc import Callable

BOUNDED = {"structs_in_structs"}
"""Those that grow as far as something else bears."""


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_grows_in_proportion_and_is_always_the_same(name: str) -> None:
    family = FAMILIES[name]
    small, twice, four = (len(family(n)) for n in (200, 400, 800))
    assert family(20) == family(20)
    assert 0.5 * (twice - small) <= (four - twice) / 2 <= 1.2 * (twice - small) + 2
    assert small < twice < four
    assert (four - twice) / 400 <= 130, "bytes for each step of the size"


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_has_a_small_one(name: str) -> None:
    for n in (0, 1, 2):
        data = FAMILIES[name](n)
        assert data.startswith(b"QEVM")
        assert len(data) < 1500


@pytest.mark.parametrize("name", FAMILIES)
def test_whatever_it_is_a_tolerant_reader_reads_it(name: str) -> None:
    read(FAMILIES[name](8), tolerant=True)


def test_all_that_is_there_is_among_them() -> None:
    functions = {
        name.strip("_")
        for name, value in vars(hostile).items()
        if callable(value) and getattr(value, "__module__", "") == hostile.__name__ and not name.startswith("_")
    }
    assert functions == {*FAMILIES}


def sections(data: bytes) -> list[Section]:
    return [one for one in read(data, tolerant=True).records if isinstance(one, Section)]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("sections", lambda data: len(sections(data))),
        ("sections_well_known", lambda data: len(sections(data))),
        ("sections_named_alike", lambda data: len({one.instance for one in sections(data) if one.name == "PCIBUS"})),
        ("commands", lambda data: sum(isinstance(one, Command) for one in read(data).records)),
        ("packages", lambda data: sum(isinstance(one, Command) for one in read(data).records)),
        ("zeros", lambda data: data.count(b"\0\0\0\0\0\0\0\0\0\0")),
        ("footers", lambda data: data.count(b"\x7e\0\0\0\5\xff")),
        ("array", lambda data: len(sections(data)[0].payload) // 5),
        ("described_devices", lambda data: len(described(data)["devices"])),
        ("described_fields", lambda data: len(described(data)["devices"][0]["fields"])),
        ("described_elements", lambda data: len(described(data)["devices"][0]["fields"])),
        ("described_subsections", lambda data: len(described(data)["devices"][0]["subsections"])),
        ("ram_sections", lambda data: sum(one.is_ram for one in sections(data)) - 1),
    ],
)
def test_of_what_it_is_about_there_is_as_much_as_asked(name: str, count: Callable[[bytes], int]) -> None:
    assert [count(FAMILIES[name](n)) for n in (1, 7, 20)] == [1, 7, 20]


def described(data: bytes) -> dict[str, list[dict[str, list[object]]]]:
    found: dict[str, list[dict[str, list[object]]]] = json.loads(data[data.index(b"{") :])
    return found


def test_schemas_are_as_deep_as_asked_as_far_as_json_goes() -> None:
    for n in (1, 30, 2000):
        text = FAMILIES["structs_in_structs"](n)
        assert text.count(b'"struct":') == n + 1
    assert FAMILIES["structs_in_structs"](3000) == FAMILIES["structs_in_structs"](2000)


@pytest.mark.parametrize(
    "name", ["sections", "commands", "packages", "parts", "array", "list", "ram_zeros", "virtio_queues"]
)
def test_what_is_framed_well_ends_with_its_eof(name: str) -> None:
    found = read(FAMILIES[name](5), tolerant=True)
    assert [one for one in found.records if isinstance(one, Eof)]
