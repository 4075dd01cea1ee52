"""What `minimize` says: one value for programs, the same for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from fuzz.minimize.health import MEANINGS, alone, health
from fuzz.minimize.how import designs_text
from fuzz.minimize.index import index_path
from fuzz.minimize.work import union

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from fuzz.minimize.work import Outcome

OBJECTIVE: Final = "fewest bytes, then fewest files, no feature lost, no file that could be left out"
SHOWN: Final = 10
"""Kept files that are told of; the index tells of all."""
SHOWN_OF_MANY: Final = 3
"""... where there is more than one group."""
ILL: Final = 3
"""Entries of each kind of ill health that are told of."""


def tell(outcome: Outcome) -> dict[str, Any]:
    """A group's part of the index."""
    group = outcome.group
    kept = outcome.choice.kept
    why = alone(kept)
    features = outcome.features
    found = health(group, outcome.measured, outcome.unsteady, outcome.baseline, outcome.longest)
    return {
        "group": group.name,
        "how": group.how.to_json(),
        "given": {"files": group.files, "bytes": group.size, "features": (features | outcome.lost).bit_count()},
        "measured": len(outcome.measured),
        "unmeasured": len(group.inputs) - len(outcome.measured),
        "kept": {
            "files": len(kept),
            "bytes": outcome.choice.size,
            "features": union(outcome.measured[one.name] for one in kept).bit_count(),
        },
        "least": outcome.choice.least,
        "checked": outcome.checked,
        "lost": outcome.call(outcome.lost),
        "causes": {cause: one.sha1 for cause, (_, one) in outcome.found.items() if not outcome.aside(one.sha1)},
        "files": [
            {
                "name": one.name,
                "from": str(group.inputs[one.name].path),
                "bytes": one.size,
                "features": one.features.bit_count(),
                "alone": outcome.call(why[one.name]),
            }
            for one in kept
        ],
        "health": {kind: [one.to_json() for one in ills] for kind, ills in found.items()},
    }


def show(console: Console, out: Path, values: dict[str, Any]) -> None:
    """The index for people."""

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    table = Table()
    for name in ("group", "", "files", "bytes", "features"):
        table.add_column(name, justify="left" if name in {"group", ""} else "right", no_wrap=True)
    for group in values["groups"]:
        for row in ("given", "kept"):
            counts = [f"{group[row][what]}" for what in ("files", "bytes", "features")]
            table.add_row(group["group"] if row == "given" else "", row, *counts)
        table.add_section()
    console.print(table)
    for group in values["groups"]:
        _show_group(group, say)
    for group in values["groups"]:
        _show_kept(console, group, say, many=len(values["groups"]) > 1)
    for group in values["groups"]:
        _show_health(group, say)
    say(f"{out}, told of in {index_path(out).name}: {_ended(values)}")


def _show_group(group: dict[str, Any], say: Any) -> None:
    how = group["how"]
    where = f" on {how['machine']}" if how["machine"] else ""
    designs = "" if how["target"] == "roundtrip" else f", {designs_text(tuple(how['designs']))}"
    snapshot = ", as snapshots" if how["loadvm"] else ""
    proof = "no fewer bytes would do" if group["least"] else "the least that was found"
    if group["checked"]:
        check = "the same features in a fresh process"
        if group["lost"]:
            check = f"looked at anew, {len(group['lost'])} features show no more: {'; '.join(group['lost'][:ILL])}"
    else:
        check = "not looked at anew"
    left = f"; {group['unmeasured']} inputs not yet measured" if group["unmeasured"] else ""
    number = len(group["causes"])
    causes = f"; {number} cause{'s' if number > 1 else ''} of findings, all kept" if number else ""
    say(f"{group['group']}: {how['target']}{where}{designs}{snapshot}: {proof}; {check}{causes}{left}")


def _show_kept(console: Console, group: dict[str, Any], say: Any, *, many: bool) -> None:
    files: Sequence[dict[str, Any]] = sorted(group["files"], key=lambda one: (-len(one["alone"]), one["name"]))
    if not files:
        return
    table = Table(title=group["group"] if many else None, title_justify="left")
    table.add_column("kept", no_wrap=True, min_width=12)
    for name in ("bytes", "features", "it alone"):
        table.add_column(name, justify="right", no_wrap=True, min_width=max(8, len(name)))
    table.add_column("as", overflow="ellipsis", no_wrap=True)
    most = SHOWN_OF_MANY if many else SHOWN
    for one in files[:most]:
        counts = str(one["bytes"]), str(one["features"]), str(len(one["alone"]))
        table.add_row(one["name"][:12], *counts, one["alone"][0] if one["alone"] else "")
    console.print(table)
    if len(files) > most:
        say(f"... and {len(files) - most} more files")


def _show_health(group: dict[str, Any], say: Any) -> None:
    for kind, ills in group["health"].items():
        if not ills:
            continue
        say(f"{group['group']}: {len(ills)} {kind.replace('_', ' ')}: {MEANINGS[kind]}")
        for one in ills[:ILL]:
            say(f"  {one['path']}" + (f": {one['why']}" if one.get("why") else ""))
        if len(ills) > ILL:
            say("  ...")


def _ended(values: dict[str, Any]) -> str:
    if values["ended"] == "interrupted":
        return "interrupted; it holds what was measured so far, and the same command goes on"
    return "complete"
