"""Fields that are not saved as they were loaded: what time has changed, what the program rebuilds or drops.

Two tables by kind of section (the vmsd of the section) and pattern of the field's path; learned from the program, by
saving again what it had just loaded. Where the model follows a device it can say more: see `Effects.saved`.

Model: interrupt lines are not followed. A load that raises an interrupt (a virtio device that breaks tells its driver
so) changes the interrupt controllers, the counts of the PCI buses and the processor's pending requests; those fields
are taken as unknown in every load.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase, translate
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CLOCK: Final = "goes on with the host's time"
REBUILT: Final = "rebuilt by the load"
WIRED: Final = "follows interrupt lines"
ONLY_IF: Final = "saved only in some states"
AGAIN: Final = "comes a second time in a subsection"
MASKED: Final = "only the bits that exist are kept"

NOT_KEPT: Final[Mapping[str, Mapping[str, str]]] = {
    "mc146818rtc": {
        "cmos_data*": CLOCK,
        "next_alarm_time": CLOCK,
        "update_timer": CLOCK,
        "period": REBUILT,
        "periodic_timer": REBUILT,
        "irq_coalesced": REBUILT,
    },
    "rtl8139": {"TCTR": CLOCK, "TCTR_base": CLOCK, "rtl8139_mmio_io_addr_dummy": REBUILT},
    "kvmclock": {"clock": CLOCK},
    "hpet": {"hpet_counter": CLOCK, "timer[*].qemu_timer": CLOCK},
    "piix4_pm": {"ar.tmr.timer": REBUILT, "ar.gpe.sts*": WIRED},
    "ICH9LPC": {
        "pm.acpi_regs.gpe.sts*": WIRED,
        "pm.acpi_regs.tmr.timer": REBUILT,
        "pm.ich9_pm/tco.tco_regs.tco_timer": REBUILT,
    },
    "ehci": {"ehci.frame_timer": REBUILT},
    "es1370": {"chan[*].shift": REBUILT},
    "ib700_wdt": {"timer": REBUILT},
    "sb16": {"csp_param*": REBUILT},
    "ich9_ahci": {"*.ide_drive/pio_state*": ONLY_IF},
    "i2c_bus": {"saved_address": REBUILT},
    "ide": {"bmdma[*].migration_retry_*": REBUILT, "*.ide_drive/pio_state*": ONLY_IF},
    "qxl": {"ssd.unique": REBUILT, "guest_slots[*].active": REBUILT},
    "pckbd": {"kbd.pending_tmp": REBUILT, "kbd.pckbd/extended_state.migration_flags": REBUILT},
    "ps2kbd": {"parent_obj.queue.*": REBUILT},
    "ps2mouse": {"parent_obj.queue.*": REBUILT},
    "globalstate": {"size": REBUILT},
    "cpu": {"env.dr[7]": MASKED, "env.fptag_vmstate": MASKED, "env.hflags": REBUILT, "env.v_tpr": REBUILT},
    "pciespscsi": {"esp.mig_version_id": REBUILT},
    "serial": {"state.iir": MASKED},
    "PCIBUS": {"irq_count*": WIRED},
    "pci_bridge": {"parent_obj.irq_state*": WIRED, "parent_obj.config[0].status": WIRED},
    "pcie-pci-bridge": {"parent_obj.irq_state*": WIRED, "parent_obj.config*.status": WIRED},
    "PIIX3": {"pci_irq_levels_vmstate*": WIRED},
    "i8259": {"irr": WIRED, "last_irr": WIRED},
    "ioapic": {"irr": WIRED, "ioredtbl*": WIRED},
    "apic": {"irr*": WIRED, "tmr*": WIRED},
    "cpu_common": {"interrupt_request": WIRED},
    "ac97": {"mixer_data": MASKED},
    "e1000": {"mac_reg[*]": AGAIN, "e1000/mit_state.mac_reg[*]": AGAIN},
    "hda-audio": {"*.buft": CLOCK, "*.buft_start": CLOCK},
    "intel-hda": {"pci.irq_state*": WIRED, "pci.config[0].status": WIRED},
    "pcie-root-port": {"*.msix.pending": WIRED},
    "xhci": {"*.msix.pending": WIRED},
    "e1000e": {"*.msix.pending": WIRED},
    "virtio-*": {"virtio.pci.irq_state*": WIRED},
    "virtio-net": {
        "virtio.device.curr_guest_offloads": ONLY_IF,
        "virtio.device.vlans": REBUILT,
        "virtio.device.mergeable_rx_bufs": REBUILT,
    },
}
"""By kind of section, then by path, both with `*` and `?`: why the field is not what was loaded."""


def not_kept(kind: str, path: str) -> str | None:
    """Why the field of that path in a section of that kind is not saved as it was loaded; None if it is."""
    for exact, patterns in _tables(kind):
        if path in exact:
            return exact[path]
        for matches, why in patterns:
            if matches(path):
                return why
    return None


@lru_cache(maxsize=1024)
def _tables(kind: str) -> tuple[tuple[Mapping[str, str], tuple[tuple[Callable[[str], object], str], ...]], ...]:
    """The tables for a kind: reasons by path, and by what matches a path."""
    return tuple(
        (patterns, tuple((re.compile(translate(one.replace("[", "[[]"))).match, why) for one, why in patterns.items()))
        for kinds, patterns in NOT_KEPT.items()
        if fnmatchcase(kind, kinds)
    )
