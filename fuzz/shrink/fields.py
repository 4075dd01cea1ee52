"""The pass `fields`: every value as it is at reset, or else zero, or else a smaller number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from fuzz.shrink.ddmin import ddmin
from fuzz.shrink.numbers import lower, toward
from model.default_stream import default_stream
from vmformat.iterable.payloads import ITERABLE
from vmformat.schema import INTEGERS, LITTLE_ENDIAN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from fuzz.shrink.work import Work
    from vmformat import Node, Section, Stream
    from vmformat.paths import Place

_WIDEST: Final = 8


@dataclass(frozen=True, slots=True)
class Value:
    """A value in a payload, one element of an array of them: where, how long, and what it is at reset."""

    path: str
    offset: int
    size: int
    type: str
    reset: bytes


def fields(work: Work) -> None:
    """Section by section: all of it as at reset, then as many values as can be, then those that are left."""
    resets = {(one.name, one.instance): one for one in default_stream(work.machine.description).sections}
    for place, section in work.sections():
        if section.name in ITERABLE:
            continue
        reset = resets.get((section.name, section.instance))
        base = work.stream
        fits = reset is not None and len(reset.payload) <= len(section.payload)
        if reset is None or not fits or not work.payload(base, place, section, reset.payload):
            _section(work, base, place, section, _at_reset(reset))


def _section(work: Work, base: Stream, place: Place, section: Section, known: Mapping[str, bytes]) -> None:
    payload = section.payload
    is_whole = _fault(section) is None

    def holds(new: bytes) -> bool:
        """A payload that could be read must stay one: what a reader can name is simpler than what it cannot."""
        if is_whole and _fault(section.replace_payload(new)) is not None:
            return False
        return work.payload(base, place, section, new)

    others = [
        value for value in _values(section, known) if payload[value.offset : value.offset + value.size] != value.reset
    ]

    def mixed(kept: tuple[Value, ...]) -> bytes:
        staying = set(kept)
        return _with(payload, {value: value.reset for value in others if value not in staying})

    left = ddmin(others, lambda kept: holds(mixed(kept)))
    best = mixed(left)
    for value in left:
        best = _simpler(best, value, holds)


def _simpler(payload: bytes, value: Value, holds: Callable[[bytes], bool]) -> bytes:
    """The payload with a simpler value there: zero, or what has fewer bits, byte for byte where it is no number."""
    old = payload[value.offset : value.offset + value.size]

    def put(new: bytes) -> bool:
        return holds(_with(payload, {value: new}))

    if value.type not in INTEGERS or value.size > _WIDEST:
        return _with(payload, {value: toward(old, value.reset, put)})
    order: Literal["little", "big"] = "little" if value.type in LITTLE_ENDIAN else "big"
    number = lower(int.from_bytes(old, order), lambda number: put(number.to_bytes(value.size, order)))
    return _with(payload, {value: number.to_bytes(value.size, order)})


def _with(payload: bytes, values: Mapping[Value, bytes]) -> bytes:
    changed = bytearray(payload)
    for value, new in values.items():
        changed[value.offset : value.offset + value.size] = new
    return bytes(changed)


def _fault(section: Section) -> object:
    return section.read_payload()[1]


def _at_reset(section: Section | None) -> dict[str, bytes]:
    """What values are by path. None of what the default stream has not."""
    if section is None:
        return {}
    payload = section.payload
    return {value.path: payload[value.offset : value.offset + value.size] for value in _values(section, {})}


def _values(section: Section, known: Mapping[str, bytes]) -> Iterator[Value]:
    """The values of a payload, as far as it has names; what is opaque is one value of many bytes."""
    start = section.payload_offset
    for path, node in section.read_payload()[0].walk():
        if not node.size or node.value is None or (not isinstance(node.value, tuple) and node.children):
            continue
        for name, offset, size in _elements(path, node):
            reset = known.get(name, b"")
            if len(reset) != size:
                reset = bytes(size)
            yield Value(name, offset - start, size, node.type, reset)


def _elements(path: str, node: Node) -> Iterator[tuple[str, int, int]]:
    """The values in a node: of an array each by itself. A length in front of bytes is none: it is what they are."""
    if isinstance(node.value, tuple):
        size = node.size // max(len(node.value), 1)
        for i in range(len(node.value)):
            yield f"{path}[{i}]", node.offset + i * size, size
    elif node.type in {"string", "vbuffer"} and isinstance(node.value, bytes):
        if node.value:
            yield path, node.offset + node.size - len(node.value), len(node.value)
    else:
        yield path, node.offset, node.size
