"""A rebuild that remembers comes to what one in full comes to: views, counts, what listeners believe and were told."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from model.listening import Recorder, row_of
from model.memory import NO_WORK, T64, AddressSpace, FlatRange, Kind, Listener, Memory, Region
from model.memory.validate import validate

C, IO, RAM, A = Kind.CONTAINER, Kind.IO, Kind.RAM, Kind.ALIAS


class Ear(Listener):
    """Hears of commits, and is idle when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = 0

    def commit(self) -> None:
        self.heard += 1


@dataclass
class Board:
    """A tree with RAM, two buses, bus masters that reach memory through aliases, and recorders."""

    remembers: bool
    memory: Memory = field(default_factory=Memory)
    regions: list[Region] = field(default_factory=list)
    recorders: list[Recorder] = field(default_factory=list)
    ears: list[Ear] = field(default_factory=list)
    made: list[Region] = field(default_factory=list)

    def __post_init__(self) -> None:
        memory = self.memory
        memory.remembers = self.remembers
        root, ports = Region("system", C, T64), Region("io", IO, 0x10000)
        low = Region("low", A, 0x10000, alias=Region("ram", RAM, 0x40000))
        bus = Region("bus", C, T64)
        assert low.alias is not None
        self.regions = [root, ports, low, low.alias, bus]
        memory.add_subregion(root, 0, low)
        memory.add_subregion(root, 0x20000, bus, -1)
        self.leaves = [Region(f"d{i}", RAM if i == 3 else IO, 0x1000, nonvolatile=i == 4) for i in range(6)]
        self.windows = [Region(f"w{i}", A, 0x8000, alias=bus, alias_offset=0x1000 * i) for i in range(2)]
        self.regions += [*self.leaves, *self.windows]
        spaces = [memory.add_space("memory", root), memory.add_space("I/O", ports)]
        for i in range(3):
            container = Region(f"master{i}", C, T64)
            alias = Region(f"alias{i}", A, T64, alias=root, enabled=False)
            memory.add_subregion(container, 0, alias)
            spaces.append(memory.add_space(f"dma{i}", container))
            self.regions += [container, alias]
        self.masters = self.regions[-6:][1::2]
        self.recorders = [Recorder(space) for space in spaces[:2]]
        self.ears = [Ear(), Ear()]
        for recorder in self.recorders:
            memory.register(recorder, recorder.space)
        for ear in self.ears:
            memory.register(ear, spaces[0])
        memory.rebuilds = 0
        memory.work.restore(NO_WORK)
        memory.checkpoint()

    def act(self, dice: random.Random) -> None:
        """One call of the memory API."""
        memory = self.memory
        leaf = dice.choice(self.leaves)
        match dice.randrange(10):
            case 0 | 1 | 2 if leaf.container is None:
                where = self.regions[1] if leaf.name == "d5" else self.regions[4]
                memory.add_subregion(where, dice.randrange(0, 0x8000, 0x800), leaf, dice.randrange(3))
            case 0 | 1 | 2:
                assert leaf.container is not None
                memory.del_subregion(leaf.container, leaf)
            case 3:
                memory.set_address(leaf, dice.randrange(0, 0x8000, 0x400))
            case 4:
                memory.set_enabled(leaf, dice.random() < 0.5)
            case 5:
                memory.set_readonly(self.leaves[3], dice.random() < 0.5)
            case 6:
                memory.set_enabled(dice.choice(self.masters), dice.random() < 0.6)
            case 7:
                window = dice.choice(self.windows)
                memory.begin()
                if window.container is not None:
                    memory.del_subregion(window.container, window)
                memory.init_alias(window, dice.randrange(0, 0x4000, 0x1000), dice.choice((0, 0x1000, 0x8000)))
                memory.add_subregion(self.regions[0], 0x100000 * dice.randrange(1, 3), window, 1)
                memory.commit()
            case 8:
                memory.mark_pending(True)
                memory.do_commit()
            case 9:
                made = memory.create("made", A, 0x800, alias=self.regions[3], alias_offset=0x100)
                memory.add_subregion(self.regions[0], 0x80000 + len(self.regions[0].subregions) * 0x1000, made)
                self.made.append(made)

    def shown(self) -> object:
        """All that can be seen of it, without identities."""
        memory = self.memory
        return (
            [(space.name, space.current.text(), space.current.epoch) for space in memory.spaces],
            [memory.spaces[0].current is space.current for space in memory.spaces],
            {None if root is None else root.name: view.text() for root, view in memory.views.items()},
            (memory.rebuilds, memory.epoch, memory.work.save(), len(memory.unseen), memory.update_pending),
            [recorder.heard() for recorder in self.recorders],
            [recorder.believes(()) for recorder in self.recorders],
            [ear.heard for ear in self.ears if not ear.is_idle],
        )


