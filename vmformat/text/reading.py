"""Text back to a stream (see `vmformat.text`): line by line, each to the bytes that it says."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vmformat.command import Cmd, takes_from_main
from vmformat.framing import MAGIC, NAMED, VERSION, Kind
from vmformat.ram.context import PAGE_SIZE
from vmformat.stream import read
from vmformat.text.fields import field_bytes
from vmformat.text.ram_lines import WORDS, page_size_of, ram_bytes
from vmformat.text.values import TextError, ValueFault, read_bytes, read_integer, unquoted
from vmformat.text.writing import FIRST_LINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vmformat.records import Record
    from vmformat.schema import Schemas
    from vmformat.stream import Stream

_SECTIONS: Final = {kind.name: kind for kind in (Kind.START, Kind.PART, Kind.END, Kind.FULL)}
_HEAD: Final = re.compile(
    r'(?P<word>[A-Z]+)(?: (?!of )(?P<name>"(?:[^"\\]|\\.)*"|[A-Z_]+|\d+)(?= |$))?(?P<rest>(?: \w+ [-\w]+)*)'
    r'(?: of "(?:[^"\\]|\\.)*")?'
)
_ATTRIBUTE: Final = re.compile(r" (\w+) ([-\w]+)")
_ALLOWED: Final = {
    "HEADER": {"version", "magic"},
    "CONFIGURATION": set[str](),
    "START": {"instance", "version", "id", "footer"},
    "FULL": {"instance", "version", "id", "footer"},
    "PART": {"id", "footer"},
    "END": {"id", "footer"},
    "COMMAND": {"length"},
    "EOF": set[str](),
    "BYTES": set[str](),
    "OUTSIDE": set[str](),
    "VMDESCRIPTION": {"length"},
}
_NAMES: Final = {"START": "quoted", "FULL": "quoted", "COMMAND": "plain"}
_INDENT: Final = 2


@dataclass(slots=True)
class _Record:
    """A record under construction: its own lines' bytes, and what the records in it leave here and outside."""

    word: str
    line: int
    indent: int
    name: str | None
    said: dict[str, str]
    parts: list[bytes] = field(default_factory=list)
    inside: list[bytes] = field(default_factory=list)
    outside: list[bytes] = field(default_factory=list)


def from_text(text: str, schemas: Schemas | None = None, *, name: str = "") -> Stream:
    """The stream that a text says, read as a tolerant reader reads it: any bytes can be written as text.

    `schemas`: as for `read`. Raises TextError (a StreamError), `NAME:LINE: expected .., found ..`.
    """
    return read(bytes_from_text(text, name=name), schemas, tolerant=True)


def bytes_from_text(text: str, *, name: str = "") -> bytes:
    """The bytes that a text says. Raises TextError."""
    lines = text.split("\n")
    number = next((i for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), 0)
    if lines[number].rstrip() != FIRST_LINE:
        raise TextError(name, number + 1, FIRST_LINE, lines[number][:80] or "nothing")
    lines[number] = ""
    here, outside = _Parser(name).records(lines)
    return here + outside


def records_from_text(text: str, schemas: Schemas | None = None, *, name: str = "") -> tuple[Record, ...]:
    """The records that a piece of a text says, without the first line and the header. Raises TextError."""
    here, outside = _Parser(name).records(text.split("\n"))
    start = MAGIC + VERSION.to_bytes(4, "big")
    return read(start + here + outside, schemas, configuration=False, tolerant=True).records


class _Parser:
    def __init__(self, name: str) -> None:
        self.name = name
        self.line = 0
        self.page_size = PAGE_SIZE  # of the section at hand

    def records(self, lines: Iterable[str]) -> tuple[bytes, bytes]:
        """What all the lines say: the bytes that follow each other, and those that nobody's package took."""
        root = _Record("", 0, -_INDENT, None, {})
        stack = [root]
        for number, line in enumerate(lines, 1):
            self.line = number
            body = line.strip(" \r\t")
            if not body or body[0] == "#":
                continue
            indent = len(line) - len(line.lstrip(" "))
            while len(stack) > 1 and indent <= stack[-1].indent:
                self._close(stack)
            try:
                self._line(body, line, indent, stack)
            except ValueFault as fault:
                raise TextError(self.name, number, fault.expected, fault.found) from None
        while len(stack) > 1:
            self._close(stack)
        return b"".join(root.inside), b"".join(root.outside)

    def _line(self, body: str, line: str, indent: int, stack: list[_Record]) -> None:
        top = stack[-1]
        if body[0] == "|":
            if top.word != "VMDESCRIPTION":
                raise ValueFault("a description's text within VMDESCRIPTION", body)
            text = line.rstrip("\r").lstrip(" ").removeprefix("|").removeprefix(" ")
            if not text.isascii():
                raise ValueFault("ASCII", text)
            top.parts.append(text.encode())
            return
        word = body.partition(" ")[0]
        if word in _ALLOWED:
            if len(stack) > 1 and (top.word != "COMMAND" or top.name != "PACKAGED"):
                raise ValueFault(f"a field of the {top.word} in line {top.line}, or {word} not indented", body)
            stack.append(self._head(body, indent))
            self.page_size = PAGE_SIZE
            return
        if top.word in {"", "EOF", "HEADER"}:
            raise ValueFault(f"a record ({', '.join(_ALLOWED)})", body)
        if word == "page_size":
            self.page_size = page_size_of(body)
        else:
            top.parts.append(ram_bytes(body, self.page_size) if word in WORDS else field_bytes(body))

    def _head(self, body: str, indent: int) -> _Record:
        match = _HEAD.fullmatch(body)
        if match is None:
            raise ValueFault('a record, such as FULL "NAME" instance 0 version 1 id 0', body)
        said: dict[str, str] = {}
        for key, value in _ATTRIBUTE.findall(match["rest"]):
            if key not in _ALLOWED[match["word"]] or key in said:
                expected = ", ".join(sorted(_ALLOWED[match["word"]])) or "nothing"
                raise ValueFault(f"{expected} behind {match['word']}, each once", key)
            said[key] = value
        record = _Record(match["word"], self.line, indent, match["name"], said)
        given = "" if record.name is None else "quoted" if record.name[0] == '"' else "plain"
        if given != _NAMES.get(record.word, ""):
            raise ValueFault('a "NAME" behind START and FULL, a command\'s name or number, and none for others', body)
        _HEADS[record.word](record)  # what is wrong with it is wrong in this line
        return record

    def _close(self, stack: list[_Record]) -> None:
        """A record's bytes go to the one around it."""
        record = stack.pop()
        around = stack[-1]
        try:
            here, there = _HEADS[record.word](record)
        except ValueFault as fault:
            raise TextError(self.name, record.line, fault.expected, fault.found) from None
        if len(stack) == 1:  # the main channel itself
            here, there = here + there, b""
        around.inside.append(here)
        around.outside.append(there)


