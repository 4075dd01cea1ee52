"""The memory regions of a machine at reset: what the object tree, `info mtree` and the throw-away process say.

The object tree (`objects`) knows every region but not its kind; `info mtree -o -D` knows kind, alias target and
whether it is enabled, but only of what hangs in an address space, and names regions by (name, owner) only. A printed
region is an object by its place: same container, name, owner, address and priority.

`i/o` in the text is either a region that answers accesses or a mere container. It answers if `info mtree -f` shows
it: a range under its name, owner and address. It does not if there is a hole where it must be seen. A region that was
nowhere visible and has no children answers, but for the names that QEMU gives to containers.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fuzz.capture.errors import CaptureError
from fuzz.capture.objects import shown_owner
from fuzz.capture.siblings import winners_first
from model.devices.bridge import VGA_ALIASES
from model.memory.mtree import parse_flat, parse_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fuzz.capture.mapping import Mapped
    from fuzz.capture.objects import Objects, RegionObject
    from model.memory.mtree import Node, RangeLine

BRIDGE_WINDOWS: Final = {"io": "pci_bridge_io", "mem": "pci_bridge_mem", "pref": "pci_bridge_pref_mem"}
BRIDGE_VGA: Final = {"mem": "pci_bridge_vga_mem", "io_lo": "pci_bridge_vga_io_lo", "io_hi": "pci_bridge_vga_io_hi"}

_OWNER = re.compile(r"(owner|parent):\{(?:dev|obj) (id|path)=([^}]*)\}")
_CONTAINERS: Final = frozenset({
    "bus master container", "pci_bridge_pci", "pci_bridge_io", "pci", "smram", "system", "gpex_mmio", "gpex_ioport",
})  # fmt: skip
_READONLY_ALIASES: Final = frozenset({"pam-rom"})
_LOW_RAM: Final = "ram-below-4g"
_RAM_ALIASES: Final = {"smram-low": 0xA0000, "smram-high": 0xA0000, "tseg-window": 0, "smbase-window": 0x30000}
"""Aliases of the machine's RAM that no address space may show (without system management mode), and their offsets."""

_SHOWN_BY_BRIDGES: Final = {
    BRIDGE_WINDOWS["io"]: "pci_bridge_io",
    BRIDGE_WINDOWS["mem"]: "pci_bridge_pci",
    BRIDGE_WINDOWS["pref"]: "pci_bridge_pci",
    BRIDGE_VGA["mem"]: "pci_bridge_pci",
    BRIDGE_VGA["io_lo"]: "pci_bridge_io",
    BRIDGE_VGA["io_hi"]: "pci_bridge_io",
}
_OFFSETS: Final = _RAM_ALIASES | {BRIDGE_VGA[key]: offset for key, offset in VGA_ALIASES.items()}
_DISABLED: Final = frozenset({
    ("mch", "smram-low"), ("mch", "smram-high"), ("mch", "tseg-window"), ("mch", "smbase-window"), ("i440FX", "smram"),
})  # fmt: skip
"""Regions that are disabled at reset, which nobody sees where they are not shown: type of the owner, name."""

_T64 = 1 << 64


@dataclass(frozen=True, slots=True)
class Region:
    """A region as the description has it; `path` is that of its object, `container` and `target` are paths too."""

    path: str
    id: str
    name: str
    kind: str
    size: int
    addr: int
    priority: int
    enabled: bool
    readonly: bool
    container: str | None
    target: str | None
    target_offset: int
    block: str | None
    owner: str


@dataclass(frozen=True, slots=True)
class Space:
    """An address space and the path of its root."""

    name: str
    root: str


@dataclass(frozen=True, slots=True)
class _Seen:
    node: Node
    rank: int
    """Position among its siblings in the text."""


