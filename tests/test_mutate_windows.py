"""Windows of bridges with both ends at once: what they come to, in QEMU's own reading of the registers."""

from __future__ import annotations

from functools import lru_cache

import pytest
from mutants import stream

from fuzz.corpus import find_machine
from fuzz.mutate.registers import COMMAND, config_of, get
from fuzz.mutate.scene import Scene
from fuzz.mutate.windows import MEMORY, PORTS, PREFETCH, Window, places, trials_of_vga, trials_of_windows
from fuzz.work.build import read_description
from model.devices.bridge import io_window, memory_window, prefetch_window
from vmformat import Section

READ = {"io": io_window, "memory": memory_window, "prefetch": prefetch_window}
MIB = 1 << 20


@lru_cache
def scene(machine: str) -> Scene:
    bars = {
        entry.function: {bar.slot: bar.size for bar in entry.bars}
        for entry in read_description(find_machine(machine).description).functions
    }
    return Scene(donors=(stream(machine),), bars=bars)


def bridge(machine: str) -> Section:
    """A bridge that something with BARs lies behind."""
    names = [section.name for section in stream(machine).sections]
    return next(
        section
        for section in stream(machine).sections
        if section.name.endswith("/pcie-root-port")
        and any(name.startswith(section.name.partition("/")[0] + ":") for name in names)
    )


def config(section: Section) -> bytes:
    found = config_of(section)
    assert found is not None
    return section.payload[found.offset : found.offset + found.size]


def made(machine: str) -> dict[str, Section]:
    section = bridge(machine)
    place = config_of(section)
    assert place is not None
    found = {}
    for _, label, _, change in trials_of_windows(section, place, scene(machine)):
        changed = change(section)
        assert isinstance(changed, Section)
        found[label] = changed
    return found


def test_each_window_comes_to_what_its_trial_says() -> None:
    found = made("q35-modern")
    assert {label.split(":")[1] for label in found} == set(READ)
    for label, section in found.items():
        _, name, base, last = label.split(":")
        granule = {"io": 0x1000}.get(name, MIB)
        assert READ[name](config(section)) == (int(base, 16), int(last, 16) + granule - 1), label
        assert config(section)[COMMAND] & 7 == 7


def test_a_window_is_cut_where_a_bar_behind_the_bridge_is() -> None:
    section, before = bridge("q35-modern"), config(bridge("q35-modern"))
    path = section.name.partition("/")[0]
    behind = next(one for one in stream("q35-modern").sections if one.name.startswith(f"{path}:"))
    place = config_of(behind)
    assert place is not None
    starts = {
        get(behind, place, 0x10 + 4 * slot, 4) & ~0xF
        for slot in scene("q35-modern").bars[behind.name.partition("/")[0]]
    }
    windows = [READ["prefetch"](config(one)) for label, one in made("q35-modern").items() if ":prefetch:" in label]
    windows += [READ["memory"](config(one)) for label, one in made("q35-modern").items() if ":memory:" in label]
    assert any(base in starts and base != memory_window(before)[0] for base, _ in windows)
    assert any(base - MIB in starts for base, _ in windows)  # the first granule of it is missing
    assert any(base > limit for base, limit in windows)  # closed
    assert any(base == 0 for base, limit in windows if limit >= (1 << 32) - 1)  # all there is


@pytest.mark.parametrize("window", [PORTS, MEMORY, PREFETCH], ids=lambda one: one.name)
def test_places_are_whole_granules_within_reach(window: Window) -> None:
    granule, end = window.granule, window.end
    behind = [(3 * granule + 16, 5 * granule - 1), (end - 8, end - 1), (0, 7)]
    found = list(places(window, (2 * granule, 4 * granule), behind, [(granule, granule)]))
    assert all(base % granule == last % granule == 0 for base, last in found)
    assert all(0 <= base < end and 0 <= last < end for base, last in found)
    assert {(2 * granule, 2 * granule), (2 * granule, granule), (3 * granule, 4 * granule), (0, end - granule)} <= set(
        found
    )
    assert (4 * granule, 4 * granule) in found  # the BAR's tail alone


def test_what_is_no_bridge_has_no_windows() -> None:
    section = next(one for one in stream("pc-small").sections if one.name.endswith("/virtio-blk"))
    place = config_of(section)
    assert place is not None
    assert not list(trials_of_windows(section, place, scene("pc-small")))
    assert MEMORY.put(0, MIB, section) is None


def test_the_two_windows_of_a_bridge_that_lead_to_memory_meet() -> None:
    section = bridge("q35-modern")
    base, limit = memory_window(config(section))
    assert base <= limit
    bases = {prefetch_window(config(one)) for one in made("q35-modern").values()}
    assert (base, prefetch_window(config(section))[1]) in bases


def test_what_vga_takes_is_shown_by_bridges_that_decode_one_of_memory_and_ports() -> None:
    section = bridge("q35-modern")
    place = config_of(section)
    assert place is not None
    found = [change(section) for _, _, _, change in trials_of_vga(section, place)]
    assert all(isinstance(one, Section) and get(one, place, 0x3E, 1) & 8 for one in found)
    commands = {get(one, place, COMMAND, 1) & 7 for one in found if isinstance(one, Section)}
    assert commands >= {1, 2, 4}
