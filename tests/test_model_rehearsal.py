"""The law of `model.rehearsal`: outcomes are those that `model.load` gives, under any designs in any order."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.corpus import find_machine
from fuzz.work.build import make_mutator
from model import DESIGNS, REFERENCE, Abort, Design, Loads, Machine, load, parse
from model.rehearsal.rehearsal import leads
from model.schedule import EMPTY_SCHEDULE, split

if TYPE_CHECKING:
    from fuzz.mutate.mutator import Mutator
    from model import Outcome
    from model.designs import Load
    from model.memory import AddressSpace, FlatView, Use
    from model.schedule import Schedule

WRAP = DESIGNS["wrap-main"]


class Dawdler(WRAP):  # type: ignore[misc, valid-type]
    """Returns the view of before its own commit."""

    name = "dawdler"

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        view = space.current
        load.forced_commit()
        return view


class Watcher(WRAP):  # type: ignore[misc, valid-type]
    """Says whether a view is the one that it saw last."""

    name = "watcher"
    seen: FlatView | None = None

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        load.say(f"{space.name}: {'the same' if space.current is self.seen else 'another'} view for {use.reader}")
        self.seen = space.current
        return space.current


class WatcherToo(Watcher):
    """The same by another name, and a guard."""

    name = "watcher-too"
    guards: ClassVar[bool] = True


class Peeper(WRAP):  # type: ignore[misc, valid-type]
    """Looks at what is no business of a design, and catches what comes of it."""

    name = "peeper"

    def section_ends(self, load: Any, error: object) -> None:
        try:
            load.say(f"{load.steps} steps, {len(load.memory.unseen)} changes")
        except BaseException:  # noqa: BLE001
            load.say("nothing to be seen")

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        load.say(f"{len(space.current)} ranges")
        return space.current


class Clumsy(Design):
    """Commits what it never opened, and lives on; then it breaks."""

    name = "clumsy"

    def section_begins(self, load: Load) -> None:
        try:
            load.memory.commit()
        except Abort as stop:
            load.say(str(stop))

    def end_of_stream(self, load: Load) -> None:
        load.memory.begin(load.section)  # type: ignore[call-arg]


class Meddler(WRAP):  # type: ignore[misc, valid-type]
    """Sets what is to be read only."""

    name = "meddler"

    def before_post_load(self, load: Load) -> None:
        depth, load.memory.depth = load.memory.depth, 0
        load.memory.begin()
        load.memory.commit()
        load.memory.depth = depth


ODD: tuple[type[Design], ...] = (Dawdler, Watcher, WatcherToo, Peeper, Clumsy, Meddler)
ALL = (*DESIGNS.values(), *ODD)
NAMES = ("pc-small", "q35-modern")


class Room:
    """A machine to load on, one to share on, and inputs for both."""

    def __init__(self, name: str) -> None:
        files = find_machine(name)
        description = parse(files.description.read_bytes())
        self.seeds = [path.read_bytes() for path in files.seeds]
        self.plain = Machine(description)
        self.shared = Machine(description)
        self.loads = Loads(self.shared, remembers=False)
        self.mutator: Mutator = make_mutator(description, self.seeds, schedules=True)

    def mutant(self, seed: int) -> tuple[bytes, Schedule]:
        """A stream some mutations away from a shipped one, with its schedule; 0 and 1 are shipped ones."""
        data = self.seeds[seed % 2]
        for step in range(seed % 5 if seed > 1 else 0):
            data = self.mutator.mutate(data, self.mutator.max_size, seed + step)
        return split(data)

    def same(self, data: bytes, schedule: Schedule, design: type[Design], *, loadvm: bool = False) -> Outcome:
        """The outcome, both ways."""
        expected = load(self.plain, data, design(), schedule=schedule, loadvm=loadvm)
        self.plain.reset()
        outcome = self.loads.load(data, design(), schedule, loadvm=loadvm)
        self.shared.reset()
        assert outcome == expected, design.name
        assert [one.severity for one in outcome.findings] == [one.severity for one in expected.findings]
        return outcome


@cache
def room(name: str) -> Room:
    return Room(name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_shipped_stream_comes_to_the_same_under_every_design(name: str, seed: int) -> None:
    data, schedule = room(name).mutant(seed)
    for loadvm in (False, True):
        for design in ALL:
            room(name).same(data, schedule, design, loadvm=loadvm)


@settings(max_examples=30)
@given(st.sampled_from(NAMES), st.integers(2, 1 << 30), st.permutations(ALL), st.integers(1, len(ALL)))
def test_so_does_a_mutant_under_any_designs_in_any_order(
    name: str, seed: int, designs: list[type[Design]], count: int
) -> None:
    data, schedule = room(name).mutant(seed)
    for design in designs[:count]:
        room(name).same(data, schedule, design)


def test_a_design_that_answers_alike_is_not_loaded_under() -> None:
    here = room("pc-small")
    loads = Loads(here.shared, remembers=False)
    data = here.seeds[1]
    for design in DESIGNS.values():
        loads.load(data, design(), EMPTY_SCHEDULE)
        here.shared.reset()
    led = {one.outcome.design for one in loads._transcripts}
    assert REFERENCE.name in led
    assert "p21-bql-assert" not in led
    assert len(led) < len(DESIGNS) - 3
    assert all(leads(one, DESIGNS[one.outcome.design]()) for one in loads._transcripts), "each is led by its own"


def test_another_stream_starts_anew_and_a_long_one_is_forgotten() -> None:
    here = room("pc-small")
    loads = Loads(here.shared, remembers=False)
    for data, kept in ((here.seeds[0], 1), (here.seeds[1], 1), (here.seeds[1], 2)):
        design = WRAP if kept == 2 else REFERENCE
        loads.load(data, design())
        here.shared.reset()
        assert len(loads._transcripts) == kept
    loads._room = 3
    loads.load(data, DESIGNS["per-section"]())
    here.shared.reset()
    assert len(loads._transcripts) == 2
