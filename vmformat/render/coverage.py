"""The share of bytes that have a name, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmformat.coverage import total
from vmformat.render.line import clean
from vmformat.render.sizes import bar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmformat.coverage import DeviceCoverage
    from vmformat.render.line import Line
    from vmformat.schema import Json


def coverage_lines(parts: Sequence[DeviceCoverage]) -> Iterator[Line]:
    """A line a device, those with the most nameless bytes first, and the total."""
    yield (("head", f"{'bytes':>12}  {'nameless':>10}  {'named':>8}  {'':20}  name"),)
    for part in sorted(parts, key=lambda part: (part.named - part.size, part.name, part.instance)):
        yield from _line(part)
    yield from _line(total(parts))


def _line(part: DeviceCoverage) -> Iterator[Line]:
    name = clean(part.name) + (f"@{part.instance}" if part.instance else "")
    # Rounded down: 100 % is said only where nothing is missing.
    share = f"{int(part.share * 10_000) / 100:.2f}%"
    yield (
        ("value", f"{part.size:>12}"),
        ("fault" if part.named < part.size else "plain", f"  {part.size - part.named:>10}"),
        ("plain", f"  {share:>8}  "),
        ("bar", f"{bar(part.share):20}"),
        ("name", f"  {name}"),
    )


def coverage_json(parts: Sequence[DeviceCoverage]) -> dict[str, Json]:
    """`{"devices": [{"name", "instance", "sections", "size", "named", "share"}], "total": {...}}`."""
    return {"devices": [_json(part) for part in parts], "total": _json(total(parts))}


def _json(part: DeviceCoverage) -> dict[str, Json]:
    return {
        "name": part.name,
        "instance": part.instance,
        "sections": part.sections,
        "size": part.size,
        "named": part.named,
        "share": part.share,
    }
