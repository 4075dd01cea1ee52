"""Fields that another one announces, and sections of older versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import leaf_of, stream

from fuzz.mutate.guards import guarded, guards_of, numbers_for, older, versions_of
from fuzz.mutate.index import index_of, read_leaf
from fuzz.mutate.scene import Scene
from fuzz.mutate.sections import kind_of
from fuzz.mutate.trials import enumerate_trials
from vmformat import Section

if TYPE_CHECKING:
    from fuzz.mutate.guards import Guard


def found(machine: str, kind: str) -> Section:
    return next(one for one in stream(machine).sections if kind_of(one) == kind)


def guard(section: Section, pattern: str) -> Guard:
    return next(one for one in guards_of(section) if one.pattern == pattern)


@pytest.mark.parametrize(
    ("machine", "kind", "pattern", "numbers", "more"),
    [
        ("pc-small", "ide", "bus[0].ifs.identify_set", (1,), (512,)),
        ("pc-small", "virtio-net", "virtio.head.features_lo", (4,), (8,)),
        ("pc-attic", "pciespscsi", "esp.mig_version_id", (4, 5), (1, -1)),
        ("virtio-zoo", "virtio-console", "virtio.device.ports.has_element", (1,), (49180,)),
    ],
)
def test_what_a_guard_announces_comes_with_it(
    machine: str, kind: str, pattern: str, numbers: tuple[int, ...], more: tuple[int, ...]
) -> None:
    section = found(machine, kind)
    one = guard(section, pattern)
    assert numbers_for(section, one) == numbers
    for number, length in zip(numbers, more, strict=True):
        made = guarded(section, one, number)
        assert made is not None
        assert len(made.payload) - len(section.payload) == length
        assert made.read_payload()[1] is None
        assert read_leaf(made, leaf_of(made, pattern.rpartition(".")[2])) == number


def test_a_guard_that_is_let_go_of_takes_its_fields_along() -> None:
    section = found("pc-small", "virtio-net")
    longer = guarded(section, guard(section, "virtio.head.features_lo"), 4)
    assert longer is not None
    back = guard(longer, "virtio.head.features_lo")
    assert numbers_for(longer, back) == (0,)
    made = guarded(longer, back, 0)
    assert made is not None
    assert made.payload == section.payload


def test_a_count_is_no_guard_of_what_it_counts() -> None:
    section = found("pc-small", "virtio-net")
    assert [one.pattern for one in guards_of(section)] == ["virtio.head.features_lo"]


@pytest.mark.parametrize(
    ("kind", "versions", "more"),
    [("mc146818rtc", (2, 1), (-40, -48)), ("ide", (2, 0), (-112, -116)), ("PIIX3", (2,), (-16,)), ("pcspk", (), ())],
)
def test_an_older_section_has_no_later_fields(kind: str, versions: tuple[int, ...], more: tuple[int, ...]) -> None:
    section = found("pc-small", kind)
    assert versions_of(section) == versions
    for version, length in zip(versions, more, strict=True):
        made = older(section, version)
        assert made is not None
        assert made.version == version
        assert len(made.payload) - len(section.payload) == length
        assert made.read_payload()[1] is None


def test_both_are_tried_with_what_comes_with_them() -> None:
    section = found("pc-small", "ide")
    trials = [one for one in enumerate_trials([stream("pc-small")], Scene()) if one.kind == "ide"]
    label = "guard:bus[0].ifs.identify_set:1"
    filled = [
        index.places[pattern][0]
        for one in trials
        if one.field.startswith(label)
        for made in one.apply(section) or ()
        if isinstance(made, Section) and (index := index_of(made)) is not None
        for pattern in index.patterns
        if pattern.endswith("identify_data")
    ]
    assert len(filled) > 3
    assert [one.value for one in trials if one.field == "older"] == ["2", "0"]
