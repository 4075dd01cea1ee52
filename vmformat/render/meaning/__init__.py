"""What a value means, where a specification says so: the text in parentheses behind it.

Names of fields are those of the schemas. A field whose name is known here but that holds something else costs a wrong
word behind a right number, so names that many devices use are only looked at where their path or device tells them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vmformat.iterable.payloads import ITERABLE
from vmformat.render.meaning import machine, migration, pci, virtio, virtio_config

if TYPE_CHECKING:
    from vmformat.node import Node

_MAC: Final = 6
_UUID: Final = 16


def meaning(device: str, path: str, node: Node, config: bytes | None = None) -> str:
    """What the value of a leaf says; "" if there is nothing to add.

    `device` is the section's name, `path` the leaf's in it. `config` is the config space that the leaf is a register
    of; the name is then that of the register.
    """
    value = node.value
    if isinstance(value, int):
        if config is not None:
            return pci.register(node.name, value, config)
        return _number(device, path, node, value)
    if isinstance(value, bytes):
        return _bytes(device, path, node.name, value)
    if isinstance(value, tuple):
        return _array(device, path, node, value)
    return ""


def _number(device: str, path: str, node: Node, value: int) -> str:
    name = node.name
    if node.type == "timer":
        return machine.timer(value)
    kind = virtio.kind_of(device)
    said = ""
    if kind:
        said = virtio.field(kind, path, name, value)
    elif device in ITERABLE:
        said = migration.field(device, name, value)
    elif path[:4] == "env.":
        said = machine.cpu_register(path, value)
    elif name == "apicbase":
        said = machine.apic_base(value)
    elif name in {"cpu_clock_offset", "acpi.pm1.evt.timer"}:
        said = machine.seconds(value)
    if not said and name == "control" and ".msix[" in f".{path}":
        said = pci.msix_vector(value)
    return said


def _bytes(device: str, path: str, name: str, value: bytes) -> str:
    if name == "config" and path.endswith("head.config"):
        return virtio_config.config(virtio.kind_of(device), value)
    if name == "uuid" or name.endswith("guid"):
        return machine.uuid(value) if len(value) == _UUID else ""
    if _is_mac(name):
        return machine.mac(value) if len(value) == _MAC else ""
    return ""


def _array(device: str, path: str, node: Node, value: tuple[int, ...] | tuple[bytes, ...]) -> str:
    name = node.name
    numbers = tuple(item for item in value if isinstance(item, int))
    if len(numbers) != len(value):
        return ""
    if _is_mac(name) and len(numbers) == _MAC and all(0 <= item < 256 for item in numbers):
        return machine.mac(bytes(numbers))
    if name.endswith("guid") and len(numbers) == _UUID and all(0 <= item < 256 for item in numbers):
        return machine.uuid(bytes(numbers))
    if path == "env.regs" and node.type == "uint64" and len(numbers) == len(machine.REGISTERS):
        return machine.registers(numbers)
    if name == "guest_features" and len(numbers) == 2:
        return virtio.features(virtio.kind_of(device), numbers[0] | numbers[1] << 32)
    return ""


def _is_mac(name: str) -> bool:
    return name in {"mac", "macaddr"} or name.endswith((".mac", ".macaddr"))
