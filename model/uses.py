"""The first oracle: a flat view used while a transaction with changes is open, and what the guards make of it.

*Harmful* is a use whose bytes a fresh rendering of the tree shows otherwise (DESIGN.md, What it is for); *benign* one
that sees the same. Where the design claims to guard against the harmful ones, one that passes and a benign one that is
stopped both refute it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from model import memory as memory_api
from model.memory import T64, MemoryAbort
from model.outcome import Finding
from model.severity import Severity
from model.story import tell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from model.load_state import LoadState
    from model.memory import AddressSpace, FlatView, Use
    from model.story import Story

HARMFUL: Final = "flat-view-while-pending"
"""The oracle of harmful reads."""

MISSED: Final = "missed-"
"""How the change of a guard's finding begins that let a harmful read pass."""


def used_while_pending(load: LoadState, view: FlatView, space: AddressSpace, use: Use) -> None:
    """Count a use of `view`, and find what it does not show."""
    reader = use.reader
    load.pending_reads[reader] = load.pending_reads.get(reader, 0) + 1
    found = _unlike_fresh(load, view, space, use)
    memory = load.memory
    load.pending.note(reader, found is not None, memory.unseen, (load.kind, space.name, memory.depth))
    if found is None:
        return
    load.harmful_reads[reader] = load.harmful_reads.get(reader, 0) + 1
    change, text, fresh = found
    where = f"{space.name} {use.addr:#x}+{use.length:#x}"
    line = f"{load.section or 'the loader'}: {reader} of {where} while pending: {text}"
    rank = _rank(load, view, use)
    story = tell(load, view, fresh, space, use) if load.explain else None
    load.find("harmful read", HARMFUL, reader, change, line, rank=rank, story=story)


def with_missed(findings: Iterable[Finding], *, guards: bool) -> tuple[Finding, ...]:
    """Findings, sorted; of a design that `guards` with one more for each harmful read that it let pass."""
    own = [one for one in findings if not one.cause.change.startswith(MISSED)]
    if guards:
        own += [_missed(one) for one in own if one.cause.oracle == HARMFUL]
    return tuple(sorted(own))


def _missed(harmful: Finding) -> Finding:
    cause = replace(harmful.cause, oracle="guard", change=f"{MISSED}{harmful.cause.change}")
    return Finding("guard", cause, f"the guard let pass: {harmful.text}", story=harmful.story)


def stopped(load: LoadState, space: AddressSpace, use: Use) -> None:
    """A guard has stopped a use: was there anything wrong with it?"""
    pending = bool(load.memory.depth and load.memory.update_pending)
    if pending and _unlike_fresh(load, space.current, space, use) is not None:
        return
    what = "shows what a fresh one would" if pending else "is the fresh one: nothing is pending"
    line = f"{load.section or 'the loader'}: {use.reader} is stopped though the view {what}"
    load.find("guard", "guard", use.reader, "stopped-benign", line, story=load.fatal)


def story_of(load: LoadState, space: AddressSpace, use: Use) -> Story:
    """The story of a use that the design has answered by dying: of the view that is published."""
    view = space.current
    try:
        fresh = load.memory.fresh_view(space)
    except MemoryAbort:
        fresh = view
    return tell(load, view, fresh, space, use)


def _unlike_fresh(load: LoadState, view: FlatView, space: AddressSpace, use: Use) -> tuple[str, str, FlatView] | None:
    """What a use of `view` sees that a fresh rendering does not show: (kind, text, the fresh one); None if nothing."""
    try:
        fresh = load.memory.fresh_view(space)
    except MemoryAbort:  # a tree that no commit would survive shows nothing to compare with
        return None
    different = memory_api.explain(view, fresh, use)
    if different is None:
        return None
    kind, text = different
    return f"{kind}:{_seen(view, use)}-to-{_seen(fresh, use)}", text, fresh


def _rank(load: LoadState, view: FlatView, use: Use) -> Severity | None:
    """How bad a harmful use is, whatever it leads to; None where that alone says it.

    A write at once into memory that a fresh view does not have there corrupts it. What others than the loader read
    (not those who look at whole maps) goes into a guest or a backend, where nobody here follows it.
    """
    if use.write and not use.maps and _seen(view, use) in {"ram", "rom"}:
        return Severity.MEMORY_CORRUPTION
    return Severity.WRONG_STATE if load.actor and use.length < T64 else None


def _seen(view: FlatView, use: Use) -> str:
    """What kind of thing a use meets first in a view: the stable half of a cause."""
    index = view.find(use.addr)
    if index < 0:
        return "unmapped"
    region, _, flags = view.infos[index]
    return "rom" if flags & 1 else region.type_text.replace("/", "")
