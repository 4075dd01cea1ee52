"""Seeded bugs of virtio loaders: shown by a small edit of a shipped stream, and by no shipped stream."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from mutants import byte, patch, put
from seeded_bugs import both, seen_in_seeds
from test_model_requests import element, request, under_way
from test_model_virtio_gpu import resource, resources

from model.seeded.history_virtio import (
    BUGS,
    ConfigLengthMustBeEqual,
    ConfigLengthTrusted,
    ElementCountsTrusted,
    MacCountSigned,
    MasterFollowsDriver,
    QueueCountTrusted,
    RequestQueueTrusted,
    ResourceTwice,
    SelectedQueueTrusted,
    SurplusCountedInEntries,
)

if TYPE_CHECKING:
    from mutants import Change

    from model.seeded import SeededBug

BLK, NET, GPU = "virtio-blk", "virtio-net", "virtio-gpu"
COMMAND, IO_AND_MEMORY = 4, 3
RAM = 0x800000
ONE = resource([(RAM, 48)])
LONGER = patch(BLK, ("head.config_len", 4, struct.pack(">i", 58)), ("head.config", 0, b"x"))
SHORTER = patch(BLK, ("head.config_len", 4, struct.pack(">i", 56)), ("head.config", 1, b""))


def addresses(number: int) -> Change:
    """So many MAC addresses, and as many are there."""
    return patch(NET, ("mac_table.in_use", 4, struct.pack(">I", number)), ("vlans", 0, bytes(6 * number)))


@pytest.mark.parametrize(
    ("bug", "edit", "sound", "faulty", "text"),
    [
        (QueueCountTrusted, put(BLK, "queues.num", 1025), "refused", "aborted", "a queue record is written behind"),
        (SelectedQueueTrusted, put(BLK, "head.queue_sel", 1024), "refused", "accepted", ""),
        (ConfigLengthTrusted, LONGER, "accepted", "aborted", "config is written behind its end"),
        (ConfigLengthMustBeEqual, LONGER, "accepted", "refused", "Config length mismatch"),
        (ConfigLengthMustBeEqual, SHORTER, "accepted", "refused", "Config length mismatch"),
        (MacCountSigned, put(NET, "mac_table.in_use", 0x80000001), "accepted", "refused", ""),
        (MacCountSigned, put(NET, "mac_table.in_use", 0x80000041), "accepted", "aborted", "behind their table"),
        (SurplusCountedInEntries, addresses(65), "accepted", "aborted", "free(): invalid next size"),
        (
            ElementCountsTrusted,
            under_way(request(element([], [], (1025, 0)), None), device=BLK),
            "aborted",
            "refused",
            "error trying to map",
        ),
        (
            RequestQueueTrusted,
            under_way(request(element([(RAM, 512)], []), 2), device=BLK),
            "refused",
            "accepted",
            "",
        ),
        (ResourceTwice, resources(ONE, ONE), "refused", "accepted", ""),
    ],
)
def test_a_number_that_is_trusted_or_judged_otherwise(
    bug: type[SeededBug], edit: Change, sound: str, faulty: str, text: str
) -> None:
    before, after, found = both(bug, edit)
    assert (before.verdict, after.verdict) == (sound, faulty)
    assert after.at is None or text in after.at.errors[0]
    assert found[0].startswith(f"verdict/loader/{sound}->{faulty}/")


@pytest.mark.parametrize(
    ("bug", "edit"),
    [
        (QueueCountTrusted, put(BLK, "head.queue_sel", 1024)),
        (SelectedQueueTrusted, put(BLK, "head.queue_sel", 1023)),
        (ConfigLengthTrusted, SHORTER),
        (MacCountSigned, put(NET, "mac_table.in_use", 0x80000000)),
        (MacCountSigned, addresses(65)),
        (SurplusCountedInEntries, addresses(64)),
        (ElementCountsTrusted, under_way(request(element([(RAM, 512)], []), None), device=BLK)),
        (RequestQueueTrusted, under_way(request(element([(RAM, 512)], []), 1), device=BLK)),
        (ResourceTwice, resources(ONE, resource([(RAM, 48)], number=2))),
    ],
)
def test_what_the_fault_is_not_about(bug: type[SeededBug], edit: Change) -> None:
    assert both(bug, edit)[2] == []


def test_memory_shows_where_the_command_register_says_no() -> None:
    sound, faulty, found = both(MasterFollowsDriver, byte(BLK, COMMAND, IO_AND_MEMORY))
    assert sound.verdict == faulty.verdict == "accepted"
    assert found == ["layout/flat-view/none->apic-msi+hpet+ioapic/virtio-blk-pci"]
    shown = {name for (name, old), (_, new) in zip(sound.layout, faulty.layout, strict=True) if old != new}
    assert shown == {"virtio-blk-pci"}


@pytest.mark.parametrize("bug", BUGS)
def test_no_shipped_stream_shows_it(bug: type[SeededBug]) -> None:
    assert seen_in_seeds(bug) == []
