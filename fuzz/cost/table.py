"""What one stream costs under each design, beside what it costs QEMU as it is: a table to paste into a mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Table
from rich.text import Text

from fuzz.cost.counts import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model import Outcome

_COLUMNS: Final = {
    "rebuilds": "rebuilds",
    "forced_commits": "forced",
    "ranges": "ranges",
    "caches": "caches",
    "reads_while_pending": "pending",
}
_COMPARED: Final = ("rebuilds", "ranges", "caches")

KEY: Final = (
    "rebuilds: commits that rebuilt all views; forced: commits by the design's getter, in brackets those that rebuilt; "
    "ranges: of all views rendered; caches: virtio ring caches built, three a ring; pending: views got while changes "
    "were pending; %: of the reference's rebuilds, ranges and caches"
)


def cost_table(reference: Outcome | None, outcomes: Sequence[Outcome]) -> Table:
    """A row for each design. Counts of a load that was not accepted are those up to its end, and have no ratio."""
    table = Table(
        title="cost",
        title_justify="left",
        caption=KEY,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    table.add_column("design", no_wrap=True)
    for name in _COLUMNS.values():
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("%", justify="right", no_wrap=True)
    for one in outcomes:
        cells = [str(count(one, name)) for name in _COLUMNS]
        if one.cost.forced_commits:
            cells[1] += f" ({one.cost.forced_rebuilds})"
        table.add_row(one.design, *cells, _ratios(reference, one))
    return table


def _ratios(reference: Outcome | None, one: Outcome) -> Text:
    if one.verdict != "accepted":
        return Text(one.verdict, style="red")
    if reference is None:
        return Text("-")
    return Text(" ".join(_percent(count(one, name), count(reference, name)) for name in _COMPARED))


def _percent(part: int, whole: int) -> str:
    if whole == 0:
        return "-"
    share = 100 * part / whole
    return f"{share:.0f}" if share >= 9.95 or share == 0 else f"{share:.1f}"