class Printed:
    """`info mtree -o -D` and `-f -o` of one process, tied to its objects."""

    def __init__(self, objects: Objects, tree: str, flat: str) -> None:
        self.objects = objects
        self.seen: dict[str, _Seen] = {}
        self.spaces: list[Space] = []
        self._open: dict[str, str] = {}
        self._inside: dict[str, list[RegionObject]] = defaultdict(list)
        self._named: dict[tuple[str, str], list[RegionObject]] = defaultdict(list)
        for region in sorted(objects.regions.values(), key=lambda item: (item.owner, item.name, item.ordinal)):
            self._inside[region.container].append(region)
            self._named[region.name, self._shown(region)].append(region)
        views = parse_flat(flat)
        self._answering = Counter(
            (line.name, _owner_path(line.owner), (line.start - line.offset) % _T64)
            for view in views
            for line in view.ranges
        )
        self.ranges = {
            space.name: view.ranges for view in views for space in view.spaces if space.name in {"memory", "I/O"}
        }
        roots: dict[bool, set[str]] = {True: set(), False: set()}
        for section in parse_tree(tree):
            root = self._root(section.root, section.spaces, roots[bool(section.spaces)])
            self.spaces += [Space(name, root) for name in section.spaces]
            shown = next((name for name in section.spaces if name in self.ranges), "")
            self._visit(section.root, root, 0, shown)

    def _shown(self, region: RegionObject) -> str:
        """The owner's path as QEMU prints it."""
        return self.objects.ids.get(region.owner, region.owner)

    def _root(self, node: Node, spaces: Sequence[str], taken: set[str]) -> str:
        found = self._named[node.name, _owner_path(node.owner)]
        # Of several with one name and owner's id, the one of the device that the space is named after comes first, and
        # one that is in no other region.
        for region in sorted(
            found, key=lambda item: (self.objects.kinds.get(item.owner) not in spaces, item.container != "")
        ):
            if region.path not in taken and (region.size or 1) == node.size and region.addr == node.start:
                taken.add(region.path)
                return region.path
        raise CaptureError(f"info mtree: no object for the region {node.name} {node.owner}")

    def _visit(self, node: Node, path: str, rank: int, space: str) -> None:
        """`space`: where the node is seen if nothing lies over it, "" if nowhere."""
        space = "" if node.disabled else space
        if space:
            self._open[path] = space
        if path not in self.seen or self.seen[path].rank < 0:
            self.seen[path] = _Seen(node, rank)
        left = list(self._inside[path])
        for index, child in enumerate(node.children):
            owner = _owner_path(child.owner)
            for region in left:
                if (
                    region.name == child.name
                    and self._shown(region) == owner
                    and region.priority == child.priority
                    and region.addr == child.address_in(node)
                    and (region.size or 1) == child.size
                ):
                    left.remove(region)
                    self._visit(child, region.path, index, space)
                    if self.seen[region.path].rank != index:
                        self.seen[region.path] = _Seen(self.seen[region.path].node, index)
                    break
            else:
                raise CaptureError(f"info mtree: no object for the region {child.name} {child.owner}")

    def answers(self, path: str) -> bool:
        """Whether some address space showed the region itself."""
        seen = self.seen.get(path)
        if seen is None:
            return False
        region = self.objects.regions[path]
        return self._answering[region.name, self._shown(region), seen.node.start] > 0

    def is_hole(self, path: str, windows: Mapping[str, tuple[int, int]]) -> bool:
        """Whether nothing is shown where a region begins and must be seen. `windows` show BARs, by space."""
        node = self.seen[path].node
        spaces = [self._open[path]] if path in self._open else []
        for space, (first, limit) in windows.items():
            if first <= node.start < limit and not node.disabled:
                spaces.append("I/O" if space == "io" else "memory")
        return any(self._is_bare(space, node.start) for space in spaces)

    def _is_bare(self, space: str, address: int) -> bool:
        there = [line for line in self.ranges.get(space, ()) if line.start <= address <= line.end]
        return all(line.name == "io" and line.offset == line.start for line in there)

    def lookup(self, region: RegionObject) -> tuple[str, _Seen] | None:
        """The same region in this process: by path, or (bridge windows are made anew) by owner and name."""
        if not region.name.startswith("pci_bridge_") and region.path in self.seen:
            return region.path, self.seen[region.path]
        for other in self._named[region.name, self._shown(region)]:
            if other.owner == region.owner and other.path in self.seen:
                return other.path, self.seen[other.path]
        return None


def assemble(
    objects: Objects, tree: str, flat: str, mapped: Mapped, blocks: Sequence[str], made: Mapping[str, int] = {}
) -> tuple[tuple[Region, ...], tuple[Space, ...]]:
    """All regions (siblings together, winners first) and all address spaces of a machine at reset.

    `blocks`: the names of its RAM blocks. `made`: numbers that tell which bridge was made first, by path; one that is
    not there counts as 0. Raises CaptureError if the texts and the objects do not fit.
    """
    pristine = Printed(objects, tree, flat)
    other = Printed(mapped.objects, mapped.tree, mapped.flat)
    ids = _ids(objects.regions.values())
    regions: dict[str, Region] = {}
    ranks: dict[str, int] = {}
    for region in objects.regions.values():
        regions[region.path], ranks[region.path] = _region(region, ids, pristine, other, blocks, mapped.windows, made)
    spaces = sorted(pristine.spaces, key=lambda space: _space_order(space, objects.functions))
    shown = {space.root: pristine.ranges.get(space.name, ()) for space in pristine.spaces}
    return tuple(_in_order(regions, ranks, shown)), tuple(spaces)


