"""Fields in the text form: a line a leaf, `PATH: TYPE = VALUE`, in the order of the bytes.

A line says all that its bytes depend on, the path is for people. What stands in the bytes and is no field of its own is
a line too: the head of a subsection (`subsection = "virtio/started" version 1`), the number before an element of a list
(`requests[0]@more: uint8 = 1`). Elements of an array of structs that are zero share one line, whose bytes do depend on
the numbers in its path: `vq[3..1023]: struct[16] = zero`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from vmformat.node import Node, join
from vmformat.schema import INTEGERS
from vmformat.text.values import (
    COUNTED,
    FIXED_BYTES,
    ValueFault,
    quoted,
    read_integer,
    shown_bytes,
    shown_integer,
    shown_numbers,
    split_type,
    unquoted,
    value_bytes,
)
from vmformat.tree import Structs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LONG: Final = 4096
"""Bytes in one line at most."""

_ZEROS: Final = bytes(_LONG)
_AT_ONCE: Final = 1 << 16
_MOST_ZEROS: Final = 1 << 26
_ROW: Final = 8
"""Numbers of a longer array in one line."""

_MOST_PATH: Final = 240
_ODD: Final = re.compile(r"[^!-~]|\\")
_LINE: Final = re.compile(r"(\S+): (.+?) =(?: (.*))?", re.DOTALL)
_RANGE: Final = re.compile(r".*\[(\d{1,9})\.\.(\d{1,9})\]")
_SUBSECTION: Final = re.compile(r'"((?:[^"\\]|\\.)*)" version (\S+)')
_CODE: Final = 0x05


def field_lines(tree: Node, payload: bytes) -> Iterable[str]:
    """The lines of a payload. Its bytes in hexadecimal if the tree does not tell every one of them.

    Raises nothing. Lines of a large payload are made twice, so as not to be kept.
    """
    lines = list(_tree_lines(tree, payload)) if len(payload) <= _AT_ONCE else None
    if _tell_all(_tree_lines(tree, payload) if lines is None else lines, payload):
        return _tree_lines(tree, payload) if lines is None else lines
    return raw_lines("payload", payload)


def _tell_all(lines: Iterable[str], payload: bytes) -> bool:
    """Whether lines say just those bytes."""
    at = 0
    try:
        for line in lines:
            piece = field_bytes(line)
            if payload[at : at + len(piece)] != piece:
                return False
            at += len(piece)
    except ValueFault:
        return False
    return at == len(payload)


def raw_lines(label: str, data: bytes) -> Iterator[str]:
    """Bytes without a meaning."""
    if len(data) <= _LONG:
        yield f"{label}: buffer[{len(data)}] = {shown_bytes(data, sized=True)}"
        return
    at = 0
    while at < len(data):
        end = at + _LONG
        if data[at:end] == _ZEROS:
            while data[end : end + _LONG] == _ZEROS and end - at < _MOST_ZEROS:
                end += _LONG
        piece = data[at:end]
        yield f"{label}[{at:#x}..{at + len(piece) - 1:#x}]: buffer[{len(piece)}] = {shown_bytes(piece, sized=True)}"
        at = end


def _tree_lines(tree: Node, payload: bytes) -> Iterator[str]:
    # No recursion: how deep a tree is a stream's own description decides.
    stack = [(child, child.name) for child in reversed(tree.children)]
    while stack:
        node, path = stack.pop()
        if isinstance(node.inner, Structs):
            stack += reversed(list(_elements(node, node.inner, path)))
        elif node.type == _FOLDED:
            yield f"{_label(path)}: struct[{node.value!r}] = zero"
        elif node.value is not None and not node.inner:
            yield from _leaf_lines(node, path, payload[node.offset - tree.offset :][: node.size])
        elif node.type == "subsection":
            version, *fields = node.children
            name = node.name.partition("#")[0].encode()
            yield f"{_label(path)}: subsection = {quoted(name)} version {version.value!r}"
            stack += [(child, _joined(path, child.name)) for child in reversed(fields)]
        else:
            stack += [(child, _joined(path, child.name)) for child in reversed(node.children)]


_FOLDED: Final = "zero elements"


def _elements(node: Node, structs: Structs, path: str) -> Iterator[tuple[Node, str]]:
    """The elements of an array, those that are zero together as one node of a type of our own."""
    size, start, count = structs.size, 0, len(structs.data) // structs.size
    zero = bytes(size)
    while start < count:
        end = start
        while end < count and structs.data[end * size : end * size + size] == zero:
            end += 1
        if end - start > 1:
            name = f"[{start}..{end - 1}]"
            yield Node(name, _FOLDED, node.offset + start * size, (end - start) * size, size), path + name
            start = end
            continue
        element = structs.at(node.offset, start)
        assert element is not None
        yield element, path + element.name
        start += 1
    if structs.last is not None:
        yield structs.last, path + structs.last.name


def _leaf_lines(node: Node, path: str, data: bytes) -> Iterator[str]:
    value, type_ = node.value, node.type
    label = _label(path)
    if isinstance(value, int) and type_ in INTEGERS:
        yield f"{label}: {type_} = {shown_integer(value, type_)}"
    elif isinstance(value, bytes) and type_ in COUNTED:
        yield f"{label}: {type_} = {shown_bytes(value)}"
    elif isinstance(value, tuple) and value and isinstance(value[0], int):
        kind = "uint32" if type_ == "pci irq state" else type_
        if kind in INTEGERS:
            yield from _number_lines(label, kind, value)
        else:
            yield from raw_lines(label, data)
    elif isinstance(value, tuple) and value:
        size = len(data) // len(value)
        for i in range(len(value)):
            yield from raw_lines(f"{label}[{i}]", data[i * size : (i + 1) * size])
    elif len(data) > _LONG or type_ not in FIXED_BYTES:
        yield from raw_lines(label, data)
    else:
        yield f"{label}: {type_}[{len(data)}] = {shown_bytes(data, sized=True)}"


def _number_lines(label: str, type_: str, values: tuple[int | bytes, ...]) -> Iterator[str]:
    """An array; a long one in rows, so that one changed number is one changed line, and rows of zeros together."""
    numbers = tuple(value for value in values if isinstance(value, int))
    if len(numbers) <= 2 * _ROW:
        yield f"{label}: {type_}[{len(numbers)}] = {shown_numbers(numbers, type_)}"
        return
    start = 0
    while start < len(numbers):
        end = start + _ROW
        if not any(numbers[start:end]):
            while end < len(numbers) and not any(numbers[end : end + _ROW]):
                end += _ROW
        row = numbers[start:end]
        last = start + len(row) - 1
        yield f"{label}[{start}..{last}]: {type_}[{len(row)}] = {shown_numbers(row, type_)}"
        start = end


def _joined(path: str, name: str) -> str:
    """A path of bounded length: descriptions may nest long names without end."""
    joined = join(path, name[-_MOST_PATH:])
    return joined if len(joined) <= _MOST_PATH else "..." + joined[3 - _MOST_PATH :]


def _label(path: str) -> str:
    """A path as one word."""
    if len(path) > 2 * _MOST_PATH:
        path = "..." + path[-_MOST_PATH:]
    if not _ODD.search(path):
        return path
    return _ODD.sub(lambda found: found[0].encode("unicode_escape").decode() if found[0] != " " else "\\x20", path)


def field_bytes(line: str) -> bytes:
    """The bytes of a line. Raises ValueFault."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueFault("PATH: TYPE = VALUE", line)
    path, type_text, value = match[1], match[2], match[3] or ""
    if type_text == "subsection":
        return _subsection_bytes(value)
    type_, count = split_type(type_text)
    if type_ == "struct":
        span = _RANGE.fullmatch(path)
        if span is None or count is None or value.strip() != "zero" or int(span[2]) < int(span[1]):
            raise ValueFault("PATH[FIRST..LAST]: struct[BYTES] = zero", line)
        size = (int(span[2]) - int(span[1]) + 1) * count
        if size > 1 << 30:
            raise ValueFault("zeros of sane size", str(size))
        return bytes(size)
    return value_bytes(type_, count, value)


def _subsection_bytes(value: str) -> bytes:
    match = _SUBSECTION.fullmatch(value.strip())
    if match is None:
        raise ValueFault('"NAME" version NUMBER', value)
    name = unquoted(match[1])
    if len(name) > 0xFF:
        raise ValueFault("a name of at most 255 bytes", str(len(name)))
    return bytes([_CODE, len(name)]) + name + read_integer(match[2], "uint32").to_bytes(4, "big")
