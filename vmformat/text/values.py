"""Values as words and back: what stands behind the `=` of a line of the text form, and in an edit.

Bytes are a row of pieces: `"text"` with the escapes of Python's bytes, hexadecimal digits, `ff*24` (that byte so many
times), and at the end `zero` (zeros up to the size that the type tells). Integers are decimal or have 0x, 0b or 0o
before them; those of type bool are true, false, or a number.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from vmformat.errors import Fault, StreamError
from vmformat.schema import INTEGERS, LITTLE_ENDIAN

if TYPE_CHECKING:
    from collections.abc import Callable

FIXED_BYTES: Final = frozenset({"buffer", "unused_buffer", "bitmap", "pci config", "msix state"})
"""Types of the text form that are as many bytes as the type says, or as there are."""

COUNTED: Final = {"string": 1, "vbuffer": 4}
"""Types with their length in front, in so many bytes."""

_MOST: Final = 1 << 30
"""More bytes than this a word cannot stand for."""

_RUN: Final = re.compile(rb"(.)\1{11,}", re.DOTALL)
_PLAIN: Final = re.compile(rb"[ -~]+")
_PIECE: Final = re.compile(
    r'\s*(?:"((?:[^"\\]|\\.)*)"|([0-9a-fA-F]{2})\*(\d+)|(?:hex:)?((?:[0-9a-fA-F]{2})+)(?![\w*"])|(zero)(?!\w))\s*'
)
_ESCAPE: Final = re.compile(r"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\", '"': '"', "'": "'"}
_TYPE: Final = re.compile(r"(.+?)(?:\[(\d+)\])?")


class TextError(StreamError):
    """What is wrong with a text, or with an edit that somebody typed.

    `name` and `line` (from 1, 0 for none) tell where it stands; `str()` is `NAME:LINE: expected .., found ..`. `offset`
    is 0 and `path` empty.
    """

    def __init__(self, name: str, line: int, expected: str, found: str) -> None:
        super().__init__(0, "", expected, found)
        self.name, self.line = name, line

    def __str__(self) -> str:
        name = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in self.name)
        where = ":".join(part for part in (name, str(self.line) if self.line else "") if part)
        said = str(Fault(0, "", self.expected, self.found)).removeprefix("offset 0x0: ")
        return f"{where}: {said}" if where else said

    def __reduce__(self) -> tuple[type[TextError], tuple[str, int, str, str]]:  # type: ignore[override]
        return type(self), (self.name, self.line, self.expected, self.found)


class ValueFault(Exception):
    """A word that does not mean what it should: what was expected, what was found. Stays inside this package."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(expected, found)
        self.expected, self.found = expected, found


def quoted(data: bytes) -> str:
    """Bytes as a word in quotation marks."""
    text = data.decode("latin-1").replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if " " <= c <= "~" else f"\\x{ord(c):02x}" for c in text) + '"'


def unquoted(text: str) -> bytes:
    """The bytes of what stands between quotation marks; characters beyond Latin-1 become UTF-8."""
    plain = _ESCAPE.sub(_escaped, text)
    try:
        return plain.encode("latin-1")
    except UnicodeEncodeError:
        return plain.encode("utf-8", "surrogatepass")


def _escaped(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] == "x" and len(code) > 1:
        return chr(int(code[1:], 16))
    return _ESCAPES.get(code, code)


def shown_integer(value: int, type_: str) -> str:
    """An integer as a word."""
    if type_ == "bool" and value in {0, 1}:
        return "true" if value else "false"
    return str(value) if -10 < value < 10 else f"{value:#x}"


def read_integer(word: str, type_: str) -> int:
    """The number that a word is. Raises ValueFault unless it is one and of that type's range."""
    word = word.strip()
    if word in {"true", "false"} and type_ in {"bool", "uint8"}:
        return int(word == "true")
    try:
        value = int(word, 0)
    except ValueError:
        raise ValueFault(integer_range(type_), word or "nothing") from None
    low, high = limits(type_)
    if not low <= value <= high:
        raise ValueFault(integer_range(type_), word)
    return value


@lru_cache
def limits(type_: str) -> tuple[int, int]:
    """The least and the greatest number of an integer type."""
    code, size = INTEGERS[type_]
    bits = 8 * size
    return (0, (1 << bits) - 1) if code.isupper() else (-(1 << bits - 1), (1 << bits - 1) - 1)


def integer_range(type_: str) -> str:
    """That range in words."""
    low, high = limits(type_)
    return f"a number of type {type_} ({low:#x} to {high:#x})" if low else f"a number of type {type_} (0 to {high:#x})"