def _number(said: dict[str, str], key: str, default: int | None, type_: str = "uint32") -> int:
    if key not in said:
        if default is None:
            raise ValueFault(f"{key} NUMBER", "none")
        return default
    return read_integer(said[key], type_)


def _header(record: _Record) -> tuple[bytes, bytes]:
    magic = read_bytes(record.said["magic"], len(MAGIC)) if "magic" in record.said else MAGIC
    return magic + _number(record.said, "version", VERSION).to_bytes(4, "big"), b""


def _configuration(record: _Record) -> tuple[bytes, bytes]:
    return bytes([Kind.CONFIGURATION]) + b"".join(record.parts), b""


def _section(record: _Record) -> tuple[bytes, bytes]:
    kind = _SECTIONS[record.word]
    id_ = _number(record.said, "id", None).to_bytes(4, "big")
    head = bytes([kind]) + id_
    if kind in NAMED:
        name = unquoted((record.name or "")[1:-1])
        if len(name) > 0xFF:
            raise ValueFault("a name of at most 255 bytes", str(len(name)))
        head += bytes([len(name)]) + name
        head += b"".join(_number(record.said, key, None).to_bytes(4, "big") for key in ("instance", "version"))
    footer = record.said.get("footer")
    if footer == "none":
        foot = b""
    else:
        foot = bytes([Kind.FOOTER]) + (
            id_ if footer is None else _number(record.said, "footer", None).to_bytes(4, "big")
        )
    return b"".join([head, *record.parts, foot]), b""


def _command(record: _Record) -> tuple[bytes, bytes]:
    name = record.name or ""
    number = read_integer(name, "uint16") if name.isdecimal() else Cmd.__members__.get(name)
    if number is None:
        raise ValueFault(f"a number, or one of {', '.join(Cmd.__members__)}", name)
    payload = b"".join(record.parts)
    package = b""
    length = len(payload)
    if name == "PACKAGED":
        if payload:
            raise ValueFault("records within PACKAGED (COMMAND 7 takes a payload)", "fields")
        package = b"".join(record.inside)
        payload = _number(record.said, "length", len(package)).to_bytes(4, "big")
        length = len(payload)
    elif "length" in record.said:
        length = _number(record.said, "length", None, "uint16")
    if length > 0xFFFF:
        raise ValueFault("a payload of at most 65535 bytes", str(length))
    head = bytes([Kind.COMMAND]) + int(number).to_bytes(2, "big") + length.to_bytes(2, "big")
    if not takes_from_main(number, length):
        return head + payload, b""
    return head, b"".join([payload, package, *record.outside])


def _eof(_record: _Record) -> tuple[bytes, bytes]:
    return bytes([Kind.EOF]), b""


def _bytes(record: _Record) -> tuple[bytes, bytes]:
    return b"".join(record.parts), b""


def _outside(record: _Record) -> tuple[bytes, bytes]:
    return b"", b"".join(record.parts)


def _vmdescription(record: _Record) -> tuple[bytes, bytes]:
    text = b"".join(record.parts)
    length = _number(record.said, "length", len(text))
    return bytes([Kind.VMDESCRIPTION]) + length.to_bytes(4, "big") + text, b""


_HEADS: Final[dict[str, Callable[[_Record], tuple[bytes, bytes]]]] = {
    "HEADER": _header,
    "CONFIGURATION": _configuration,
    **dict.fromkeys(_SECTIONS, _section),
    "COMMAND": _command,
    "EOF": _eof,
    "BYTES": _bytes,
    "OUTSIDE": _outside,
    "VMDESCRIPTION": _vmdescription,
}
