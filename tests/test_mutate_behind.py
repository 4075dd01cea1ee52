"""A BAR behind a bridge goes where the bridge's window opens, in QEMU's own reading of both."""

from __future__ import annotations

import pytest
from mutants import stream

from fuzz.corpus import find_machine
from fuzz.mutate.behind import trials_of_behind
from fuzz.mutate.places import Places
from fuzz.mutate.registers import COMMAND, config_of, get
from fuzz.mutate.scene import Scene
from fuzz.work.build import read_description
from model.devices.bridge import memory_window, prefetch_window
from vmformat import Section

DESCRIPTION = read_description(find_machine("q35-modern").description)
SIZES = {entry.function: {bar.slot: bar.size for bar in entry.bars} for entry in DESCRIPTION.functions}
SCENE = Scene(Places(below_4g=1 << 27), bars=SIZES)


@pytest.fixture(scope="module")
def names() -> list[str]:
    return [name for name, _ in trials_of_behind(stream("q35-modern"), SCENE)]


def test_far_up_across_4_gib_and_below(names: list[str]) -> None:
    addresses = {int(name.split(":")[3], 16) for name in names}
    assert {1 << 32, 1 << 40, 1 << 63} <= addresses
    assert any(address < 1 << 32 for address in addresses)
    assert {name.split(":")[1] for name in names} >= {"virtio-net", "virtio-blk"}
    assert len(names) == len(set(names))


def test_the_window_is_where_the_bar_is() -> None:
    source = stream("q35-modern")
    for name, change in trials_of_behind(source, SCENE):
        _, _, slot, at, window = name.split(":")
        address = int(at, 16)
        made = change(source)
        assert made is not None
        bridge, function = (
            one
            for one, other in zip(made.records, source.records, strict=True)
            if one != other and isinstance(one, Section)
        )
        path, own = bridge.name.rpartition("/")[0], function.name.rpartition("/")[0]
        assert own.startswith(f"{path}:")
        place = config_of(function)
        of_bridge = config_of(bridge)
        assert place is not None
        assert of_bridge is not None
        size = SIZES[own][int(slot)]
        low = get(function, place, 0x10 + 4 * int(slot), 4)
        upper = get(function, place, 0x14 + 4 * int(slot), 4) if low & 4 else 0
        assert (upper << 32 | low & ~0xF) == address
        assert get(function, place, COMMAND, 1) & 2
        config = bridge.payload[of_bridge.offset : of_bridge.offset + of_bridge.size]
        base, limit = (memory_window if window == "memory" else prefetch_window)(config)
        assert base <= address
        assert address + size - 1 <= limit
        assert base > address - (1 << 20)


def test_where_no_bridge_is_there_is_nothing() -> None:
    assert not list(trials_of_behind(stream("pc-small"), SCENE))
