"""The JSON of a VMDESCRIPTION, device by device.

Most devices of a machine are described as others are, to the letter: what follows the name and instance of one that has
been read is known when it comes again, and is not parsed a second time.
"""

from __future__ import annotations

import re
from json.decoder import JSONDecodeError, JSONDecoder
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Value: TypeAlias = "dict[str, Value] | list[Value] | str | int | float | bool | None"


class Repeated(dict[str, Value]):
    """A JSON object with keys that come more than once: the first counts. `pairs` are all of them."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, Value]]) -> None:
        super().__init__(reversed(pairs))
        self.pairs = pairs


def _object(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    made = dict(pairs)
    return made if len(made) == len(pairs) else Repeated(pairs)


_DECODER: Final[Any] = JSONDecoder(object_pairs_hook=_object)
_SCAN: Final = cast("Callable[[str, int], tuple[Value, int]]", _DECODER.scan_once)
"""A value and the position behind it, or StopIteration."""
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_HEAD: Final = re.compile(r'\{"name": "([^"\\\x00-\x1f]*)", "instance_id": (\d{1,10}), (?="vmsd_name")')
_SAME: Final = 64
_MOST: Final = 8


class Devices:
    """The elements of `devices` in a description, one after the other.

    Whoever goes through them says with `remember` what was made of the last one; `known` is that of an equal one before
    it, else None, and `device` is parsed only then.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.other: Value = None
        """What the description is, if it is no object; else what `devices` is, if it is no list."""
        self.is_object = True
        self._rests: dict[str, list[tuple[str, object]]] = {}
        self._rest: tuple[int, int] | None = None

    def __iter__(self) -> Iterator[tuple[Value, str, int, object]]:
        """(device, name, instance, what was remembered of an equal one): the device, or else the other three.

        Raises ValueError, StopIteration turned into it, or RecursionError if the text is no JSON.
        """
        text = self.text
        at = self._space(0)
        if text[at : at + 1] != "{":
            self.is_object = False
            self.other, at = self._scan(at)
            self._end(at)
            return
        found = False
        at = self._space(at + 1)
        if text[at : at + 1] == "}":
            self._end(at + 1)
            return
        while True:
            if text[at : at + 1] != '"':
                raise JSONDecodeError("Expecting a key", text, at)
            key, at = self._scan(at)
            at = self._space(self._expect(self._space(at), ":"))
            if key == "devices" and not found and text[at : at + 1] == "[":
                for one, behind in self._elements(at + 1):
                    at = behind
                    if one is not None:
                        yield one
                self.other = []
            else:
                value, at = self._scan(at)
                if key == "devices" and not found:
                    self.other = value
            found = found or key == "devices"
            at = self._space(at)
            if text[at : at + 1] == "}":
                self._end(at + 1)
                return
            at = self._space(self._expect(at, ","))

    def remember(self, made: object) -> None:
        """What was made of the device that was given last."""
        if self._rest is not None:
            start, end = self._rest
            same = self._rests.setdefault(self.text[start : start + _SAME], [])
            if len(same) < _MOST:
                same.append((self.text[start:end], made))

    def _elements(self, at: int) -> Iterator[tuple[tuple[Value, str, int, object] | None, int]]:
        """The devices from `at`, each with the position behind it; last None and the position behind the list."""
        text = self.text
        at = self._space(at)
        if text[at : at + 1] == "]":
            yield None, at + 1
            return
        while True:
            self._rest = None
            head = _HEAD.match(text, at)
            end = -1
            if head is not None:
                start = head.end()
                for rest, made in self._rests.get(text[start : start + _SAME], ()):
                    if text.startswith(rest, start):
                        end = start + len(rest)
                        yield (None, head[1], int(head[2]), made), end
                        break
            if end < 0:
                value, end = self._scan(at)
                if head is not None:
                    self._rest = head.end(), end
                yield (value, "", 0, None), end
            at = self._space(end)
            if text[at : at + 1] == "]":
                yield None, at + 1
                return
            at = self._space(self._expect(at, ","))

    def _scan(self, at: int) -> tuple[Value, int]:
        try:
            return _SCAN(self.text, at)
        except StopIteration:
            raise JSONDecodeError("Expecting a value", self.text, at) from None

    def _space(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return at if found is None else found.end()

    def _expect(self, at: int, what: str) -> int:
        if self.text[at : at + 1] != what:
            raise JSONDecodeError(f"Expecting {what!r}", self.text, at)
        return at + 1

    def _end(self, at: int) -> None:
        if self._space(at) != len(self.text):
            raise JSONDecodeError("Extra data", self.text, self._space(at))
