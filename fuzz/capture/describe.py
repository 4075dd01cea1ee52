"""The machine description as JSON: readable, diffable, the same bytes whenever the same machine is captured.

What is at its default is left out; numbers that are addresses, sizes or masks are strings in hexadecimal. A line
holds a region, a space, a section or a BAR, so that a diff reads like a list.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fuzz.capture.masks import Masks, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fuzz.capture.functions import FunctionFacts
    from fuzz.capture.regions import Region, Space
    from fuzz.capture.sections import SectionFacts, Sections
    from fuzz.capture.virtio import VirtioFacts
    from vmformat.stream import Stream

FORMAT: Final = 1
_WIDTH: Final = 150
_WORD: Final = 32
_LISTS: Final = frozenset({"blocks", "spaces", "regions", "bars", "sections", "rom"})
"""Lists whose items are a line each, whatever their length."""


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """All that was learned about a machine."""

    name: str
    qemu: str
    package: str
    """What the binary's packager calls it, "" if nothing."""
    machine: str
    """The machine type, as a stream's configuration section has it."""
    vmdescription: bool
    """Whether a VMDESCRIPTION is written, and expected behind a stream's end."""
    arguments: tuple[str, ...]
    accelerator: str
    stream: Stream
    below_4g: int
    above_4g: int
    block_limits: Mapping[str, int]
    """The most bytes a RAM block can be resized to, by name."""
    regions: tuple[Region, ...]
    spaces: tuple[Space, ...]
    functions: tuple[FunctionFacts, ...]
    masks: Mapping[str, Masks]
    virtio: Mapping[str, VirtioFacts]
    """By the name of the section."""
    sections: Sections
    dump: Mapping[str, Any]
    """What the binary says of its device states."""
    rom: tuple[tuple[str, int, bytes], ...]
    """Contents of read-only memory in a destination at reset: (RAM block, offset, bytes), zeros left out."""


def describe_machine(facts: MachineFacts) -> bytes:
    """The description's bytes."""
    return _dump(_document(facts)).encode()


def _document(facts: MachineFacts) -> dict[str, Any]:
    stream = facts.stream
    ids = {region.path: region.id for region in facts.regions}
    owners = {f"/machine/peripheral/{function.device.id}": function.address for function in facts.functions}
    owners |= {function.device.path: function.address for function in facts.functions}
    readonly = {region.block for region in facts.regions if region.kind == "rom" and region.block}
    return {
        "format": FORMAT,
        "name": facts.name,
        "qemu": facts.qemu,
        **_unless("package", facts.package, ""),
        "arguments": list(facts.arguments),
        "accelerator": facts.accelerator,
        "configuration": {
            "machine": facts.machine,
            "section": stream.configuration is not None,
            "footers": all(section.footer is not None for section in stream.sections),
            "vmdescription": facts.vmdescription,
        },
        "ram": {
            "below_4g": hex(facts.below_4g),
            "above_4g": hex(facts.above_4g),
            "blocks": [
                {
                    "name": block.name,
                    "length": hex(block.length),
                    **_unless("max_length", facts.block_limits.get(block.name, block.length), block.length, hex),
                    **_unless("resizeable", facts.block_limits.get(block.name, block.length) > block.length, False),
                    **_unless("readonly", block.name in readonly, False),
                }
                for block in facts.sections.blocks
            ],
        },
        "spaces": [_space(space, ids, owners) for space in facts.spaces],
        "regions": [_region(region, ids) for region in facts.regions],
        "pci": [_function(function, facts, ids) for function in facts.functions],
        "sections": [_section(section, facts) for section in facts.sections.handlers],
        "schemas": {key: schema.to_json() for key, schema in sorted(facts.sections.schemas.items())},
        "rom": [{"block": block, "offset": hex(offset), "bytes": data.hex()} for block, offset, data in facts.rom],
    }


def _unless(key: str, value: Any, default: Any, show: Any = lambda value: value) -> dict[str, Any]:
    return {} if value == default else {key: show(value)}


def _region(region: Region, ids: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": region.id,
        **_unless("name", region.name, None),
        "kind": region.kind,
        "size": hex(region.size),
        **_unless("addr", region.addr, 0, hex),
        **_unless("priority", region.priority, 0),
        **_unless("enabled", region.enabled, True),
        **_unless("readonly", region.readonly, region.kind == "rom"),
        **_unless("container", region.container, None, ids.__getitem__),
        **_unless("target", region.target, None, ids.__getitem__),
        **_unless("target_offset", region.target_offset, 0, hex),
        **_unless("block", region.block, None),
        "owner": region.owner,
    }


def _space(space: Space, ids: Mapping[str, str], owners: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": space.name,
        "root": ids[space.root],
        **_unless("function", owners.get(space.root.rpartition("/")[0]), None),
    }


