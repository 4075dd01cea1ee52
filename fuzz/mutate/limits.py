"""Limits that loaders are known to check: numbers worth trying at, one below and one above.

Taken from the tables of `model.devices.checks` by the names of the fields, and from what the wire says elsewhere: the
rings of a virtio device, the entries of its tables. By name and not by device, so that a field of that name in a device
that forgot the check is tried as well.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from model.devices.checks import CHECKS

if TYPE_CHECKING:
    from collections.abc import Mapping

_OF_VIRTIO: Final[Mapping[str, tuple[int, ...]]] = {
    # name of the field: limits (virtio.md 2 to 4)
    "virtio.queues.num": (1024,),
    "virtio.queues.queue[].num": (1024, 256, 128),
    "virtio.head.queue_sel": (1024,),
    "virtio.head.config_len": (64,),
    "virtio.device.mac_table.in_use": (64,),
}


@cache
def _of_checks() -> dict[str, tuple[tuple[int, int], ...]]:
    found: dict[str, dict[tuple[int, int], None]] = {}
    for checks in CHECKS.values():
        for check in checks:
            for term in check.terms:
                if isinstance(term.than, int):
                    name = term.field.rpartition(".")[2].partition("[")[0]
                    found.setdefault(name, {})[term.than, term.mask] = None
    return {name: tuple(limits) for name, limits in found.items()}


@cache
def limits_of(pattern: str) -> tuple[int, ...]:
    """Numbers that values of this pattern are compared with."""
    name = pattern.rpartition(".")[2].removesuffix("[]")
    of_checks = (limit for limit, mask in _of_checks().get(name, ()) if mask == -1)
    return tuple(dict.fromkeys((*_OF_VIRTIO.get(pattern, ()), *of_checks)))


@cache
def masks_of(pattern: str) -> tuple[int, ...]:
    """Bits of values of this pattern that are looked at by themselves."""
    name = pattern.rpartition(".")[2].removesuffix("[]")
    return tuple(dict.fromkeys(mask for _, mask in _of_checks().get(name, ()) if mask != -1))
