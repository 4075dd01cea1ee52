"""A machine's default stream: one that it accepts, made from its description alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.schemas import section_schemas, section_virtio
from vmformat.build import default_stream as build_default

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from model.description import Description, FunctionEntry, SectionEntry, VirtioEntry
    from vmformat import Field, Schema, Stream
    from vmformat.node import Leafs

_RUN_STATE: Final = b"paused"

_AT_REST: Final[Mapping[tuple[str, str], Leafs]] = {
    # (vmsd, field): what they hold in a machine at rest, where the program refuses zero.
    ("globalstate", "size"): len(_RUN_STATE) + 1,
    ("globalstate", "runstate"): _RUN_STATE.ljust(100, b"\0"),
    ("pciespscsi", "esp.mig_version_id"): 6,  # of what it keeps in its section since 7.0
    ("serial", "lsr"): 0x60,  # nothing left to send
}

_NOT_PENDING: Final = -1
"""A timer that is not set."""


def default_stream(description: Description) -> Stream:
    """The machine as it is when nobody has touched it, as far as its description tells, and zero beyond that.

    It has every section, in the loader's order, no page of RAM, and a VMDESCRIPTION if the machine type has them.
    """
    functions = {entry.function: entry for entry in description.functions}
    schemas = section_schemas(description)
    given = {}
    for section in description.sections:
        key = section.name, section.instance
        if key in schemas:
            function = functions.get(section.function or "")
            given[key] = dict(_given(schemas[key], section, function))
    return build_default(
        description.machine,
        schemas,
        ram={block.name: block.length for block in description.blocks},
        given=given,
        configuration=description.config_section,
        footers=description.footers,
        described=description.vmdescription,
    )


def _given(schema: Schema, section: SectionEntry, function: FunctionEntry | None) -> Iterator[tuple[str, Leafs]]:
    """What the section's values are, by path."""
    virtio = section_virtio(section, function)
    for path, owner, field in _leaves(schema):
        if field.type == "pci config" and function is not None:
            yield path, function.config[: field.size].ljust(field.size, b"\0")
        elif field.type == "int32 le":
            yield path, owner.version
        elif field.type == "timer":
            yield path, _NOT_PENDING
        elif (owner.name, field.name) in _AT_REST:
            yield path, _AT_REST[owner.name, field.name]
    if virtio is not None:
        yield from _virtio(virtio)
    local = section.local if virtio is None else {**virtio.local, **section.local}
    yield from local.items()


def _virtio(virtio: VirtioEntry) -> Iterator[tuple[str, Leafs]]:
    yield "virtio.head.config_len", virtio.config_size
    yield "virtio.head.config", virtio.config[: virtio.config_size].ljust(virtio.config_size, b"\0")
    yield "virtio.queues.num", len(virtio.queues)
    for i, size in enumerate(virtio.queues):
        yield f"virtio.queues.queue[{i}].num", size
    if virtio.kind == "net" and virtio.max_queue_pairs > 1:
        yield "virtio.device.curr_queue_pairs", 1
    if virtio.kind == "console":
        yield "virtio.device.ports_map", virtio.ports_map
        yield "virtio.device.nr_active_ports", len(virtio.ports)
        for i, port in enumerate(virtio.ports):
            yield f"virtio.device.ports[{i}].id", port


def _leaves(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema, Field]]:
    """The fields that are there in any payload, single ones only."""
    for field in schema.fields:
        if field.count is not None or field.when is not None:
            continue
        at = f"{path}.{field.name}" if path else field.name
        if field.type in {"struct", "vstruct", "tmp"} and field.struct is not None:
            yield from _leaves(field.struct, at)
        elif field.struct is None:
            yield at, schema, field
