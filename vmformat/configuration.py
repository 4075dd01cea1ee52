"""The configuration section: the machine's name and what else both sides must agree on (facts: stream.md 1.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vmformat.framing import Kind
from vmformat.plan import measure
from vmformat.schema import Count, Field, Schema
from vmformat.tree import decode_partial, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmformat.errors import Fault
    from vmformat.node import Node

_CAPABILITY: Final = Schema("capability", 0, 0, (Field("name", "string"),), raw=True)

SCHEMA: Final = Schema(
    "configuration",
    0,
    0,
    (Field("machine", "vbuffer"),),
    (
        Schema("configuration/target-page-bits", 1, 1, (Field("bits", "uint32"),)),
        Schema(
            "configuration/capabilities",
            1,
            1,
            (
                Field("count", "uint32"),
                Field("capabilities", "struct", count=Count("count"), struct=_CAPABILITY),
            ),
        ),
        Schema("configuration/uuid", 1, 1, (Field("uuid", "buffer", 16),)),
    ),
)
"""What follows the type byte 07."""


@dataclass(frozen=True)
class Configuration:
    """A configuration section. `payload`: all of it behind the type byte, a payload of `SCHEMA`."""

    payload: bytes
    offset: int = 8

    @classmethod
    def build(cls, machine: str | bytes, subsections: Mapping[str, Any] | None = None) -> Configuration:
        """From the machine's name and subsections by full name, in order, `{"configuration/uuid": {"uuid": ...}}`."""
        return cls(encode(SCHEMA, {"machine": machine, **(subsections or {})}))

    @classmethod
    def read(cls, data: bytes, offset: int) -> Configuration:
        """The section whose type byte is at `offset`. Raises StreamError if cut off or with unknown subsections."""
        return cls(data[offset + 1 : measure(SCHEMA, data, offset + 1)], offset)

    @property
    def tree(self) -> Node:
        """The fields; behind a fault a leaf `@rest`."""
        return decode_partial(SCHEMA, self.payload, self.offset + 1)[0]

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong inside."""
        fault = decode_partial(SCHEMA, self.payload, self.offset + 1)[1]
        return () if fault is None else (fault,)

    @property
    def machine(self) -> str:
        """The machine type's name (as Latin-1: any bytes are possible); "" where it is cut off."""
        node = self.tree.find("machine")
        return node.value.decode("latin-1") if node is not None and isinstance(node.value, bytes) else ""

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The capabilities that the source had on, as far as they are sent."""
        nodes = self.tree.find("configuration/capabilities.capabilities")
        found = [node.find("name") for node in nodes.children] if nodes is not None else []
        return tuple(n.value.decode("latin-1") for n in found if n is not None and isinstance(n.value, bytes))

    def to_bytes(self) -> bytes:
        """The section, type byte included."""
        return bytes([Kind.CONFIGURATION]) + self.payload
