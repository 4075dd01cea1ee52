"""Regions put together from objects and monitor texts: what answers, what an alias shows, whose a region is."""

from __future__ import annotations

import pytest

from fuzz.capture.errors import CaptureError
from fuzz.capture.mapping import Mapped
from fuzz.capture.objects import Objects, PciObject, RegionObject
from fuzz.capture.regions import Printed, Region, assemble

T64 = 1 << 64
SYSTEM, IO = "/machine/unattached/system[0]", "/machine/unattached/io[0]"


def region(path: str, size: int, addr: int = 0, container: str = "", priority: int = 0) -> RegionObject:
    owner, _, child = path.rpartition("/")
    name, _, ordinal = child.rpartition("[")
    return RegionObject(path, owner, name, int(ordinal.rstrip("]")), size, addr, priority, container)


def objects(
    *regions: RegionObject, devices: tuple[PciObject, ...] = (), kinds: dict[str, str] | None = None
) -> Objects:
    every = (region(SYSTEM, T64), region(IO, 0x10000), *regions)
    return Objects({one.path: one for one in every}, devices, {}, {}, {}, kinds or {})


def node(depth: int, start: int, end: int, body: str, kind: str = "i/o", priority: int = 0, owner: str = "") -> str:
    tail = owner or "parent:{obj path=/machine/unattached}"
    return f"{'  ' * (depth + 1)}{start:016x}-{end:016x} (prio {priority}, {kind}): {body} {tail}"


def text(*sections: list[str]) -> str:
    return "\n\n".join("\n".join(section) for section in sections) + "\n\n"


def flat(name: str, root: str, *ranges: tuple[int, int, str, int, str]) -> str:
    lines = [f'FlatView #0\n AS "{name}", root: {root}\n Root memory region: {root}']
    for start, end, what, offset, owner in ranges:
        at = f" @{offset:016x}" if offset else ""
        tail = owner or "parent:{obj path=/machine/unattached}"
        lines.append(f"  {start:016x}-{end:016x} (prio 0, i/o): {what}{at} {tail}")
    return "\n".join(lines) + "\n\n"


def mapped(found: Objects, tree: str, views: str, windows: dict[str, tuple[int, int]] | None = None) -> Mapped:
    return Mapped({}, {}, windows or {}, {}, found, tree, views)


def by_name(regions: tuple[Region, ...]) -> dict[str, Region]:
    return {one.name: one for one in regions}


ROOT = ["address-space: memory", node(0, 0, T64 - 1, "system")]
PORTS = ["address-space: I/O", node(0, 0, 0xFFFF, "io")]
NO_PORTS = flat("I/O", "io", (0, 0xFFFF, "io", 0, ""))


def test_what_shows_is_a_region_and_what_shows_a_hole_is_a_container() -> None:
    found = objects(
        region("/machine/unattached/seen[0]", 0x1000, 0x1000, SYSTEM),
        region("/machine/unattached/hole[0]", 0x1000, 0x4000, SYSTEM),
        region("/machine/unattached/covered[0]", 0x1000, 0x1000, SYSTEM, -1),
        region("/machine/unattached/nowhere[0]", 0x1000),
        region("/machine/unattached/bus master container[0]", T64),
    )
    tree = text(
        [
            *ROOT,
            node(1, 0x1000, 0x1FFF, "seen"),
            node(1, 0x1000, 0x1FFF, "covered", priority=-1),
            node(1, 0x4000, 0x4FFF, "hole"),
        ],
        PORTS,
    )
    views = flat("memory", "system", (0x1000, 0x1FFF, "seen", 0, "")) + NO_PORTS
    regions, spaces = assemble(found, tree, views, mapped(found, tree, views), [])
    kinds = {name: one.kind for name, one in by_name(regions).items()}
    assert kinds == {
        "system": "container",
        "io": "io",
        "seen": "io",
        "hole": "container",
        "covered": "io",  # nobody can tell
        "nowhere": "io",
        "bus master container": "container",
    }
    assert [(space.name, space.root) for space in spaces] == [("memory", SYSTEM), ("I/O", IO)]


