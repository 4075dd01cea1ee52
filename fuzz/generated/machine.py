"""A description of a machine of some shape, as `vmfuzz capture` writes one: the template's functions, multiplied."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from fuzz.generated.config import fixed, from_rows, patched, to_rows
from fuzz.generated.shape import Device, Port
from fuzz.generated.template import BLK, NET, PLACES, PORT, PORTS, renamed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.generated.shape import Shape
    from fuzz.generated.template import Template

Entry: TypeAlias = "dict[str, Any]"

MQ: Final = 1 << 22
MAC: Final = 0x525400123456
OWNERS: Final = {"net": NET, "blk": BLK}

_NUM_QUEUES: Final = 34
"""Where a blk device's config space has its number of queues (2 bytes)."""


def describe(shape: Shape, template: Template) -> bytes:
    """The description as JSON."""
    base = template.description
    found: Entry = dict(base)
    found["name"] = shape.name
    found["arguments"] = list(arguments(shape))
    found["spaces"] = _mixed(base["spaces"], [_space(one) for one in _in_order(shape)], template)
    found["regions"] = _regions(shape, template)
    functions = [_function(one, shape, template) for one in _in_order(shape)]
    found["pci"] = _mixed(base["pci"], functions, template)
    found["sections"] = list(_sections(shape, template))
    index = {space["root"]: at for at, space in enumerate(found["spaces"])}
    for entry in found["pci"]:
        alias = entry["bus_master"]["alias"]
        entry["bus_master"] = {"space": index[f"{alias} container"], "alias": alias}
    return json.dumps(found).encode()


def virtio_config(device: Device, shape: Shape, template: Template) -> bytes:
    """The virtio config space."""
    if device.kind == "net":
        pairs = shape.pairs.to_bytes(2, "little") if shape.pairs > 1 else b""
        return mac(device) + b"\x01\0" + pairs
    config = bytes.fromhex(template.function(BLK)["virtio"]["config"])
    return patched(config, {_NUM_QUEUES: shape.queues.to_bytes(2, "little")})


def mac(device: Device) -> bytes:
    """The address of a net device."""
    return (MAC + device.own).to_bytes(6, "big")


def arguments(shape: Shape) -> Iterator[str]:
    """The command line of a QEMU that has such a machine.

    Behind a hub a net device has one pair of queues only: with more than three queues it is another machine's.
    """
    yield from ("-machine", "pc-q35-7.2", "-m", "64M", "-nodefaults", "-display", "none")
    for port in shape.ports:
        slot = f"slot={port.index},addr={2 + port.index // 8:#x}.{port.index % 8},multifunction=on"
        yield from ("-device", f"pcie-root-port,id={port.id},chassis={port.index},{slot}")
    several = ",multifunction=on" if shape.per_port > 1 else ""
    for device in shape.functions:
        where = f"bus={device.port.id},addr=0.{device.slot}{several},id={device.id}"
        n = device.own
        if device.kind == "net":
            many = ",mq=on" if shape.pairs > 1 else ""
            yield from ("-netdev", f"hubport,id=n{n},hubid={n}")
            yield from ("-device", f"virtio-net-pci,netdev=n{n},{where},romfile=,vectors=4{many}")
        else:
            yield from ("-blockdev", f"null-co,node-name=b{n},read-zeroes=on,size=1073741824")
            yield from ("-device", f"virtio-blk-pci,drive=b{n},{where},num-queues={shape.queues},vectors=5")


def _in_order(shape: Shape) -> Iterator[Port | Device]:
    """Each port, and what is behind it."""
    devices = shape.functions
    for port in shape.ports:
        yield port
        yield from devices[port.index * shape.per_port : (port.index + 1) * shape.per_port]


def _owner(one: Port | Device) -> str:
    return OWNERS[one.kind] if isinstance(one, Device) else PORT


def _names(one: Port | Device) -> dict[str, str]:
    """What the template calls such a function and its port, and what they are called here; longer places first."""
    if isinstance(one, Port):
        return {PORT: one.id, PLACES[PORT]: one.function}
    owner = _owner(one)
    port, place = PORTS[owner]
    return {owner: one.id, port: one.port.id, PLACES[owner]: one.function, place: one.port.function}


def _mixed(entries: list[Entry], made: list[Entry], template: Template) -> list[Entry]:
    """Entries of the template's, each with a key "function", and in the place of the multiplied ones those made."""
    places = template.places
    first = next(i for i, entry in enumerate(entries) if entry.get("function") in places)
    rest = [dict(entry) for entry in entries if entry.get("function") not in places]
    return rest[:first] + made + rest[first:]


def _space(one: Port | Device) -> Entry:
    kind = f"virtio-{one.kind}-pci" if isinstance(one, Device) else "pcie-root-port"
    return {"name": kind, "root": f"{one.id}:bus master container", "function": one.function}


def _regions(shape: Shape, template: Template) -> list[Entry]:
    """The windows of ports stand among the board's own regions, the last port first; all else is behind them."""
    found: list[Entry] = []
    entered: set[str] = set()
    for entry in template.description["regions"]:
        if entry.get("owner") not in template.multiplied:
            found.append(entry)
            continue
        container = entry.get("container")
        if container not in {"io", "pci"} or container in entered:
            continue
        entered.add(container)
        windows = [one for one in template.regions(PORT, inside=True) if one["container"] == container]
        for port in reversed(shape.ports):
            found += renamed(windows, _names(port))
    for one in _in_order(shape):
        found += renamed(template.regions(_owner(one), inside=False), _names(one))
    return found


def _function(one: Port | Device, shape: Shape, template: Template) -> Entry:
    entry: Entry = renamed(template.function(_owner(one)), _names(one))
    config = from_rows(entry["config"], entry["size"])
    entry["config"] = to_rows(patched(config, fixed(one, config, multifunction=shape.per_port > 1)))
    if isinstance(one, Device):
        config = virtio_config(one, shape, template)
        virtio = entry["virtio"]
        features = int(virtio["host_features"], 0) | (MQ if one.kind == "net" and shape.pairs > 1 else 0)
        entry["virtio"] = virtio | {
            "host_features": hex(features),
            "queues": list(shape.sizes(one.kind)),
            "num_queues": shape.queues if one.kind == "blk" else 1,
            "max_queue_pairs": shape.pairs if one.kind == "net" else 1,
            "config_size": len(config),
            "config": config.hex(),
        }
    return entry


def _sections(shape: Shape, template: Template) -> Iterator[Entry]:
    """In the loader's order: ports, the board, the ports' buses, what is behind them, the rest of the board."""
    entries = template.description["sections"]
    bus = next(entry for entry in entries if entry["name"] == "PCIBUS" and entry["instance"] == 1)
    placed: set[str] = set()
    for entry in entries:
        kind = template.multiplied_section(entry)
        if not kind:
            yield entry
        elif kind not in placed:
            placed.add(kind)
            if kind == "port":
                yield from (_section(port, port.index, template) for port in shape.ports)
            elif kind == "bus":
                yield from ({**bus, "instance": port.index + 1} for port in shape.ports)
            else:
                yield from (_section(device, device.own, template) for device in shape.functions)


def _section(one: Port | Device, instance: int, template: Template) -> Entry:
    entry: Entry = renamed(template.section_entry(_owner(one)), _names(one))
    entry["compat"] = [entry["compat"][0], instance]
    return entry
