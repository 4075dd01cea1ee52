"""`vmfuzz load` for people: the table, how loads ended, then each finding once for all designs that share it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from rich.text import Text

from fuzz.explain.story import short, whole, wrapped
from fuzz.explain.table import NOTE, WIDTH, table
from model.outcome import most_severe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from fuzz.commands.load import Loaded
    from model import Finding
    from model.story import Story

MOST_PAGES: Final = 8
"""Pages asked for that are told one by one."""


def show(console: Console, title: str, loaded: Sequence[Loaded], *, explain: bool = False) -> None:
    """Print. With `explain` each finding comes with its story."""
    width = WIDTH if not console.is_terminal else max(console.width, 80)
    lines = [*map(Text, title.split("\n")), Text(), *table(loaded, width), Text(NOTE)]
    for designs, told in _endings(loaded).items():
        heads = textwrap.wrap(", ".join(designs), width, break_on_hyphens=False)
        lines += [Text(), *(Text(head, style="bold") for head in heads)]
        for one in told:
            lines += map(Text, wrapped(one, width, "  ", "    "))
    for found in findings(loaded, explain=explain):
        lines += [Text(), *(Text(one) for one in found)]
    for line in lines:
        console.print(line, soft_wrap=True)


def findings(loaded: Sequence[Loaded], *, explain: bool = False) -> list[list[str]]:
    """Lines of each finding, the most severe first; designs that found the same, with the same story, share them."""
    shared: dict[tuple[object, ...], list[tuple[Finding, Loaded]]] = {}
    for one in loaded:
        for finding in one.findings:
            shared.setdefault(_alike(finding), []).append((finding, one))
    found = []
    told: set[Story] = set()
    order = {id(finding): index for index, finding in enumerate(most_severe(group[0][0] for group in shared.values()))}
    for group in sorted(shared.values(), key=lambda group: order[id(group[0][0])]):
        finding, one = group[0]
        designs = [other.outcome.design for _, other in group]
        lines = whole(finding, designs, one.reference, one.outcome, told) if explain else short(finding, designs)
        found.append(lines)
    return found


def _alike(finding: Finding) -> tuple[object, ...]:
    cause = finding.cause
    return (
        finding.kind,
        cause.oracle,
        cause.reader,
        cause.change,
        cause.device,
        finding.text,
        finding.rank,
        finding.story,
    )


def _endings(loaded: Sequence[Loaded]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """How loads ended, by the designs that share it; designs of which there is nothing to say are left out."""
    shared: dict[tuple[str, ...], list[str]] = {}
    for one in loaded:
        lines = _ending(one)
        if lines:
            shared.setdefault(lines, []).append(one.outcome.design)
    return {tuple(designs): lines for lines, designs in shared.items()}


def _ending(one: Loaded) -> tuple[str, ...]:
    outcome = one.outcome
    lines: list[str] = []
    if outcome.at is not None:
        field = f", field {outcome.at.field}" if outcome.at.field else ""
        lines.append(f"stopped at {outcome.at.offset:#x} in {outcome.at.section or 'the stream'}{field}")
        lines += [f"died: {error}" for error in outcome.at.errors if error not in outcome.messages]
    if outcome.guest_can_cause is not None:
        lines.append(f"a guest {'can' if outcome.guest_can_cause else 'cannot'} cause this refusal")
    lines += [f"qemu: {message}" for message in outcome.messages]
    harmful = dict(outcome.harmful_reads)
    for reader, count in outcome.reads_while_pending:
        lines.append(f"while pending: {reader} x {count}, harmful {harmful.get(reader, 0)}")
    if outcome.asked:
        pages = ", ".join(f"{block} {offset:#x}" for block, offset in outcome.asked[:MOST_PAGES])
        more = f", and {len(outcome.asked) - MOST_PAGES} more" if len(outcome.asked) > MOST_PAGES else ""
        lines.append(f"asks its source for {pages}{more}")
    lines += [f"step {acted}" for acted in outcome.acted]
    lines += [f"not modelled: {what}" for what in outcome.not_modelled]
    return tuple(lines)
