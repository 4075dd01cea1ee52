"""The e1000e's subsystem numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from model.devices.e1000e import DIFFER, EPERM, E1000e

CONFIG = bytes(0x2C) + b"\x86\x80\x00\x00" + bytes(16)


@pytest.mark.parametrize(
    ("loaded", "refused"),
    [
        ({"subsys": 0, "subsys_ven": 0x8086}, ""),
        ({"subsys": 1, "subsys_ven": 0x8086}, "subsys"),
        ({"subsys": 0, "subsys_ven": 0x8087}, "subsys_ven"),
        ({}, ""),
    ],
)
def test_subsystem(loaded: dict[str, int], refused: str) -> None:
    function = SimpleNamespace(entry=SimpleNamespace(config=CONFIG))
    device = E1000e(cast("Any", None), cast("Any", SimpleNamespace(function=function)))
    for path, value in loaded.items():
        device.field(cast("Any", None), path, value)
    found = device.post_load(cast("Any", None), "e1000e", "")
    assert (found.field if found is not None else "") == refused
    if found is not None:
        assert (found.errno, found.messages) == (EPERM, (DIFFER,))
