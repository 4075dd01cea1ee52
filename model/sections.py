"""Sections: finding the handler, the checks around its payload, the footer (stream.md 2.4, 2.5)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from model.memory import nobody
from model.messages import c_text, signed
from vmformat import Refusal

if TYPE_CHECKING:
    from model.load_state import LoadState
    from model.machine import AnyHandler
    from vmformat import Reader

FOOTER: Final = 0x7E
EINVAL: Final = 22
_HEAD: Final = struct.Struct(">IB")
_NUMBERS: Final = struct.Struct(">II")
_FOOT: Final = struct.Struct(">BI")


def load_new(load: LoadState, reader: Reader) -> Refusal | None:
    """A START or FULL section, from behind its type byte to behind its footer."""
    offset, data, pos = reader.offset, reader.data, reader.pos
    if pos + _HEAD.size < len(data):
        section_id, length = _HEAD.unpack_from(data, pos)
        reader.pos = pos + _HEAD.size
    else:
        section_id, length = reader.u32(), reader.u8()
    name = reader.take(length)
    if length == 0 or len(name) < length:
        return Refusal(EINVAL, (f"Unable to read ID string for section {section_id}",), offset, "id")
    text = c_text(name)
    pos = reader.pos
    if pos + _NUMBERS.size <= len(data):
        instance, version = _NUMBERS.unpack_from(data, pos)
        reader.pos = pos + _NUMBERS.size
    else:
        instance, version = reader.u32(), reader.u32()
    load.section, load.instance = text, instance
    if reader.error:
        message = f"qemu_loadvm_section_start_full: Failed to read instance/version ID: {-reader.error}"
        return Refusal(reader.error, (message,), offset, "instance")
    handler = load.machine.find_handler(text, instance)
    if handler is None:
        message = (
            f"Unknown savevm section or instance '{text}' {instance}. Make sure that your current VM setup matches "
            "your saved VM setup, including any hotplugged devices"
        )
        return Refusal(EINVAL, (message,), offset, "id")
    if version > handler.version:
        message = f"savevm: unsupported version {signed(version)} for '{text}' v{handler.version}"
        return Refusal(EINVAL, (message,), offset, "version")
    handler.load_section_id, handler.load_version = section_id, version
    refusal = _payload(load, reader, handler, version)
    if refusal is not None:
        return refusal.then(f"error while loading state for instance {instance:#x} of device '{text}'")
    return _footer(load, reader, handler)


def load_more(load: LoadState, reader: Reader) -> Refusal | None:
    """A PART or END section, from behind its type byte to behind its footer."""
    offset = reader.offset
    section_id = reader.u32()
    if reader.error:
        message = f"qemu_loadvm_section_part_end: Failed to read section ID: {-reader.error}"
        return Refusal(reader.error, (message,), offset, "id")
    handler = next((h for h in load.machine.handlers if h.load_section_id == section_id), None)
    if handler is None:
        return Refusal(EINVAL, (f"Unknown savevm section {signed(section_id)}",), offset, "id")
    load.section, load.instance = handler.name, handler.instance
    refusal = _payload(load, reader, handler, handler.load_version)
    if refusal is not None:
        return refusal.then(f"error while loading state section id {section_id}({handler.name})")
    return _footer(load, reader, handler)


def _payload(load: LoadState, reader: Reader, handler: AnyHandler, version: int) -> Refusal | None:
    (nobody if load.quiet is None else load.quiet.make_up)(load, handler)
    load.handler = handler
    load.mark(handler.name)
    load.machine.touched.add(handler)
    return handler.load(load, reader, version)


def _footer(load: LoadState, reader: Reader, handler: AnyHandler) -> Refusal | None:
    if not load.machine.description.footers:
        return None
    offset, pos = reader.offset, reader.pos
    is_whole = not reader.error and pos + _FOOT.size <= len(reader.data)
    if is_whole and _FOOT.unpack_from(reader.data, pos) == (FOOTER, handler.load_section_id):
        reader.pos = pos + _FOOT.size
        return None
    mark = reader.u8()
    if reader.error:
        message = f"check_section_footer: Read section footer failed: {-reader.error}"
        return Refusal(EINVAL, (message,), offset, "footer")
    if mark != FOOTER:
        return Refusal(EINVAL, (f"Missing section footer for {handler.name}",), offset, "footer")
    read = reader.u32()
    if read != handler.load_section_id:
        message = (
            f"Mismatched section id in footer for {handler.name} - read {read:#x} expected {handler.load_section_id:#x}"
        )
        return Refusal(EINVAL, (message,), offset, "footer")
    return None
