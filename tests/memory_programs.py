"""Random programs of memory-API calls, as data: hypothesis makes and shrinks them, `World.run` carries them out."""

from __future__ import annotations

from hypothesis import strategies as st

from model.memory import T64, AddressSpace, FlatRange, Kind, Listener, Memory, MemoryAbort, Region

Step = tuple[str, int, int, int, int]
"""verb, which region, another region, an offset or size, a priority or flag"""

UNIT = 0x800
KINDS = (
    Kind.RAM,
    Kind.IO,
    Kind.ROMD,
    Kind.RAM,
    Kind.CONTAINER,
    Kind.ALIAS,
    Kind.IO,
    Kind.CONTAINER,
    Kind.ALIAS,
    Kind.ALIAS,
    Kind.CONTAINER,
    Kind.ALIAS,
    Kind.CONTAINER,
    Kind.CONTAINER,
)
TARGETS = {5: 4, 8: 5, 9: 7, 11: 10}
"""Aliases show, and containers hold, only what stands before them: so no cycle can arise."""
ATTACHED = (
    *((0, 4, 0, 0), (1, 4, 3, 0), (2, 7, 1, 0), (3, 7, 4, 1), (4, 12, 2, 0), (5, 7, 6, 0), (6, 10, 1, 0)),
    *((7, 12, 8, 0), (8, 10, 4, 0), (9, 13, 0, 0), (10, 13, 3, 1), (11, 12, 5, 1)),
)
"""How a world starts: region, container, offset in units, priority."""
ROOTS = (13, 13, 12, 10, 11, 9)

VERBS = ("add", "add", "add", "del", "enabled", "size", "address", "offset", "readonly", "nonvolatile", "romd", "init")

