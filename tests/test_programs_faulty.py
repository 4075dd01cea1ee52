"""Programs with a seeded bug in the memory API: what the bug does is found, and nothing else is."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from rich.console import Console
from test_targets_memory import LOST, search

from fuzz.campaign.findings import records
from fuzz.commands.program import program as program_command
from fuzz.commands.run import run
from fuzz.commands.run_asked import RunOptions
from fuzz.designs import UsageError, design_named, for_programs, seeded_designs
from fuzz.engine import available
from fuzz.programs import Judge, encode, from_text
from fuzz.programs.strategies import programs
from fuzz.targets.memory import MemoryTarget
from model import DESIGNS
from model.errors import Abort
from model.seeded import SEAMS, with_bug

if TYPE_CHECKING:
    from pathlib import Path

    from fuzz.programs import Program
    from model.designs import Design
    from model.memory import Memory, Region

API = [name for name, seam in SEAMS.items() if seam.module.startswith("model.memory.")]
DESIGN_NAMES = ("per-device", "wrap-main", "v6-do-commit", "lazy-epoch")


def through(_bug: object, sound: Any, *args: object) -> Any:
    return sound(*args)


NOTHING_WRONG = type("NothingWrong", (), dict.fromkeys(API, through))
"""Stands in for every function, and does what that one does."""


def judged(text: str, *designs: type[Design]) -> dict[str, list[str]]:
    """Causes by design."""
    found = Judge(designs).judge(from_text(text))
    return {one.result.design: [str(finding.cause) for finding in one.findings] for one in found}


def causes_of(text: str, bug: type[object], design: str = "per-device") -> list[str]:
    (faulty,) = (found for name, found in judged(text, with_bug(DESIGNS[design], bug)).items() if "~" in name)
    return [cause.partition("/")[2] for cause in faulty]


@given(programs())
@settings(max_examples=60)
def test_a_bug_that_does_nothing_wrong_is_never_found_and_nothing_of_it_stays(program: Program) -> None:
    sound = [DESIGNS[name] for name in DESIGN_NAMES]
    faulty = [with_bug(design, NOTHING_WRONG) for design in sound]
    beside = {one.result.design: one for one in Judge([*faulty, *sound]).judge(program)}
    assert all(not one.findings for name, one in beside.items() if "~" in name)
    for alone in Judge(sound).judge(program):
        assert beside[alone.result.design].findings == alone.findings
        assert beside[alone.result.design].result.calls == alone.result.calls


@pytest.mark.parametrize("text", LOST)
@pytest.mark.parametrize("design", ["v6-do-commit", "force-depth0", "lazy-epoch"])
def test_what_the_sound_program_shows_as_well_is_no_bugs_doing(design: str, text: str) -> None:
    assert causes_of(f"world board\n{text}\n", NOTHING_WRONG, design) == []


class Ends:
    """A region that is shown goes nowhere: the end is another."""

    def set_enabled(self, sound: Any, memory: Memory, mr: Region, enabled: bool) -> None:
        if not enabled:
            sound(memory, mr, enabled)


class Dies:
    """An exception of its own."""

    def set_enabled(self, sound: Any, memory: Memory, mr: Region, enabled: bool) -> None:
        raise RuntimeError("no")


class Aborts:
    """Ends the process as QEMU would."""

    def set_enabled(self, sound: Any, memory: Memory, mr: Region, enabled: bool) -> None:
        raise Abort("assertion")


class Hidden:
    """Every cache is one byte long."""

    def cache_init(self, sound: Any, *args: object) -> Any:
        cache = sound(*args)
        cache.length = min(cache.length, 1)
        return cache


class LeftOpen:
    """A commit that forgets to go down."""

    def commit(self, sound: Any, memory: Memory) -> None:
        sound(memory)
        memory.depth += memory.depth == 0


class Deaf:
    """Nobody hears that something goes."""

    def notify(self, sound: Any, memory: Memory, who: Any, event: str, *args: object) -> None:
        if event != "region_del":
            sound(memory, who, event, *args)


@pytest.mark.parametrize(
    ("bug", "text", "expected"),
    [
        (Ends, "disable card\nenable card", ["layout/flat-view/at-the-end/program"]),
        (Ends, "disable card", []),
        (Dies, "disable card", ["exception/seeded/RuntimeError/program"]),
        (Aborts, "disable card", ["verdict/memory/ended->aborted/program"]),
        (Dies, "read memory 0x0 0x1", []),
        (Hidden, "cache c0 memory 0x1000 0x100 r", ["device-state/cache/at-the-end/program"]),
        (Hidden, "cache c0 memory 0x1000 0x1 r", []),
        (LeftOpen, "disable card", ["pairing/loader/transaction-left-open/program"]),
        (Deaf, "disable ram", ["invariant/memory/I15/program"]),
    ],
)
def test_what_a_bug_does_is_told_by_what_differs(bug: type[object], text: str, expected: list[str]) -> None:
    assert causes_of(f"world board\n{text}\n", bug) == expected


def test_a_bug_is_on_for_the_calls_alone_and_a_fresh_one_each_time() -> None:
    made: list[list[str]] = []

    class Counts:
        def __init__(self) -> None:
            made.append([])

        def add_subregion(self, sound: Any, memory: Memory, container: Region, at: int, sub: Region, rank: int) -> None:
            made[-1].append(sub.name)
            sound(memory, container, at, sub, rank)

    judge = Judge([with_bug(DESIGNS["wrap-main"], Counts)])
    program = from_text("world abcd\nadd C A 0x1000 1\nload\nadd D C 0x0 0\n")
    for _ in range(2):
        judge.judge(program)
    assert made == [["C", "D"]] * 2


SHIPPED = {
    # executions within which the seeds and a few mutants show it, and by what
    "tie-broken-the-other-way": (10, "invariant/memory/I9"),
    "equals-sorted-by-address": (10, "invariant/memory/I9"),
    "last-byte-of-the-root": (10, "invariant/memory/I5"),
    "first-of-equals-not-told": (10, "invariant/memory/I16"),
    "hiding-marks-nothing": (20, "invariant/memory/I5"),
    "disabled-alias-followed": (20, "invariant/memory/I"),
    "resize-only-grows": (100, "layout/flat-view/at-the-end"),
    "third-level-forgets-the-mark": (300, "invariant/memory/I5"),
    "alias-offset-kept": (900, "layout/flat-view/at-the-end"),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_bugs_of_the_memory_api_are_found(name: str) -> None:
    executions, what = SHIPPED[name]
    number, found = next(search(MemoryTarget(seeded_designs(name, ())), executions))
    print(f"{found.cause} in {number} executions")
    assert found.cause.partition("/")[0] in {f"per-device~{name}", f"wrap-main~{name}"}
    assert found.cause.partition("/")[2].startswith(what)


def test_a_bug_of_something_else_would_never_show_and_is_refused() -> None:
    for_programs(seeded_designs("alias-offset-kept", ("all",)))
    for_programs(DESIGNS.values())
    with pytest.raises(UsageError) as refused:
        for_programs([DESIGNS["per-device"], design_named("per-device~caches-not-rebuilt")])
    assert str(refused.value) == (
        "--seeded caches-not-rebuilt: replaces nothing of the memory API, which is all that programs call"
    )


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"target": "memory", "seeded": "caches-not-rebuilt"}, "--seeded caches-not-rebuilt: replaces nothing"),
        ({"target": "memory", "designs": ("wrap-main~caches-not-rebuilt",)}, "--seeded caches-not-rebuilt: replaces"),
        ({"target": "memory", "seeded": "alias-offset-kept", "machines": ("pc-small",)}, "--machine pc-small: the"),
        ({"target": "roundtrip", "seeded": "alias-offset-kept"}, "--seeded alias-offset-kept: the target roundtrip"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    options: dict[str, Any], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = io.StringIO()
    assert run(RunOptions(campaign=tmp_path / "c", executions=1, **options), Console(file=said)) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"vmfuzz run: {why}")
    assert error.count("\n") == 1
    assert not (tmp_path / "c").exists()


def test_the_command_refuses_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "one.txt"
    path.write_text("world board\ndisable card\n")
    names = ["per-device~caches-not-rebuilt"]
    assert program_command([path], names, None, as_json=False, console=Console(file=io.StringIO())) == 2
    assert capsys.readouterr().err.startswith("vmfuzz program: --seeded caches-not-rebuilt: ")


@pytest.mark.skipif(bool(available()), reason=available() or "atheris is here")
def test_a_campaign_finds_it_shrinks_it_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "campaign"
    options = RunOptions("memory", seeded="hiding-marks-nothing", campaign=folder, executions=30)
    assert run(options, Console(file=io.StringIO(), width=200)) == 1
    kept = records(folder / "findings")
    assert {record.design for _, record in kept} == {
        "per-device~hiding-marks-nothing",
        "wrap-main~hiding-marks-nothing",
    }
    place, record = kept[0]
    shown, witness = io.StringIO(), [place / "witness.vmstate"]
    console = Console(file=shown, width=200)
    assert program_command(witness, [record.design], record.cause, as_json=False, console=console) == 1
    assert len(shown.getvalue().splitlines()) <= 4
    target = MemoryTarget([design_named(record.design)])
    assert record.cause in {found.cause for found in target.run(encode(from_text(shown.getvalue()))).found}
    again = RunOptions(seeded="hiding-marks-nothing", campaign=folder, executions=40)  # on no machine, as before
    assert run(again, Console(file=io.StringIO(), width=200)) == 1
