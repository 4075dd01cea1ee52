"""The destination's schemas by section: what a description carries, with the virtio sections taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.devices.shapes import shaped
from vmformat import VirtioShape, scsi_disk_schema, virtio_schema
from vmformat.virtio import KINDS, MPTSAS_PART, virtio_part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.description import Description, FunctionEntry, SectionEntry, VirtioEntry
    from vmformat import Field, Schema, Schemas

_DISK: Final = "scsi-disk"
_CONTROLLER: Final = "virtio-scsi"
_RING_PACKED: Final = 34
_BLOCK, _REGION = "virtio.device.tmp.block_size", "virtio.device.tmp.region_size"


def section_schemas(description: Description) -> Schemas:
    """Schemas by section name and instance, for `vmformat.read`; iterable sections have none."""
    functions = {entry.function: entry for entry in description.functions}
    names = {section.name: section for section in description.sections}
    known = {key: shaped(schema) for key, schema in description.schemas.items()}
    found: dict[tuple[str, int], Schema] = {}
    for section in description.sections:
        function = functions.get(section.function or "")
        virtio = section_virtio(section, function)
        if virtio is not None and virtio.kind in KINDS:
            found[section.name, section.instance] = virtio_schema(virtio_shape(virtio, function))
        elif section.schema is not None and section.schema in known:
            schema = known[section.schema]
            found[section.name, section.instance] = _behind_controller(section.name, schema, names, functions)
    return found


def section_virtio(section: SectionEntry, function: FunctionEntry | None) -> VirtioEntry | None:
    """The virtio device whose section this is; a PCI function may have sections beside that of its virtio device."""
    if section.virtio is not None or function is None or function.virtio is None:
        return section.virtio
    return function.virtio if section.name.rpartition("/")[2] == f"virtio-{function.virtio.kind}" else None


def virtio_shape(virtio: VirtioEntry, function: FunctionEntry | None) -> VirtioShape:
    """The layout of a virtio device's section."""
    block = virtio.local.get(_BLOCK, 0)
    return VirtioShape(
        kind=virtio.kind,
        express=function is not None and function.express,
        vectors=0 if function is None else function.vectors,
        transport=virtio.transport,
        queues=virtio.num_queues,
        max_queue_pairs=virtio.max_queue_pairs,
        packed=bool(virtio.host_features >> _RING_PACKED & 1),
        max_ports=virtio.max_ports,
        blocks=virtio.local.get(_REGION, 0) // block if block else 0,
    )


def _behind_controller(
    name: str, schema: Schema, names: Mapping[str, SectionEntry], functions: Mapping[str, FunctionEntry]
) -> Schema:
    """A SCSI disk's section is called PATH/CHANNEL:ID:LUN/scsi-disk, PATH being that of its controller."""
    path, _, place = name.removesuffix(f"/{_DISK}").rpartition("/")
    lun = place.rpartition(":")[2]
    if not name.endswith(f"/{_DISK}") or not lun.isdecimal():
        return schema
    controller = names.get(f"{path}/{_CONTROLLER}")
    virtio = None if controller is None else section_virtio(controller, functions.get(controller.function or ""))
    kept: tuple[Field, ...] = MPTSAS_PART if f"{path}/mptsas" in names else ()
    if virtio is not None:
        kept = virtio_part(packed=bool(virtio.host_features >> _RING_PACKED & 1))
    return scsi_disk_schema(schema, kept=kept, lun=int(lun))
