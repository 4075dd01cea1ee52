"""The config space in a section's payload, and its registers by offset (pci.md 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fuzz.mutate.index import altered, index_of
from fuzz.mutate.sections import devices_at
from vmformat import Section

if TYPE_CHECKING:
    from fuzz.mutate.index import Index
    from vmformat import Stream

COMMAND: Final = 0x04
HEADER: Final = 0x0E
BRIDGE: Final = 1
"""The header type of a bridge."""
BARS: Final = 0x10
ROM_SLOT: Final = 6
_ROM: Final = 0x30
_ROM_OF_BRIDGE: Final = 0x38


@dataclass(frozen=True, slots=True)
class Config:
    """Where a section's payload holds a config space, bytes."""

    offset: int
    size: int


def config_of(section: Section) -> Config | None:
    """The place of the section's config space: its first register is the vendor id."""
    index = index_of(section)
    if index is None:
        return None
    facts = index.facts
    if "config" not in facts:
        facts["config"] = _find_config(index)
    found: Config | None = facts["config"]
    return found


def _find_config(index: Index) -> Config | None:
    for pattern in index.patterns:
        if pattern.endswith(".vendor_id"):
            leaf = index.places[pattern][0]
            return Config(leaf.offset, 4096 if ".config[1]." in f".{leaf.path}" else 256)
    return None


def functions(stream: Stream) -> list[tuple[int, Section, Config]]:
    """The sections that have a config space: position, section, place."""
    found = []
    for at in devices_at(stream):
        section = stream.records[at]
        if isinstance(section, Section) and (config := config_of(section)) is not None:
            found.append((at, section, config))
    return found


def put(section: Section, config: Config, offset: int, size: int, value: int) -> Section:
    """The section with another value (modulo its size) in a register of `size` bytes. Raises StreamError outside."""
    value &= (1 << 8 * size) - 1
    return altered(section, config.offset + offset, value.to_bytes(size, "little"))


def get(section: Section, config: Config, offset: int, size: int) -> int:
    """The value of a register of `size` bytes; what lies outside the payload reads as 0."""
    start = config.offset + offset
    return int.from_bytes(bytes(section.buffer[start : start + size]), "little")


def rom_of(section: Section, config: Config) -> int:
    """The offset of the register that says where the expansion ROM is."""
    return _ROM_OF_BRIDGE if header_type(section, config) == BRIDGE else _ROM


def header_type(section: Section, config: Config) -> int:
    """What the config space is of: 0 for a device, `BRIDGE` for a bridge; the bit of several functions aside."""
    return get(section, config, HEADER, 1) & 0x7F
