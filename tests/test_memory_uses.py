"""The first oracle is not blind: where two views answer an operation otherwise, one of its uses is harmful."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings

from fuzz.programs import WORLDS, Program, Stage, run
from fuzz.programs.program import TREE
from fuzz.programs.strategies import programs
from model import Design
from model.memory import AddressSpace, FlatView, Memory, Use, address_space_map, cache_init, explain, memory_region_find

if TYPE_CHECKING:
    from model.designs import Load
    from vmformat import Refusal


def answers(memory: Memory, space: AddressSpace, addr: int, length: int, write: bool) -> tuple[object, ...]:
    """What a map, a cache and a look-up by region give."""
    mapped = address_space_map(memory, space, addr, length, write, "map")
    made = cache_init(memory, space, addr, length, write, "cache")
    found = memory_region_find(memory, space.root, addr, length, "find")
    return mapped, (made.region, made.xlat, made.length), found and (found.start, found.end, found.region, found.offset)


class Asks(Design):
    """A batch. At its end, at every edge of every view, it asks through the old views and through fresh ones."""

    name = "asks"

    def load_begins(self, load: Load) -> None:
        load.memory.begin()

    def load_ends(self, load: Load, error: Refusal | None) -> None:
        memory, genuine = load.memory, load.memory.getter
        for space in memory.spaces:
            edges = sorted({edge for view in (space.current, memory.fresh_view(space)) for edge in view.starts})
            for edge in edges[:12]:
                self.ask(memory, space, max(edge - 0x10, 0))
        memory.getter = genuine
        memory.commit()

    @staticmethod
    def ask(memory: Memory, space: AddressSpace, addr: int) -> None:
        uses: list[tuple[AddressSpace, Use]] = []

        def old(asked: AddressSpace, use: Use) -> FlatView:
            uses.append((asked, use))
            return asked.current

        def fresh(asked: AddressSpace, use: Use) -> FlatView:
            return memory.fresh_view(asked)

        for length, write in ((0x20, False), (0x1000, True)):
            uses.clear()
            memory.getter = old
            before = answers(memory, space, addr, length, write)
            memory.getter = fresh
            if before != answers(memory, space, addr, length, write):
                assert any(explain(asked.current, memory.fresh_view(asked), use) for asked, use in uses), (space, addr)


STAGE = Stage(WORLDS["board"])


@given(programs(verbs=TREE, max_calls=8))
@settings(max_examples=40)
def test_where_answers_differ_a_use_is_harmful(program: Program) -> None:
    assert run(STAGE, program, Asks()).findings == ()