def test_a_hole_in_a_window_of_bars_is_a_container_only_where_it_is_looked_for() -> None:
    before = objects(region("/machine/peripheral/n/flash[0]", 0x1000))
    after = objects(region("/machine/peripheral/n/flash[0]", 0x1000, 0xE0000000, "/machine/unattached/pci[0]"))
    after.regions["/machine/unattached/pci[0]"] = region("/machine/unattached/pci[0]", T64)  # type: ignore[index]
    tree = text(ROOT, PORTS)
    views = flat("memory", "system") + NO_PORTS
    other = text(
        ROOT,
        PORTS,
        [
            "memory-region: pci",
            node(0, 0, T64 - 1, "pci"),
            node(1, 0xE0000000, 0xE0000FFF, "flash", owner="owner:{dev id=n}"),
        ],
    )
    for windows, kind in (({"memory": (0xE0000000, 0xF0000000)}, "container"), ({}, "io")):
        regions, _ = assemble(before, tree, views, mapped(after, other, views, windows), [])
        assert by_name(regions)["flash"].kind == kind


def test_a_region_of_a_type_of_its_own_translates_addresses() -> None:
    path = "/machine/unattached/dmar[0]"
    found = objects(region(path, T64, 0, SYSTEM), kinds={path: "intel-iommu-iommu-memory-region"})
    tree = text([*ROOT, node(1, 0, T64 - 1, "dmar [disabled]")], PORTS)
    views = flat("memory", "system") + NO_PORTS
    regions, _ = assemble(found, tree, views, mapped(found, tree, views), [])
    assert (by_name(regions)["dmar"].kind, by_name(regions)["dmar"].enabled) == ("iommu", False)


def test_an_owner_that_shares_its_id_with_another() -> None:
    """The bridge in an expander has the expander's id: whose a space is says the type that it is named after."""
    paths = "/machine/peripheral/px0", "/machine/unattached/device[9]"
    regions = [region(f"{path}/bus master container[0]", T64) for path in paths]
    found = objects(*regions, kinds={paths[0]: "pxb", paths[1]: "pci-bridge"})
    found = Objects(found.regions, (), {}, {}, {paths[1]: paths[0]}, found.kinds)
    line = node(0, 0, T64 - 1, "bus master container", owner="owner:{dev id=px0}")
    for order in (("pxb", "pci-bridge"), ("pci-bridge", "pxb")):
        tree = text(ROOT, PORTS, *([f"address-space: {name}", line] for name in order))
        printed = Printed(found, tree, flat("memory", "system") + NO_PORTS)
        roots = {space.name: space.root for space in printed.spaces}
        assert roots["pxb"] == regions[0].path
        assert roots["pci-bridge"] == regions[1].path


def test_an_alias_of_equally_named_regions_of_an_iommu_is_told_by_the_order_of_buses() -> None:
    host, port = "/machine/q35/pcie.0", "/machine/peripheral/rp0/rp0"
    devices = (
        PciObject("/machine/q35/mch", "mch", host, 0),
        PciObject("/machine/peripheral/rp0", "pcie-root-port", host, 8),
        PciObject("/machine/peripheral/net0", "virtio-net-pci", port, 0),
    )
    iommu = "/machine/peripheral/iommu"
    containers = [region(f"{path}/bus master container[0]", T64) for path in ("/machine/q35/mch", devices[2].path)]
    aliases = [region(f"{one.owner}/bus master[0]", T64, 0, one.path) for one in containers]
    targets = [region(f"{iommu}/vtd-00.0[{index}]", T64) for index in (0, 1)]
    found = objects(
        *containers, *aliases, *targets, devices=devices, kinds={device.path: device.type for device in devices}
    )
    owners = ["owner:{dev path=/machine/q35/mch}", "owner:{dev id=net0}"]
    sections = [
        [
            f"address-space: {name}",
            node(0, 0, T64 - 1, "bus master container", owner=owner),
            node(1, 0, T64 - 1, f"alias bus master @vtd-00.0 {0:016x}-{T64 - 1:016x} [disabled]", owner=owner),
        ]
        for name, owner in zip(("mch", "virtio-net-pci"), owners, strict=True)
    ]
    target = node(0, 0, T64 - 1, "vtd-00.0", owner="owner:{dev id=iommu}")
    tree = text(ROOT, PORTS, *sections, ["address-space: vtd-root", "address-space: vtd-root", target], [
        "address-space: vtd-root", target
    ])  # fmt: skip
    views = flat("memory", "system") + NO_PORTS
    regions, _ = assemble(found, tree, views, mapped(found, tree, views), [], {"/machine/peripheral/rp0": 7})
    shown = {one.owner: one.target for one in regions if one.name == "bus master"}
    assert shown == {"net0": targets[0].path, "/machine/q35/mch": targets[1].path}  # the bus made last comes first


