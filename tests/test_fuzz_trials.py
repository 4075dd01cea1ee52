"""Trials of several things at once: an index and a count beside it, registers of one word, a section and another."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from mutants import leaf_of, stream

from fuzz.mutate import Dice, Scene
from fuzz.mutate.index import index_of, read_leaf
from fuzz.mutate.registers import config_of, get
from fuzz.mutate.sweep import Sweep
from fuzz.mutate.trials import Trial, are_apart, enumerate_trials

PAIR = "parent_obj.queue.rptr+parent_obj.queue.count"


def test_an_index_is_tried_where_the_count_beside_it_lets_it_be_looked_at() -> None:
    source = stream("pc-small")
    keyboard = source.section("ps2kbd")
    assert keyboard is not None
    trials = [trial for trial in enumerate_trials([source], Scene()) if (trial.kind, trial.field) == ("ps2kbd", PAIR)]
    places = []
    for trial in trials:
        made = trial.apply(keyboard)
        assert made is not None
        assert read_leaf(made[0], leaf_of(made[0], "queue.count")) == 1
        places.append(read_leaf(made[0], leaf_of(made[0], "queue.rptr")))
    assert {256, 0xFFFFFFFF} <= set(places)
    assert len(places) == 4


def test_a_count_that_is_not_0_stays_as_it_is() -> None:
    source = stream("pc-small")
    fields = {trial.field for trial in enumerate_trials([source], Scene()) if trial.kind.startswith("virtio")}
    assert not any("+virtio." in field for field in fields)


def test_a_place_and_a_length_may_be_too_large_together() -> None:
    keyboard = stream("pc-small").section("ps2kbd")
    assert keyboard is not None
    found = set()
    for trial in trials_of("ps2kbd")["parent_obj.queue.rptr&parent_obj.queue.count"]:
        (made,) = trial.apply(keyboard) or ()
        found.add(tuple(read_leaf(made, leaf_of(made, f"queue.{name}")) for name in ("rptr", "count")))
    assert (255, 256) in found
    assert (1, 0) in found


def trials_of(kind: str, *, bars: bool = False) -> dict[str, list[Trial]]:
    masks = {name: (bytes(4) + b"\xff" * 252, bytes(256)) for name in ("0000:00:00.0", "0000:00:02.0")}
    sizes = {"0000:00:02.0": {0: 0x80, 1: 0x1000}} if bars else {}
    found: dict[str, list[Trial]] = {}
    for trial in enumerate_trials([stream("pc-small")], Scene(masks=masks, bars=sizes)):
        if trial.kind == kind:
            found.setdefault(trial.field, []).append(trial)
    return found


def test_registers_of_one_word_are_set_and_cleared_together() -> None:
    chipset = stream("pc-small").section("0000:00:00.0/I440FX")
    assert chipset is not None
    found = trials_of("I440FX")
    for field, value in ("ones:88", 0xFFFFFFFF), ("zeros:88", 0):
        (made,) = found[field][0].apply(chipset) or ()
        config = config_of(made)
        assert config is not None
        assert get(made, config, 88, 4) == value


def test_a_section_is_sent_as_it_is_and_again_with_other_registers_or_rings() -> None:
    disk = stream("pc-small").section("0000:00:02.0/virtio-blk")
    assert disk is not None
    found = trials_of("virtio-blk")
    later = [trial for field, those in found.items() if field.startswith("later:") for trial in those]
    assert {"later:4", "later:ring:0", "later:ones:4"} <= {trial.field for trial in later}
    for trial in later:
        made = trial.apply(disk)
        if made is not None:
            assert trial.later
            assert made[0] == disk != made[1]


def test_a_bar_ends_with_the_last_byte_and_answers_there() -> None:
    disk = stream("pc-small").section("0000:00:02.0/virtio-blk")
    assert disk is not None
    (made,) = trials_of("virtio-blk", bars=True)["bar:1"][0].apply(disk) or ()
    config = config_of(made)
    assert config is not None
    assert get(made, config, 0x14, 4) == 0xFFFFF000
    assert get(made, config, 4, 1) & 2


def test_a_request_is_tried_where_there_is_none_and_what_stands_in_it() -> None:
    disk = stream("pc-small").section("0000:00:02.0/virtio-blk")
    assert disk is not None
    head = "list:virtio\tdevice\trequests:1:virtio.device.requests[].element."
    values = set()
    for trial in trials_of("virtio-blk")[f"{head}in_num"]:
        (made,) = trial.apply(disk) or ()
        index = index_of(made)
        leaf = index.value("virtio.device.requests[].element.in_num", 0) if index is not None else None
        assert leaf is not None
        values.add(read_leaf(made, leaf))
    assert {1025, 0xFFFFFFFF} & values


def test_of_many_devices_of_a_kind_a_few_stand_for_all() -> None:
    source = stream("pc-small")
    disk = next(section for section in source.sections if section.name.endswith("virtio-blk"))

    def tried(count: int) -> list[tuple[str, str, str]]:
        several = [replace(disk, name=f"0000:00:{8 + slot:02x}.0/virtio-blk") for slot in range(count)]
        longer = source.with_records([*source.records[:-1], *several, source.records[-1]])
        return [(trial.kind, trial.field, trial.value) for trial in enumerate_trials([longer], Scene())]

    assert tried(20) == tried(3)


def test_each_section_of_a_kind_is_sent_again_later_whatever_depends_on_it() -> None:
    source = stream("q35-modern")
    ports = [section for section in source.sections if section.name.endswith("/pcie-root-port")]
    masks = {port.name.rpartition("/")[0]: (bytes(4) + b"\xff" * 4092, bytes(4096)) for port in ports}
    found = [trial for trial in enumerate_trials([source], Scene(masks=masks)) if trial.kind == "pcie-root-port"]
    later = [trial for trial in found if trial.later]
    assert {trial.which for trial in later} == {*range(len(ports))} == {0, 1}
    assert {trial.which for trial in found if not trial.later} == {0}


def test_registers_that_say_one_thing_together_are_changed_apart() -> None:
    window, other, command = 0x24, 0x40, 4
    assert are_apart(window, [])
    assert are_apart(window, [-1, other])
    assert not are_apart(window, [other, window + 2])
    assert not are_apart(window, [command])
    assert not are_apart(command, [other])
    assert are_apart(-1, [command, window])
    named = {
        (trial.field, trial.register)
        for trial in enumerate_trials([stream("pc-small")], Scene(bars={"0000:00:02.0": {0: 32, 1: 4096, 4: 16384}}))
        if trial.kind == "virtio-blk"
    }
    assert {("bar:1", 0x14), ("rest:16", 16)} <= named
    assert all(register < 0 for field, register in named if field.startswith("virtio."))


def test_registers_that_follow_each_other_in_the_line_may_go_into_one_section() -> None:
    source = stream("pc-small")
    masks = {"0000:00:02.0": (b"\xff" * 256, b"")}
    line = enumerate_trials([source], Scene(donors=(source,), masks=masks))
    registers = [one.register for one in line if one.kind == "virtio-blk" and one.register >= 0]
    apart = sum(are_apart(one, [other]) for one, other in pairwise(registers))
    assert len(registers) > 100
    assert apart > 0.8 * len(registers)


def test_a_section_of_which_there_is_much_to_try_has_room_for_more_at_a_time() -> None:
    source = stream("pc-small")
    processor = source.section("cpu")
    assert processor is not None
    sweep, most = Sweep([source], Scene(donors=(source,))), 0
    for number in range(60):
        made = sweep.mutant(Dice(number))
        assert made is not None
        sweep.answer("")
        changed = made.section("cpu")
        index = index_of(processor)
        if changed is None or index is None or len(changed.payload) != len(processor.payload):
            continue
        leaves = [leaf for found in index.places.values() for leaf in found if leaf.size <= 8]
        most = max(most, sum(read_leaf(changed, leaf) != read_leaf(processor, leaf) for leaf in leaves))
    assert most > 6


def test_a_section_is_sent_changed_and_again_as_it_was() -> None:
    disk = stream("pc-small").section("0000:00:02.0/virtio-blk")
    assert disk is not None
    back = [trial for field, those in trials_of("virtio-blk", bars=True).items() if "back:" in field for trial in those]
    assert {"back:4", "back:bar:1", "back:ones:4"} <= {trial.field for trial in back}
    for trial in back:
        made = trial.apply(disk)
        if made is not None:
            assert trial.later
            assert made[0] != disk == made[1]


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