def _function(function: FunctionFacts, facts: MachineFacts, ids: Mapping[str, str]) -> dict[str, Any]:
    masks = facts.masks.get(function.address)
    bridge, virtio = function.bridge, _virtio_of(function, facts)
    return {
        "function": function.address,
        "id": function.device.id,
        "type": function.device.type,
        **_unless("parent", function.parent, None),
        "express": function.express,
        "size": len(function.config),
        "config": _rows(function.config),
        **(
            {"compare": shown(masks.compare), "writable": shown(masks.writable), "w1c": shown(masks.w1c)}
            if masks
            else {}
        ),
        "bars": [
            {"slot": bar.slot, "space": bar.space, "size": hex(bar.size), "region": ids[bar.region]}
            for bar in function.bars
        ],
        **_unless("bus_memory", function.bus_memory, None),
        **_unless("bus_io", function.bus_io, None),
        **(
            {"bridge": {"memory": bridge.memory, "io": bridge.io, "windows": bridge.windows, "vga": bridge.vga}}
            if bridge
            else {}
        ),
        **(
            {"bus_master": {"space": function.space, "alias": function.alias}}
            if function.space is not None and function.alias is not None
            else {}
        ),
        **({"msix": {"vectors": function.vectors}} if function.vectors else {}),
        **_unless("properties", dict(function.properties), {}),
        **({"virtio": _virtio(virtio)} if virtio is not None else {}),
    }


def _virtio_of(function: FunctionFacts, facts: MachineFacts) -> VirtioFacts | None:
    return next((item for name, item in facts.virtio.items() if name.rpartition("/")[0] == function.address), None)


def _virtio(virtio: VirtioFacts) -> dict[str, Any]:
    return {
        "kind": virtio.shape.kind,
        "transport": virtio.shape.transport,
        **_unless("id", virtio.id, ""),
        "modern": virtio.modern,
        "legacy": virtio.legacy,
        "host_features": hex(virtio.host_features),
        "queues": list(virtio.queues),
        "num_queues": virtio.shape.queues,
        "max_queue_pairs": virtio.shape.max_queue_pairs,
        "config_size": virtio.config_size,
        **_unless("config", virtio.config.hex(), ""),
        "iommu_platform": virtio.iommu_platform,
        "has_vnet_hdr": virtio.has_vnet_hdr,
        "has_ufo": virtio.has_ufo,
        **_unless("extra_state", virtio.modern and virtio.migrates_registers, virtio.modern),
        **_unless("max_ports", len(virtio.ports_map) * _WORD, 0),
        **_unless("ports_map", list(virtio.ports_map), []),
        **_unless("ports", list(virtio.ports), []),
        **_unless("local", {key: hex(value) for key, value in sorted(virtio.local.items())}, {}),
    }


def _section(section: SectionFacts, facts: MachineFacts) -> dict[str, Any]:
    virtio = facts.virtio.get(section.name) if section.function is None else None
    return {
        "name": section.name,
        "instance": section.instance,
        "version": section.version,
        **_unless("schema", section.schema, None),
        **_unless("iterable", section.iterable, False),
        **_unless("compat", section.compat, None, list),
        **_unless("function", section.function, None),
        **_unless("local", dict(sorted(section.local.items())), {}),
        **({"virtio": _virtio(virtio)} if virtio is not None else {}),
    }


def _rows(config: bytes) -> list[str]:
    rows = []
    for at in range(0, len(config), 16):
        row = config[at : at + 16]
        if any(row):
            rows.append(f"{at:04x}: {row[:4].hex()} {row[4:8].hex()} {row[8:12].hex()} {row[12:].hex()}")
    return rows


def _dump(value: Any, indent: int = 0, *, whole: bool = False) -> str:
    """JSON in which what fits on a line is on a line; `whole`: whatever its length."""
    flat = json.dumps(value, ensure_ascii=True)
    if whole or (indent and len(flat) + indent <= _WIDTH):
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, dict) and value:
        items = [f"{inner}{json.dumps(key)}: {_dump_value(key, item, indent + 2)}" for key, item in value.items()]
        return "{\n" + ",\n".join(items) + "\n" + " " * indent + "}" + ("" if indent else "\n")
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(inner + _dump(item, indent + 2) for item in value) + "\n" + " " * indent + "]"
    return flat


def _dump_value(key: str, value: Any, indent: int) -> str:
    if key in _LISTS and isinstance(value, list) and value:
        inner = " " * (indent + 2)
        return "[\n" + ",\n".join(inner + _dump(item, whole=True) for item in value) + "\n" + " " * indent + "]"
    return _dump(value, indent)
