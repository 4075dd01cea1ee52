"""Faults in what is seen behind bridges: windows and the power of slots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model.seeded.bug import SeededBug

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.devices.pci import PciFunction
    from vmformat import Refusal

    Window = tuple[int, int]

GRANULE: Final = 0x100000
U32: Final = 0xFFFF_FFFF
TYPES: Final = (0x1C, 0x1D, 0x24, 0x26)
"""Registers of windows whose low four bits tell the type."""


class WindowGranuleShort(SeededBug):
    """A memory window ends before the granule that its limit names: a BAR in the last MiB is not seen."""

    source = "pci.md 3.2"
    machine = "q35-modern"

    def memory_window(self, sound: Callable[..., Any], config: bytes) -> Window:
        """The limit is taken for the first byte behind."""
        base, limit = sound(config)
        return base, limit - GRANULE


class OneGranuleIsNone(SeededBug):
    """A prefetchable window whose base and limit name one granule is taken for closed."""

    source = "pci.md 3.2"
    machine = "q35-modern"

    def prefetch_window(self, sound: Callable[..., Any], config: bytes) -> Window:
        """Equal registers are no window."""
        base, limit = sound(config)
        return (base, base - 1) if limit - base == GRANULE - 1 else (base, limit)


class ClosedWindowTurned(SeededBug):
    """A memory window whose limit lies below its base is open between the two."""

    source = "pci.md 3.2"
    machine = "q35-modern"
    budget = 5_000

    def memory_window(self, sound: Callable[..., Any], config: bytes) -> Window:
        """Whichever is lower is the base."""
        base, limit = sound(config)
        return (base, limit) if base <= limit else (limit + 1 - GRANULE, base + GRANULE - 1)


class PrefetchUpperForgotten(SeededBug):
    """The upper halves of a prefetchable window are dropped."""

    source = "pci.md 3.2"
    machine = "q35-modern"
    budget = 5_000

    def prefetch_window(self, sound: Callable[..., Any], config: bytes) -> Window:
        """Only 32 bits of each."""
        base, limit = sound(config)
        return base & U32, limit & U32


class WindowTypesUnchecked(SeededBug):
    """The type of a bridge's windows, 32 bits or 64, is not compared."""

    source = "pci.md 1.3"
    machine = "q35-modern"
    budget = 5_000

    def check_config(self, sound: Callable[..., Any], function: PciFunction, new: bytes) -> Refusal | None:
        """As if all of these registers were address."""
        compared = bytearray(new)
        if function.bridge is not None:
            for at in TYPES:
                compared[at] = function.config[at]
        refusal: Refusal | None = sound(function, bytes(compared))
        return refusal


class PowerIgnored(SeededBug):
    """BARs behind a slot without power are mapped."""

    source = "pci.md 3.5"
    machine = "q35-modern"
    budget = 3_000

    def remap_bars(self, sound: Callable[..., Any], function: PciFunction) -> None:
        """As if there were power."""
        power, function.has_power = function.has_power, True
        sound(function)
        function.has_power = power


BUGS: Final = (
    WindowGranuleShort,
    OneGranuleIsNone,
    ClosedWindowTurned,
    PrefetchUpperForgotten,
    WindowTypesUnchecked,
    PowerIgnored,
)
