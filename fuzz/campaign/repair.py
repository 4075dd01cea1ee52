"""What a kill, a full disk or a hand left behind in a campaign's folder, put right at the next start, a line for each.

Nothing is thrown away that could show something: a witness without its description, or one that is not what its
description says, becomes an entry of the corpora, so that it runs again and is described anew.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING

from fuzz.beside import DESCRIPTION
from fuzz.campaign import shelf
from fuzz.campaign.findings import WITNESS, read_record, settle
from fuzz.campaign.stats import read_stats

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fuzz.campaign.folder import Campaign

ALTERED = ".altered"
"""What the name of a file that was put aside ends with."""


def repair(campaign: Campaign, *, alone: bool) -> Iterator[str]:
    """Put a folder right; a line for each thing that was wrong. Raises OSError.

    `alone`: no worker of another run is writing here.
    """
    groups = campaign.groups()
    for group in groups:
        yield from shelf.repair(campaign.corpus(group), alone=alone)
    if not alone:
        return
    places = sorted(campaign.findings.iterdir()) if campaign.findings.is_dir() else []
    for place in places:
        if place.is_dir():
            yield from _finding(campaign, place, groups)
    for worker in campaign.workers():
        path = campaign.worker(worker) / "stats.json"
        if path.exists() and read_stats(path) is None:
            path.replace(path.with_name(path.name + ALTERED))
            yield f"{path}: cannot be read, put aside as {path.name}{ALTERED}; counted anew"


def _finding(campaign: Campaign, place: Path, groups: tuple[str, ...]) -> Iterator[str]:
    for entry in place.iterdir():
        if shelf.LEFT.fullmatch(entry.name):
            entry.unlink(missing_ok=True)
    witness, description = place / WITNESS, place / DESCRIPTION
    if not witness.exists():
        if not description.exists():
            with suppress(OSError):  # somebody else's files may lie there
                place.rmdir()
            return
        description.replace(description.with_name(DESCRIPTION + ALTERED))
        yield f"{place}: its witness is missing; {DESCRIPTION} is put aside, the cause is kept again when it is seen"
        return
    data = witness.read_bytes()
    record = read_record(place)
    if record is None:
        what = "not described yet"
        if description.exists():
            description.replace(description.with_name(DESCRIPTION + ALTERED))
            what = f"its {DESCRIPTION} cannot be read and is put aside"
        _again(campaign, data, groups)
        yield f"{place}: {what}; the witness runs again"
        return
    if described(description, data):
        return
    _again(campaign, settle(place, record), groups)
    yield f"{place}: the witness is not the one that {DESCRIPTION} spoke of; it runs again"


def described(description: Path, data: bytes) -> bool:
    """Whether this description speaks of these bytes."""
    try:
        digest = json.loads(description.read_bytes())["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(digest == hashlib.sha256(data).hexdigest())


def _again(campaign: Campaign, data: bytes, groups: tuple[str, ...]) -> None:
    """Let an input run again: as an entry of every group's corpus."""
    if data:
        for group in groups:
            shelf.Shelf(campaign.corpus(group)).keep(data)
