"""Laws of the memory core, over random programs: invariants I1-I16, batching I23, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from fuzz.programs import WORLDS, Program, Stage, ends, run
from fuzz.programs.program import TREE
from fuzz.programs.strategies import programs
from model import REFERENCE, Design
from model.memory import EMPTY, T64, AddressSpace, FlatRange, Kind, Listener, Memory, MemoryAbort, Region
from model.memory import TransactionError as NoBegin
from model.memory.validate import validate

if TYPE_CHECKING:
    from model.designs import Load
    from vmformat import Refusal

C, IO, RAM, A = Kind.CONTAINER, Kind.IO, Kind.RAM, Kind.ALIAS


TREES = programs(verbs=TREE | {"begin", "commit", "eventfd", "open", "close"})
STAGE = Stage(WORLDS["board"])


@given(TREES)
@settings(max_examples=40, deadline=None)
def test_invariants_hold_after_every_call(program: Program) -> None:
    assert run(STAGE, program, REFERENCE(), check=True).findings == ()


class Batch(Design):
    """All in one transaction."""

    name = "batch"

    def load_begins(self, load: Load) -> None:
        load.memory.begin()

    def load_ends(self, load: Load, error: Refusal | None) -> None:
        load.memory.commit()


@given(TREES)
@settings(max_examples=30, deadline=None)
def test_batching_ends_in_the_same_views(program: Program) -> None:
    single, batched = run(STAGE, program, REFERENCE()), run(STAGE, program, Batch())
    assert ends(single, batched, reacts=False) == ()
    assert batched.rebuilds <= max(single.rebuilds, 2)


@given(TREES, TREES)
@settings(max_examples=15, deadline=None)
def test_rollback_restores_everything(first: Program, second: Program) -> None:
    pristine = snapshot(STAGE)
    ends_: dict[Program, tuple[object, ...]] = {}
    for program in (first, second, first, second):
        assert ends_.setdefault(program, run(STAGE, program, REFERENCE()).end) == run(STAGE, program, REFERENCE()).end
        assert snapshot(STAGE) == pristine
        validate(STAGE.memory, STAGE.regions.values())


def snapshot(stage: Stage) -> object:
    """Everything that a rollback has to restore."""
    memory = stage.memory
    return (
        [[_frozen(getattr(r, name)) for name in Region.__slots__] for r in stage.regions.values()],
        [(id(s), s.name, id(s.root), id(s.current), s.resolved, tuple(s.listeners)) for s in memory.spaces],
        (memory.depth, memory.update_pending, memory.ioeventfd_pending, memory.rebuilds, memory.epoch),
        {root: id(view) for root, view in memory.views.items()},
        tuple(memory.listeners),
        [dict(r.ranges) for r in stage.recorders.values()],
    )


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def small() -> tuple[Memory, Region, AddressSpace]:
    m = Memory()
    root = Region("root", C, T64)
    return m, root, m.add_space("memory", root)


def test_commit_without_begin() -> None:
    with pytest.raises(NoBegin):
        Memory().commit()


def test_mutators_on_what_is_attached_or_not() -> None:
    m, root, _ = small()
    ram = Region("m", RAM, 0x1000)
    m.add_subregion(root, 0, ram)
    with pytest.raises(MemoryAbort):
        m.add_subregion(root, 0, ram)
    with pytest.raises(MemoryAbort):
        m.del_subregion(ram, ram)
    with pytest.raises(MemoryAbort):
        m.set_alias_offset(ram, 0)
    with pytest.raises(MemoryAbort):
        m.set_romd(ram, False)
    with pytest.raises(MemoryAbort):
        m.destroy(ram)
    with pytest.raises(MemoryAbort):
        m.rollback()


@pytest.mark.parametrize(
    ("name", "rebuilds"),
    [
        pytest.param("add under an orphan", 1, id="no reachability check"),
        pytest.param("resize a disabled orphan", 1, id="set_size is unconditional"),
        pytest.param("readonly on a disabled region", 0, id="readonly looks at enabled"),
        pytest.param("add under a disabled parent", 0, id="add looks at the parent"),
        pytest.param("move an orphan", 0, id="set_address of an orphan is a field write"),
        pytest.param("move a child", 1, id="set_address is one transaction"),
        pytest.param("enable what is enabled", 0, id="no-op guard"),
        pytest.param("destroy a space", 0, id="destroy marks nothing"),
        pytest.param("eventfd", 0, id="eventfds rebuild nothing"),
        pytest.param("init alias", 0, id="init marks nothing"),
    ],
)
def test_pending_rules(name: str, rebuilds: int) -> None:
    m, root, _ = small()
    orphan, child = Region("orphan", C, 0x1000), Region("child", RAM, 0x1000)
    disabled = Region("disabled", C, 0x1000, enabled=False)
    alias = Region("alias", A, 0x1000, alias=child)
    other = m.add_space("other", orphan)
    m.add_subregion(root, 0, child)
    before = m.rebuilds
    if name == "add under an orphan":
        m.add_subregion(orphan, 0, Region("x", IO, 1))
    elif name == "resize a disabled orphan":
        m.set_size(disabled, 0x2000)
    elif name == "readonly on a disabled region":
        m.set_readonly(disabled, True)
    elif name == "add under a disabled parent":
        m.add_subregion(disabled, 0, Region("x", IO, 1))
    elif name == "move an orphan":
        m.set_address(orphan, 0x1000)
    elif name == "move a child":
        m.set_address(child, 0x1000)
    elif name == "enable what is enabled":
        m.set_enabled(child, True)
    elif name == "destroy a space":
        m.remove_space(other)
    elif name == "eventfd":
        m.add_eventfd(child)
        m.del_eventfd(child)
    elif name == "init alias":
        m.init_alias(alias, 0x10, 0x20)
    assert m.rebuilds - before == rebuilds


def test_an_orphan_root_that_moves_stays_stale_until_some_commit() -> None:
    m = Memory()
    ram = Region("m", RAM, 0x1000)
    space = m.add_space("s", ram)
    m.set_address(ram, 0x5000)
    assert space.current.text() == "m 0+1000"
    assert m.fresh_view(space).text() == "m 5000+1000"
    m.set_size(Region("unrelated", IO, 1), 2)
    assert space.current.text() == "m 5000+1000"


def test_bus_master_switch_moves_a_space_between_views() -> None:
    m, root, space = small()
    m.add_subregion(root, 0, Region("m", RAM, 0x1000))
    m.add_subregion(root, 0x8000, Region("x", IO, 0x1000))
    container = Region("bus master container", C, T64)
    alias = Region("bus master", A, T64, alias=root, enabled=False)
    m.add_subregion(container, 0, alias)
    device = m.add_space("dev", container)
    assert device.current is EMPTY
    m.set_enabled(alias, True)
    assert device.current is space.current
    m.set_enabled(alias, False)
    assert device.current is EMPTY


def test_shortcut_loses_flags_and_adds_the_roots_address() -> None:
    m = Memory()
    ram = Region("m", RAM, 0x1000)
    m.add_subregion(Region("elsewhere", C, T64), 0x3000, ram)
    top = Region("top", C, T64, readonly=True)
    m.add_subregion(top, 0, Region("a", A, 0x1000, alias=ram))
    space = m.add_space("s", top)
    assert space.current.text() == "m 3000+1000"
    m.add_subregion(top, 0x9000, Region("second", IO, 0x10))
    assert space.current.text() == "m 0+1000 ro | second 9000+10 ro"


def test_a_new_space_in_a_transaction_sees_old_and_new() -> None:
    m, root, old = small()
    m.begin()
    m.add_subregion(root, 0, Region("m", RAM, 0x1000))
    m.add_subregion(root, 0x8000, Region("x", IO, 0x10))
    fresh = Region("fresh", C, T64)
    m.add_subregion(fresh, 0, Region("a", A, 0x800, alias=root))
    m.add_subregion(fresh, 0x4000, Region("y", IO, 0x10))
    assert m.add_space("unique root", fresh).current.text() == "m 0+800 | y 4000+10"
    assert m.fresh_view(old).text() == "m 0+1000 | x 8000+10"
    assert old.current is EMPTY
    m.commit()
    assert old.current.text() == "m 0+1000 | x 8000+10"


class Teller(Listener):
    def __init__(self, name: str, log: list[str], priority: int) -> None:
        super().__init__(priority)
        self.name, self.log = name, log

    def begin(self) -> None:
        self.log.append(f"{self.name} begin")

    def commit(self) -> None:
        self.log.append(f"{self.name} commit")

    def region_add(self, space: AddressSpace, piece: FlatRange) -> None:
        self.log.append(f"{self.name} add {piece.start:x}")

    def region_del(self, space: AddressSpace, piece: FlatRange) -> None:
        self.log.append(f"{self.name} del {piece.start:x}")

    def region_nop(self, space: AddressSpace, piece: FlatRange) -> None:
        self.log.append(f"{self.name} nop {piece.start:x}")


def test_callback_order() -> None:
    m, root, space = small()
    a, b = Region("a", IO, 0x10), Region("b", IO, 0x10)
    m.add_subregion(root, 0, a)
    m.add_subregion(root, 0x100, b)
    log: list[str] = []
    for name, priority in (("late", 10), ("early", 0), ("same", 10)):
        m.register(Teller(name, log, priority), space)
    assert log[:4] == ["late begin", "late add 0", "late add 100", "late commit"]
    log.clear()
    m.set_address(a, 0x200)
    assert log == [
        *("early begin", "late begin", "same begin"),
        *("same del 0", "late del 0", "early del 0"),
        *("early nop 100", "late nop 100", "same nop 100"),
        *("early add 200", "late add 200", "same add 200"),
        *("early commit", "late commit", "same commit"),
    ]
    log.clear()
    m.add_eventfd(a)
    assert log == []
    m.unregister(m.listeners[0], space)
    assert log == ["early begin", "early del 100", "early del 200", "early commit"]


def test_an_unrelated_commit_tells_nops_and_makes_new_identities() -> None:
    m, root, space = small()
    m.add_subregion(root, 0, Region("a", IO, 0x10))
    m.add_subregion(root, 0x100, Region("b", IO, 0x10))
    log: list[str] = []
    m.register(Teller("l", log, 0), space)
    log.clear()
    before = space.current
    m.set_size(Region("orphan", IO, 1), 2)
    assert log == ["l begin", "l nop 0", "l nop 100", "l commit"]
    assert space.current is not before
    assert space.current.same_content(before)


def test_mutation_in_a_commit_callback_is_another_commit() -> None:
    m, root, space = small()
    m.add_subregion(root, 0, Region("a", IO, 0x10))
    extra = Region("extra", IO, 0x10)

    class Adder(Listener):
        armed = False

        def commit(self) -> None:
            if self.armed and extra.container is None:
                m.add_subregion(root, 0x500, extra)

    adder = Adder()
    m.register(adder, space)
    adder.armed = True
    before = m.rebuilds
    m.add_subregion(root, 0x100, Region("b", IO, 0x10))
    assert m.rebuilds - before == 2
    assert space.current.text() == "a 0+10 | b 100+10 | extra 500+10"


def test_regions_made_at_run_time_are_forgotten() -> None:
    m, root, space = small()
    ram = Region("m", RAM, 0x1000)
    m.add_subregion(root, 0, ram)
    m.add_subregion(root, 0x8000, Region("x", IO, 1))
    m.checkpoint()
    for _ in range(2):
        alias = m.create("new", A, 0x100, alias=ram)
        m.add_subregion(root, 0x4000, alias)
        assert space.current.text() == "m 0+1000 | m 4000+100 | x 8000+1"
        m.del_subregion(root, alias)
        m.destroy(alias)
        m.rollback()
        assert ram.aliases == []


def test_forced_commit_at_depth() -> None:
    m, root, space = small()
    m.begin()
    m.add_subregion(root, 0, Region("m", RAM, 0x1000))
    m.do_commit()
    assert (space.current.text(), m.depth, m.update_pending, m.rebuilds) == ("m 0+1000", 1, False, 1)
    m.commit()
    assert m.rebuilds == 1
