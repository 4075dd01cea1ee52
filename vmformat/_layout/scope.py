"""Errors that find their path on the way up, and where names are looked up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from vmformat.errors import Fault
from vmformat.node import join

if TYPE_CHECKING:
    from vmformat.schema import Count

SHORT = ("more bytes", "the end of the payload")
"""What was expected and found where the bytes end too early."""


class Cut(Exception):
    """A payload that cannot be read on at `position`. `part` is what was read of the piece that it fell in."""

    def __init__(self, position: int, path: str, expected: str, found: str, part: object = None) -> None:
        super().__init__(expected)
        self.position = position
        self.names = [path] if path else []
        self.expected = expected
        self.found = found
        self.part = part

    def inside(self, name: str) -> Cut:
        """The same, seen from around the field called `name`."""
        self.names.append(name)
        return self

    def fault(self, base: int) -> Fault:
        """The fault; offsets count from `base`."""
        return Fault(base + self.position, joined(self.names), self.expected, self.found)


class Misfit(Exception):
    """A value that cannot be written."""

    def __init__(self, found: str, path: str = "") -> None:
        super().__init__(found)
        self.found = found
        self.names = [path] if path else []


def joined(names: list[str]) -> str:
    """The path of names collected from the innermost outwards."""
    path = ""
    for name in reversed(names):
        path = join(path, name)
    return path


class Source:
    """Bytes being read: up to `limit`, and what to add to a position to have the offset of a node."""

    __slots__ = ("base", "data", "limit")

    def __init__(self, data: bytes, limit: int, base: int) -> None:
        self.data = data
        self.limit = limit
        self.base = base


class Names(Protocol):
    """Where counts and conditions find the fields they name."""

    def number(self, name: str) -> int | None:
        """The integer field that `name` means here (rules: `schema`)."""


class Given:
    """Names in values to be written: those of one vmsd, and of the vmsd around it."""

    __slots__ = ("more", "outer", "values")

    def __init__(self, values: Mapping[str, object], outer: Given | None, more: int | None = None) -> None:
        self.values = values
        self.outer = outer
        self.more = more

    def number(self, name: str) -> int | None:
        scope: Given | None = self
        while scope is not None:
            value = _reach(scope.values, name)
            if value is not None:
                return value
            if name == "@more" and scope.more is not None:
                return scope.more
            scope = scope.outer
        return None


def _reach(values: Mapping[str, object], name: str) -> int | None:
    value = values.get(name)
    if isinstance(value, int):
        return value
    at = name.find(".")
    while at >= 0:
        inner = values.get(name[:at])
        if isinstance(inner, Mapping) and (reached := _reach(inner, name[at + 1 :])) is not None:
            return reached
        at = name.find(".", at + 1)
    return None


def times(count: Count, names: Names) -> int | None:
    """How many elements there are; None if the field that says so is not there."""
    number = names.number(count.field)
    return None if number is None else count.elements(number, loading=False) or 0
