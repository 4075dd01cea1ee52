"""The target `memory`: that it finds what is wrong, and that it says nothing of what is not."""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from fuzz.campaign.findings import records
from fuzz.commands.program import read_program
from fuzz.commands.run import run
from fuzz.commands.run_asked import RunOptions
from fuzz.engine import available
from fuzz.mutate.dice import Dice
from fuzz.mutate.programs import ProgramMutator
from fuzz.programs import decode, encode, from_text, seed_inputs
from fuzz.targets.memory import MAX_SIZE, MemoryTarget
from model import DESIGNS, Design
from model.memory import AddressSpace, FlatView, Memory, Region, Use, changes, listener, region, rendering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fuzz.engine import Found
    from model.designs import Load


def search(target: MemoryTarget, executions: int, seed: int = 1) -> Iterator[tuple[int, Found]]:
    """The engine's loop in small: mutants of what showed something new. Yields findings with their execution."""
    mutator, dice = ProgramMutator(MAX_SIZE), Dice(seed)
    pool = list(seed_inputs())
    seen: set[object] = set()
    for number in range(executions):
        data = pool[number] if number < len(pool) else mutator.mutate(dice.pick(pool), MAX_SIZE, dice.word(31))
        done = target.run(data)
        yield from ((number + 1, found) for found in done.found)
        if new := set(done.features) - seen:
            seen |= new
            pool.append(data)


def causes(target: MemoryTarget, executions: int) -> Counter[str]:
    return Counter(found.cause for _, found in search(target, executions))


def test_the_memory_core_holds() -> None:
    assert causes(MemoryTarget(()), 150) == Counter()


def first_among_equals_is_last(siblings: list[Region], new: Region) -> list[Region]:
    at = sum(other.priority >= new.priority for other in siblings)
    return [*siblings[:at], new, *siblings[at:]]


def no_alias_offsets(root: Region, old: FlatView | None = None, spans: object = None) -> FlatView:
    """A renderer that shows every alias's target from its start."""
    kept: dict[Region, int] = {}
    way = [root]
    while way:
        one = way.pop()
        way += [*one.subregions, *([one.alias] if one.alias else [])]
        if one.alias is not None:
            kept.setdefault(one, one.alias_offset)
            one.alias_offset = 0
    try:
        return GENUINE(root)
    finally:
        for one, offset in kept.items():
            one.alias_offset = offset


GENUINE = rendering.render
NOTIFY = Memory.notify
CARRY = changes.carry_up


def not_told(memory: Memory, who: object, event: str, *args: object) -> None:
    if event != "region_del":
        NOTIFY(memory, who, event, *args)  # type: ignore[arg-type]


def added_before_removed(old: FlatView, new: FlatView, nops: bool = True) -> object:
    return [], [(True, piece) for piece in new]


def no_way_through_aliases(mr: Region, lo: int, hi: int, root: Region, roots: object, found: object) -> None:
    if not mr.aliases:
        CARRY(mr, lo, hi, root, roots, found)  # type: ignore[arg-type]


def root_without_shortcut(root: Region) -> Region | None:
    return root if root.enabled else None


def nothing_pending_in_nested_ones(memory: Memory, wanted: bool) -> None:
    memory.update_pending |= wanted and memory.depth == 1


FAULTS: dict[str, tuple[object, str, Callable[..., object], str]] = {
    "a tie of priorities broken the other way": (region, "insert", first_among_equals_is_last, "I9"),
    "alias offsets dropped": (rendering, "render", no_alias_offsets, "I5"),
    "a listener not told of what goes": (Memory, "notify", not_told, "I15"),
    "a difference that removes nothing": (listener, "diff", added_before_removed, "I15"),
    "changes not carried through aliases": (changes, "carry_up", no_way_through_aliases, "I5"),
    "a flag not set": (Memory, "mark_pending", nothing_pending_in_nested_ones, "I5"),
    "a root that is never resolved": (region, "view_root", root_without_shortcut, "I5"),
}


@pytest.mark.parametrize(("place", "name", "fault", "law"), FAULTS.values(), ids=FAULTS)
def test_seeded_faults_are_found(
    place: object, name: str, fault: Callable[..., object], law: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, name, fault)
    number, found = next(search(MemoryTarget(()), 60))
    print(f"{found.cause} in {number} executions")
    assert found.cause == f"per-device/invariant/memory/{law}/program"
    assert from_text(found.readable)


