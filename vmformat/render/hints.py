"""Why sections are shown without names, and what would help."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmformat.render.line import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmformat.render.line import Line
    from vmformat.stream import Stream


@dataclass(slots=True)
class Unknown:
    """Sections that were shown without names, for a hint at the end."""

    nowhere: list[str] = field(default_factory=list)
    """Nobody has a schema for them."""
    misfit: list[str] = field(default_factory=list)
    """They have one that does not fit."""


def hints(unknown: Unknown, stream: Stream, *, machine: str | None = None) -> Iterator[Line]:
    """Why sections were shown without names, and what would help."""
    if unknown.nowhere:
        told = "has no VMDESCRIPTION" if stream.vmdescription is None else "does not describe it"
        there = f", the machine {clean(machine)} has none such" if machine is not None else ""
        help_ = "`vmfuzz schema import`" if machine is not None else "--machine NAME, or `vmfuzz schema import`"
        said = f"the stream {told}{there}, and the store does not know it; try {help_}"
        yield (("note", f"no schema for {_names(unknown.nowhere)}: {said}"),)
    if len(unknown.misfit) > 2:
        yield (("note", f"schemas that do not fit: {_names(unknown.misfit)}; is the stream of another machine?"),)


def _names(names: Sequence[str]) -> str:
    kept = list(dict.fromkeys(names))
    more = f" and {len(kept) - 3} more" if len(kept) > 3 else ""
    return ", ".join(kept[:3]) + more
