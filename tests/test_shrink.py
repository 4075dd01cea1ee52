"""Shrinking: the best case always holds, and nothing can be taken from what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from bloated import FOLDER, bloated

from fuzz.corpus import find_machine, find_stream
from fuzz.crashers import read_crasher
from fuzz.lives import lives_of
from fuzz.replay import Replayer
from fuzz.shrink import PASSES, Case, Judge, Work, shrink
from fuzz.shrink.work import count_sections, measure
from model import DESIGNS, Machine, parse
from model.default_stream import default_stream
from model.schedule import Schedule
from vmformat import Cmd, Command, Configuration, Eof, Kind, Section, Stream, read, write
from vmformat.edit import Assign, apply
from vmformat.edit.records import Slots
from vmformat.iterable.payloads import encode_records

if TYPE_CHECKING:
    from collections.abc import Callable

CRASHERS = {
    # crasher: its design, the sections that are left of those that can show it
    "wrap-main-ring-in-own-bar": ("wrap-main", ["0000:00:03.0/virtio-net"]),
    "wrap-main-breaks-device": ("wrap-main", ["ram", "0000:00:00.0/I440FX", "0000:00:02.0/virtio-blk"]),
    "postcopy-listener-commits-without-lock": ("v1-flag-eof", ["pcspk"]),
}


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine(parse(find_machine("pc-small").description.read_bytes()))


@pytest.fixture(scope="module")
def seed() -> bytes:
    return find_stream("pc-small/after").read_bytes()


def work(machine: Machine, case: Case, predicate: Callable[[Case], bool]) -> Work:
    """A shrinking that is checked as it goes."""
    before = [case]

    def improved(case: Case) -> None:
        assert predicate(case)
        last = before[-1]
        assert len(case.data) <= len(last.data) or measure(case, machine.schemas) < measure(last, machine.schemas)
        assert len(case.schedule) <= len(last.schedule)
        assert (case.data, case.schedule) != (last.data, last.schedule)
        before.append(case)

    return Work(case, predicate, machine, improved)


@pytest.mark.parametrize("name", CRASHERS)
def test_crashers_become_minimal_in_sections(name: str, machine: Machine) -> None:
    design, sections = CRASHERS[name]
    judge = Judge(machine.description, DESIGNS[design])
    case = Case(bloated(name))
    causes = set(read_crasher(FOLDER / f"{name}.vmstate").expect[design]["causes"])
    assert causes
    assert causes <= set(judge.causes(case))
    one = work(judge.machine, case, lambda case: causes <= set(judge.causes(case)))
    assert shrink(one) == "minimal"
    assert [section.name for _place, section in one.sections()] == sections
    for place, _section in one.sections():
        slots = Slots(one.stream, one.schemas)
        slots.take(slots.at(place))
        assert not causes <= set(judge.causes(Case(write(slots.result()))))
    again = Work(case, lambda case: causes <= set(judge.causes(case)), judge.machine)
    shrink(again)
    assert len(one.best.data) <= (FOLDER / f"{name}.vmstate").stat().st_size
    assert (again.best, again.executions, again.tallies) == (one.best, one.executions, one.tallies)
    assert sum(tally.tried for tally in one.tallies.values()) == one.executions
    assert sum(tally.saved for tally in one.tallies.values()) == len(case.data) - len(one.best.data)


def test_the_cause_of_a_crasher_is_what_a_replay_finds() -> None:
    crasher = read_crasher(FOLDER / "wrap-main-ring-in-own-bar.vmstate")
    replayed = Replayer().outcomes(crasher.path.read_bytes(), crasher.machine, ["wrap-main"])
    judge = Judge(parse(find_machine(crasher.machine).description.read_bytes()), DESIGNS["wrap-main"])
    assert list(judge.causes(Case(crasher.path.read_bytes()))) == replayed["wrap-main"]["causes"]


def test_what_the_model_raises_is_a_cause(machine: Machine, seed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Judge(machine.description, DESIGNS["wrap-main"])
    before = judge.causes(Case(seed))

    def broken(self: object) -> None:
        raise RuntimeError("lost")

    with monkeypatch.context() as patched:
        patched.setattr(Machine, "layout", broken)
        (cause,) = judge.causes(Case(seed))
    assert cause == "wrap-main/exception/test_shrink.broken/RuntimeError/-"
    assert judge.causes(Case(seed)) == before


def test_a_cause_of_the_life_beyond_the_load(machine: Machine) -> None:
    cause = "wrap-main/resave-device-state/broken/derived/virtio-blk"
    case = Case((FOLDER / "wrap-main-breaks-device.vmstate").read_bytes())
    assert lives_of([cause, "wrap-main/resume-x/a/b/c", "wrap-main/layout/a/b/c"]) == ("resume", "resave")
    assert cause not in Judge(machine.description, DESIGNS["wrap-main"]).causes(case)
    judge = Judge(machine.description, DESIGNS["wrap-main"], lives=lives_of([cause]))
    assert cause in judge.causes(case)
    one = Work(case, lambda case: cause in judge.causes(case), judge.machine, budget=2)
    assert shrink(one) == "budget"


# Passes, each against a predicate of its own: no load is needed to see what they do.


def shrunk(machine: Machine, case: Case, predicate: Callable[[Stream], bool]) -> Stream:
    one = work(machine, case, lambda case: predicate(case.parsed(machine.schemas)))
    assert predicate(one.stream)
    assert shrink(one) == "minimal"
    return one.stream


def has(name: str) -> Callable[[Stream], bool]:
    return lambda stream: stream.section(name) is not None and bool(stream.records)


def test_a_section_becomes_what_it_is_at_reset(machine: Machine, seed: bytes) -> None:
    stream = shrunk(machine, Case(seed), has("i8254"))
    assert [record for record in stream.records if not isinstance(record, Section)] == [Eof()]
    (section,) = stream.sections
    assert section.layout is not None
    assert not stream.faults
    reset = default_stream(machine.description).section("i8254")
    assert reset is not None
    assert section.payload == reset.payload
    assert stream.configuration == Configuration.build(machine.description.machine)


@pytest.mark.parametrize(
    ("field", "value", "least"),
    [
        ("queues.queue[0].desc", 0xFC123, 0x123),
        ("head.status", 0x8F, 7),
        ("pci.config[0].bar1", 0xFEBD1000, 0xFEB00000),
    ],
)
def test_a_field_keeps_the_bits_that_matter(field: str, value: int, least: int, machine: Machine, seed: bytes) -> None:
    path = f"0000:00:02.0/virtio-blk/virtio.{field}"
    stream, _ = apply(read(seed, machine.schemas), [Assign(path, "=", hex(value))], machine.schemas)

    def bits(stream: Stream) -> bool:
        found = stream.find(path)
        return len(found) == 1 and isinstance(found[0].node.value, int) and found[0].node.value & least == least

    small = shrunk(machine, Case(write(stream)), bits)
    assert small.find(path)[0].node.value == least


def test_subsections_and_elements_go(machine: Machine, seed: bytes) -> None:
    """Only what is asked for of them stays, and counts follow."""

    def named(stream: Stream) -> bool:
        section = stream.section("0000:00:02.0/virtio-blk")
        return section is not None and section.tree.find("virtio.core.virtio/64bit_features") is not None

    small = shrunk(machine, Case(seed), named)
    tree = small.sections[0].tree
    assert tree.find("virtio.core.virtio/extra_state") is None
    number = tree.find("virtio.queues.num")
    assert number is not None
    assert number.value == 0


def test_ram(machine: Machine) -> None:
    """The page that matters and the bytes in it; its section holds no more, and is one."""
    page = bytes(range(256)) * 16
    stream = read(
        write(
            Stream(
                configuration=Configuration.build(machine.description.machine),
                records=(
                    *_ram(machine, {0x1000: bytes(4096), 0x5000: page}, {0x6000: page, 0x7000: b"\7" * 4096}),
                    Eof(),
                ),
            )
        ),
        machine.schemas,
    )
    assert count_sections(stream, machine.schemas) == 2

    def holds(stream: Stream) -> bool:
        rows = [row for one in stream.sections if one.is_ram for row in _rows(one)]
        return any(
            row.get("block") == b"pc.ram"
            and row["address_flags"] & ~0xFFF == 0x6000
            and row.get("data", b"")[9:10] == b"\t"
            for row in rows
        )

    small = shrunk(machine, Case(write(stream)), holds)
    (section,) = small.sections
    assert section.kind is Kind.START
    page_row, end = _rows(section)
    assert page_row["data"] == bytes(9) + b"\t" + bytes(4086)
    assert end == {"address_flags": 0x10}


def test_a_page_of_zeros_does(machine: Machine) -> None:
    stream = Stream(records=(*_ram(machine, {0x1000: b"\1" * 4096}, {0x2000: b"\2" * 4096}), Eof()))

    def holds(stream: Stream) -> bool:
        return any(
            row["address_flags"] & ~0xFFF == 0x2000 and row.get("block") == b"pc.ram"
            for one in stream.sections
            for row in _rows(one)
        )

    (section,) = shrunk(machine, Case(write(stream)), holds).sections
    assert _rows(section)[0] == {"address_flags": 0x2002, "block": b"pc.ram", "fill": 0}


def _rows(section: Section) -> list[dict[str, Any]]:
    rows = section.tree.values()
    return [] if not isinstance(rows, list) else [row for row in rows if isinstance(row, dict)]


def _ram(machine: Machine, *parts: dict[int, bytes]) -> tuple[Section, ...]:
    """A START with the first pages and an END with the others; each part names the block once."""
    made = []
    for number, pages in enumerate(parts):
        rows: list[dict[str, object]] = []
        for address, data in pages.items():
            named = {"block": b"pc.ram"} if not rows else {}
            rows.append({"address_flags": address | 8 | (0 if named else 0x20), **named, "data": data})
        rows.append({"address_flags": 0x10})
        kind = Kind.START if number == 0 else Kind.END
        payload = encode_records("ram", rows)
        made.append(Section(kind, 2, "ram", 0, 4, payload, footer=2 if machine.description.footers else None))
    return tuple(made)


def test_packages(machine: Machine, seed: bytes) -> None:
    """What stands in a package is dropped too, and what is left needs no package."""
    whole = read(seed, machine.schemas)
    inside = [one for one in whole.sections if not one.is_ram][:6]
    package = Command.packaged(b"".join(one.to_bytes() for one in inside) + b"\0")
    stream = whole.with_records((Command.ping(7), package, Eof()))
    name = inside[3].name

    def holds(stream: Stream) -> bool:
        found = Slots(stream, machine.schemas).walk()
        return any(isinstance(slot.record, Section) and slot.record.name == name for _place, slot in found)

    small = shrunk(machine, Case(write(stream)), holds)
    assert [type(record) for record in small.records] == [Section, Eof]

    def packed(stream: Stream) -> bool:
        found = list(Slots(stream, machine.schemas).walk())
        return any(len(place) > 1 and isinstance(slot.record, Section) for place, slot in found)

    small = shrunk(machine, Case(write(stream)), packed)
    assert [record.cmd for record in small.records if isinstance(record, Command)] == [Cmd.PACKAGED]
    assert count_sections(small, machine.schemas) == 1


def test_a_stream_that_is_none(machine: Machine) -> None:
    """Bytes that no reader understands go one by one; what is behind the last one that matters too."""
    case = Case(b"QEVM\0\0\0\3" + b"\x99garbage that nobody knows \xee and more of it")
    one = work(machine, case, lambda case: b"\xee" in case.data)
    assert shrink(one) == "minimal"
    assert one.best.data.removeprefix(b"QEVM\0\0\0\3") in {b"\xee", b"\xee\0"}


def test_an_eof_comes_back_unless_it_must_not(machine: Machine, seed: bytes) -> None:
    stream = read(seed, machine.schemas)
    cut = write(stream.with_records(stream.records[:-1]))
    one = Work(Case(cut), lambda case: b"i8254" in case.data, machine)
    shrink(one)
    assert one.stream.records[-1] == Eof()
    one = Work(
        Case(cut), lambda case: not any(isinstance(r, Eof) for r in case.parsed(machine.schemas).records), machine
    )
    shrink(one)
    assert len(one.best.data) < 64


def test_what_loaders_do_not_read_goes(machine: Machine, seed: bytes) -> None:
    stream = shrunk(machine, Case(seed + b"trailing bytes"), has("port92"))
    assert stream.trailing == b""


def test_schedules(machine: Machine) -> None:
    steps = [
        "wait 3: monitor-mtree",
        "ram 12: vcpu-access 0xfe0f0 64",
        "fields 9: vcpu-remap 0000:00:03.0 1 0xfebd1000",
        "ram 1: rcu-reclaim",
    ]
    case = Case(b"QEVM\0\0\0\3\0", Schedule.parse(steps))

    def holds(case: Case) -> bool:
        return any(step.actor == "vcpu-access" and int(step.arguments[0], 0) & 0xF0 == 0xF0 for step in case.schedule)

    one = work(machine, case, holds)
    assert shrink(one) == "minimal"
    assert one.best == Case(case.data, Schedule.parse(["ram 0: vcpu-access 0xf0 0"]))
    assert one.tallies["schedule"].steps == 3

    def remap(case: Case) -> bool:
        return any(step.actor == "vcpu-remap" and step.number > 4 for step in case.schedule)

    one = work(machine, case, remap)
    shrink(one)
    (step,) = one.best.schedule
    assert (step.number, step.arguments) == (5, (next(iter(machine.functions)), "0", "0x0"))


def test_records_that_steps_count_by_go_with_their_points(machine: Machine, seed: bytes) -> None:
    """A step at the N-th section, where it matters that N is that section's number."""

    def holds(case: Case) -> bool:
        names = [section.name for section in case.parsed(machine.schemas).sections]
        return "i8254" in names and any(step.number == names.index("i8254") for step in case.schedule)

    number = [section.name for section in read(seed, machine.schemas).sections].index("i8254")
    case = Case(seed, Schedule.parse([f"turn {number}: monitor-mtree", "turn 3: rcu-reclaim"]))
    one = work(machine, case, holds)
    assert shrink(one) == "minimal"
    assert [section.name for _place, section in one.sections()] == ["i8254"]
    assert one.best.schedule == Schedule.parse("turn 0: monitor-mtree")


