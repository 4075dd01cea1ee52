"""What one design made of a stream, as facts; and what another made of it, as far as that is something else.

What lies in a part of an outcome is remembered: most inputs leave most devices and the whole layout as others did. The
facts of an outcome depend on that outcome alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.targets.situations.devices import of_device
from fuzz.targets.situations.layout import distinct, of_spaces, of_view
from fuzz.targets.situations.words import bucket
from model.situation import bare

if TYPE_CHECKING:
    from fuzz.engine.target import Feature
    from model.listening import Heard
    from model.outcome import DeviceState, Layout, Outcome, Row
    from model.situation import Facts

LAYOUTS: Final = 200
"""Layouts that are remembered, some 30 KB each of a large machine, shared with the machine's own."""
PARTS: Final = 5_000
"""Smaller parts that are remembered."""


class Situations:
    """Facts of outcomes, with a memory."""

    def __init__(self) -> None:
        self._layouts: dict[tuple[int, ...], tuple[Layout, tuple[Feature, ...]]] = {}
        self._views: dict[tuple[str, tuple[Row, ...]], dict[Feature, None]] = {}
        self._devices: dict[DeviceState, tuple[Feature, ...]] = {}
        self._distances: dict[Facts, tuple[Feature, ...]] = {}

    def of_outcome(self, outcome: Outcome, unlike: Outcome | None = None, *, lives_on: bool = False) -> list[Feature]:
        """What a load came to and met on its way; less what is the same in another outcome of the same stream.

        `lives_on`: the process does so though the load failed.
        """
        met = outcome.situation
        features: list[Feature] = [*met.reads]
        if met.distances and (unlike is None or met.distances != unlike.situation.distances):
            features += self._of_distances(met.distances)
        if outcome.verdict != "accepted" and not lives_on:
            return features  # nothing is left of it: who keeps what it came to keeps what leads to nothing
        if unlike is None or outcome.layout != unlike.layout:
            features += self._of_layout(outcome.layout)
        if unlike is None or outcome.devices != unlike.devices:
            for device in outcome.devices:
                features += self._of_device(device)
        if unlike is None or outcome.heard != unlike.heard:
            for heard in outcome.heard:
                features += _of_listeners(heard)
        if unlike is None or met.registers != unlike.situation.registers:
            features += met.registers
        return features

    def _of_layout(self, layout: Layout) -> tuple[Feature, ...]:
        # Ranges that are kept here keep their identity.
        key = tuple([id(rows) for _, rows in layout])
        known = self._layouts.get(key)
        if known is None:
            if len(self._layouts) >= LAYOUTS:
                self._layouts.clear()
            found = dict.fromkeys(of_spaces(layout))
            for space, rows in distinct(layout):
                found.update(self._of_view(space, rows))
            known = self._layouts[key] = (layout, tuple(found))
        return known[1]

    def _of_view(self, space: str, rows: tuple[Row, ...]) -> dict[Feature, None]:
        known = self._views.get((space, rows))
        if known is None:
            if len(self._views) >= LAYOUTS:
                self._views.clear()
            known = self._views[space, rows] = dict.fromkeys(of_view(space, rows))
        return known

    def _of_device(self, device: DeviceState) -> tuple[Feature, ...]:
        known = self._devices.get(device)
        if known is None:
            if len(self._devices) >= PARTS:
                self._devices.clear()
            known = self._devices[device] = tuple(dict.fromkeys(of_device(device)))
        return known

    def _of_distances(self, distances: Facts) -> tuple[Feature, ...]:
        known = self._distances.get(distances)
        if known is None:
            if len(self._distances) >= PARTS:
                self._distances.clear()
            known = self._distances[distances] = tuple(("distance", *one) for one in distances)
        return known


def _of_listeners(heard: Heard) -> list[Feature]:
    """What the listeners of a space were told: how much, and which kinds of regions went and came back."""
    features: list[Feature] = [
        ("told", heard.space, "added", bucket(heard.added)),
        ("told", heard.space, "removed", bucket(heard.removed)),
    ]
    features += [("flapped", heard.space, region) for region in {bare(row[2]) for row in heard.flapped}]
    return features
