"""Seeded bugs: every seam is real, a bug is on for a load and gone after it, and its name can be typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mutants import behind, byte, on, stream

from fuzz.corpus import find_machine, find_stream
from model import DESIGNS, Machine, load, parse
from model.faulty import FaultyMachine
from model.seeded import SEAMS, SEEDED, keeps_nothing, name_of, replaced, strangers, switched_on, with_bug
from vmformat import write

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.outcome import Outcome

PER_DEVICE = DESIGNS["per-device"]


def description(name: str) -> Any:
    return parse(find_machine(name).description.read_bytes())


def outcome(machine: str, name: str, bug: type[object]) -> Outcome:
    """The load of a shipped stream, or of a crasher, with a bug."""
    data = data_of(name)
    return FaultyMachine(description(machine)).stages(data, with_bug(PER_DEVICE, bug))[0].outcome


def reached(seam: str) -> type[object]:
    """A bug whose only doing is to say that it was asked."""

    def method(_self: object, _sound: Callable[..., Any], *_args: Any, **_named: Any) -> Any:
        raise ArithmeticError(seam)

    return type("Reached", (), {seam: method})


WITHOUT_POWER = "q35-modern, its disk's slot without power"


def data_of(name: str) -> bytes:
    """A shipped stream, or the edited one."""
    if name != WITHOUT_POWER:
        return find_stream(name).read_bytes()
    port = "02.1/pcie-root-port"
    return write(on(byte(port, 0x6D, 4), behind(port, "virtio-blk"))(stream("q35-modern")))


NEEDS = {
    "io_window": ("bridges", "bridges/after"),
    "memory_window": ("bridges", "bridges/after"),
    "prefetch_window": ("bridges", "bridges/after"),
    "init_alias": ("bridges", "bridges/after"),
    "reset_queue": ("q35-modern", WITHOUT_POWER),
    "map_element": ("q35-request", "q35-request/after"),
    "rebuild_windows": ("bridges", "bridges/after"),
    "set_alias_offset": ("q35-modern", "q35-modern/after"),
    "set_size": ("q35-modern", "q35-modern/after"),
    "set_address": ("q35-modern", "q35-modern/after"),
}
"""Seams that the streams of pc-small do not come to."""


@pytest.mark.parametrize("seam", SEAMS)
def test_what_stands_in_for_a_seam_is_what_a_load_asks(seam: str) -> None:
    found = outcome(*NEEDS.get(seam, ("pc-small", "pc-small/after")), reached(seam))
    assert found.verdict == "aborted"
    assert found.at is not None
    assert found.at.errors == (f"the seeded bug raised ArithmeticError: {seam}",)


@pytest.mark.parametrize("seam", SEAMS)
def test_a_stand_in_that_asks_the_sound_function_changes_nothing(seam: str) -> None:
    def method(_self: object, sound: Callable[..., Any], *args: Any, **named: Any) -> Any:
        return sound(*args, **named)

    machine, name = NEEDS.get(seam, ("pc-small", "pc-small/after"))
    sound = load(Machine(description(machine)), data_of(name), PER_DEVICE())
    faulty = outcome(machine, name, type("Silent", (), {seam: method}))
    assert faulty.to_json(()) | {"design": ""} == sound.to_json(()) | {"design": ""}


def test_a_bug_is_gone_after_its_load_whatever_happened() -> None:
    before = {name: seam.sound() for name, seam in SEAMS.items()}

    def die() -> None:
        with switched_on(type("Every", (), {name: lambda *_: None for name in SEAMS})()):
            assert all(seam.sound() is not before[name] for name, seam in SEAMS.items())
            raise KeyError

    with pytest.raises(KeyError):
        die()
    assert {name: seam.sound() for name, seam in SEAMS.items()} == before
    assert "add_subregion" not in vars(Machine)


def test_arguments_come_by_position_with_their_defaults() -> None:
    class Told:
        def add_subregion(self, _sound: object, *args: object) -> None:
            assert args == (machine.memory, system, 0x1000, sub, 0)
            raise KeyError

        def set_enabled(self, _sound: object, *args: object) -> None:
            assert args == (machine.memory, sub, False)
            raise KeyError

    machine = Machine(description("pc-small"))
    system, sub = machine.system, machine.regions[next(iter(machine.regions))]
    with switched_on(Told()):
        with pytest.raises(KeyError):
            machine.memory.add_subregion(system, 0x1000, sub)
        with pytest.raises(KeyError):
            machine.memory.set_enabled(sub, enabled=False)


def test_a_class_that_is_a_context_manager_helps_itself() -> None:
    class Own:
        entered = 0

        def __enter__(self) -> None:
            Own.entered += 1

        def __exit__(self, *_: object) -> None:
            Own.entered += 10

    assert outcome("pc-small", "pc-small/after", Own).verdict == "accepted"
    assert Own.entered == 11
    assert not keeps_nothing(Own)


def test_a_bug_that_counts_begins_anew_with_each_load() -> None:
    class EverySecond:
        def __init__(self) -> None:
            self.calls = 0

        def mark_pending(self, sound: Callable[..., Any], memory: Any, wanted: bool) -> None:
            self.calls += 1
            sound(memory, wanted and self.calls % 2 == 0)

    place = FaultyMachine(description("pc-small"))
    data = find_stream("pc-small/after").read_bytes()
    design = with_bug(PER_DEVICE, EverySecond)
    assert not keeps_nothing(EverySecond)
    first, second = (place.stages(data, design)[0].outcome for _ in range(2))
    assert first == second


@pytest.mark.parametrize("seam", ["render", "simplify"])
def test_an_altered_rendering_is_no_start_for_another_load(seam: str) -> None:
    def method(_self: object, sound: Callable[..., Any], *args: Any) -> Any:
        return sound(*args)

    assert not keeps_nothing(type("Alters", (), {seam: method}))
    assert keeps_nothing(type("Alters", (), {"insert": method}))


def test_a_tree_that_was_changed_behind_the_journal_is_built_anew() -> None:
    class Hides:
        def set_master(self, sound: Callable[..., Any], function: Any, enabled: bool) -> None:
            sound(function, enabled)
            if function.master_alias is not None:
                function.master_alias.container.enabled = False

    place = FaultyMachine(description("pc-small"))
    data = find_stream("pc-small/after").read_bytes()
    machine = place.machine(Hides)
    place.stages(data, with_bug(PER_DEVICE, Hides))
    assert place.machine(Hides) is not machine


def test_names_and_methods() -> None:
    class VQSizeKeptOK:
        def render(self, sound: Callable[..., Any]) -> None: ...

        def rendre(self) -> None: ...

        def _own(self) -> None: ...

    assert name_of(VQSizeKeptOK) == "vq-size-kept-ok"
    assert [seam.name for seam in replaced(VQSizeKeptOK)] == ["render"]
    assert strangers(VQSizeKeptOK) == ("rendre",)
    assert with_bug(PER_DEVICE, VQSizeKeptOK).name == "per-device~vq-size-kept-ok"
    assert with_bug(PER_DEVICE, VQSizeKeptOK) is with_bug(PER_DEVICE, VQSizeKeptOK)


@pytest.mark.parametrize("bug", SEEDED.values(), ids=name_of)
def test_a_shipped_bug_says_where_it_comes_from(bug: Any) -> None:
    assert bug.source
    assert bug.__doc__
    assert replaced(bug)
    assert not strangers(bug)
