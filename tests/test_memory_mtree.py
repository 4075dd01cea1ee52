"""`info mtree` both ways: literal text here, and a model rebuilt from a real QEMU's listings."""

from __future__ import annotations

import re

import pytest
from memory_captured import FLAT, MACHINES, TREE, Captured, monitor

from model.memory import T64, Kind, Memory, Region, format_flat, mtree
from model.memory.validate import validate

TREE_TEXT = """\
address-space: cpu-memory-0
address-space: memory
  0000000000000000-ffffffffffffffff (prio 0, i/o): system parent:{obj path=/machine/unattached}
    0000000000000000-0000000003ffffff (prio 0, ram): alias ram-below-4g @pc.ram 0000000000000000-0000000003ffffff orphan
    0000000000000000-ffffffffffffffff (prio -1, i/o): pci [disabled] owner:{dev id=a} parent:{obj path=/b}
      00000000000a0000-00000000000bffff (prio 1, nv-ram): a name [disabled] x
[DETECTED OVERFLOW!]       fffffffffffffff0-000000000000000f (prio 1, i/o): wraps

memory-region: pc.ram
  0000000000000000-0000000003ffffff (prio 0, ram): pc.ram

"""

FLAT_TEXT = """\
FlatView #0
 AS "memory", root: system
 AS "cpu-memory-0", root: system
 Root memory region: system
  0000000000000000-0000000000000fff (prio 0, ram): pc.ram
  0000000000001000-0000000000001fff (prio 0, rom): pc.ram @0000000000001000
  0000000000008000-0000000000008003 (prio -2, nv-ram): nv @0000000000000004
  0000000000009000-0000000000009fff (prio 0, romd): flash

FlatView #1
 AS "dev", root: bus master container
 Root memory region: (none)
  No rendered FlatView

FlatView #2
 AS "aliased", root: window, alias system
 Root memory region: window
  0000000000000000-0000000000000fff (prio 0, ram): pc.ram

"""


def test_parse_tree() -> None:
    for text in (TREE_TEXT, TREE_TEXT.replace("\n", "\r\n")):
        first, second = mtree.parse_tree(text)
        assert first.spaces == ("cpu-memory-0", "memory")
        assert second.spaces == ()
        assert [node.name for node in first.root.walk()] == [
            "system",
            "ram-below-4g",
            "pci",
            "a name [disabled] x",
            "wraps",
        ]
        ram, pci = first.root.children
        assert (ram.alias, ram.alias_offset, ram.owner, ram.size) == ("pc.ram", 0, "orphan", 0x4000000)
        assert (pci.disabled, pci.priority, pci.size, pci.owner) == (
            True,
            -1,
            T64,
            "owner:{dev id=a} parent:{obj path=/b}",
        )
        low, wraps = pci.children
        assert (low.nonvolatile, low.type, low.disabled, low.address_in(pci)) == (True, "ram", False, 0xA0000)
        assert (wraps.size, wraps.depth) == (0x20, 2)


def test_parse_flat_takes_marks_and_dispatch_blocks() -> None:
    text = FLAT_TEXT.replace("ram): pc.ram\n", "ram): pc.ram owner:{obj path=/x} KVM KVM\n")
    text = text.replace("romd): flash\n", "romd): flash\n  Dispatch\n    Physical sections\n      #0 @0..f (noname)\n")
    views = mtree.parse_flat(text.replace("\n", "\r\n"))
    assert [len(view.ranges) for view in views] == [4, 0, 1]
    assert views[0].ranges[0].owner == "owner:{obj path=/x}"
    assert mtree.layout(text) == mtree.layout(FLAT_TEXT)
    assert mtree.layout(FLAT_TEXT)["dev", "bus master container", None, ()] == 1
    assert mtree.sharing(FLAT_TEXT)["cpu-memory-0", "memory"] == 1


@pytest.mark.parametrize("text", ["address-space: x\n  rubbish\n", "  0-1 (prio 0, ram): x\n"])
def test_rubbish_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="line"):
        mtree.parse_tree(text)


def test_format_flat() -> None:
    m = Memory()
    ram = Region("pc.ram", Kind.RAM, 0x2000)
    system = Region("system", Kind.CONTAINER, T64)
    m.add_subregion(system, 0, Region("low", Kind.ALIAS, 0x1000, alias=ram))
    m.add_subregion(system, 0x1000, Region("pam", Kind.ALIAS, 0x1000, alias=ram, alias_offset=0x1000, readonly=True))
    nv = Region("nv", Kind.RAM, 8, nonvolatile=True)
    m.add_subregion(system, 0x7FFC, nv, -2)
    m.add_subregion(system, 0x7FFC, Region("hole", Kind.CONTAINER, 4))
    m.add_subregion(system, 0x7FFC, Region("cut", Kind.IO, 4))
    m.add_subregion(system, 0x9000, Region("flash", Kind.ROMD, 0x1000))
    empty = Region("bus master container", Kind.CONTAINER, T64)
    spaces = [
        m.add_space("memory", system),
        m.add_space("cpu-memory-0", system),
        m.add_space("dev", empty),
        m.add_space("aliased", Region("window", Kind.ALIAS, 0x1000, alias=system)),
    ]
    expected = FLAT_TEXT.replace(
        "  0000000000008000", "  0000000000007ffc-0000000000007fff (prio 0, i/o): cut\n  0000000000008000"
    )
    assert format_flat(spaces) == expected
    assert mtree.layout(mtree.view_texts(spaces)) == mtree.layout(expected)


@pytest.mark.qemu
@pytest.mark.parametrize("name", MACHINES)
def test_a_model_rebuilt_from_a_real_machine_has_its_views(name: str) -> None:
    tree, with_owners, plain = monitor(MACHINES[name], [TREE, FLAT, "info mtree -f"])
    machine = Captured(tree, with_owners)
    text = format_flat(machine.memory.spaces)
    assert mtree.layout(text) == mtree.layout(plain) == mtree.layout(with_owners)
    assert mtree.sharing(text) == mtree.sharing(plain)
    assert blocks(text) == blocks(plain.replace("\r\n", "\n"))
    regions = {node for root, _ in machine.roots for node in below(root)}
    regions |= {region for region, _ in machine.aliases}
    validate(machine.memory, regions)


def below(region: Region) -> list[Region]:
    return [region] + [found for child in region.subregions for found in below(child)]


def blocks(text: str) -> list[str]:
    """The views without their numbers, and with the address spaces of each in one order."""
    found = []
    for block in re.split(r"FlatView #\d+\n", text)[1:]:
        lines = block.splitlines()
        spaces = sorted(line for line in lines if line.startswith(" AS "))
        found.append("\n".join([*spaces, *(line for line in lines if not line.startswith(" AS "))]))
    return sorted(found)
