"""Whose time a stack is."""

from __future__ import annotations

import pytest

from fuzz.work.profile import SHARES, share_of

TARGET = ("/x/fuzz/targets/stream.py", "_load")
HARNESS = ("/x/fuzz/engine/harness.py", "_run")


@pytest.mark.parametrize(
    ("frames", "share"),
    [
        ([("/x/model/loader.py", "load"), TARGET, HARNESS], "load of the designs"),
        ([("/x/vmformat/plan.py", "walk"), ("/x/model/loader.py", "load"), TARGET], "read"),
        ([("/x/model/memory/changes.py", "undo"), ("/x/model/machine.py", "reset"), TARGET], "reset"),
        ([("/x/model/compare.py", "judge"), ("/x/model/aftermath.py", "judge_stages"), TARGET], "compare"),
        ([("/x/vmformat/section.py", "head"), ("/x/fuzz/mutate/familiar.py", "made")], "mutate"),
        ([("/x/fuzz/mutate/mutator.py", "mutate"), ("/x/fuzz/work/feed.py", "mutate")], "mutate"),
        ([("/x/fuzz/targets/situations.py", "of_layout"), HARNESS], "features"),
        ([("/x/fuzz/engine/features.py", "fold"), HARNESS], "features"),
        ([("/usr/lib/python3.11/mmap.py", "x"), ("/x/fuzz/work/blackbox.py", "begin"), HARNESS], "report"),
        ([("/x/fuzz/atomic.py", "write"), ("/x/fuzz/campaign/shelf.py", "keep"), HARNESS], "report"),
        ([HARNESS], "engine"),
        ([], "engine"),
    ],
)
def test_each_stack_has_a_share(frames: list[tuple[str, str]], share: str) -> None:
    assert share_of(frames) == share
    assert share in SHARES


def test_a_load_of_the_reference_is_told_from_others() -> None:
    load = [("/x/model/loader.py", "load"), TARGET, HARNESS]
    assert share_of(load, reference=True) == "load of the reference"
    assert share_of([("/x/vmformat/plan.py", "walk"), *load], reference=True) == "read"
    assert share_of([HARNESS], reference=True) == "engine"
