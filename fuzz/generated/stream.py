"""The stream of a generated machine: initialised by firmware, each virtio device driven by a guest.

The board's sections are the template's. Those of a port or a virtio device are made once for each kind; what differs
between two of them are a few bytes in known places, which is all that a machine of 256 devices costs.

Rings are empty: every index is zero, in the stream and in RAM.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from fuzz.generated.config import fixed, initialised_device, initialised_port, patched
from fuzz.generated.machine import MQ, OWNERS, mac, virtio_config
from fuzz.generated.template import PORT
from vmformat import Device as Built
from vmformat import Section, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fuzz.generated.shape import Device, Port, Shape
    from fuzz.generated.template import Template
    from vmformat import Record, Schemas

_CTRL_VQ: Final = 1 << 17
_FEATURES: Final = {"net": 1 << 32 | 1 << 16 | 1 << 5, "blk": 1 << 32 | 1 << 6 | 1 << 2}
"""VERSION_1, and STATUS and MAC, or BLK_SIZE and SEG_MAX."""

_DRIVEN: Final = 0x0F
"""ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK."""

_NO_VECTOR: Final = 0xFFFF
_AVAIL: Final = 0x1000
_USED: Final = 0x1400
_MODERN: Final = "virtio.core.virtio/extra_state.extra_state.virtio_pci/modern_state.vqs[]"
_RINGS: Final = {
    # leaf: (where the ring's part is, form, shift)
    "virtio.queues.queue[].desc": (0, ">Q"),
    "virtio.core.virtio/virtqueues.vq[].vring.avail": (_AVAIL, ">Q"),
    "virtio.core.virtio/virtqueues.vq[].vring.used": (_USED, ">Q"),
    f"{_MODERN}.desc[0]": (0, ">I"),
    f"{_MODERN}.avail[0]": (_AVAIL, ">I"),
    f"{_MODERN}.used[0]": (_USED, ">I"),
}
_FIRST_PORT_ID: Final = 38
"""The section id of the first root port; ports and their buses take turns."""


def stream(shape: Shape, template: Template, schemas: Schemas) -> bytes:
    """The bytes. `schemas`: of the machine of that shape."""
    return write(template.stream.with_records(_records(shape, template, schemas)))


@dataclass(frozen=True, slots=True)
class _Prototype:
    """A section, where its config space is, and where each leaf that differs is: offset and stride."""

    section: Section
    config: int
    places: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, section: Section, config: str) -> _Prototype:
        node = section.tree.find(config)
        assert node is not None
        places = {leaf.path: (leaf.offset, leaf.stride) for leaf in section.leaves}
        return cls(section, node.offset - section.payload_offset, places)

    def made(self, name: str, section_id: int, changes: Mapping[int, bytes], config: Mapping[int, bytes]) -> Section:
        inside = {self.config + offset: data for offset, data in config.items()}
        payload = patched(self.section.payload, {**changes, **inside})
        return replace(self.section, name=name, section_id=section_id, footer=section_id, payload=payload)


def _records(shape: Shape, template: Template, schemas: Schemas) -> Iterator[Record]:
    """In the template's order; the multiplied ones where the first of them stands."""
    ports, devices = shape.ports, shape.functions
    last_id = _FIRST_PORT_ID + 2 * len(ports) + len(devices)
    placed: set[str] = set()
    entries = {(entry["name"], entry["instance"]): entry for entry in template.description["sections"]}
    for record in template.stream.records:
        entry = entries.get((record.name, record.instance)) if isinstance(record, Section) else None
        kind = "" if entry is None else template.multiplied_section(entry)
        if not isinstance(record, Section) or record.is_ram or not kind:
            if isinstance(record, Section) and "device" in placed:  # what comes behind has the next ids
                record = replace(record, section_id=last_id, footer=last_id)
                last_id += 1
            yield record
        elif kind not in placed:
            placed.add(kind)
            if kind == "port":
                yield from _ports(ports, template)
            elif kind == "bus":
                for port in ports:
                    section_id = _FIRST_PORT_ID + 2 * port.index + 1
                    yield replace(record, instance=port.index + 1, section_id=section_id, footer=section_id)
            else:
                yield from _devices(shape, template, schemas)


