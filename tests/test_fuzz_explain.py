"""What people are shown of a load: words, drawings and tables with literal text; stories told once."""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from fuzz.commands.load import Loaded, LoadOptions, load_all, run
from fuzz.explain import show
from fuzz.explain.drawing import MOST_LINES, side_by_side
from fuzz.explain.show import findings
from fuzz.explain.words import what_differs
from model import DESIGNS, Cause, DeviceState, Finding, Outcome, QueueState

if TYPE_CHECKING:
    from model.outcome import Row

RAM, ROM = "pc.ram", "pc.rom"


def row(start: int, last: int, name: str, offset: int = 0, readonly: bool = False) -> Row:
    """A range."""
    return (start, last, name, offset, readonly, name)


def test_two_views_side_by_side() -> None:
    left = [row(0, 0xFFFF, RAM), row(0x10000, 0x1FFFF, ROM, readonly=True)]
    right = [row(0, 0x13FFF, RAM), row(0x18000, 0x1FFFF, ROM, 0x8000, readonly=True)]
    assert side_by_side(left, right, ("old", "new"), (0x10000, 0x100FF)) == [
        "                           old              new",
        "      00000000-0000ffff    pc.ram           pc.ram",
        "  use 00010000-000100ff  ! pc.rom ro        pc.ram @10000",
        "      00010100-00013fff  ! pc.rom @100 ro   pc.ram @10100",
        "      00014000-00017fff  ! pc.rom @4000 ro  -",
        "      00018000-0001ffff    pc.rom @8000 ro  pc.rom @8000 ro",
    ]


def test_an_empty_view_beside_another() -> None:
    assert side_by_side([], [row(0x1000, 0x1FFF, RAM)], ("old", "new"), (0x1000, 0x1003)) == [
        "                           old  new",
        "  use 00001000-00001003  ! -    pc.ram",
        "      00001004-00001fff  ! -    pc.ram @4",
    ]
    assert side_by_side([], [], ("old", "new"), (0, 1))[1:] == ["  use 00000000-00000001    -    -"]


def test_long_names_are_cut_in_their_middle() -> None:
    name = "0000:00:02.0-virtio-pci-notify-pio-of-a-device-with-a-long-name"
    rows = [row(1 << 33, (1 << 33) + 0xFFF, name, 0x123000, readonly=True)]
    lines = side_by_side(rows, rows, ("under commit-before-post-load", "new"), width=100)
    assert lines == [
        "                                           under commit-..re-post-load  new",
        "      0000000200000000-0000000200000fff    0000:00..ng-name @123000 ro  0000:00..ng-name @123000 ro",
    ]
    assert all(len(line) <= 100 for line in lines)


ROWS = st.lists(st.integers(0, 60), min_size=0, max_size=12, unique=True).map(
    lambda edges: [row(a, b - 1, f"r{a % 3}") for a, b in zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False)]
)


@given(ROWS, ROWS, st.integers(0, 60), st.integers(0, 5))
def test_lines_cover_the_use_and_say_where_views_differ(left: list[Row], right: list[Row], at: int, more: int) -> None:
    lines = side_by_side(left, right, ("old", "new"), (at, at + more))
    assert len(lines) <= MOST_LINES + 1
    whole = side_by_side(left, right, ("old", "new"), (at, at + more)) if len(lines) <= MOST_LINES else []
    used = [line for line in whole if line.startswith("  use ")]
    if used:
        assert int(used[0][6:14], 16) == at
        assert int(used[-1][15:23], 16) == at + more

    def seen(rows: list[Row], address: int) -> object:
        return next(((r[5], r[3] + address - r[0]) for r in rows if r[0] <= address <= r[1]), None)

    for line in used:
        first = int(line[6:14], 16)
        assert (line[25] == "!") == (seen(left, first) != seen(right, first))


DEVICE = DeviceState("d", "virtio-blk", queues=(QueueState(0, 8, 1, 1, 1, 0),))
REFERENCE = Outcome("per-device", "accepted", devices=(DEVICE, DEVICE))


def finding(cause: str, kind: str = "divergence") -> Finding:
    """One of a cause."""
    return Finding(kind, Cause.parse(f"mine/{cause}"), "text")


WORDS = {
    "nothing": ((), {}, "nothing"),
    "broken": (
        ("device-state/broken/derived/virtio-blk",),
        {
            "devices": (
                dataclasses.replace(DEVICE, broken=True),
                dataclasses.replace(DEVICE, broken=True, queues=(dataclasses.replace(DEVICE.queues[0], used=9),)),
            )
        },
        "wrong-state: broken 2 devices, indices 1 queue",
    ),
    "derived": (
        ("device-state/slot/derived/xhci",),
        {"devices": (DEVICE, dataclasses.replace(DEVICE, derived=(("slot 1", "gone"), ("slot 2", "gone"))))},
        "wrong-state: virtio-blk slot x 2",
    ),
    "refused": (
        ("verdict/loader/accepted->refused/ich9_ahci",),
        {"verdict": "refused"},
        "refusal: refused in ich9_ahci",
    ),
    "elsewhere": (("verdict/loader/refused->refused/stream",), {}, "refusal: refused elsewhere"),
    "layout": (
        ("layout/flat-view/a->b/memory", "listener-trace/replay/flapped/I-O"),
        {},
        "wrong-state: layout of memory, ranges of I-O come and go",
    ),
    "a later stage": (
        ("again-verdict/loader/accepted->refused/d", "resume-device-state/used/derived/virtio-blk"),
        {},
        "wrong-state: resume: used of virtio blk, again: refused in d",
    ),
    "pairing": (("pairing/loader/commit-without-lock/stream",), {}, "assertion: commit without the BQL"),
    "guards": (
        ("guard/reader/missed-region/d", "guard/reader/stopped-benign/d", "flat-view-while-pending/reader/x/d"),
        {},
        "wrong-state: guard misses 1, guard stops 1 benign",
    ),
    "stale reads": (("flat-view-while-pending/r/x/d",), {}, "wrong-state: stale reads, nothing seen of them"),
    "an oracle of somebody else": (("cost/loader/grows-with-queues/d",), {}, "cost: cost grows with queues"),
}


