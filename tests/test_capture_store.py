"""Learning schemas from a real QEMU, as the shipped store was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fuzz.capture.store import learn
from fuzz.capture.zoo import Item, plan
from fuzz.qemu import QemuError
from vmformat import Schema

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.qemu


def test_the_plan_has_every_machine_and_device(real_qemu: str) -> None:
    items = list(plan(real_qemu))
    words = {word for item in items for word in item.arguments}
    assert {"pc-i440fx-1.4", "pc-q35-7.2", "isapc", "microvm", "e1000e", "usb-ccid"} <= words
    assert len(set(items)) > 800
    assert list(plan(real_qemu, ["isapc"]))
    assert all("isapc" in " ".join(item.arguments) for item in plan(real_qemu, ["isapc"]))


def test_what_machines_teach(real_qemu: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [Item(("-M", "isapc", "-m", "16M")), Item(("-M", "pc", "-m", "16M", "-device", "nothing"))]
    monkeypatch.setattr("fuzz.capture.store.plan", lambda *_: iter(items))
    lines: list[str] = []
    for _ in range(2):  # the second time the stream is there
        learnt = learn((real_qemu,), keep=tmp_path, progress=lines.append)
        assert learnt.machines == 1
        (entry,) = learnt.known["mc146818rtc"]
        assert isinstance(entry.schema, Schema)
        assert entry.seen == 1
    assert len(list(tmp_path.glob("*.vmstate"))) == 1
    assert any("nothing" in line and "not a valid device" in line for line in lines)


def test_no_such_qemu() -> None:
    with pytest.raises(QemuError):
        learn(("qemu-of-nobody",))