def test_memory_of_the_system_management_mode_that_no_space_shows() -> None:
    found = objects(
        region("/objects/pc.ram/pc.ram[0]", 0x100000),
        region("/machine/unattached/ram-below-4g[0]", 0x100000, 0, SYSTEM),
        region("/machine/q35/mch/smram[0]", 1 << 32),
        region("/machine/q35/mch/smram-low[0]", 0x20000, 0xA0000, "/machine/q35/mch/smram[0]"),
        kinds={"/machine/q35/mch": "mch"},
    )
    ram = node(0, 0, 0xFFFFF, "pc.ram", "ram", owner="owner:{obj path=/objects/pc.ram}")
    alias = node(1, 0, 0xFFFFF, f"alias ram-below-4g @pc.ram {0:016x}-{0xFFFFF:016x}", "ram")
    tree = text([*ROOT, alias], PORTS, ["memory-region: pc.ram", ram])
    views = flat("memory", "system") + NO_PORTS
    regions, _ = assemble(found, tree, views, mapped(found, tree, views), ["pc.ram"])
    low = by_name(regions)["smram-low"]
    assert (low.kind, low.enabled, low.target, low.target_offset) == (
        "alias",
        False,
        "/objects/pc.ram/pc.ram[0]",
        0xA0000,
    )


def test_windows_of_a_bridge_whose_ports_no_space_shows() -> None:
    port = "/machine/peripheral/rp0"
    found = objects(
        region("/machine/unattached/gpex_ioport[0]", 0x10000),
        region(f"{port}/pci_bridge_io[0]", 1 << 32),
        region(f"{port}/pci_bridge_io[1]", 0, 0, "/machine/unattached/gpex_ioport[0]", 1),
        region(f"{port}/pci_bridge_vga_io_lo[0]", 0xC),
    )
    tree = text(ROOT, PORTS)
    views = flat("memory", "system") + NO_PORTS
    regions, _ = assemble(found, tree, views, mapped(found, tree, views), [])
    shown = {one.path: (one.kind, one.target, one.target_offset, one.enabled) for one in regions}
    assert shown["/machine/unattached/gpex_ioport[0]"][0] == "container"
    assert shown[f"{port}/pci_bridge_io[0]"][0] == "container"
    assert shown[f"{port}/pci_bridge_io[1]"] == ("alias", f"{port}/pci_bridge_io[0]", 0, True)
    assert shown[f"{port}/pci_bridge_vga_io_lo[0]"] == ("alias", f"{port}/pci_bridge_io[0]", 0x3B0, True)


def test_a_text_that_shows_what_is_no_object() -> None:
    found = objects()
    tree = text([*ROOT, node(1, 0, 0xFFF, "ghost")], PORTS)
    with pytest.raises(CaptureError, match="no object for the region ghost"):
        assemble(found, tree, NO_PORTS, mapped(found, tree, NO_PORTS), [])
