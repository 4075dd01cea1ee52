"""What somebody typed behind `=`, for the field that stands there now."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from vmformat.schema import INTEGERS, LITTLE_ENDIAN
from vmformat.text.values import (
    COUNTED,
    ValueFault,
    integer_range,
    limits,
    packer,
    read_bytes,
    read_integer,
    read_numbers,
    shown_bytes,
    shown_integer,
    shown_numbers,
)

if TYPE_CHECKING:
    from vmformat.node import Leafs, Node

OPERATORS: Final = ("|=", "&=", "^=", "+=", "-=", "=")
_QUOTED: Final = re.compile(r'\s*"(?:[^"\\]|\\.)*"\s*')
_LIST: Final = re.compile(r"\s*\[.*\]\s*|\s*zero\s*", re.DOTALL)


def integer_type(node: Node) -> str:
    """The type of a leaf's numbers."""
    return "uint32" if node.type == "pci irq state" else node.type


def new_value(node: Node, operator: str, text: str, *, variable: bool) -> Leafs:
    """What a leaf is to hold. `variable`: it may have another length than it has. Raises ValueFault."""
    value = node.value
    if isinstance(value, int):
        return _number(value, integer_type(node), operator, text)
    if operator != "=":
        raise ValueFault("= for what is no number", operator)
    if isinstance(value, tuple) and (not value or isinstance(value[0], int)) and integer_type(node) in INTEGERS:
        if not _LIST.fullmatch(text):
            raise ValueFault(f"a list of {len(value)} numbers of type {integer_type(node)}, [1, 2, 3]", text)
        return read_numbers(text, integer_type(node), None if variable and text.strip() != "zero" else len(value))
    if isinstance(value, tuple):
        return _buffers(value, text, variable=variable)
    if node.type in COUNTED:
        data = _text(text)
        most = (1 << 8 * COUNTED[node.type]) - 1
        if len(data) > most:
            raise ValueFault(f"at most {most} bytes", str(len(data)))
        return data
    if value is None:
        return read_bytes(text, node.size)
    if variable and text.strip() != "zero":
        return read_bytes(text)
    if _QUOTED.fullmatch(text) and len(data := read_bytes(text)) <= node.size:
        return data + bytes(node.size - len(data))
    return read_bytes(text, node.size)


def _text(text: str) -> bytes:
    """What a string is to hold: words as in the text form, or simply what was typed."""
    try:
        return read_bytes(text) if text.lstrip().startswith(('"', "hex:")) else text.encode()
    except UnicodeEncodeError:
        raise ValueFault("text", ascii(text)) from None


def _number(old: int, type_: str, operator: str, text: str) -> int:
    if operator == "=":
        return read_integer(text, type_)
    try:
        operand = int(text, 0)
    except ValueError:
        raise ValueFault("a number", text or "nothing") from None
    match operator:
        case "|=":
            new = old | operand
        case "&=":
            new = old & operand
        case "^=":
            new = old ^ operand
        case "+=":
            new = old + operand
        case _:
            new = old - operand
    low, high = limits(type_)
    if not low <= new <= high:
        raise ValueFault(integer_range(type_), f"{new:#x}")
    return new


def _buffers(old: tuple[int, ...] | tuple[bytes, ...], text: str, *, variable: bool) -> Leafs:
    """An array of buffers, all of them one after the other."""
    width = next((len(piece) for piece in old if isinstance(piece, bytes)), 1)
    data = read_bytes(text) if variable else read_bytes(text, width * len(old))
    if len(data) % width:
        raise ValueFault(f"pieces of {width} bytes", f"{len(data)} bytes")
    return tuple(data[at : at + width] for at in range(0, len(data), width))


def new_element(node: Node, index: int, operator: str, text: str) -> Leafs:
    """The array with another element. Raises ValueFault."""
    value = node.value
    if isinstance(value, bytes):
        return value[:index] + bytes([_number(value[index], "uint8", operator, text)]) + value[index + 1 :]
    if not isinstance(value, tuple):
        raise ValueFault("an array", node.type)
    old = value[index]
    if isinstance(old, int):
        numbers = [item for item in value if isinstance(item, int)]
        numbers[index] = _number(old, integer_type(node), operator, text)
        return tuple(numbers)
    if operator != "=":
        raise ValueFault("= for what is no number", operator)
    pieces = [item for item in value if isinstance(item, bytes)]
    pieces[index] = read_bytes(text, len(old))
    return tuple(pieces)


def leaf_bytes(node: Node, value: Leafs) -> bytes:
    """The bytes of a leaf that holds a value, without the length in front of a string."""
    if isinstance(value, int):
        return packer(integer_type(node))(value) if integer_type(node) in INTEGERS else _plain(node, value)
    if isinstance(value, bytes):
        return value
    type_ = integer_type(node)
    return b"".join(item if isinstance(item, bytes) else packer(type_)(item) for item in value)


def _plain(node: Node, value: int) -> bytes:
    order = "little" if node.type in LITTLE_ENDIAN else "big"
    try:
        return value.to_bytes(node.size, order)  # type: ignore[arg-type]
    except OverflowError:
        raise ValueFault(f"a number of {node.size} bytes", f"{value:#x}") from None


def shown(value: object, type_: str = "") -> str:
    """A value as it could be typed."""
    if isinstance(value, int):
        return shown_integer(value, type_)
    if isinstance(value, bytes):
        return shown_bytes(value, sized=True)
    if isinstance(value, tuple):
        if value and isinstance(value[0], bytes):
            return shown_bytes(b"".join(value), sized=True)
        return shown_numbers(value, type_)
    return str(value)
