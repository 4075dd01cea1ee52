"""What virtio devices offer: features, queues, ports, and values that a section must bring as they are here.

A device is known by its section, whether it is a PCI function's or (microvm) one of registers in memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from fuzz.capture import objects as qom
from fuzz.capture.errors import CaptureError
from vmformat.errors import StreamError
from vmformat.schema import EQUAL
from vmformat.tree import decode
from vmformat.virtio import KINDS, VirtioShape, virtio_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fuzz.capture.functions import FunctionFacts
    from fuzz.capture.prober import Prober
    from fuzz.qemu import Qemu
    from vmformat.node import Node
    from vmformat.section import Section

_ALLOWED = re.compile(r"Features 0x[0-9a-f]+ unsupported\. Allowed features: 0x([0-9a-f]+)")
_QUEUES: Final = ("num-queues", "num_queues")
_PROPERTIES: Final = (*_QUEUES, "iommu_platform", "packed", "migrate-extra")
_MMIO: Final = "virtio-mmio"
_KINDS: Final = {f"virtio-{kind}": kind for kind in KINDS}
_CHECKED: Final = tuple(f"virtio.device.tmp.{name}" for name in ("addr", "region_size", "block_size", "node"))
"""Fields of virtio-mem that are compared without their type saying so."""

_OF_THE_HOST: Final = re.compile(r"virtio\.device\.(cols|rows|max_nr_ports|ports\[\d+\]\.(guest|host)_connected)")
"""Fields of virtio-serial that are saved from what the host has, whatever was loaded (the guest's if nothing was)."""

_WORDS_OF_PORTS: Final = 16
_VERSION_1: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class VirtioFacts:
    """See `docs/machine.md`, key `virtio`. `section` is the device's as it was saved at reset."""

    section: Section
    shape: VirtioShape
    id: str
    modern: bool
    legacy: bool
    host_features: int
    queues: tuple[int, ...]
    config_size: int
    iommu_platform: bool
    has_vnet_hdr: bool
    has_ufo: bool
    migrates_registers: bool
    ports: tuple[int, ...] = ()
    ports_map: tuple[int, ...] = ()
    local: Mapping[str, int] = field(default_factory=dict)
    config: bytes = b""
    """What a driver reads of the device's config at reset; empty where that is not in memory."""

    def tree(self) -> Node:
        """The section, decoded."""
        return decode(virtio_schema(self.shape), self.section.payload)


def learn_virtio(
    vm: Qemu, sections: Iterable[Section], functions: Sequence[FunctionFacts], answers: Mapping[str, bytes]
) -> dict[str, VirtioFacts]:
    """Everything about each virtio device but its features (0), by the name of its section.

    `vm` is a process in which they are at reset; `answers` is what functions answered for their device config, by path.
    Raises CaptureError.
    """
    by_address = {function.address: function for function in functions}
    mmio: dict[str, str] | None = None
    found = {}
    for section in sections:
        path, _, vmsd = section.name.rpartition("/")
        kind = _KINDS.get(vmsd)
        function = by_address.get(path)
        if kind is None:
            continue
        if function is not None:
            facts = _of_function(vm, section, kind, function)
            config = answers.get(function.device.path, b"")[: facts.config_size]
            found[section.name] = replace(facts, config=config)
        elif path.startswith(f"{_MMIO}@"):
            mmio = _mmio_devices(vm) if mmio is None else mmio
            if path not in mmio:
                raise CaptureError(f"section {section.name}: no device of it is known")
            found[section.name] = _of_mmio(vm, section, kind, mmio[path])
    return found


def _of_function(vm: Qemu, section: Section, kind: str, function: FunctionFacts) -> VirtioFacts:
    shape = VirtioShape(kind, function.express, function.vectors)
    legacy = any(bar.space == "io" and bar.slot == 0 for bar in function.bars)
    modern = any(bar.slot == 4 for bar in function.bars)
    facts = _learn(section, shape, qom.properties(vm, function.device.path, _PROPERTIES), function.device.id)
    return replace(facts, id="", modern=modern, legacy=legacy)


def _of_mmio(vm: Qemu, section: Section, kind: str, path: str) -> VirtioFacts:
    shape = VirtioShape(kind, express=False, vectors=0, transport="mmio")
    return _learn(section, shape, qom.properties(vm, path, _PROPERTIES), qom.shown_owner(path))


def _mmio_devices(vm: Qemu) -> dict[str, str]:
    """The paths of virtio devices behind virtio-mmio, by what their sections' names begin with: where registers are."""
    found = {}
    for device in vm.qmp("x-query-virtio"):
        path = str(device["path"])
        bus = str(vm.qmp("qom-get", {"path": path, "property": "parent_bus"}))
        proxy = bus.rpartition("/")[0]
        registers = f"{proxy}/{_MMIO}[0]"
        if any(entry["name"] == f"{_MMIO}[0]" for entry in vm.qmp("qom-list", {"path": proxy})):
            address = int(vm.qmp("qom-get", {"path": registers, "property": "addr"}))
            found[f"{_MMIO}@{address:016x}"] = path
    return found


def _learn(section: Section, shape: VirtioShape, properties: Mapping[str, object], name: str) -> VirtioFacts:
    queues = next((properties[key] for key in _QUEUES if key in properties), 1)
    packed = bool(properties.get("packed", False))
    assert isinstance(queues, int)
    shape, tree = _decode(replace(shape, queues=queues, packed=packed), section, name)
    ports = _number(tree, "virtio.device.nr_active_ports", 0)
    bits = tree.find("virtio.device.ports_map")
    words = bits.value if bits is not None and isinstance(bits.value, tuple) else ()
    return VirtioFacts(
        section,
        replace(shape, max_queue_pairs=_number(tree, "virtio.device.max_queue_pairs", 1)),
        name,
        modern=True,
        legacy=False,
        host_features=0,
        queues=tuple(_number(tree, f"virtio.queues.queue[{i}].num") for i in range(_number(tree, "virtio.queues.num"))),
        config_size=_number(tree, "virtio.head.config_len"),
        iommu_platform=bool(properties.get("iommu_platform", False)),
        has_vnet_hdr=bool(_number(tree, "virtio.device.tmp[0].has_vnet_hdr", 0)),
        has_ufo=bool(_number(tree, "virtio.device.tmp[1].has_ufo", 0)),
        migrates_registers=bool(properties.get("migrate-extra", True)),
        ports=tuple(_number(tree, f"virtio.device.ports[{i}].id") for i in range(ports)),
        ports_map=tuple(word for word in words if isinstance(word, int)),
        local=_local(tree),
    )


def _decode(shape: VirtioShape, section: Section, name: str) -> tuple[VirtioShape, Node]:
    """The payload's tree. What no property tells (queue pairs, words of a map) shows in whether it fits."""
    problem: StreamError | None = None
    for candidate in _candidates(shape, section):
        try:
            return candidate, decode(virtio_schema(candidate), section.payload)
        except StreamError as error:
            problem = error
    raise CaptureError(f"{name}: its virtio section is not as expected: {problem}")


def _candidates(shape: VirtioShape, section: Section) -> Iterator[VirtioShape]:
    match shape.kind:
        case "net":
            yield from (replace(shape, max_queue_pairs=pairs) for pairs in (1, 2))
        case "console":
            yield from (replace(shape, max_ports=32 * words) for words in range(1, _WORDS_OF_PORTS + 1))
        case "mem":
            yield replace(shape, blocks=_blocks(section))
        case _:
            yield shape


def _blocks(section: Section) -> int:
    """The size of virtio-mem's map in bits: what a reader makes of the section."""
    size, block = (section.tree.find(path) for path in _CHECKED[1:3])
    if size is None or block is None or not isinstance(size.value, int) or not isinstance(block.value, int):
        return 0
    return size.value // block.value if block.value else 0


def _local(tree: Node) -> dict[str, int]:
    found = {path: node.value for path, node in tree.walk() if node.type in EQUAL and isinstance(node.value, int)}
    ports = (path for path, _ in tree.walk() if _OF_THE_HOST.fullmatch(path))
    checked = {path: node.value for path in (*_CHECKED, *ports) if (node := tree.find(path)) is not None}
    return found | {path: value for path, value in checked.items() if isinstance(value, int)}


def _number(tree: Node, path: str, default: int | None = None) -> int:
    node = tree.find(path)
    if node is None or not isinstance(node.value, int):
        if default is None:
            raise CaptureError(f"{path}: not in the virtio section")
        return default
    return node.value


def with_features(facts: VirtioFacts, prober: Prober, prologue: bytes) -> VirtioFacts:
    """The facts with what the device offers. Ask for all features: the refusal names those.

    Bit 2 of the low word changes what a virtio-net section holds, so it stays as it is there. Raises CaptureError.
    """
    section = facts.section
    tree = facts.tree()
    payload = bytearray(section.payload)
    wide = tree.find("virtio.core.virtio/64bit_features.guest_features")
    if wide is not None:
        payload[wide.offset : wide.end] = b"\xff" * 8
    else:
        low = tree.find("virtio.head.features_lo")
        assert low is not None
        payload[low.offset : low.end] = b"\xff\xff\xff\xfb"
    # What follows must be there: the scan for subsections looks ahead.
    data = prologue + section.head() + bytes(payload) + section.foot() + bytes(64)
    lines = prober.load(data)
    answer = next((match for line in lines if (match := _ALLOWED.search(line))), None)
    if answer is None:
        raise CaptureError(f"section {section.name}: the device did not tell its features: {lines}")
    features = int(answer[1], 16)
    if facts.shape.transport == "pci":
        return replace(facts, host_features=features)
    modern = bool(features & _VERSION_1)
    return replace(facts, host_features=features, modern=modern, legacy=not modern)
