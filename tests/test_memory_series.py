"""A series that is made again by its result leaves what making it call by call leaves."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from model.memory import T64, Kind, Memory, MemoryAbort, Region, TransactionError, changes, region
from model.memory import memory as core
from model.memory.validate import validate

if TYPE_CHECKING:
    from collections.abc import Callable

C, IO, A = Kind.CONTAINER, Kind.IO, Kind.ALIAS
FIELDS = [name for name in Region.__slots__ if name not in {"container", "subregions", "alias", "aliases"}]


class Bridge:
    """Three windows of a bus that come and go together, and leaves on it; a space that one alias decides upon."""

    def __init__(self, *, remembers: bool) -> None:
        self.memory = memory = Memory()
        memory.remembers = remembers
        self.root, self.bus = Region("root", C, T64), Region("bus", C, T64)
        self.master, top = Region("master", A, T64, alias=self.root, enabled=False), Region("top", C, T64)
        self.windows = [Region(f"w{i}", A, 0, alias=self.bus) for i in range(3)]
        self.leaves = [Region(f"d{i}", IO, 0x1000) for i in range(4)]
        self.regions = [self.root, self.bus, self.master, top, *self.windows, *self.leaves]
        memory.add_subregion(top, 0, self.master)
        for number, leaf in enumerate(self.leaves):
            memory.add_subregion(self.bus, 0x2000 * number, leaf)
        for window in self.windows:
            memory.add_subregion(self.root, 0, window, 1)
        memory.add_subregion(self.root, 1 << 40, Region("other", IO, 1))
        memory.add_space("memory", self.root)
        memory.add_space("dma", top)
        memory.checkpoint()
        self.made = 0

    def rebuild(self, wanted: tuple[tuple[int, int], ...], master: bool) -> None:
        """Take the windows away and put them back, as a bridge does."""
        memory = self.memory

        def make() -> None:
            self.made += 1
            for window in self.windows:
                memory.del_subregion(self.root, window)
            for window, (base, size) in zip(self.windows, wanted, strict=True):
                memory.init_alias(window, base, size)
                memory.add_subregion(self.root, base, window, 1)
            memory.set_enabled(self.master, master)

        memory.begin()
        memory.together((self, wanted, master), make)
        memory.commit()

    def shown(self) -> object:
        """All there is."""
        memory = self.memory
        return (
            [[getattr(region, name) for name in FIELDS] for region in self.regions],
            [
                (region.container and region.container.name, [child.name for child in region.subregions])
                for region in self.regions
            ],
            [(space.current.text(), space.resolved and space.resolved.name) for space in memory.spaces],
            [memory.fresh_view(space).text() for space in memory.spaces],
            [(key[0], *(getattr(part, "name", part) for part in key[1:])) for key, _ in memory.unseen],
            (memory.epoch, memory.rebuilds, memory.depth, memory.update_pending, memory.work.save()),
        )


@pytest.mark.parametrize("seed", range(8))
def test_a_repeated_series_comes_to_the_same(seed: int) -> None:
    plain, quick = Bridge(remembers=False), Bridge(remembers=True)
    pristine = quick.shown()
    for turn in range(15):
        dice = random.Random(seed * 10 + turn % 3)
        for step in range(14):
            wanted = tuple((dice.randrange(0, 0x6000, 0x1000), dice.choice((0, 0x1000, 0x3000))) for _ in range(3))
            if step % 4 == 3:
                wanted = ((0, 0),) * 3
            master, leaf, moves = dice.random() < 0.5, dice.randrange(4), dice.random() < 0.4
            opens = dice.random() < 0.3
            for board in (plain, quick):
                if opens:
                    board.memory.begin()
                if moves:
                    board.memory.set_address(board.leaves[leaf], 0x800 * step)
                board.rebuild(wanted, master)
            assert plain.shown() == quick.shown()
            for board in (plain, quick):
                while board.memory.depth:
                    board.memory.commit()
            assert plain.shown() == quick.shown()
        validate(quick.memory, [*quick.regions])
        for board in (plain, quick):
            board.memory.rollback()
        assert quick.shown() == pristine
    assert quick.made == 2 * plain.made // 5, "of five times each the first two"


def test_one_that_ends_as_it_began_writes_nothing() -> None:
    board = Bridge(remembers=True)
    for _ in range(3):
        board.rebuild(((0, 0),) * 3, False)
        journal = len(board.memory._journal or ())
        board.memory.rollback()
    assert (board.made, journal) == (2, 0)


@pytest.mark.parametrize("what", ["heard", "before_commit", "insert", "mark_pending", "outside", "has_lock"])
def test_it_is_made_call_by_call_where_one_could_tell(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    board = Bridge(remembers=True)
    memory = board.memory
    windows = ((0x1000, 0x1000),) * 3
    for _ in range(3):
        board.rebuild(windows, True)
        memory.rollback()
    assert board.made == 2
    seen: list[object] = []
    if what == "heard":
        memory.heard = lambda *told: seen.append(told)
    elif what == "before_commit":
        memory.before_commit = lambda: seen.append(memory.epoch)
    elif what in {"insert", "mark_pending"}:
        owner: object = region if what == "insert" else core.Memory
        sound: Callable[..., object] = getattr(owner, what)

        def watching(*args: object) -> object:
            seen.append(args)
            return sound(*args)

        monkeypatch.setattr(owner, what, watching)
    elif what == "has_lock":
        memory.has_lock = False
        with pytest.raises(TransactionError):
            board.rebuild(windows, True)
        assert board.made == 3
        return
    if what == "outside":
        memory.together((board, windows, True), lambda: seen.append("made"))
    else:
        board.rebuild(windows, True)
    assert seen


def test_one_that_dies_is_not_kept() -> None:
    board = Bridge(remembers=True)
    memory = board.memory
    board.memory.set_enabled(board.leaves[0], False)

    def dies() -> None:
        memory.del_subregion(board.bus, board.leaves[1])
        memory.del_subregion(board.bus, board.leaves[1])

    for _ in range(2):
        memory.begin()
        with pytest.raises(MemoryAbort):
            memory.together(("dies",), dies)
        assert memory.update_pending
        memory.commit()
        memory.rollback()


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "_MAX_NODES", 40)
    board = Bridge(remembers=True)
    for number in range(60):
        for base in range(2):
            board.rebuild(((0x1000 * number, 0x1000 * base),) * 3, number % 2 == 0)
            nodes = [board.memory._node]
            while nodes[-1].parent is not None:
                nodes.append(nodes[-1].parent)
            assert sum(changes.weight_of(node.records) for node in nodes[:-1]) <= 40
        assert board.memory._nodes <= 40
        board.memory.rollback()
