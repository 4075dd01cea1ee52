"""The destination's schemas by section: what a description carries, with the virtio sections taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.devices.shapes import shaped
from vmformat import VirtioShape, virtio_schema

if TYPE_CHECKING:
    from model.description import Description, FunctionEntry
    from vmformat import Schemas


def section_schemas(description: Description) -> Schemas:
    """Schemas by section name and instance, for `vmformat.read`; iterable sections have none."""
    functions = {entry.function: entry for entry in description.functions}
    found = {}
    known = {key: shaped(schema) for key, schema in description.schemas.items()}
    for section in description.sections:
        function = functions.get(section.function or "")
        if function is not None and function.virtio is not None and function.virtio.kind in {"blk", "net"}:
            found[section.name, section.instance] = virtio_schema(virtio_shape(function))
        elif section.schema is not None and section.schema in known:
            found[section.name, section.instance] = known[section.schema]
    return found


def virtio_shape(entry: FunctionEntry) -> VirtioShape:
    """The layout of a virtio function's section. The function must be a virtio-blk or virtio-net."""
    virtio = entry.virtio
    assert virtio is not None
    return VirtioShape(
        kind="net" if virtio.kind == "net" else "blk",
        express=entry.express,
        vectors=entry.vectors,
        queues=virtio.num_queues,
        max_queue_pairs=virtio.max_queue_pairs,
        packed=bool(virtio.host_features >> 34 & 1),
    )