def test_merged_sections_are_one_point_less(machine: Machine) -> None:
    def holds(case: Case) -> bool:
        sections = case.parsed(machine.schemas).sections
        pages = [row["address_flags"] & ~0xFFF for one in sections if one.is_ram for row in _rows(one)]
        return {0x1000, 0x2000} <= set(pages) and [step.number for step in case.schedule] == [len(sections)]

    parts = _ram(machine, {0x1000: b"\1" * 4096}, {0x2000: b"\2" * 4096})
    case = Case(write(Stream(records=(*parts, Eof()))), Schedule.parse("wait 2: monitor-mtree"))
    one = work(machine, case, holds)
    assert shrink(one) == "minimal"
    assert [section.kind for _place, section in one.sections()] == [Kind.START]
    assert one.best.schedule == Schedule.parse("wait 1: monitor-mtree")


def test_the_order_that_leaves_fewer_sections(machine: Machine, seed: bytes) -> None:
    """Three early sections or a late one: who drops from the end meets the three."""

    def either(stream: Stream) -> bool:
        there = {section.name for section in stream.sections}
        return "globalstate" in there or {"timer", "cpu", "cpu_common"} <= there

    small = shrunk(machine, Case(seed), either)
    assert [section.name for section in small.sections] == ["globalstate"]


