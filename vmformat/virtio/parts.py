"""What the pieces of the grammar are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmformat.schema import Field, Schema
from vmformat.virtio.shape import QUEUE_MAX

if TYPE_CHECKING:
    from vmformat.schema import Count


def raw(name: str, *fields: Field) -> Schema:
    """An old-style piece: nothing is checked while it is read, a read past the end gives zeros."""
    return Schema(name, 1, 1, fields, raw=True)


def struct(name: str, inner: Schema, count: int | Count | None = None) -> Field:
    """A schema as a field."""
    return Field(name, "struct", count=count, struct=inner)


def sub(name: str, *fields: Field) -> Schema:
    """A vmsd of version 1, as all subsections here are."""
    return Schema(name, 1, 1, fields)


def per_queue(name: str, *fields: Field, field: str = "vq") -> Field:
    """An array over all queues there can be."""
    return struct(field, sub(name, *fields), QUEUE_MAX)
