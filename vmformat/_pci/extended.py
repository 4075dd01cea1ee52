"""Extended capabilities: what each holds, as its own bytes say (PCI Express 5.0, 7.6-7.9; ATS 1.1; SR-IOV 1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vmformat._pci.capabilities import byte, dword, word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vmformat._pci.capabilities import Layout
    from vmformat._pci.header import Register

EXTENDED_HEAD: Final[tuple[Register, ...]] = ((0, 4, "header"),)


def _fixed(*registers: Register) -> Layout:
    layout = EXTENDED_HEAD + registers
    return lambda _: layout


def _words(*names: str, at: int = 4, size: int = 4) -> tuple[Register, ...]:
    """Registers of one size, one after the other."""
    return tuple((at + size * i, size, name) for i, name in enumerate(names))


def _version(data: bytes) -> int:
    return word(data, 2) & 0xF


def _aer(data: bytes) -> tuple[Register, ...]:
    """From version 2 on a log of TLP prefixes stands behind the root port's registers."""
    return (
        *EXTENDED_HEAD,
        *_words("uncorrectable_status", "uncorrectable_mask", "uncorrectable_severity"),
        *_words("correctable_status", "correctable_mask", "control", at=0x10),
        (0x1C, 16, "header_log"),
        *_words("root_command", "root_status", "error_source", at=0x2C),
        *(((0x38, 16, "prefix_log"),) if _version(data) >= 2 else ()),
    )


def _vc(data: bytes) -> tuple[Register, ...]:
    found: list[Register] = [
        *EXTENDED_HEAD,
        *_words("capabilities1", "capabilities2"),
        (0x0C, 2, "control"),
        (0x0E, 2, "status"),
    ]
    for i in range((dword(data, 4) & 7) + 1):
        at = 0x10 + 12 * i
        found += [
            (at, 4, f"resource{i}.capabilities"),
            (at + 4, 4, f"resource{i}.control"),
            (at + 8, 2, f"resource{i}.reserved"),
            (at + 10, 2, f"resource{i}.status"),
        ]
    return tuple(found)


def _root_links(data: bytes) -> tuple[Register, ...]:
    found: list[Register] = [*EXTENDED_HEAD, (4, 4, "element"), (8, 8, "reserved")]
    for i in range(byte(data, 5)):
        at = 0x10 + 16 * i
        found += [(at, 4, f"link{i}.description"), (at + 4, 4, f"link{i}.reserved"), (at + 8, 8, f"link{i}.address")]
    return tuple(found)


def _event_collector(data: bytes) -> tuple[Register, ...]:
    return (*EXTENDED_HEAD, *_words("bitmap", *(("bus_numbers",) if _version(data) >= 2 else ())))


