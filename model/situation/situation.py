"""The value that an outcome carries (see the package)."""

from __future__ import annotations

from dataclasses import dataclass

Facts = tuple[tuple[str, ...], ...]
"""Sorted, none twice; each is a few words without numbers of a stream's own."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a load met. It depends on machine, stream, schedule and design only, as the outcome does.

    `reads`: each use of a flat view while changes were pending, as (what is told, reader, "benign" or "harmful", ...),
    see `pending`. `registers`: what the PCI functions' registers ask for in the end, see
    `model.devices.registers`. `distances`: how
    far the fields that a device checks are from what it refuses (`model.devices.checks`).
    """

    reads: Facts = ()
    registers: Facts = ()
    distances: Facts = ()
