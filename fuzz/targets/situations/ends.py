"""How a load ended and what it said, under each design; and how the process lived on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.targets.situations.words import bucket, message_kind, said
from model.situation import bare

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fuzz.engine.target import Feature
    from model.outcome import Outcome
    from model.session import Stage

MESSAGES: Final = 32
"""Of a load, the first that are looked at."""


def of_end(outcome: Outcome) -> Iterator[Feature]:
    """How the load ended under its design, and how often views were read while changes were pending."""
    design = outcome.design
    yield ("verdict", design, outcome.verdict)
    at = outcome.at
    if at is not None:
        yield ("ended-at", outcome.verdict, at.kind, bare(at.field))
        yield ("refusal", bare(at.field), said(at.errors[0]) if at.errors else "")
        yield ("guest-can-cause", str(outcome.guest_can_cause))
    yield ("rebuilds", design, bucket(outcome.rebuilds))
    yield ("depth", design, min(outcome.depth_at_end, 8), outcome.verdict)
    for reader, count in outcome.reads_while_pending:
        yield ("pending", design, reader, bucket(count))
    for reader, count in outcome.harmful_reads:
        yield ("harmful", design, reader, bucket(count))
    for message in outcome.messages[:MESSAGES]:
        yield ("message", said(message))
    for missing in outcome.not_modelled:
        yield ("not-modelled", message_kind(missing))
    if outcome.forced_commits:
        yield ("forced", design, bucket(outcome.forced_commits))
    for acted in outcome.acted:
        yield ("acted", acted.step.actor, acted.where.partition(" ")[0], acted.result)


def of_life(stages: Sequence[Stage]) -> Iterator[Feature]:
    """How the process lived on behind the load."""
    for stage in stages[1:]:
        outcome = stage.outcome
        yield ("stage", stage.name, outcome.design, outcome.verdict, min(outcome.depth_at_end, 8))
        yield ("stage-rebuilds", stage.name, outcome.design, bucket(outcome.rebuilds))
