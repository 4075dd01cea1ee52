"""Two sides held against each other: every category speaks, in one line with both sides."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from fuzz.confirm.hold import Held
from fuzz.confirm.side import UNKNOWN, Category, Comparison, Disagreement, Side, VirtioSide, compare
from model import Outcome

RAM = (0, 0xFFFFF, 0, "ram", "pc.ram", 0)
ROM = (0xC0000, 0xFFFFF, 0, "rom", "pc.rom", 0)
BLK = "0000:00:02.0/virtio-blk"


def views(*ranges: tuple[int, int, int, str, str, int]) -> Any:
    return Counter({("memory", "system", "system", ranges): 1})


def side(name: str, **changes: Any) -> Side:
    base = Side(
        name,
        "accepted",
        messages=("a", "b"),
        rebuilds=3,
        views=views(RAM),
        virtio={BLK: VirtioSide(broken=False, started=True, queues={0: (1, 1, 1, 0)}, complete=name == "model")},
        saved={("timer", 0): {"ticks": 7, "name": b"abcd"}},
    )
    return replace(base, **changes)


DIFFERENT = {
    "verdict": (
        {"verdict": "refused", "section": "x"},
        Category.VERDICT,
        "model accepted, qemu refused",
    ),
    "a line more": ({"messages": ("a", "x", "b")}, Category.MESSAGES, "model (), qemu ('x',)"),
    "rebuilds": ({"rebuilds": 4}, Category.REBUILDS, "model 3, qemu 4"),
    "a range": (
        {"views": views((0, 0xBFFFF, 0, "ram", "pc.ram", 0), ROM)},
        Category.VIEWS,
        "memory: at 0x0 model pc.ram (ram, prio 0, 0x0-0xfffff), qemu pc.ram (ram, prio 0, 0x0-0xbffff)",
    ),
    "a range that is only there": (
        {"views": views(RAM, (0x200000, 0x200FFF, 1, "i/o", "bar", 0))},
        Category.VIEWS,
        "memory: at 0x200000 model nothing, qemu bar (i/o, prio 1, 0x200000-0x200fff)",
    ),
    "an address space": (
        {"views": Counter({**views(RAM), ("vtd", "vtd", None, ()): 1})},
        Category.VIEWS,
        "vtd: model 0 address spaces of that name, qemu 1",
    ),
    "broken": (
        {"virtio": {BLK: VirtioSide(broken=True, started=True, queues={0: (1, 1, 1, 0)})}},
        Category.QUEUES,
        f"{BLK}: broken: model False, qemu True",
    ),
    "an index": (
        {"virtio": {BLK: VirtioSide(broken=False, started=True, queues={0: (1, 1, 0, 1)})}},
        Category.QUEUES,
        f"{BLK}: queue 0: model used 1 inuse 0, qemu used 0 inuse 1",
    ),
    "a queue that is not at rest": (
        {"virtio": {BLK: VirtioSide(broken=False, started=True, queues={1: (2, 0, 0, 0)})}},
        Category.QUEUES,
        f"{BLK}: queue 1: model last_avail 0, qemu last_avail 2",
    ),
    "a device": ({"virtio": {}}, Category.QUEUES, f"{BLK}: model a device, qemu no such device"),
    "a number": (
        {"saved": {("timer", 0): {"ticks": 1000, "name": b"abcd"}}},
        Category.STATE,
        "timer: ticks: model 7, qemu 0x3e8",
    ),
    "a buffer": (
        {"saved": {("timer", 0): {"ticks": 7, "name": b"abXd"}}},
        Category.STATE,
        "timer: name: model 6364 at byte 0x2, qemu 5864",
    ),
    "a field": ({"saved": {("timer", 0): {"ticks": 7}}}, Category.STATE, "timer: name: model 61626364, qemu absent"),
}


@pytest.mark.parametrize(("changes", "category", "line"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_each_difference_is_one_line(changes: dict[str, Any], category: Category, line: str) -> None:
    found = compare(side("model"), side("qemu", **changes))
    assert [(one.category, one.text) for one in found.disagreements] == [(category, line)]
    assert not found.agrees(category)


def test_an_array_is_one_line() -> None:
    mine = {("dma", 0): {f"regs[{i}].now": 0 for i in range(9)}}
    theirs = {("dma", 0): {f"regs[{i}].now": i for i in range(9)}}
    (one,) = compare(side("model", saved=mine), side("qemu", saved=theirs)).disagreements
    assert one.text == "dma: regs[1].now: model 0, qemu 1 (and 7 more of this array)"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="the same"),
        pytest.param({"views": None, "virtio": None, "saved": None}, id="nothing said"),
        pytest.param({"saved": {("timer", 0): {"ticks": UNKNOWN, "name": b"abcd"}}}, id="a field unknown"),
        pytest.param({"saved": {}}, id="no section in both"),
    ],
)
def test_what_is_not_said_is_no_disagreement(changes: dict[str, Any]) -> None:
    assert not compare(side("model"), side("qemu", **changes)).disagreements


def test_what_was_compared() -> None:
    refused = {"verdict": "refused", "section": "mch", "messages": ("no",)}
    found = compare(side("model", **refused), side("qemu", **refused))
    assert found.compared == (Category.VERDICT, Category.SECTION, Category.MESSAGES, Category.REBUILDS)
    other = compare(side("model", **refused), side("qemu", **{**refused, "section": "vga"}))
    assert [str(one) for one in other.disagreements] == ["section: model mch, qemu vga"]
    died = {"verdict": "aborted", "section": None}
    found = compare(side("model", how="Assertion", **died), side("qemu", how="killed by SIGABRT", **died))
    assert (found.compared, found.disagreements) == ((Category.VERDICT,), ())


def test_what_the_program_had_in_its_memory_is_not_compared_where_the_stream_ends() -> None:
    lines = [f"get_pci_config_device: Bad config data: i=0x34 read: {n} device: dc" for n in ("0", "c1")]
    one, other = ({"verdict": "refused", "messages": (line,)} for line in lines)
    assert compare(side("model", **one), side("qemu", **other)).disagreements
    assert not compare(side("model", cut_off=True, **one), side("qemu", **other)).disagreements


EXPLAINED = {
    "the device that is not followed": ("0000:00:02.0/virtio-blk", True),
    "another": ("0000:00:02.0/virtio-net", False),
    "an instance": ("virtio-blk/1", True),
    "a longer name": ("0000:00:02.0/virtio-blk-x", False),
    "none": ("", False),
}
THREADS = ("postcopy: the listener thread and the main thread go on side by side",)


@pytest.mark.parametrize(("section", "explained"), EXPLAINED.values(), ids=EXPLAINED.keys())
def test_what_the_model_says_it_does_not_follow_is_explained(section: str, explained: bool) -> None:
    found = Disagreement(Category.QUEUES, "text", section)
    outcome = Outcome("per-device", "accepted", not_modelled=("virtio-blk: what it goes on with",))
    held = Held(outcome, (Comparison(side("model"), side("qemu"), (Category.QUEUES,), (found,)),), b"")
    assert held.unexplained is not explained
    threads = replace(held, outcome=replace(outcome, not_modelled=THREADS))
    assert not threads.unexplained
    assert held.lines == ("virtio queues: text" + "  (not modelled: virtio-blk: what it goes on with)" * explained,)