steps = st.tuples(
    st.sampled_from((*VERBS, "begin", "commit")),
    st.integers(0, len(KINDS) - 1),
    st.integers(0, len(KINDS) - 1),
    st.one_of(st.integers(0, 12), st.sampled_from([T64 // UNIT, T64 // UNIT - 1])),
    st.integers(-1, 1),
)
programs = st.lists(steps, max_size=40)


class Recorder(Listener):
    """Keeps what it was told, checks the order of I14, and replays it (I15)."""

    def __init__(self) -> None:
        super().__init__()
        self.ranges: dict[int, FlatRange] = {}
        self.open = 0
        self.told: list[tuple[str, int]] = []

    def begin(self) -> None:
        assert self.open == 0, "I16"
        self.open = 1
        self.told = []

    def commit(self) -> None:
        assert self.open == 1, "I16"
        self.open = 0
        removed = [start for event, start in self.told if event == "del"]
        added = [start for event, start in self.told if event == "add"]
        assert self.told == [("del", start) for start in removed] + [("add", start) for start in added], "I14"
        assert removed == sorted(removed), "I14"
        assert added == sorted(added), "I14"

    def region_add(self, space: AddressSpace, piece: FlatRange) -> None:
        assert piece.start not in self.ranges, "I15"
        self.ranges[piece.start] = piece
        self.told.append(("add", piece.start))

    def region_del(self, space: AddressSpace, piece: FlatRange) -> None:
        assert self.ranges.pop(piece.start) == piece, "I15"
        self.told.append(("del", piece.start))

    def region_nop(self, space: AddressSpace, piece: FlatRange) -> None:
        assert self.ranges[piece.start] == piece, "I15"
        self.told.append(("add", piece.start))

    def save(self) -> object:
        return dict(self.ranges)

    def restore(self, state: object) -> None:
        assert isinstance(state, dict)
        self.ranges, self.open = dict(state), 0


class World:
    """A memory core with fourteen regions, two of 2**64 bytes, and six address spaces, some sharing."""

    def __init__(self, *, listen: bool = True) -> None:
        self.memory = Memory()
        self.regions: list[Region] = []
        for index, kind in enumerate(KINDS):
            target = self.regions[TARGETS[index]] if index in TARGETS else None
            size = T64 if index >= 12 else (index % 5 + 2) * UNIT
            size = 8 * UNIT if kind is Kind.CONTAINER and index < 12 else size
            self.regions.append(Region(f"r{index}", kind, size, alias=target))
        for child, container, offset, priority in ATTACHED:
            self.memory.add_subregion(self.regions[container], offset * UNIT, self.regions[child], priority)
        self.spaces = [self.memory.add_space(f"s{i}", self.regions[root]) for i, root in enumerate(ROOTS)]
        self.recorders = [Recorder() for _ in self.spaces] if listen else []
        for recorder, space in zip(self.recorders, self.spaces, strict=False):
            self.memory.register(recorder, space)

    def run(self, program: list[Step], *, batch: bool = False) -> None:
        """Carry out a program; steps that QEMU would not survive are left out."""
        if batch:
            self.memory.begin()
        for step in program:
            self.step(step, batch=batch)
        while self.memory.depth:
            self.memory.commit()

    def step(self, step: Step, *, batch: bool = False) -> None:
        verb, first, second, number, flag = step
        memory = self.memory
        if verb == "begin":
            if not batch:
                memory.begin()
        elif verb == "commit":
            if memory.depth and not batch:
                memory.commit()
        else:
            before = [(r.addr, r.alias_offset, r.size, r.enabled) for r in self.regions]
            pending = memory.update_pending
            rebuilds = memory.rebuilds
            self.mutate(verb, first, second, number * UNIT, flag)
            after = [(r.addr, r.alias_offset, r.size, r.enabled) for r in self.regions]
            quiet = memory.rebuilds == rebuilds and memory.update_pending == pending
            if quiet and before != after:
                # The exception of 2.2: a root that moves without a flag. An unrelated commit makes it good.
                memory.begin()
                memory.mark_pending(True)
                memory.commit()

    def mutate(self, verb: str, first: int, second: int, number: int, flag: int) -> None:
        memory, region = self.memory, self.regions[first]
        if verb == "add":
            container = self.regions[second]
            if first < second and region.container is None and number < T64:
                memory.add_subregion(container, number, region, flag)
        elif verb == "del":
            if region.container is not None:
                memory.del_subregion(region.container, region)
        elif verb == "enabled":
            memory.set_enabled(region, flag >= 0)
        elif verb == "size":
            memory.set_size(region, min(number, T64))
        elif verb == "address":
            memory.set_address(region, number % T64)
        elif verb == "offset":
            if region.alias is not None:
                memory.set_alias_offset(region, number % T64)
        elif verb == "readonly":
            memory.set_readonly(region, flag > 0)
        elif verb == "nonvolatile":
            memory.set_nonvolatile(region, flag > 0)
        elif verb == "romd":
            if region.kind is Kind.ROMD:
                memory.set_romd(region, flag > 0)
        elif verb == "init" and region.alias is not None and region.container is None:
            memory.init_alias(region, number % T64, min((second + 1) * UNIT, T64))

    def texts(self) -> list[str]:
        """The current views, as text."""
        return [space.current.text() for space in self.spaces]

    def snapshot(self) -> object:
        """Everything that a rollback has to restore."""
        memory = self.memory
        return (
            [[_frozen(getattr(r, name)) for name in Region.__slots__] for r in self.regions],
            [(id(s), s.name, id(s.root), id(s.current), s.resolved, tuple(s.listeners)) for s in memory.spaces],
            (memory.depth, memory.update_pending, memory.ioeventfd_pending, memory.rebuilds, memory.epoch),
            {root: id(view) for root, view in memory.views.items()},
            tuple(memory.listeners),
            [dict(r.ranges) for r in self.recorders],
        )


def survives(world: World, program: list[Step], *, batch: bool = False) -> bool:
    """Run a program; False where QEMU would abort (two regions of 2**64 bytes, I20)."""
    try:
        world.run(program, batch=batch)
    except MemoryAbort:
        return False
    return True


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
