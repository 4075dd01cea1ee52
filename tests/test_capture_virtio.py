"""What is learned of virtio devices: of shipped machines the same as is shipped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fuzz.capture.describe import describe_machine
from fuzz.capture.errors import CaptureError
from fuzz.capture.machine import learn_machine
from fuzz.capture.virtio import learn_virtio
from fuzz.corpus import find_machine, find_stream
from model import parse, section_schemas
from vmformat import Section, read

if TYPE_CHECKING:
    from collections.abc import Iterator

MACHINES = ("virtio-zoo", "microvm-virtio", "q35-virtio-iommu")


def devices(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The virtio objects of a description, by function or section."""
    for entry in (*document["pci"], *document["sections"]):
        if "virtio" in entry:
            yield entry.get("function", entry.get("name")), entry["virtio"]


@pytest.mark.qemu
@pytest.mark.parametrize("name", MACHINES)
def test_shipped_devices_are_what_the_program_tells(name: str, real_qemu: str) -> None:
    shipped = json.loads(find_machine(name).description.read_bytes())
    facts, _ = learn_machine(name, shipped["arguments"], binary=real_qemu, with_masks=False)
    learned = dict(devices(json.loads(describe_machine(facts))))
    assert learned
    assert learned == dict(devices(shipped))


def test_kinds_of_the_zoo() -> None:
    shipped = dict(devices(json.loads(find_machine("virtio-zoo").description.read_bytes())))
    assert {device["kind"] for device in shipped.values()} == {"balloon", "console", "gpu", "input", "rng", "scsi"}
    serial = next(device for device in shipped.values() if device["kind"] == "console")
    assert (serial["max_ports"], serial["ports"], len(serial["ports_map"])) == (64, [0, 33], 2)


class Nobody:
    """A process without any virtio device behind registers in memory."""

    def qmp(self, command: str) -> list[object]:
        assert command == "x-query-virtio"
        return []


def test_a_section_of_nobody_is_refused() -> None:
    description = parse(find_machine("microvm-virtio").description.read_bytes())
    found = read(find_stream("microvm-virtio/before").read_bytes(), section_schemas(description))
    one: Section = next(section for section in found.sections if section.name.endswith("virtio-rng"))
    process: Any = Nobody()
    with pytest.raises(CaptureError, match="virtio-rng: no device of it is known"):
        learn_virtio(process, [one], [], {})
