"""What listeners are told: replayed it is the final view; controls that show that this oracle and `layout` speak."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tiny

from fuzz.corpus import find_machine
from model import DESIGNS, REFERENCE, Finding, Machine, Outcome, compare, judge, load, parse
from model.listening import Recorder
from model.memory import listener, rendering
from model.memory.memory import Memory
from model.memory.view import FlatView
from model.severity import Severity

if TYPE_CHECKING:
    import pytest

    from model.memory import FlatRange, Listener, Region

BAR = 0x200_0000
MOVED = (
    tiny.HEADER
    + tiny.blk(command=2, bar=BAR)
    + tiny.blk(command=2, bar=2 * BAR)
    + tiny.blk(command=2, bar=BAR, section_id=4)
    + tiny.EOF
)
"""A BAR that is mapped, goes elsewhere, and comes back."""


def both(design: str = "wrap-main", machine: Machine | None = None) -> tuple[Outcome, Outcome]:
    """Under the reference and under a design: on machines of their own, which remember nothing of each other."""
    found = []
    for kind in (REFERENCE, DESIGNS[design]):
        place = machine or tiny.machine()
        found.append(load(place, MOVED, kind()))
        place.reset()
    return found[0], found[1]


def oracles(findings: tuple[Finding, ...]) -> set[str]:
    """Of findings."""
    return {finding.cause.oracle for finding in findings}


def test_a_range_that_comes_back_is_counted_where_each_change_is_told() -> None:
    reference, batched = both()
    assert [heard.to_json() for heard in reference.heard] == [
        {"space": "memory", "added": 3, "removed": 2, "flapped": 1},
        {"space": "I/O", "added": 0, "removed": 0, "flapped": 0},
    ]
    assert [heard.added for heard in batched.heard] == [1, 0]
    assert judge(reference, batched) == ()
    (finding,) = compare(batched, reference)
    assert str(finding.cause) == "per-device/listener-trace/replay/flapped/memory"
    assert finding.severity is Severity.INVARIANT
    assert "2000000-2003fff virtio-pci" in finding.text


def test_counts_start_anew_after_a_reset() -> None:
    machine = tiny.machine()
    assert both(machine=machine) == both(machine=machine)


def test_control_a_listener_that_is_not_told_is_misled_under_every_design(monkeypatch: pytest.MonkeyPatch) -> None:
    tell = Memory.notify

    def forgetful(self: Memory, who: Listener, event: str, *args: Any) -> None:
        if event != "region_del":
            tell(self, who, event, *args)

    machine = tiny.machine()
    monkeypatch.setattr(Memory, "notify", forgetful)
    reference, _ = both(machine=machine)
    (finding,) = reference.findings
    assert finding.kind == "misled listener"
    assert str(finding.cause) == "per-device/listener-trace/replay/none->virtio-pci/memory"
    assert finding.severity is Severity.WRONG_STATE
    assert "are left believing in 4000000-4003fff virtio-pci instead of nothing" in finding.text


def test_control_a_difference_told_by_halves_shows_where_a_commit_has_both(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = listener.diff

    def halved(old: FlatView, new: FlatView, nops: bool = True) -> tuple[list[FlatRange], list[tuple[bool, FlatRange]]]:
        removed, added = whole(old, new, nops)
        return removed, [] if removed else added

    monkeypatch.setattr(listener, "diff", halved)
    reference, batched = both("per-section")
    assert not reference.findings
    assert oracles(judge(reference, batched)) == {"listener-trace"}


def test_control_a_renderer_that_forgets_some_changes_ends_with_another_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    right = rendering.render

    def wrong(root: Region, old: FlatView | None = None, spans: list[tuple[int, int]] | None = None) -> FlatView:
        if old is not None and spans is not None and len(spans) > 1:
            return FlatView(root, old.starts, old.ends, old.infos)
        return right(root, old, spans)

    monkeypatch.setattr(rendering, "render", wrong)
    reference, batched = both()
    assert oracles(judge(reference, batched)) >= {"layout", "listener-trace"}


def test_control_a_flag_that_is_lost_leaves_a_stale_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = Memory.mark_pending

    def lost(self: Memory, wanted: bool) -> None:
        mark(self, wanted and self.depth < 2)

    monkeypatch.setattr(Memory, "mark_pending", lost)
    reference, batched = both()
    assert not reference.findings
    assert oracles(judge(reference, batched)) == {"layout", "listener-trace"}


def test_listeners_of_every_space_end_with_the_published_view_under_every_design() -> None:
    files = find_machine("q35-iommu-platform")
    machine = Machine(parse(files.description.read_bytes()))
    recorders = [Recorder(space) for space in machine.spaces]
    for recorder in recorders:
        machine.memory.register(recorder, recorder.space)
    machine.memory.checkpoint()
    data = max(files.seeds, key=lambda seed: seed.stat().st_size).read_bytes()
    told: dict[str, int] = {}
    for design in DESIGNS.values():
        load(machine, data, design())
        for recorder in recorders:
            published = machine.rows(recorder.space.current)
            assert recorder.believes(published) == published, (design.name, recorder.space.name)
        told[design.name] = sum(recorder.heard().added for recorder in recorders)
        machine.reset()
    assert told["wrap-main"] < told["per-device"]
