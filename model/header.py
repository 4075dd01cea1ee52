"""The file header and the configuration section, as the destination checks them (stream.md 1.2, 1.5, 2.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from model.errors import Abort
from model.messages import c_text
from vmformat import Count, Field, Refusal, Schema, SilentVisitor, compile_plan

if TYPE_CHECKING:
    from model.load_state import LoadState
    from vmformat import Reader

MAGIC: Final = 0x5145564D
VERSION: Final = 3
OLD_VERSION: Final = 2
CONFIGURATION: Final = 0x07
EINVAL: Final = 22
ENOTSUP: Final = 95
EIO: Final = 5
ALLOCATOR_LIMIT: Final = 0x7FFF_FFFF
PAGE_BITS: Final = 12

# Capabilities that QEMU 7.2 knows by name; of these it validates one.
CAPABILITIES: Final = frozenset({
    "xbzrle", "rdma-pin-all", "auto-converge", "zero-blocks", "compress", "events", "postcopy-ram", "x-colo",
    "release-ram", "block", "return-path", "pause-before-switchover", "multifd", "dirty-bitmaps", "postcopy-blocktime",
    "late-block-activate", "x-ignore-shared", "validate-uuid", "background-snapshot", "zero-copy-send",
    "postcopy-preempt",
})  # fmt: skip

_CONFIGURATION: Final = Schema(
    "configuration",
    0,
    0,
    (),
    (
        Schema("configuration/target-page-bits", 1, 1, (Field("target_page_bits", "uint32"),)),
        Schema(
            "configuration/capabilities",
            1,
            1,
            (
                Field("caps_count", "uint32"),
                Field(
                    "capabilities",
                    "struct",
                    count=Count("caps_count"),
                    struct=Schema("capability", 0, 0, (Field("name", "string"),)),
                ),
            ),
        ),
        Schema("configuration/uuid", 1, 1, (Field("uuid.data", "buffer", 16),)),
    ),
)
_PLAN: Final = compile_plan(_CONFIGURATION, frozenset({"type:uint32", "type:string", "type:buffer"}))


def load_header(load: LoadState, reader: Reader) -> Refusal | None:
    """Magic, version, configuration. The refusal carries the lines in the order in which they are printed."""
    if reader.u32() != MAGIC:
        return Refusal(EINVAL, ("Not a migration stream",), 0, "magic")
    version = reader.u32()
    if version == OLD_VERSION:
        return Refusal(ENOTSUP, ("SaveVM v2 format is obsolete and don't work anymore",), 4, "version")
    if version != VERSION:
        return Refusal(ENOTSUP, ("Unsupported migration stream version",), 4, "version")
    if not load.machine.description.config_section:
        return None
    if reader.u8() != CONFIGURATION:
        return Refusal(EINVAL, ("Configuration section missing",), 8, "configuration")
    load.section = "configuration"
    refusal = _configuration(load, reader)
    if refusal is None:
        load.section = ""
    return refusal


def _configuration(load: LoadState, reader: Reader) -> Refusal | None:
    local = load.machine.description.machine
    offset = reader.offset
    length = reader.u32()
    if reader.error:
        return Refusal(reader.error, ("Failed to load configuration:len",), offset, "len")
    if length > ALLOCATOR_LIMIT:
        raise Abort(f"failed to allocate {length - (1 << 32) + (1 << 64)} bytes")
    name = reader.take(length)
    if reader.error:
        return Refusal(reader.error, ("Failed to load configuration:name",), offset, "name")
    visitor = _Visitor(load)
    refusal = _PLAN.load(reader, 0, visitor)
    if refusal is not None:
        # A capability is one field for the program, and not a struct with a name in it.
        lines = tuple(line for line in refusal.messages if not line.startswith("Failed to load capability:"))
        return replace(refusal, messages=lines)
    if not _same_name(name, local.encode()):
        shown = c_text(name)
        return Refusal(EINVAL, (f"Machine type received is '{shown}' and local is '{local}'",), offset, "name")
    if visitor.page_bits != PAGE_BITS:
        text = f"Received TARGET_PAGE_BITS is {visitor.page_bits} but local is {PAGE_BITS}"
        return Refusal(EINVAL, (text,), offset, "target_page_bits")
    if "x-ignore-shared" in visitor.capabilities:
        text = "Capability x-ignore-shared is off, but received capability is on"
        return Refusal(EINVAL, (text,), offset, "capabilities")
    return None


def _same_name(name: bytes, local: bytes) -> bool:
    """As C compares so many characters: up to the end of what was received, or to a NUL that both have."""
    received = name.split(b"\0", 1)[0]
    return local[: len(name)] == name if len(received) == len(name) else local == received


class _Visitor(SilentVisitor):
    """Collects what the checks after the section look at."""

    def __init__(self, load: LoadState) -> None:
        self.load = load
        self.page_bits = PAGE_BITS
        self.capabilities: list[str] = []

    def field(self, _schema: Schema, field: Field, path: str, value: object) -> Refusal | None:
        """A wanted field."""
        if field.name == "target_page_bits" and isinstance(value, int):
            self.page_bits = value
        elif field.type == "string" and isinstance(value, bytes):
            name = value.decode("latin-1")
            if name not in CAPABILITIES:
                return Refusal(EINVAL, (f"Received unknown capability {name}",), 0, path)
            self.capabilities.append(name)
        elif field.name == "uuid.data" and isinstance(value, bytes):
            text = str(UUID(bytes=value))
            self.load.messages.append(f"warning: UUID is received {text}, but local uuid isn't set")
        return None