@pytest.mark.parametrize(("causes", "changes", "words"), WORDS.values(), ids=WORDS.keys())
def test_words(causes: tuple[str, ...], changes: dict[str, object], words: str) -> None:
    outcome = dataclasses.replace(REFERENCE, design="mine", **changes)  # type: ignore[arg-type]
    assert what_differs(REFERENCE, outcome, [finding(cause) for cause in causes]) == words


@pytest.fixture(scope="module")
def loaded() -> list[Loaded]:
    """A ring that is found through a space that its own section opens, under every design."""
    functions = tiny.description()["pci"]
    functions[0]["virtio"]["iommu_platform"] = True
    data = (
        tiny.HEADER
        + tiny.ram({0x1000: tiny.ring(1), 0x2000: tiny.ring(1)})
        + tiny.blk(command=4, desc=0x3000, avail=0x1000, used=0x2000, last_avail=1)
        + tiny.EOF
    )
    return load_all(tiny.machine(pci=functions), data, tuple(DESIGNS.values()))


def shown(loaded: list[Loaded], *, explain: bool) -> str:
    """As a file gets it."""
    out = io.StringIO()
    show(Console(file=out), "a stream on a machine", loaded, explain=explain)
    return out.getvalue()


def test_the_table_can_be_pasted_into_a_mail(loaded: list[Loaded]) -> None:
    text = shown(loaded, explain=False)
    assert text.isascii()
    assert max(len(line) for line in text.splitlines() if not line.startswith("  cause ")) <= 100
    assert not any(line.endswith(" ") for line in text.splitlines())
    head, wrapped = text.splitlines()[2], next(line for line in text.splitlines() if line.startswith("wrap-main"))
    assert head.split() == ["design", "verdict", "rebuilds", "pending", "what", "differs"]
    assert wrapped.split(maxsplit=5) == [
        "wrap-main", "accepted", "1", "3", "(3)", "wrong-state: broken 1 device, indices 1 queue,",
    ]  # fmt: skip


def test_each_story_is_told_once(loaded: list[Loaded]) -> None:
    told = findings(loaded, explain=True)
    texts = ["\n".join(line for line in one if not line.startswith("  cause")) for one in told]
    assert len(texts) == len(set(texts))
    story = next(one for one in told if "harmful read" in one[0])
    assert any(line.startswith("  under     v1-flag-eof, wrap-main") for line in story)
    assert "  path      virtio_load -> virtio_init_region_cache -> address_space_cache_init ->" in story
    assert "  mapped    virtio-blk-pci 0x3000-0x3fff, 0x1000 bytes, to be read" in story
    unseen = next(line for line in story if line.startswith("  not seen"))
    assert unseen.startswith("  not seen  memory_region_set_enabled(bus master, on) by 0000:00:02.0/virtio-blk at 0x")
    assert "  led to    broken is True, False in the reference" in story
    assert "  use 00003000-00003fff  ! -                pc.ram @3000" in story


def test_what_a_design_died_of_has_a_story_and_a_guard_refers_to_it(loaded: list[Loaded]) -> None:
    told = findings(loaded, explain=True)
    again = "  story     as told above"
    verdict = next(one for one in told if "aborted where per-device says accepted" in one[0])
    assert verdict[-1] == again
    recursion = next(one for one in told if "recursion" in one[0])
    assert recursion[-1] == again
    missed = next(one for one in told if "the guard let pass" in one[0])
    assert missed[-1] == again


def test_without_explain_there_is_no_drawing(loaded: list[Loaded]) -> None:
    short, whole = shown(loaded, explain=False), shown(loaded, explain=True)
    assert "path      " not in short
    assert len(whole) > len(short)


def test_a_layout_that_differs_is_drawn() -> None:
    reference = dataclasses.replace(REFERENCE, layout=(("I/O", (row(0, 7, RAM), row(8, 15, ROM))),))
    other = dataclasses.replace(reference, design="mine", layout=(("I/O", (row(0, 7, RAM),)),))
    one = Loaded(other, (finding("layout/flat-view/pc.rom->none/I-O"),), "", reference)
    (lines,) = findings([one], explain=True)
    assert lines[-2:] == [
        "                           under per-device  under the design",
        "      00000008-0000000f  ! pc.rom            -",
    ]


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(LoadOptions("pc-small/after", designs=("wrap-main",), explain=True)) == 1
    assert "not seen  memory_region_" in capsys.readouterr().out
