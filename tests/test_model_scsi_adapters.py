"""Requests in the section of a disk behind adapters that are no virtio devices, byte by byte."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from model.devices.scsi_adapters import AdapterDisk
from model.errors import Abort, Hang, Killed
from vmformat import Field, Reader

FIELD = Field("requests", "scsi-requests", 1)
FOREIGN = b"\1" + bytes(16) + b"tag0unit"


class Load:
    def __init__(self) -> None:
        self.not_modelled: set[str] = set()

    def step(self) -> None:
        pass


def disk(adapter: str, unit: int = 0) -> AdapterDisk:
    handlers = [
        SimpleNamespace(name=f"0000:00:02.0/{adapter}"),
        SimpleNamespace(name=f"0000:00:02.0/0:0:{unit}/scsi-disk"),
    ]
    return AdapterDisk(cast("Any", SimpleNamespace(handlers=handlers)), cast("Any", handlers[1]))


def taken(adapter: str, data: bytes, **more: Any) -> int:
    reader = Reader(data)
    assert disk(adapter, **more).opaque(cast("Any", Load()), reader, FIELD, "requests") is None
    return reader.pos


@pytest.mark.parametrize("end", [0, 0x80, 0xFF])
def test_a_byte_that_is_not_above_0_ends(end: int) -> None:
    assert taken("lsiscsi", bytes([end, 1, 1, 1])) == 1


def test_adapters_that_keep_nothing() -> None:
    assert taken("lsiscsi", FOREIGN + FOREIGN + b"\0") == 51
    assert taken("pciespscsi", FOREIGN + b"\0") == 26


def test_a_request_for_the_disk_has_the_disk_s_part() -> None:
    request = b"\2" + b"\x28".ljust(16, b"\0") + bytes(8)
    assert taken("lsiscsi", request + bytes(16) + b"\0") == 42
    assert taken("lsiscsi", request + bytes(16) + b"\0", unit=3) == 26
    unknown_command = b"\2" + b"\xff".ljust(16, b"\0") + bytes(8)
    assert taken("lsiscsi", unknown_command + b"\0") == 26


def test_what_adapters_die_of() -> None:
    with pytest.raises(Killed):
        taken("megasas", FOREIGN)
    assert taken("usb-storage", FOREIGN + b"\0") == 26
    with pytest.raises(Abort, match="usb_msd_load_request"):
        taken("usb-storage", FOREIGN + FOREIGN)
    assert taken("mptsas", FOREIGN + bytes(48) + b"\0\0\0\1" + bytes(16) + b"\0") == 94
    with pytest.raises(Abort, match="n >= 0"):
        taken("mptsas", FOREIGN + bytes(48) + b"\x80\0\0\1")
    with pytest.raises(Hang):
        taken("mptsas", FOREIGN + bytes(48) + b"\x20\0\0\1")
