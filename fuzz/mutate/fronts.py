"""Trials of what a stream begins with: its header and its configuration section (stream.md 1.2, 1.5).

No field of these has a device behind it: the loader checks them by itself, each in a line of its own, and what one
check forgets the next does not make good.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from fuzz.mutate.alternate import alternate
from vmformat import Configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmformat import Stream

_PAGE_BITS: Final = 12
_LENGTH: Final = 4
_U32: Final = (1 << 32) - 1
_VALIDATED, _KNOWN = b"x-ignore-shared", b"xbzrle"
_VERSIONS: Final = (2, 4, 0, 3 << 24, 1 << 31 | 3, 0x103)
_BITS: Final = (_PAGE_BITS + 1, _PAGE_BITS - 1, 0, _U32, _PAGE_BITS + 256, _PAGE_BITS)


def trials_of_front(stream: Stream) -> Iterator[tuple[str, Callable[[Stream], Stream | None]]]:
    """(name, what is done), the most promising first; nothing for a stream without a configuration section."""
    if stream.configuration is None:
        return
    payload = stream.configuration.payload
    length = int.from_bytes(payload[:_LENGTH], "big")
    name, rest = payload[_LENGTH : _LENGTH + length], payload[_LENGTH + length :]
    yield from alternate(_configurations(name, rest), _headers())


def _configurations(name: bytes, rest: bytes) -> Iterator[tuple[str, Callable[[Stream], Stream | None]]]:
    subsections = ((what, _counted(name) + other) for what, other in _subsections())
    names = ((what, other + rest) for what, other in _names(name))
    for what, payload in alternate(subsections, names):
        yield what, partial(_configured, payload)


def _headers() -> Iterator[tuple[str, Callable[[Stream], Stream | None]]]:
    for version in _VERSIONS:
        yield f"header:version:{version:#x}", partial(_headed, version)
    yield "header:magic", _other_magic
    yield "configuration:none", _unconfigured


def _names(name: bytes) -> Iterator[tuple[str, bytes]]:
    """The name of the machine: a part of it, more than it, almost it; of a length that it has not."""
    for what, other in {
        "longer": name + b"a",
        "prefix": name[: name.find(b"-")] if b"-" in name else name[:1],
        "last": name[:-1] + bytes([name[-1] ^ 1]) if name else b"a",
        "first": bytes([name[0] ^ 0x20]) + name[1:] if name else b"\0",
        "empty": b"",
        "ended": name + b"\0",
        "ended early": name[:2] + b"\0" + name[2:],
        "long": name.ljust(256, b"a"),
    }.items():
        yield f"name:{what}", _counted(other)
    for length in (len(name) - 1, len(name) + 1, 0x7FFFFFFF, 1 << 31, _U32):
        yield f"name:length:{length:#x}", (length & _U32).to_bytes(_LENGTH, "big") + name


def _subsections() -> Iterator[tuple[str, bytes]]:
    """Subsections that the configuration has not, what stands in them, and two of them."""
    bits = [_sub(b"target-page-bits", _word(number)) for number in _BITS]
    lists = [
        _capabilities(_VALIDATED),
        _capabilities(b"nonsense"),
        _capabilities(_KNOWN),
        _capabilities(_VALIDATED, _KNOWN),
        _capabilities(_KNOWN, _VALIDATED),
        _capabilities(_KNOWN, b"nonsense"),
        _capabilities(b""),
        _capabilities(),
        _capabilities(_KNOWN, _KNOWN),
        _capabilities(_VALIDATED[:-1]),
        _capabilities(_VALIDATED + b"a"),
        *(_capabilities(_KNOWN, count=count) for count in (0, 2, 1 << 31, _U32)),
        _capabilities(*[_KNOWN] * 33),
    ]
    uuids = [_sub(b"uuid", bytes([byte]) * 16) for byte in (0xFF, 0)]
    wrong = [
        _sub(b"foo", b""),
        _sub(b"target-page-bits", _word(_PAGE_BITS), 2),
        _sub(b"target-page-bits", _word(_PAGE_BITS), 0),
        _sub(b"uuid", bytes(16), 2),
        _sub(b"capabilities", _word(0), 2),
    ]
    pairs = [
        (bits[0], bits[-1]), (bits[-1], bits[0]), (lists[0], lists[-3]), (lists[2], lists[0]), (uuids[0], uuids[1]),
        (uuids[0], bits[-1]), (bits[-1], uuids[0]), (uuids[0], lists[0]), (lists[2], bits[0]), (uuids[0], bits[0]),
    ]  # fmt: skip
    for number, found in enumerate((bits[0], lists[0], lists[1], uuids[0], *bits[1:], *lists[2:], *uuids[1:], *wrong)):
        yield f"configuration/{number}", found
    for number, (one, other) in enumerate(pairs):
        yield f"configuration/pair:{number}", one + other


def _capabilities(*names: bytes, count: int | None = None) -> bytes:
    number = len(names) if count is None else count
    return _sub(b"capabilities", _word(number) + b"".join(bytes([len(name)]) + name for name in names))


def _sub(name: bytes, fields: bytes, version: int = 1) -> bytes:
    whole = b"configuration/" + name
    return b"\x05" + bytes([len(whole)]) + whole + _word(version) + fields


def _word(number: int) -> bytes:
    return number.to_bytes(4, "big")


def _counted(name: bytes) -> bytes:
    return _word(len(name)) + name


def _configured(payload: bytes, stream: Stream) -> Stream | None:
    return replace(stream, configuration=Configuration(payload))


def _unconfigured(stream: Stream) -> Stream | None:
    return replace(stream, configuration=None)


def _headed(version: int, stream: Stream) -> Stream | None:
    return replace(stream, header=replace(stream.header, version=version))


def _other_magic(stream: Stream) -> Stream | None:
    magic = stream.header.magic
    return replace(stream, header=replace(stream.header, magic=magic[:-1] + bytes([magic[-1] ^ 1]))) if magic else None
