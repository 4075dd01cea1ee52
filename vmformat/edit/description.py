"""The VMDESCRIPTION of a stream whose sections were dropped, repeated, moved or renamed.

Its text is not made anew: what it says of a device is cut out of it and put elsewhere, character for character. What
cannot be understood stays as it is.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from vmformat import vmdescription

if TYPE_CHECKING:
    from collections.abc import Sequence

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_HEAD: Final = re.compile(r'\{"name": ("(?:[^"\\]|\\.)*"), "instance_id": (\d+)')
_DIGITS: Final = re.compile(r"\d+")
_RECORD: Final = 5


class Description:
    """The text taken apart: what stands before the devices, each of them, what stands behind."""

    __slots__ = ("after", "before", "entries", "keys")

    def __init__(self, before: str, entries: list[str], keys: list[tuple[str, int]], after: str) -> None:
        self.before, self.entries, self.keys, self.after = before, entries, keys, after

    @classmethod
    def of(cls, trailing: bytes) -> Description | None:
        """That at the end of a stream; None if there is none, or none that can be understood."""
        found = vmdescription.find(trailing)
        if found is None:
            return None
        try:
            return cls.of_text(trailing[found[0] : found[1]].decode("ascii"))
        except ValueError:
            return None

    @classmethod
    def of_text(cls, text: str) -> Description | None:
        """That of a text; None if it cannot be understood."""
        try:
            spans, keys = _devices(text)
        except (ValueError, RecursionError):
            return None
        if not spans:
            return None
        entries = [text[start:end] for start, end in spans]
        return cls(text[: spans[0][0]], entries, keys, text[spans[-1][1] :])

    def written(self, entries: Sequence[str], trailing: bytes) -> bytes:
        """The end of the stream with other devices described; the record's length is that of the text."""
        found = vmdescription.find(trailing)
        if found is None:
            return trailing
        start, end = found
        text = (self.before + ", ".join(entries) + self.after).encode("ascii")
        return trailing[: start - _RECORD + 1] + len(text).to_bytes(4, "big") + text + trailing[end:]


def renamed(entry: str, name: str, instance: int) -> str:
    """What is said of a device, of one with another name. As it was if it does not begin as QEMU's do."""
    match = _HEAD.match(entry)
    if match is None or (json.loads(match[1]), int(match[2])) == (name, instance):
        return entry
    return f'{{"name": {json.dumps(name)}, "instance_id": {instance}' + entry[match.end() :]


def resized(entry: str, name: str, type_: str, size: int) -> str:
    """What is said of a device one of whose fields, opaque to a description, has another size now.

    As it was if the field is not described just once.
    """
    start = f'"name": {json.dumps(name)}, "type": {json.dumps(type_)}, "size": '
    before, found, behind = entry.partition(start)
    digits = _DIGITS.match(behind)
    if not found or start in behind or digits is None:
        return entry
    return before + start + str(size) + behind[digits.end() :]


def _devices(text: str) -> tuple[list[tuple[int, int]], list[tuple[str, int]]]:
    """Where the devices stand in the text, and their names and instances. Raises ValueError, RecursionError."""
    decoder = json.JSONDecoder()
    at = _expect(text, 0, "{")
    while True:
        key, at = decoder.raw_decode(text, _skip(text, at))
        at = _skip(text, _expect(text, at, ":"))
        if key == "devices":
            return _elements(text, _expect(text, at, "["), decoder)
        _, at = decoder.raw_decode(text, at)
        at = _expect(text, at, ",")


def _elements(text: str, at: int, decoder: json.JSONDecoder) -> tuple[list[tuple[int, int]], list[tuple[str, int]]]:
    spans: list[tuple[int, int]] = []
    keys: list[tuple[str, int]] = []
    at = _skip(text, at)
    while text[at : at + 1] != "]":
        device, end = decoder.raw_decode(text, at)
        name, instance = (device.get("name"), device.get("instance_id")) if isinstance(device, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(instance, int):
            raise ValueError("no device")  # noqa: TRY004 - one kind of failure for whoever asks
        spans.append((at, end))
        keys.append((name, instance))
        at = _skip(text, end)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
    return spans, keys


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match is not None else at


def _expect(text: str, at: int, char: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != char:
        raise ValueError(f"no {char}")
    return at + 1
