"""What a view does not show yet: every difference has a change that explains it, and the changes are told as calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from fuzz.programs import WORLDS, Program, Stage, run
from fuzz.programs.program import TREE
from fuzz.programs.strategies import programs
from model import Design
from model.memory import Kind, Memory, Region
from model.unseen import MOST, named, unseen

if TYPE_CHECKING:
    from model.designs import Load
    from vmformat import Refusal


class Looks(Design):
    """A batch; at its end every edge of every view is held to what is said to be unseen there."""

    name = "looks"

    def load_begins(self, load: Load) -> None:
        load.memory.begin()

    def load_ends(self, load: Load, error: Refusal | None) -> None:
        memory = load.memory
        for space in memory.spaces:
            old, new = space.current, memory.fresh_view(space)
            for edge in {*old.starts, *old.ends, *new.starts, *new.ends}:
                was, now = (view.find(edge) for view in (old, new))
                if (was >= 0 and old.infos[was]) != (now >= 0 and new.infos[now]):
                    assert unseen(memory, (), space, edge, edge + 1)
        memory.commit()


STAGE = Stage(WORLDS["board"])


@given(programs(verbs=TREE, max_calls=20))
@settings(max_examples=60)
def test_whatever_differs_has_an_unseen_change(program: Program) -> None:
    assert run(STAGE, program, Looks()).findings == ()


def tree() -> tuple[Memory, Region, Region, Region]:
    """A root with a container at 0x1000, and a free region."""
    root, container = Region("root", Kind.CONTAINER, 0x10000), Region("container", Kind.CONTAINER, 0x4000)
    memory, free = Memory(), Region("free", Kind.RAM, 0x1000)
    memory.add_subregion(root, 0x1000, container)
    memory.add_subregion(root, 0x8000, Region("other", Kind.IO, 0x1000))
    memory.add_space("space", root)
    memory.checkpoint()
    return memory, root, container, free


def test_only_what_reaches_the_address_is_told_and_by_whom() -> None:
    memory, root, container, free = tree()
    (space,) = memory.spaces
    memory.begin()
    memory.add_subregion(container, 0x2000, free)
    memory.set_readonly(free, True)
    memory.set_size(root, 0xF000)
    marks = ((0, "early", 0x10), (memory.epoch - 2, "mch", 0x20), (memory.epoch - 1, "pm", 0x30))
    assert unseen(memory, marks, space, 0x3800, 0x3801) == (
        "memory_region_add_subregion(container, 0x2000, free) by early at 0x10",
        "memory_region_set_readonly(free, on) by mch at 0x20",
    )
    assert unseen(memory, marks, space, 0x1000, 0x3000) == ()
    memory.commit()
    assert memory.unseen == []


def test_what_is_set_twice_counts_as_it_was_set_last_and_many_are_counted() -> None:
    memory, _root, container, _free = tree()
    (space,) = memory.spaces
    memory.begin()
    memory.set_enabled(container, False)
    memory.set_enabled(container, True)
    assert unseen(memory, (), space, 0x1000, 0x1001) == ("memory_region_set_enabled(container, on) by the loader",)
    for index in range(MOST + 2):
        memory.add_subregion(container, 0, Region(f"r{index}", Kind.RAM, 0x1000))
    told = unseen(memory, (), space, 0x1000, 0x1001)
    assert told[0] == "3 earlier ones"
    assert len(told) == MOST + 1


MR = Region("pam-ram", Kind.RAM, 0x1000, key="#1")
ALIAS = Region("alias", Kind.ALIAS, 0x1000, alias=MR)
CALLS = [
    (("add", ALIAS, 0x10, MR, 0), "memory_region_add_subregion(alias, 0x10, pam-ram)"),
    (("add", ALIAS, 0x10, MR, 2), "memory_region_add_subregion_overlap(alias, 0x10, pam-ram, 2)"),
    (("del", ALIAS, MR), "memory_region_del_subregion(alias, pam-ram)"),
    (("enabled", MR, False), "memory_region_set_enabled(pam-ram, off)"),
    (("size", MR, 0x10), "memory_region_set_size(pam-ram, 0x10)"),
    (("address", MR, 0x10), "memory_region_set_address(pam-ram, 0x10)"),
    (("alias_offset", ALIAS, 0x10), "memory_region_set_alias_offset(alias, 0x10)"),
    (("inherit", MR, 1), "memory_region_set_readonly(pam-ram, on)"),
    (("romd_mode", MR, True), "memory_region_rom_device_set_romd(pam-ram, on)"),
    (("init", ALIAS, 0x10, 0x20), "memory_region_init_alias(alias, 0x10, 0x20)"),
]


@pytest.mark.parametrize(("key", "text"), CALLS, ids=[str(key[0]) for key, _ in CALLS])
def test_a_mutation_is_told_as_the_call_that_makes_it(key: tuple[object, ...], text: str) -> None:
    assert named(key) == text
