"""Seeded bugs of other devices: shown by a small edit of a shipped stream, and by no shipped stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import byte, on, put
from seeded_bugs import both, seen_in_seeds

from model.seeded.history_devices import (
    BUGS,
    EnableBitOverlooked,
    ErrorCountTrusted,
    KeyCountTrusted,
    KeyPlaceTrusted,
    MessageLengthTrusted,
    PortCountTrusted,
    SetupLengthRefused,
    TimerCountTrusted,
)

if TYPE_CHECKING:
    from mutants import Change

    from model.seeded import SeededBug

COMMAND, IO_AND_MASTER = 4, 5
NEGATIVE = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("bug", "edit", "sound", "faulty", "text"),
    [
        (TimerCountTrusted, put("hpet", "num_timers", 33), "refused", "aborted", "a timer is written behind"),
        (TimerCountTrusted, put("hpet", "num_timers", 2), "refused", "refused", "Missing section footer for hpet"),
        (KeyCountTrusted, put("ps2kbd", "queue.count", NEGATIVE), "accepted", "aborted", "outside their queue"),
        (
            KeyPlaceTrusted,
            on(put("ps2mouse", "queue.count", 1), put("ps2mouse", "queue.rptr", 256)),
            "accepted",
            "aborted",
            "outside their queue",
        ),
        (MessageLengthTrusted, put("lsiscsi", "msg_len", 9), "refused", "accepted", ""),
        (MessageLengthTrusted, put("lsiscsi", "msg_len", NEGATIVE), "refused", "accepted", ""),
        (PortCountTrusted, put("ich9_ahci", "ahci.ports", 7), "refused", "aborted", "a port is looked for behind"),
        (PortCountTrusted, put("ich9_ahci", "ahci.ports", 5), "refused", "accepted", ""),
        (
            ErrorCountTrusted,
            put("pcie-root-port", "aer_log.log_num", 9),
            "refused",
            "refused",
            "Missing section footer",
        ),
        (SetupLengthRefused, put("usb-kbd", "setup_len", 4097), "accepted", "refused", ""),
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
        (TimerCountTrusted, put("hpet", "num_timers", 4)),
        (KeyCountTrusted, put("ps2kbd", "queue.count", 16)),
        (KeyPlaceTrusted, put("ps2kbd", "queue.count", 16)),
        (KeyPlaceTrusted, put("ps2kbd", "queue.rptr", 256)),
        (KeyPlaceTrusted, on(put("ps2kbd", "queue.rptr", 256), put("ps2kbd", "queue.count", 17))),
        (MessageLengthTrusted, put("lsiscsi", "msg_len", 8)),
        (ErrorCountTrusted, put("pcie-root-port", "aer_log.log_num", 8)),
        (SetupLengthRefused, put("usb-kbd", "setup_len", 4096)),
    ],
)
def test_what_the_fault_is_not_about(bug: type[SeededBug], edit: Change) -> None:
    assert both(bug, edit)[2] == []


def test_a_length_that_a_guest_can_set_is_told_as_one() -> None:
    assert both(SetupLengthRefused, put("usb-kbd", "setup_len", 4097))[1].guest_can_cause


def test_memory_shows_a_bar_that_is_not_enabled() -> None:
    sound, faulty, found = both(EnableBitOverlooked, byte("virtio-blk", COMMAND, IO_AND_MASTER))
    assert sound.verdict == faulty.verdict == "accepted"
    assert "layout/flat-view/none->msix-pba+msix-table/memory" in found


@pytest.mark.parametrize("bug", BUGS)
def test_no_shipped_stream_shows_it(bug: type[SeededBug]) -> None:
    assert seen_in_seeds(bug) == []
