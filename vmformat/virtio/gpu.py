"""virtio-gpu: the field behind the virtio field (facts: virtio.md 4.2).

Resources, each announced by its id, with the guest memory behind it and its picture as the host had it; then vmsd
virtio-gpu-scanouts. Every format that a resource may have takes four bytes a pixel.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vmformat.schema import Count, Field, Schema
from vmformat.virtio.parts import raw, struct, sub

_ENTRY: Final = raw("virtio-gpu-memory", Field("address", "uint64"), Field("length", "uint32"))

_ROW: Final = replace(raw("virtio-gpu-row", Field("pixels", "le32", count=Count("width"))), block=True)

_RESOURCE: Final = raw(
    "virtio-gpu-resource",
    Field("width", "uint32"),
    Field("height", "uint32"),
    Field("format", "uint32"),
    Field("iov_cnt", "uint32"),
    struct("iov", _ENTRY, Count("iov_cnt")),
    struct("rows", _ROW, Count("height")),
)

_SCANOUT: Final = sub(
    "virtio-gpu-one-scanout",
    *(
        Field(name, kind)
        for name, kind in (
            ("resource_id", "uint32"),
            ("width", "uint32"),
            ("height", "uint32"),
            ("x", "int32"),
            ("y", "int32"),
            ("cursor.resource_id", "uint32"),
            ("cursor.hot_x", "uint32"),
            ("cursor.hot_y", "uint32"),
            ("cursor.pos.x", "uint32"),
            ("cursor.pos.y", "uint32"),
        )
    ),
)

_SCANOUTS: Final = Schema(
    "virtio-gpu-scanouts",
    1,
    1,
    (
        Field("parent_obj.enable", "int32"),
        Field("parent_obj.conf.max_outputs", "uint32 equal"),
        struct("parent_obj.scanout", _SCANOUT, Count("parent_obj.conf.max_outputs")),
    ),
)

GPU_STATE: Final = raw(
    "virtio-gpu", Field("resources", "repeat uint32", struct=_RESOURCE), struct("scanouts", _SCANOUTS)
)
"""The field `virtio-gpu`."""