def test_where_any_section_does_the_shortest_is_left(machine: Machine, seed: bytes) -> None:
    def two(stream: Stream) -> bool:
        names = {section.name for section in stream.sections if section.kind is Kind.FULL}
        return len(names) > 1 and "i8254" in names

    assert {section.name for section in shrunk(machine, Case(seed), two).sections} == {"i8254", "pcspk"}


def test_two_that_go_only_together(machine: Machine, seed: bytes) -> None:
    def both_or_none(stream: Stream) -> bool:
        there = {section.name for section in stream.sections}
        return "i8254" in there and ("timer" in there) == ("cpu_common" in there)

    small = shrunk(machine, Case(seed), both_or_none)
    assert [section.name for section in small.sections] == ["i8254"]


def test_the_budget(machine: Machine, seed: bytes) -> None:
    one = Work(Case(seed), lambda case: b"i8254" in case.data, machine, budget=5)
    assert shrink(one) == "budget"
    assert one.executions == 5
    assert b"i8254" in one.best.data


def test_passes_are_told_by_name(machine: Machine, seed: bytes) -> None:
    one = Work(Case(seed), lambda case: b"i8254" in case.data, machine)
    shrink(one)
    assert set(one.tallies) <= {"end", *PASSES}
    assert one.tallies["records"].sections > 20