@pytest.mark.parametrize("seed", range(12))
def test_rebuilds_that_remember_come_to_the_same(seed: int) -> None:
    plain, quick = Board(remembers=False), Board(remembers=True)
    quick.ears[1].is_idle = plain.ears[1].is_idle = True
    programs = [random.Random(seed * 100 + number).getrandbits(30) for number in range(3)]
    for turn in range(9):
        dice = [random.Random(programs[turn % 3]) for _ in range(2)]
        branch = random.Random(turn if turn > 5 else 0)
        for step in range(25):
            views = [space.current for space in quick.memory.spaces]
            before = quick.memory.rebuilds
            if step == 15 and branch.random() < 0.5:
                dice = [random.Random(turn) for _ in range(2)]
            for board, its in zip((plain, quick), dice, strict=True):
                opens = its.random() < 0.2
                for _ in range(its.randrange(4) if opens else 0):
                    board.memory.begin()
                    board.act(its)
                board.act(its)
                while board.memory.depth:
                    board.memory.commit()
            assert plain.shown() == quick.shown(), (turn, step)
            if quick.memory.rebuilds > before:
                assert all(
                    space.current is not view or view.root is None
                    for space, view in zip(quick.memory.spaces, views, strict=True)
                ), "a rebuild makes new views"
        validate(quick.memory, quick.regions + quick.made)
        for board in (plain, quick):
            board.memory.rollback()
            board.made.clear()
        assert plain.shown() == quick.shown()


def test_a_rebuild_of_a_known_tree_renders_and_compares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(remembers=True)
    memory, leaf = board.memory, board.leaves[0]
    for ear in board.ears:
        ear.is_idle = True
    found = []
    for turn in range(2):
        if turn:
            monkeypatch.setattr("model.memory.memory.Memory._new_content", None)
            monkeypatch.setattr("model.memory.publishing._apart", None)
        memory.add_subregion(board.regions[4], 0x100, leaf)
        memory.set_enabled(board.masters[0], True)
        memory.del_subregion(board.regions[4], leaf)
        found.append(board.shown())
        memory.rollback()
    assert found[0] == found[1]


def test_a_listener_that_hears_ranges_one_by_one_is_told_so() -> None:
    board = Board(remembers=True)
    told: list[tuple[str, FlatRange]] = []

    class Pedant(Recorder):
        """Hears for itself."""

        def region_add(self, space: AddressSpace, piece: FlatRange) -> None:
            told.append((space.name, piece))
            super().region_add(space, piece)

    assert Recorder.hears_differences
    assert not Pedant.hears_differences
    space = board.memory.spaces[0]
    board.memory.register(Pedant(space), space)
    told.clear()
    board.memory.add_subregion(board.regions[4], 0x100, board.leaves[0])
    assert [row_of(piece)[:3] for _, piece in told] == [(0x20100, 0x210FF, "d0")]


def test_one_that_was_told_something_else_before_goes_on_from_there() -> None:
    board = Board(remembers=True)
    memory, recorder = board.memory, board.recorders[0]
    ghost = FlatRange(1 << 40, (1 << 40) + 0x1000, board.leaves[1], 0, readonly=False, nonvolatile=False, romd=False)
    recorder.region_add(recorder.space, ghost)
    memory.add_subregion(board.regions[4], 0x100, board.leaves[0])
    believed = {row[2]: row[0] for row in recorder.believes(())}
    assert (believed["d1"], believed["d0"]) == (1 << 40, 0x20100)
    memory.rollback()
    assert "d1" not in {row[2] for row in recorder.believes(())}