@lru_cache
def packer(type_: str) -> Callable[..., bytes]:
    """What makes the bytes of one number of that type."""
    order = "<" if type_ in LITTLE_ENDIAN else ">"
    return struct.Struct(order + INTEGERS[type_][0]).pack


def shown_bytes(data: bytes, *, sized: bool = False) -> str:
    """Bytes as words; `sized`: they stand behind a type that tells how many they are."""
    if not data:
        return '""'
    body = data.rstrip(b"\0")
    tail = len(data) - len(body)
    plain = len(body) > 1 and _PLAIN.fullmatch(body)
    if sized and tail and (tail > 3 or not body or plain):
        end = ["zero"]
    else:
        plain = plain if not tail else None
        body, end = data, []
    return " ".join([*([quoted(body)] if plain else _pieces(body)), *end])


def _pieces(data: bytes) -> list[str]:
    found, at = [], 0
    for run in _RUN.finditer(data):
        if at < run.start():
            found.append(data[at : run.start()].hex())
        found.append(f"{data[run.start()]:02x}*{run.end() - run.start()}")
        at = run.end()
    if at < len(data):
        found.append(data[at:].hex())
    return found


def read_bytes(text: str, size: int | None = None) -> bytes:
    """The bytes that a row of words stands for. Raises ValueFault unless they are `size`, if it is given."""
    most = _MOST if size is None else size
    parts: list[bytes] = []
    at = length = 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            raise ValueFault('bytes: "text", hexadecimal digits, ff*24, zero', text[at:].strip())
        at = piece.end()
        if piece[5] is not None:
            if size is None or at < len(text):
                raise ValueFault("a size for zero to fill, and nothing behind it", "zero")
            parts.append(bytes(max(size - length, 0)))
        elif piece[2] is not None:
            times = int(piece[3]) if len(piece[3]) < 12 else most + 1
            if length + times > most:
                raise ValueFault(f"at most {most} bytes", piece[0].strip())
            parts.append(bytes.fromhex(piece[2]) * times)
        else:
            parts.append(unquoted(piece[1]) if piece[1] is not None else bytes.fromhex(piece[4]))
        length += len(parts[-1])
    if size is not None and length != size:
        raise ValueFault(f"{size} bytes", str(length))
    return b"".join(parts)


def shown_numbers(values: tuple[int, ...], type_: str) -> str:
    """An array of integers."""
    if values and not any(values):
        return "zero"
    return "[" + ", ".join(shown_integer(value, type_) for value in values) + "]"


def read_numbers(text: str, type_: str, count: int | None = None) -> tuple[int, ...]:
    """The numbers of a list `[1, 2, 3]`, or `zero`. Raises ValueFault unless they are `count`, if it is given."""
    text = text.strip()
    if text == "zero" and count is not None:
        if count > _MOST:
            raise ValueFault(f"at most {_MOST} numbers", str(count))
        return (0,) * count
    if not (text.startswith("[") and text.endswith("]")):
        raise ValueFault("a list of numbers, [1, 2, 3]", text or "nothing")
    inside = text[1:-1].strip()
    values = tuple(read_integer(word, type_) for word in inside.split(",")) if inside else ()
    if count is not None and len(values) != count:
        raise ValueFault(f"{count} numbers", str(len(values)))
    return values


def split_type(text: str) -> tuple[str, int | None]:
    """A type and the number in brackets behind it."""
    match = _TYPE.fullmatch(text)
    if match is None:
        raise ValueFault("a type", text or "nothing")
    number = match[2]
    if number is not None and (len(number) > 12 or int(number) > _MOST):
        raise ValueFault(f"at most {_MOST} bytes or numbers", number)
    return match[1], None if number is None else int(number)


def value_bytes(type_: str, count: int | None, text: str) -> bytes:
    """The bytes of a value of that type as they stand in a stream. Raises ValueFault."""
    if type_ in INTEGERS:
        if count is None:
            return packer(type_)(read_integer(text, type_))
        if text.strip() == "zero":
            return bytes(INTEGERS[type_][1] * min(count, _MOST))
        values = read_numbers(text, type_, count)
        return b"".join(map(packer(type_), values))
    if type_ in COUNTED:
        data, width = read_bytes(text), COUNTED[type_]
        if len(data) >= 1 << 8 * width:
            raise ValueFault(f"at most {(1 << 8 * width) - 1} bytes", str(len(data)))
        return len(data).to_bytes(width, "big") + data
    if type_ in FIXED_BYTES:
        return read_bytes(text, count)
    raise ValueFault("a type of the text form", type_)