def _acs(data: bytes) -> tuple[Register, ...]:
    """With egress control (bit 5) a vector of as many bits as the upper byte says, 256 for 0."""
    found = (*EXTENDED_HEAD, (4, 2, "capabilities"), (6, 2, "control"))
    if not word(data, 4) & 0x20:
        return found
    bits = byte(data, 5) or 256
    return (*found, *_words(*(f"egress{i}" for i in range((bits + 31) // 32)), at=8))


def _control(*names: str) -> Layout:
    """Words of two bytes."""
    return _fixed(*_words(*names, size=2))


def _rebar(data: bytes) -> tuple[Register, ...]:
    count = dword(data, 8) >> 5 & 7
    pairs = (f"{name}{i}" for i in range(max(count, 1)) for name in ("capabilities", "control"))
    return (*EXTENDED_HEAD, *_words(*pairs))


def _dpa(data: bytes) -> tuple[Register, ...]:
    substates = (dword(data, 4) & 0x1F) + 1
    return (
        *EXTENDED_HEAD,
        *_words("capabilities", "latency"),
        *_words("status", "control", at=0x0C, size=2),
        *_words(*(f"power{i}" for i in range(substates)), at=0x10, size=1),
    )


def _tph(data: bytes) -> tuple[Register, ...]:
    capabilities = dword(data, 4)
    entries = (capabilities >> 16 & 0x7FF) + 1 if capabilities >> 9 & 3 == 1 else 0
    steering = _words(*(f"steering{i}" for i in range(min(entries, 64))), at=0x0C, size=2)
    return (*EXTENDED_HEAD, *_words("capabilities", "control"), *steering)


def _dpc(data: bytes) -> tuple[Register, ...]:
    found = (*EXTENDED_HEAD, *_words("capabilities", "control", "status", "error_source", size=2))
    if not word(data, 4) & 0x20:
        return found
    return (
        *found,
        *_words("pio_status", "pio_mask", "pio_severity", "pio_system_error", "pio_exception", at=0x0C),
        (0x20, 16, "pio_header_log"),
        (0x30, 4, "pio_specific_log"),
        (0x34, 16, "pio_prefix_log"),
    )


def _lanes(size: int, name: str, before: tuple[Register, ...]) -> Callable[[bytes, int], tuple[Register, ...]]:
    """A register for each lane, behind others."""
    start = max(at + width for at, width, _ in (*EXTENDED_HEAD, *before))

    def layout(_: bytes, lanes: int) -> tuple[Register, ...]:
        return (*EXTENDED_HEAD, *before, *_words(*(f"{name}{i}" for i in range(lanes)), at=start, size=size))

    return layout


BY_LANES: Final[Mapping[int, tuple[str, Callable[[bytes, int], tuple[Register, ...]]]]] = {
    0x19: ("secondary_pcie", _lanes(2, "lane", _words("link_control3", "lane_error_status"))),
    0x26: (
        "physical_16gt",
        _lanes(
            1,
            "lane",
            _words("capabilities", "control", "status", "parity", "first_retimer", "second_retimer", "reserved"),
        ),
    ),
    0x27: ("margining", _lanes(4, "lane", _words("capabilities", "status", size=2))),
}
"""Those that have a register for each lane of the link: the layout takes the number of lanes too."""

_SRIOV: Final = (
    (0x04, 4, "capabilities"),
    *_words(
        *("control", "status", "initial_vfs", "total_vfs", "num_vfs", "dependency", "vf_offset", "vf_stride"),
        *("reserved", "vf_device_id"),
        at=0x08,
        size=2,
    ),
    *_words("page_sizes", "page_size", *(f"vf_bar{i}" for i in range(6)), "migration_state", at=0x1C),
)

EXTENDED_CAPABILITIES: Final[Mapping[int, tuple[str, Layout]]] = {
    0x01: ("aer", _aer),
    0x02: ("vc", _vc),
    0x03: ("dsn", _fixed(*_words("serial_lo", "serial_hi"))),
    0x04: ("power_budgeting", _fixed(*_words("select", "data", "capabilities"))),
    0x05: ("root_links", _root_links),
    0x06: ("root_internal_link", _fixed((4, 4, "capabilities"), (8, 2, "control"), (10, 2, "status"))),
    0x07: ("event_collector", _event_collector),
    0x08: ("mfvc", _vc),
    0x09: ("vc", _vc),
    0x0A: ("rcrb", _fixed((4, 2, "vendor_id"), (6, 2, "device_id"), (8, 4, "capabilities"), (12, 4, "control"))),
    0x0B: ("vsec", _fixed((4, 4, "vendor_header"))),
    0x0D: ("acs", _acs),
    0x0E: ("ari", _control("capabilities", "control")),
    0x0F: ("ats", _control("capabilities", "control")),
    0x10: ("sriov", _fixed(*_SRIOV)),
    0x12: (
        "multicast",
        _fixed(
            *_words("capabilities", "control", size=2),
            *_words("base", "receive", "block_all", "block_untranslated", "overlay_bar", at=8, size=8),
        ),
    ),
    0x13: ("pri", _fixed(*_words("control", "status", size=2), *_words("capacity", "allocation", at=8))),
    0x15: ("rebar", _rebar),
    0x16: ("dpa", _dpa),
    0x17: ("tph", _tph),
    0x18: ("ltr", _control("max_snoop", "max_no_snoop")),
    0x1B: ("pasid", _control("capabilities", "control")),
    0x1C: ("lnr", _control("capabilities", "control")),
    0x1D: ("dpc", _dpc),
    0x1E: ("l1pm", _fixed(*_words("capabilities", "control1", "control2"))),
    0x1F: ("ptm", _fixed(*_words("capabilities", "control"))),
    0x22: ("readiness", _fixed(*_words("times1", "times2"))),
    0x23: ("dvsec", _fixed((4, 4, "vendor_header"), (8, 2, "vendor_id"))),
    0x24: ("vf_rebar", _rebar),
    0x25: ("data_link_feature", _fixed(*_words("capabilities", "status"))),
    0x2E: ("doe", _fixed(*_words("capabilities", "control", "status", "write", "read"))),
}
"""Extended capabilities by id: a short name and what tells the registers."""
