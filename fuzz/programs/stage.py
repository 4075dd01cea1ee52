"""A world that is built: a memory core with its regions, its spaces, and listeners that hold it to its word.

It is built once and rolled back after each program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.memory import Kind, Listener, Memory, Region, Remapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuzz.programs.worlds import World
    from model.memory import AddressSpace, FlatRange

_PAGE = 0x1000
_BLOCKED = 3 * _PAGE - 0x10
"""Where the IOMMU's last sixteen bytes of its third page start: nothing gets through there."""


class Stage:
    """The world under programs. `regions` and `spaces` by name; `react` is called at listeners' begin and commit."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.memory = Memory()
        self.regions: dict[str, Region] = {}
        self.order: dict[str, int] = {}
        for number, part in enumerate(world.parts):
            target = self.regions[part.target] if part.target else None
            block = part.name if part.kind in {Kind.RAM, Kind.ROM, Kind.ROMD} else ""
            region = Region(part.name, part.kind, part.size, alias=target, block=block, enabled=part.enabled)
            self.regions[part.name] = region
            self.order[part.name] = number
        for child, container, offset, priority in world.attached:
            self.memory.add_subregion(self.regions[container], offset, self.regions[child], priority)
        self.spaces = {name: self.memory.add_space(name, self.regions[root]) for name, root in world.spaces}
        self.recorders = {name: Recorder() for name in self.spaces}
        for name, space in self.spaces.items():
            self.memory.register(self.recorders[name], space)
            self.recorders[name].updates = self.memory.rebuilds
        self.react: Callable[[str], None] = _nobody
        first = next(iter(self.spaces.values()))
        self.memory.register(_Reactor(self), first)
        self.memory.remap = self._remap
        self.memory.checkpoint()
        self._pristine = dict(self.spaces)

    def reset(self) -> None:
        """Return to how the world was built."""
        self.react = _nobody
        self.memory.rollback()
        self.spaces = dict(self._pristine)

    def may_hold(self, container: str, region: str) -> bool:
        """Whether a region may be put into another one: what stands later holds what stands before it."""
        return self.order[region] < self.order[container]

    def _remap(self, region: Region, offset: int, write: bool) -> Remapped | None:
        """The IOMMU's table: pages lead into the first space, crosswise; a few bytes lead nowhere."""
        page, rest = divmod(offset, _PAGE)
        if _BLOCKED <= offset < 3 * _PAGE or (write and _BLOCKED <= offset - 2 * _PAGE < 3 * _PAGE):
            return None
        length = min(_BLOCKED % _PAGE, _PAGE) - rest if page in {2, 4} and rest < _BLOCKED % _PAGE else _PAGE - rest
        return Remapped(next(iter(self.spaces.values())), page * 3 % 8 * _PAGE + rest, length)


def _nobody(event: str) -> None:
    pass


class BrokenInvariant(AssertionError):
    """A law of memory.md 11 does not hold. `str()` begins with its number and a colon."""


class Recorder(Listener):
    """Keeps what it was told, checks its order (I14, I16), and replays it (I15). Raises BrokenInvariant."""

    def __init__(self) -> None:
        super().__init__()
        self.ranges: dict[int, FlatRange] = {}
        self.updates = 0
        """Updates heard to their end."""
        self._told: list[list[tuple[bool, int]]] = []

    def begin(self) -> None:
        """Nothing told yet. A tree changed in a begin callback makes an update within the update."""
        self._told.append([])

    def commit(self) -> None:
        """All removals before all additions, each ascending."""
        _check(bool(self._told), "I16: commit without begin")
        told = self._told.pop()
        self.updates += 1
        removed = [start for added, start in told if not added]
        added = [start for added, start in told if added]
        _check([is_new for is_new, _ in told] == [False] * len(removed) + [True] * len(added), "I14: del after add")
        _check(removed == sorted(removed) and added == sorted(added), "I14: not ascending")

    def region_add(self, space: AddressSpace, piece: FlatRange) -> None:
        """A range that was not there."""
        _check(piece.start not in self.ranges, f"I15: {space.name}: {piece.start:#x} added twice")
        self.ranges[piece.start] = piece
        self._told[-1].append((True, piece.start))

    def region_del(self, space: AddressSpace, piece: FlatRange) -> None:
        """A range that was there."""
        _check(self.ranges.pop(piece.start, None) == piece, f"I15: {space.name}: {piece.start:#x} was not there")
        self._told[-1].append((False, piece.start))

    def region_nop(self, space: AddressSpace, piece: FlatRange) -> None:
        """A range that stays."""
        _check(self.ranges.get(piece.start) == piece, f"I15: {space.name}: {piece.start:#x} was not there")
        self._told[-1].append((True, piece.start))

    def agrees(self, space: AddressSpace) -> bool:
        """Whether what was told, replayed, is what the space shows, and no update is open (I15, I16)."""
        return not self._told and sorted(self.ranges.values(), key=lambda piece: piece.start) == list(space.current)

    def save(self) -> object:
        """The ranges, and the updates heard."""
        return dict(self.ranges), self.updates

    def restore(self, state: object) -> None:
        """The ranges again, no update under way."""
        assert isinstance(state, tuple)
        self.ranges, self.updates, self._told = dict(state[0]), state[1], []


class _Reactor(Listener):
    """Does what the program says listeners do."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(priority=5)
        self._stage = stage

    def begin(self) -> None:
        self._stage.react("begin")

    def commit(self) -> None:
        self._stage.react("commit")


def _check(condition: bool, text: str) -> None:
    if not condition:
        raise BrokenInvariant(text)
