"""A model rebuilt from the monitor of a real QEMU by the heuristics of memory.md 9.4, and the QEMU that is asked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from model.memory import Kind, Memory, Region, mtree

if TYPE_CHECKING:
    from model.memory.mtree import Node, Tree

ZERO_SIZED = frozenset({"pci_bridge_io", "pci_bridge_mem", "pci_bridge_pref_mem", "tseg-blackhole", "tseg-window"})
KINDS = {"ram": Kind.RAM, "rom": Kind.ROM, "romd": Kind.ROMD, "ramd": Kind.RAMD}


def qemu() -> str:
    """The QEMU to ask; skips, or fails where it is required."""
    found = shutil.which("qemu-system-x86_64")
    if found:
        return found
    if os.environ.get("VMFUZZ_REQUIRE_QEMU") == "1":
        pytest.fail("VMFUZZ_REQUIRE_QEMU=1 and there is no qemu-system-x86_64")
    pytest.skip("no qemu-system-x86_64")


def monitor(arguments: list[str], commands: list[str]) -> list[str]:
    """Start a stopped machine, and return what its human monitor answers to each command."""
    run = [qemu(), *arguments, "-accel", "tcg", "-nodefaults", "-display", "none", "-S", "-qmp", "stdio"]
    lines: list[dict[str, Any]] = [{"execute": "qmp_capabilities"}]
    lines += [{"execute": "human-monitor-command", "arguments": {"command-line": command}} for command in commands]
    lines += [{"execute": "quit"}]
    text = "\n".join(json.dumps(line) for line in lines)
    out = subprocess.run(run, input=text, capture_output=True, text=True, timeout=120, check=True).stdout
    replies = [json.loads(line) for line in out.splitlines()]
    return [reply["return"] for reply in replies if isinstance(reply.get("return"), str)]


class Captured:
    """Regions and spaces as the two listings tell, in a Memory of its own."""

    def __init__(self, tree: str, flat: str) -> None:
        self.memory = Memory()
        self.seen = {(r.name, r.owner) for view in mtree.parse_flat(flat) for r in view.ranges}
        self.found: dict[tuple[str, str, int], list[Region]] = {}
        self.claimed: set[Region] = set()
        self.aliases: list[tuple[Region, Node]] = []
        self.roots: list[tuple[Region, Tree]] = []
        self.pending: list[tuple[Region, int, Region, int]] = []
        sections = mtree.parse_tree(tree)
        for section in sections:
            if section.spaces:
                self.roots.append((self.build(section.root), section))
        for section in sections:
            if not section.spaces:
                self.roots.append((self.known(section.root) or self.build(section.root), section))
        for alias, node in self.aliases:
            alias.alias = self.target(node)
            alias.alias.aliases.append(alias)
        for container, offset, region, priority in self.pending:
            self.memory.add_subregion(container, offset, region, priority)
        order = [space.name for view in mtree.parse_flat(flat) for space in view.spaces]
        named = [(name, root) for root, section in self.roots for name in section.spaces]
        for name, root in sorted(named, key=lambda item: order.index(item[0])):
            self.memory.add_space(name, root)

    def known(self, node: Node) -> Region | None:
        for region in self.found.get((node.name, node.owner, node.size), []):
            if region not in self.claimed:
                self.claimed.add(region)
                return region
        return None

    def build(self, node: Node) -> Region:
        size = 0 if node.size == 1 and node.name in ZERO_SIZED else node.size
        kind = KINDS.get(node.type, Kind.IO if (node.name, node.owner) in self.seen else Kind.CONTAINER)
        readonly = node.name == "pam-rom"
        if node.alias is not None:
            region = Region(
                node.name, Kind.CONTAINER, size, owner=node.owner, readonly=readonly, enabled=not node.disabled
            )
            region.kind, region.alias_offset = Kind.ALIAS, node.alias_offset
            self.aliases.append((region, node))
            return region
        region = Region(node.name, kind, size, owner=node.owner, enabled=not node.disabled)
        region.addr, region.priority = node.start, node.priority
        self.found.setdefault((node.name, node.owner, node.size), []).append(region)
        # Winners stand first, and the last one added wins among equals.
        winners = sorted(node.children, key=lambda child: -child.priority)
        for child in reversed(winners):
            self.pending.append((region, child.address_in(node), self.build(child), child.priority))
        return region

    def target(self, node: Node) -> Region:
        named = [(region, tree.root) for region, tree in self.roots if region.name == node.alias]
        same = [pair for pair in named if pair[0].owner == node.owner] or named
        end = node.alias_offset + node.size

        def inside(pair: tuple[Region, Node]) -> int:
            root = pair[1]
            return sum(node.alias_offset <= child.address_in(root) < end for child in root.children)

        return max(same, key=inside)[0]


SEED_24 = [
    *["-machine", "pc-q35-7.2", "-m", "64M"],
    *(
        word
        for i in range(24)
        for word in (
            "-device",
            f"pcie-root-port,id=rp{i},chassis={i},slot={i},addr={2 + i // 8:#x}.{i % 8},multifunction=on",
        )
    ),
    *(
        word
        for i in range(8)
        for word in (
            *("-netdev", f"hubport,id=n{i},hubid={i}"),
            *("-device", f"virtio-net-pci,netdev=n{i},bus=rp{i},id=net{i},romfile="),
        )
    ),
    *(
        word
        for i in range(16)
        for word in (
            *("-blockdev", f"null-co,node-name=b{i},read-zeroes=on,size=1073741824"),
            *("-device", f"virtio-blk-pci,drive=b{i},bus=rp{8 + i},id=blk{i},num-queues=4"),
        )
    ),
]

MACHINES = {
    "q35": ["-machine", "pc-q35-7.2", "-m", "64M"],
    "pc-vga-5g": ["-machine", "pc-i440fx-7.2", "-m", "5G", "-device", "VGA"],
    "q35-iommu": ["-machine", "pc-q35-7.2", "-m", "128M", "-device", "intel-iommu", "-device", "qemu-xhci"],
    "bridge": [
        *["-machine", "pc-i440fx-7.2", "-m", "128M", "-device", "pci-bridge,chassis_nr=1,id=br0"],
        *["-device", "virtio-rng-pci,bus=br0,addr=1"],
    ],
    "seed-24": SEED_24,
}

TREE = "info mtree -o -D"
FLAT = "info mtree -f -o"

__all__ = ["FLAT", "MACHINES", "SEED_24", "TREE", "Captured", "monitor", "qemu"]