def _ports(ports: list[Port], template: Template) -> Iterator[Section]:
    prototype = _Prototype.of(template.section(PORT), "parent_obj.parent_obj.parent_obj.config[1]")
    at = prototype.config
    config = prototype.section.payload[at : at + 256]
    for port in ports:
        changes = initialised_port(port) | fixed(port, config, multifunction=False)
        yield prototype.made(f"{port.function}/pcie-root-port", _FIRST_PORT_ID + 2 * port.index, {}, changes)


def _devices(shape: Shape, template: Template, schemas: Schemas) -> Iterator[Section]:
    prototypes: dict[str, _Prototype] = {}
    first_id = _FIRST_PORT_ID + 2 * len(shape.ports)
    for device in shape.functions:
        name = f"{device.function}/virtio-{device.kind}"
        if device.kind not in prototypes:
            values = _values(device, shape, template)
            template_section = template.section(OWNERS[device.kind])
            built = Built(schemas[name, 0], name, values=values, version=template_section.version)
            prototypes[device.kind] = _Prototype.of(built.section(0), "virtio.pci.config[1]")
        prototype = prototypes[device.kind]
        config = initialised_device(device) | fixed(device, b"", multifunction=shape.per_port > 1)
        changes = dict(_changes(device, shape, template, prototype))
        yield prototype.made(name, first_id + device.index, changes, config)


def _changes(device: Device, shape: Shape, template: Template, prototype: _Prototype) -> Iterator[tuple[int, bytes]]:
    """What of a device's section is its own, but for its PCI config space."""
    yield prototype.places["virtio.head.config"][0], virtio_config(device, shape, template)
    if device.kind == "net":
        yield prototype.places["virtio.device.mac[]"][0], mac(device)
    for path, (part, form) in _RINGS.items():
        offset, stride = prototype.places[path]
        for queue in range(shape.queues):
            yield offset + queue * stride, struct.pack(form, shape.ring(device, queue) + part)


def _values(device: Device, shape: Shape, template: Template) -> dict[str, Any]:
    """The template's values, but driven by a guest: features, status, queues that are set up and enabled."""
    values: Any = template.section(OWNERS[device.kind]).tree.values()
    virtio: dict[str, Any] = dict(values["virtio"])
    sizes, config = shape.sizes(device.kind), virtio_config(device, shape, template)
    features = _FEATURES[device.kind]
    if device.kind == "net" and shape.queues > 2:
        features |= _CTRL_VQ | (MQ if shape.pairs > 1 else 0)
    low, high = features & 0xFFFF_FFFF, features >> 32
    virtio["head"] |= {"status": _DRIVEN, "features_lo": low, "config_len": len(config), "config": config}
    rings = [{"num": size, "desc": 0, "last_avail_idx": 0, "vector": _NO_VECTOR} for size in sizes]
    virtio["queues"] = {"num": len(sizes), "queue": rings}
    if device.kind == "net" and shape.pairs > 1:
        own = {"max_queue_pairs": shape.pairs, "curr_queue_pairs": shape.pairs}
        virtio["device"] = {k: v for k, v in virtio["device"].items() if not k.startswith("vqs")} | own
    core = dict(virtio["core"])
    core.pop("virtio/disabled", None)
    core["virtio/64bit_features"] = {"@version": 1, "guest_features": features}
    modern = core["virtio/extra_state"]["extra_state"]["virtio_pci/modern_state"]
    modern |= {"dfselect": 1, "gfselect": 1, "guest_features": [low, high]}
    modern["vqs"] = [vq | {"enabled": int(i < shape.queues)} for i, vq in enumerate(modern["vqs"])]
    core["virtio/started"] = {"@version": 1, "started": 1}
    virtio["core"] = core
    return {"virtio": virtio}
