"""What every other design makes of the same stream: the table that `vmfuzz load --design all` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz.explain.table import HEADS, NOTE, rows, table
from fuzz.letter.design import gists
from fuzz.letter.letter import WIDEST, Part, block, prose
from model import DESIGNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.commands.load import Loaded


def others_part(loaded: Sequence[Loaded]) -> Part:
    """The part of the letter."""
    lines = [
        *prose("The same stream under all designs; `rebuilds` counts the commits that made new flat views:"),
        "",
        *block([*(line.plain for line in table(loaded, WIDEST)), NOTE]),
        "",
        *gists([DESIGNS[one.outcome.design] for one in loaded if one.outcome.design in DESIGNS]),
    ]
    causes = [sorted(str(finding.cause) for finding in one.findings) for one in loaded]
    value = [
        {**dict(zip(HEADS, cells, strict=True)), "causes": shown}
        for cells, shown in zip(rows(loaded), causes, strict=True)
    ]
    return Part("designs", "Other designs", tuple(lines), value)