def _region(
    region: RegionObject,
    ids: Mapping[str, str],
    pristine: Printed,
    other: Printed,
    blocks: Sequence[str],
    windows: Mapping[str, tuple[int, int]],
    made: Mapping[str, int],
) -> tuple[Region, int]:
    seen = pristine.seen.get(region.path)
    elsewhere = other.lookup(region)
    node = seen.node if seen else elsewhere[1].node if elsewhere else None
    source = pristine if seen else other
    block = _block(region, blocks, pristine.objects.functions)
    kind, target = _kind(region, seen, elsewhere, pristine, other, block, windows), None
    if node is not None and node.alias is not None:
        target = _target(region, node.alias, source, pristine, made)
    elif node is None and region.name in _RAM_ALIASES and (ram := _machine_ram(pristine, made)) is not None:
        kind, target = "alias", ram
    elif node is None and (behind := _behind(region, pristine.objects)) is not None:
        kind, target = "alias", behind
    vga = region.name in BRIDGE_VGA.values()
    result = Region(
        path=region.path,
        id=ids[region.path],
        name=region.name,
        kind=kind,
        size=region.size,
        addr=region.addr,
        priority=region.priority,
        enabled=vga or (_is_enabled(region, pristine) if node is None else not node.disabled),
        readonly=region.name in _READONLY_ALIASES if kind == "alias" else kind == "rom",
        container=region.container or None,
        target=target,
        target_offset=node.alias_offset if node is not None else _OFFSETS.get(region.name, 0) if target else 0,
        block=block if kind in {"ram", "rom", "romd"} else None,
        owner=shown_owner(region.owner),
    )
    return result, seen.rank if seen else elsewhere[1].rank if elsewhere else 0


def _is_enabled(region: RegionObject, pristine: Printed) -> bool:
    """Of a region that is shown nowhere."""
    return (pristine.objects.kinds.get(region.owner), region.name) not in _DISABLED


def _behind(region: RegionObject, objects: Objects) -> str | None:
    """What a bridge's window or VGA alias shows, if the region is one: the bus behind the bridge.

    For where nobody sees either: the ports of a generic host's bus are in no address space.
    """
    name = _SHOWN_BY_BRIDGES.get(region.name)
    if name is None or (region.name == name and not region.container):
        return None
    return next(
        (
            other.path
            for other in objects.regions.values()
            if other.owner == region.owner and other.name == name and not other.container
        ),
        None,
    )


def _kind(
    region: RegionObject,
    seen: _Seen | None,
    elsewhere: tuple[str, _Seen] | None,
    pristine: Printed,
    other: Printed,
    block: str | None,
    windows: Mapping[str, tuple[int, int]],
) -> str:
    nodes = [*([seen.node] if seen else []), *([elsewhere[1].node] if elsewhere else [])]
    if not nodes:
        return "ram" if block is not None else "container" if region.name in _CONTAINERS else "io"
    if nodes[0].alias is not None:
        return "alias"
    if nodes[0].type != "i/o":
        return nodes[0].type
    if region.path in pristine.objects.kinds:  # a region of a type of its own translates addresses
        return "iommu"
    if pristine.answers(region.path) or (elsewhere is not None and other.answers(elsewhere[0])):
        return "io"
    if region.name in _CONTAINERS or any(node.children for node in nodes):
        return "container"
    holes = [pristine.is_hole(region.path, {})] if seen else []
    if elsewhere is not None:
        holes.append(other.is_hole(elsewhere[0], windows))
    return "container" if any(holes) else "io"


def _target(region: RegionObject, name: str, source: Printed, pristine: Printed, made: Mapping[str, int]) -> str:
    """The path (in the pristine process) of an alias's target: of its own device if that has one, else the only one."""

    def is_alias(path: str) -> bool:
        seen = source.seen.get(path)
        return seen is not None and seen.node.alias is not None

    found = [
        item
        for item in source.objects.regions.values()
        if item.name == name and item.path in source.seen and not is_alias(item.path)
    ]
    chosen = [item for item in found if item.owner == region.owner] or found
    if len(chosen) > 1:
        chosen = [item for item in chosen if not item.container] or chosen
    if len(chosen) > 1 and len({item.owner for item in chosen}) == 1:
        chosen = [_by_order(region, chosen, source, made)]
    if len(chosen) != 1 or chosen[0].path not in pristine.objects.regions:
        raise CaptureError(f"{region.owner}: {region.name} is an alias of {name}: {len(chosen)} regions have that name")
    return chosen[0].path


