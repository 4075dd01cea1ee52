"""What a mutant was changed in: the family of the devices whose sections differ from its parent's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vmformat import Section

if TYPE_CHECKING:
    from model import Machine
    from vmformat import Stream

FRAMING, RAM, SEVERAL, BYTES = "framing", "ram", "several", "bytes"
PCI, BRIDGES, CHIPSET, VIRTIO, OTHER = "PCI", "bridges", "chipset", "virtio", "other devices"

FAMILIES: Final = (FRAMING, RAM, PCI, BRIDGES, CHIPSET, "AHCI", "xHCI", VIRTIO, OTHER, SEVERAL, BYTES)
"""In the order of a table. `PCI`: only config space of an endpoint; `bytes`: no stream any more."""

_CHIPSET: Final = frozenset(["mch", "ICH9LPC", "ich9_smb", "I440FX", "PIIX3", "piix4_pm", "PCIHost", "PCIBUS"])
_OWN: Final = {"ich9_ahci": "AHCI", "ahci": "AHCI", "xhci": "xHCI"}


def family(machine: Machine, parent: Stream, mutant: Stream | None) -> str:
    """The family of a mutant, which is None when it cannot be read."""
    if mutant is None:
        return BYTES
    if len(mutant.records) != len(parent.records) or mutant.configuration != parent.configuration:
        return FRAMING
    found = set()
    for old, new in zip(parent.records, mutant.records, strict=True):
        if old is new or old == new:
            continue
        if not isinstance(old, Section) or not isinstance(new, Section) or _head(old) != _head(new):
            found.add(FRAMING)
        else:
            found.add(_of_section(machine, old, new))
    if not found:
        return FRAMING
    return found.pop() if len(found) == 1 else SEVERAL


def _head(section: Section) -> tuple[object, ...]:
    return section.kind, section.section_id, section.name, section.instance, section.version, section.footer


def _of_section(machine: Machine, old: Section, new: Section) -> str:
    handler = machine.find_handler(old.name, old.instance)
    if old.is_ram or handler is None or handler.iterable:
        return RAM
    function = handler.function
    if handler.kind in _OWN:
        return _OWN[handler.kind]
    if handler.kind in _CHIPSET:
        return CHIPSET
    if function is not None and function.bridge is not None:
        return BRIDGES
    if handler.kind.startswith("virtio-"):
        return VIRTIO
    if function is not None and len(old.buffer) == len(new.buffer):
        start, end = 4, 4 + len(function.config)
        one, other = old.payload, new.payload
        if one[:start] + one[end:] == other[:start] + other[end:]:
            return PCI
    return OTHER
