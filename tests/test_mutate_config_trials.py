"""Trials of config space: words, BARs, ROMs, what a load compares, what steers the memory layout."""

from __future__ import annotations

from mutants import stream
from tried import trials_of

from fuzz.mutate import Scene
from fuzz.mutate.registers import config_of, get
from fuzz.mutate.trials import enumerate_trials


def test_registers_of_one_word_are_set_and_cleared_together() -> None:
    chipset = stream("pc-small").section("0000:00:00.0/I440FX")
    assert chipset is not None
    found = trials_of("I440FX")
    for field, value in ("ones:88", 0xFFFFFFFF), ("zeros:88", 0):
        (made,) = found[field][0].apply(chipset) or ()
        config = config_of(made)
        assert config is not None
        assert get(made, config, 88, 4) == value


def test_a_bar_ends_with_the_last_byte_and_answers_there() -> None:
    disk = stream("pc-small").section("0000:00:02.0/virtio-blk")
    assert disk is not None
    (made,) = trials_of("virtio-blk", bars=True)["bar:1"][0].apply(disk) or ()
    config = config_of(made)
    assert config is not None
    assert get(made, config, 0x14, 4) == 0xFFFFF000
    assert get(made, config, 4, 1) & 2


def test_each_section_of_a_kind_is_sent_again_later_whatever_depends_on_it() -> None:
    source = stream("q35-modern")
    ports = [section for section in source.sections if section.name.endswith("/pcie-root-port")]
    masks = {port.name.rpartition("/")[0]: (bytes(4) + b"\xff" * 4092, bytes(4096)) for port in ports}
    found = [trial for trial in enumerate_trials([source], Scene(masks=masks)) if trial.kind == "pcie-root-port"]
    later = [trial for trial in found if trial.later]
    assert {trial.which for trial in later} == {*range(len(ports))} == {0, 1}
    assert {trial.which for trial in found if not trial.later} == {0}


def test_all_registers_that_steer_the_memory_layout_are_cleared_together() -> None:
    chipset = stream("pc-small").section("0000:00:01.3/piix4_pm")
    assert chipset is not None
    (made,) = trials_of("piix4_pm")["steering"][0].apply(chipset) or ()
    config = config_of(made)
    assert config is not None
    assert [get(made, config, at, 4) for at in (0x40, 0x90)] == [0, 0]
    assert [get(made, config, at, 1) for at in (0x80, 0xD2)] == [0, 0]


def test_what_a_load_compares_is_tried_early_on_the_first_function_with_such_a_header() -> None:
    source = stream("pc-small")
    names = [section.name.rpartition("/")[0] for section in source.sections]
    masks = {name: (bytes(256), b"\xff" * 4 + bytes(60) + b"\xff" + bytes(191)) for name in names if ":" in name}
    found = enumerate_trials([source], Scene(masks=masks))
    places = {(trial.kind, trial.field): at for at, trial in reversed(list(enumerate(found)))}
    for offset in 0, 3, 64:
        first = places["I440FX", f"compared:{offset}"]
        assert first < min(places[kind, f"compared:{offset}"] for kind in ("PIIX3", "virtio-net"))
        assert first < len(found) / 10


def test_an_expansion_rom_is_switched_on_in_other_places_and_without_memory() -> None:
    card = stream("pc-cirrus").section("0000:00:02.0/cirrus_vga")
    assert card is not None
    scene = Scene(bars={"0000:00:02.0": {6: 0x10000}})
    found = [trial for trial in enumerate_trials([stream("pc-cirrus")], scene) if trial.kind == "cirrus_vga"]
    places: set[tuple[int, int]] = set()
    blind: set[tuple[int, int]] = set()
    for trial in found:
        if trial.field not in {"bar:6", "blind:6"}:
            continue
        (made,) = trial.apply(card) or (card,)
        config = config_of(made)
        assert config is not None
        (places if trial.field == "bar:6" else blind).add((get(made, config, 0x30, 4), get(made, config, 4, 1) & 2))
    assert (0xFFFF0001, 2) in places
    assert (0xFFFF0001, 0) in blind