def test_an_input_does_the_same_whenever_it_is_run() -> None:
    designs = [DESIGNS[name] for name in ("stale-list", "v6-do-commit")]
    one, other = MemoryTarget(designs), MemoryTarget(designs)
    mutator, data = ProgramMutator(MAX_SIZE), seed_inputs()[2]
    inputs = [data := mutator.mutate(data, MAX_SIZE, seed) for seed in range(30)]
    forwards = [one.run(data) for data in inputs]
    assert [other.run(data) for data in reversed(inputs)] == forwards[::-1]


def test_guards_are_asked_both_questions() -> None:
    found = causes(MemoryTarget([DESIGNS[name] for name in ("assert-depth", "stale-list", "lazy-epoch")]), 100)
    kinds = {(cause.split("/")[0], cause.split("/")[3].partition("-")[0]) for cause in found if "/guard/" in cause}
    assert {("assert-depth", "stopped"), ("stale-list", "missed"), ("stale-list", "stopped")} <= kinds
    assert ("assert-depth", "missed") not in kinds
    assert [cause for cause in found if cause.startswith("lazy-epoch") and "bare:" not in cause] == []


LOST = {
    # what a listener does meanwhile: findings by design
    "begin: del flash\nresize top 0x0\nfind flash 0x0 0x1": {"v6-do-commit/invariant/memory/I5/program"},
    "enable master\nbegin: offset master 0x800\nresize bus 0x0\nread memory 0x2000 0x1": {
        "v6-do-commit/verdict/memory/ended->died/program",
        "lazy-epoch/verdict/memory/ended->died/program",
    },
    "commit: add dimm bus 0x0 1\nbegin\ncommit\ndel dimm\ndisable card\nread memory 0x1000 0x1": {
        "v6-do-commit/flat-view-while-pending/address_space_read/after-several/program"
    },
    "disable ram\nbare: read memory 0x1000 0x1": {
        "v6-do-commit/flat-view-while-pending/bare:address_space_read/after-disable/program",
        "force-depth0/pairing/loader/commit-without-lock/program",
        "lazy-epoch/guard/bare:address_space_read/missed-after-disable/program",
    },
}


@pytest.mark.parametrize(("text", "expected"), LOST.items(), ids=[text.replace("\n", "; ") for text in LOST])
def test_what_forced_commits_do(text: str, expected: set[str]) -> None:
    target = MemoryTarget([DESIGNS[name] for name in ("v6-do-commit", "force-depth0", "lazy-epoch")])
    found = target.run(encode(from_text(f"world board\n{text}\n"))).found
    assert {one.cause for one in found} == expected


@pytest.mark.skipif(bool(available()), reason=available() or "atheris is here")
def test_a_campaign_needs_no_machine_and_keeps_programs_as_text(tmp_path: Path) -> None:
    said = io.StringIO()
    folder = tmp_path / "campaign"
    options = RunOptions("memory", designs=("stale-list",), campaign=folder, executions=30)
    assert run(options, Console(file=said, width=200)) == 1
    kept = records(folder / "findings")
    assert {record.design for _, record in kept} == {"stale-list"}
    for place, record in kept:
        program = read_program(place / "witness.txt")
        assert program == read_program(place / "witness.vmstate")
        assert f"vmfuzz program {place}/witness.vmstate --design stale-list" in said.getvalue()
        assert record.machine == ""


class Fails(Design):
    name = "fails"

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        raise LookupError("a design's own fault")


class Asserts(Design):
    name = "asserts"

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        raise AssertionError("I5: a guard that asserts")


class Forgets(Design):
    name = "forgets"

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        return None  # type: ignore[return-value]


def test_an_exception_is_a_finding_of_its_design_and_the_next_program_runs() -> None:
    target = MemoryTarget([Fails, Asserts, Forgets])
    data = seed_inputs()[0]
    assert [found.cause for found in target.run(data).found] == [
        "fails/exception/flat_view/LookupError/program",
        "asserts/exception/flat_view/AssertionError/program",
        "forgets/exception/flat_view/WrongReturn/program",
    ]
    assert target.run(b"").found == ()
    assert decode(b"").calls == ()


def test_an_exception_of_the_house_is_a_finding_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object) -> None:
        raise LookupError("a fault of the model")

    target = MemoryTarget(())
    with monkeypatch.context() as context:
        context.setattr(listener, "diff", fails)
        (found,) = target.run(seed_inputs()[0]).found
    assert found.cause == "any/exception/test_targets_memory.fails/LookupError/-"
    assert target.run(seed_inputs()[0]).found == ()
