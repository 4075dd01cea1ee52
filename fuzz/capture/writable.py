"""Which bits of config space a guest can write, learned by writing: zeros, then ones, then what was there.

The walk of `masks` tells this of the bytes that a load compares; here it is told of all others. Bits that lock
themselves or others, or that read as something else than was written, count as what they did. Devices are tried from
the far ends of the buses to the roots: a bridge that is written to may lose what is behind it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fuzz.capture import objects as qom
from fuzz.capture.config import SIZE, ConfigSpace
from fuzz.capture.errors import CaptureError
from fuzz.capture.mapping import number_buses
from fuzz.capture.masks import representatives
from fuzz.capture.qtest import Accessible
from fuzz.qemu import QemuError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fuzz.capture.functions import FunctionFacts
    from fuzz.capture.masks import Masks

_ONES: Final = 0xFFFF_FFFF


def learn_writable(
    arguments: Sequence[str], functions: Sequence[FunctionFacts], masks: Mapping[str, Masks], *, binary: str
) -> dict[str, Masks]:
    """The masks with the writable bits of the bytes that no load compares. Where a device ends the process, as far as
    it went.
    """
    learned: dict[tuple[object, ...], bytes] = {}
    try:
        with Accessible(arguments, binary=binary) as access:
            tree = access.vm.hmp("info mtree -o -D")
            objects = qom.walk(access.vm)
            config = ConfigSpace(access, objects, tree)
            buses = number_buses(objects.devices, objects.roots, config)
            kinds = representatives(functions)
            for kind, function in sorted(kinds.items(), key=lambda item: -item[1].address.count(":")):
                device = function.device
                size = len(function.config) if config.has_window else min(len(function.config), SIZE)
                learned[kind] = _written(config, buses[device.path], device.devfn, size)
    except (CaptureError, QemuError):
        pass  # what a guest can write there stays unknown
    return {
        function.address: _with(masks[function.address], learned.get(function.kind, b""))
        for function in functions
        if function.address in masks
    }


def _written(config: ConfigSpace, bus: int, devfn: int, size: int) -> bytes:
    """The bits that take zeros and ones, by byte."""
    mask = bytearray()
    for offset in range(0, size, 4):
        place = (bus, devfn, offset)
        (before,) = config.read([place])
        zeros, ones = config.exchange([(place, 0), (place, None), (place, _ONES), (place, None), (place, before)])
        mask += (ones & ~zeros).to_bytes(4, "little")
    return bytes(mask)


def _with(masks: Masks, learned: bytes) -> Masks:
    """The masks that QEMU told where it did, what was learned elsewhere."""
    told = zip(masks.compare, masks.writable, masks.w1c, strict=True)
    learned = learned.ljust(len(masks.compare), b"\0")
    found = bytes(
        writable if compare | writable | clear else other
        for (compare, writable, clear), other in zip(told, learned, strict=True)
    )
    return replace(masks, writable=found)
