"""What a virtio device offers: features, queues, sizes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from fuzz.capture import objects as qom
from fuzz.capture.errors import CaptureError
from vmformat.errors import StreamError
from vmformat.tree import decode
from vmformat.virtio import VirtioShape, virtio_schema

if TYPE_CHECKING:
    from fuzz.capture.functions import FunctionFacts
    from fuzz.capture.prober import Prober
    from fuzz.qemu import Qemu
    from vmformat.node import Node

_ALLOWED = re.compile(r"Features 0x[0-9a-f]+ unsupported\. Allowed features: 0x([0-9a-f]+)")
_PROPERTIES = (
    "num-queues",
    "disable-modern",
    "disable-legacy",
    "iommu_platform",
    "packed",
    "page-per-vq",
    "modern-pio-notify",
)
_KINDS: dict[str, Literal["blk", "net"]] = {"virtio-blk": "blk", "virtio-net": "net"}


@dataclass(frozen=True, slots=True)
class VirtioFacts:
    """See `docs/machine.md`, key `virtio`."""

    shape: VirtioShape
    modern: bool
    legacy: bool
    host_features: int
    queues: tuple[int, ...]
    config_size: int
    iommu_platform: bool
    has_vnet_hdr: bool
    has_ufo: bool


def is_virtio(function: FunctionFacts) -> bool:
    """Whether the function's section is one of virtio-blk or virtio-net."""
    return function.section is not None and function.section.name.rpartition("/")[2] in _KINDS


def learn_virtio(vm: Qemu, function: FunctionFacts) -> VirtioFacts:
    """Everything about one device but its features (0), `vm` being a process in which it is at reset."""
    assert function.section is not None
    properties = qom.properties(vm, function.device.path, _PROPERTIES)
    legacy = any(bar.space == "io" and bar.slot == 0 for bar in function.bars)
    modern = any(bar.slot == 4 for bar in function.bars)
    shape = VirtioShape(
        _KINDS[function.section.name.rpartition("/")[2]],
        function.express,
        function.vectors,
        queues=int(properties.get("num-queues", 1)),
        packed=bool(properties.get("packed", False)),
    )
    shape, tree = _decode(shape, function)
    pairs = _number(tree, "virtio.device.max_queue_pairs", 1)
    shape = replace(shape, max_queue_pairs=pairs)
    sizes = [_number(tree, f"virtio.queues.vqs[{i}].num") for i in range(_number(tree, "virtio.queues.num"))]
    return VirtioFacts(
        shape,
        modern,
        legacy,
        0,
        tuple(sizes),
        _number(tree, "virtio.head.config_len"),
        bool(properties.get("iommu_platform", False)),
        bool(_number(tree, "virtio.device.tmp[0].has_vnet_hdr", 0)),
        bool(_number(tree, "virtio.device.tmp[1].has_ufo", 0)),
    )


def _decode(shape: VirtioShape, function: FunctionFacts) -> tuple[VirtioShape, Node]:
    """The payload's tree; whether there are several queue pairs shows in whether it fits."""
    assert function.section is not None
    for pairs in (1, 2):
        candidate = replace(shape, max_queue_pairs=pairs)
        try:
            return candidate, decode(virtio_schema(candidate), function.section.payload)
        except StreamError as error:
            problem = error
    raise CaptureError(f"{function.device.id}: its virtio section is not as expected: {problem}")


def _number(tree: Node, path: str, default: int | None = None) -> int:
    node = tree.find(path)
    if node is None or not isinstance(node.value, int):
        if default is None:
            raise CaptureError(f"{path}: not in the virtio section")
        return default
    return node.value


def host_features(facts: VirtioFacts, function: FunctionFacts, prober: Prober, prologue: bytes) -> int:
    """Ask for all features: the refusal names those that the device offers.

    Bit 2 of the low word changes what a virtio-net section holds, so it stays as it is there.
    """
    assert function.section is not None
    tree = decode(virtio_schema(facts.shape), function.section.payload)
    payload = bytearray(function.section.payload)
    wide = tree.find("virtio.core.virtio/64bit_features.guest_features")
    if wide is not None:
        payload[wide.offset : wide.end] = b"\xff" * 8
    else:
        low = tree.find("virtio.head.features_lo")
        assert low is not None
        payload[low.offset : low.end] = b"\xff\xff\xff\xfb"
    # What follows must be there: the scan for subsections looks ahead.
    data = prologue + function.section.head() + bytes(payload) + function.section.foot() + bytes(64)
    lines = prober.load(data)
    answer = next((match for line in lines if (match := _ALLOWED.search(line))), None)
    if answer is None:
        raise CaptureError(f"{function.device.id}: it did not tell its features: {lines}")
    return int(answer[1], 16)
