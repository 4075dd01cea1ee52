"""The target `roundtrip`: `write(read(b)) == b` for every accepted `b`, and nothing raised but StreamError."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzz.engine.target import Execution, Feature, Found, exception_found
from fuzz.targets.situations import message_kind
from vmformat import Section, StreamError, read, write

if TYPE_CHECKING:
    from vmformat import Schemas

NAME: Final = "roundtrip"
DESIGN: Final = "vmformat"
"""Stands where a load design stands in other causes."""


class RoundtripTarget:
    """Reads, writes and compares. `schemas` are the machine's, for streams without a VMDESCRIPTION."""

    name = NAME

    def __init__(self, schemas: Schemas | None = None) -> None:
        self._schemas = schemas

    def run(self, data: bytes) -> Execution:
        """One input: an execution with what it showed."""
        try:
            stream = read(data, self._schemas)
        except StreamError as error:
            return Execution([("refused", message_kind(error.path), message_kind(error.expected))])
        except Exception as error:  # noqa: BLE001 - "no other exception leaves the package" is what is tested
            return self._raised("read", error)
        features: list[Feature] = [("accepted", type(record).__name__) for record in stream.records]
        try:
            written = write(stream)
        except Exception as error:  # noqa: BLE001 - an accepted stream must be writable
            return self._raised("write", error)
        found: list[Found] = []
        if written != data:
            at = next(
                (i for i, (a, b) in enumerate(zip(data, written, strict=False)) if a != b), min(len(data), len(written))
            )
            text = f"write(read(b)) != b: first difference at {at:#x}, {len(data)} bytes read, {len(written)} written"
            found.append(Found("roundtrip", f"{DESIGN}/law/write/bytes/stream", text))
        try:
            decoded = [record for record in stream.records if isinstance(record, Section) and record.schema is not None]
            features.extend(("tree", len(record.tree.children)) for record in decoded)
        except Exception as error:  # noqa: BLE001 - what was accepted must be showable
            return self._raised("tree", error)
        return Execution(features, tuple(found))

    @staticmethod
    def _raised(step: str, error: Exception) -> Execution:
        one = exception_found(DESIGN, error, step)
        return Execution([("exception", one.cause)], (one,))