def _by_order(
    alias: RegionObject, targets: Sequence[RegionObject], source: Printed, made: Mapping[str, int]
) -> RegionObject:
    """Which of the equally named regions that an IOMMU made is that of the device with this alias.

    It made them when the machine was complete: for the functions of the bus that was made last first. A function
    behind a conventional bridge has its bridge's.
    """
    devices = {device.path: device for device in source.objects.devices}
    holders = {
        path: source.seen[region.path].node.alias
        for path in devices
        for region in source.objects.regions.values()
        if region.owner == path and region.name == alias.name and region.path in source.seen
    }
    wanted = holders.get(alias.owner)
    buses = {device.bus for path, device in devices.items() if holders.get(path) == wanted}
    order = sorted(buses, key=lambda bus: -made.get(bus.rpartition("/")[0], 0))
    own = devices[alias.owner].bus if alias.owner in devices else ""
    index = order.index(own) if own in order else 0
    ordered = sorted(targets, key=lambda item: item.ordinal)
    return ordered[min(index, len(ordered) - 1)]


def _machine_ram(pristine: Printed, made: Mapping[str, int]) -> str | None:
    """The path of the region of the machine's RAM."""
    for path, seen in pristine.seen.items():
        if seen.node.name == _LOW_RAM and seen.node.alias is not None:
            return _target(pristine.objects.regions[path], seen.node.alias, pristine, pristine, made)
    return None


def _block(region: RegionObject, blocks: Sequence[str], functions: Mapping[str, str]) -> str | None:
    """The RAM block of a region: blocks are named after it, those of devices with the device's address before."""
    own = f"{functions.get(region.owner, '')}/{region.name}"
    if own in blocks:
        return own
    found = [name for name in blocks if name == region.name or name.endswith(f"/{region.name}")]
    return found[0] if len(found) == 1 else None


def _ids(regions: Iterable[RegionObject]) -> dict[str, str]:
    """Ids: the name if unique, else `owner:name`, else `owner:name#ordinal`."""
    items = list(regions)
    names = Counter(region.name for region in items)
    owned = Counter((region.owner, region.name) for region in items)
    result = {}
    for region in items:
        text = region.name
        if names[region.name] > 1:
            text = f"{shown_owner(region.owner)}:{region.name}"
        if owned[region.owner, region.name] > 1:
            text += f"#{region.ordinal}"
        result[region.path] = text
    return result


def _in_order(
    regions: Mapping[str, Region], ranks: Mapping[str, int], shown: Mapping[str, Sequence[RangeLine]]
) -> Iterable[Region]:
    """Roots by id, each followed by what is in it; siblings by descending priority, then as the text has them.

    `shown`: what the flat views show of the roots of spaces.
    """
    inside: dict[str | None, list[Region]] = defaultdict(list)
    for region in regions.values():
        inside[region.container].append(region)

    def below(container: str | None) -> Iterable[Region]:
        if container is None:
            siblings = sorted(inside[None], key=lambda item: (item.owner, item.id))
        else:
            siblings = sorted(inside[container], key=lambda item: (-item.priority, ranks[item.path], item.id))
            siblings = winners_first(siblings, shown.get(container, ()))
        for region in siblings:
            yield region
            yield from below(region.path)

    return below(None)


def _space_order(space: Space, functions: Mapping[str, str]) -> tuple[int, str, str]:
    """Memory and ports first, then processors, then PCI functions by address."""
    if space.name in {"memory", "I/O"}:
        return 0, "" if space.name == "memory" else "I/O", ""
    owner = space.root.rpartition("/")[0]
    if owner in functions:
        return 2, functions[owner], space.name
    return 1, space.name, space.root


def _owner_path(text: str) -> str:
    """The object that a region is a child of, from the tail of an `info mtree -o` line."""
    found = {match[1]: (match[2], match[3]) for match in _OWNER.finditer(text)}
    key, value = found.get("parent", found.get("owner", ("path", "")))
    return f"/machine/peripheral/{value}" if key == "id" else value
