"""Arrays of pointers to structs, some of which are null: one byte where there is none (facts: stream.md 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmformat._layout.fixed import NULL
from vmformat._layout.lists import Array, Elements
from vmformat._layout.scope import SHORT, Cut, Misfit
from vmformat.node import Node, join

if TYPE_CHECKING:
    from vmformat._layout.layout import Record
    from vmformat._layout.scope import Given, Source
    from vmformat.errors import Fault
    from vmformat.node import Values


class _Targets(Elements):
    """Elements of which some are null."""

    __slots__ = ()

    def _null(self, index: int) -> bool:
        return self.owner.source.data[self.starts[index]] == NULL

    def at(self, offset: int, index: int) -> Node | None:
        if 0 <= index < len(self.starts) and self._null(index):
            return Node(f"[{index}]", "nullptr", self.owner.source.base + self.starts[index], 1, NULL)
        return super().at(offset, index)

    def values(self) -> list[Values]:
        return [NULL if self._null(i) else self.record(i).values() for i in range(len(self.starts))]

    def check(self, path: str, faults: list[Fault]) -> None:
        """Add what QEMU would refuse."""
        for i in range(len(self.starts)):
            if not self._null(i):
                self.record(i).check(f"{path}[{i}]", faults)


class Pointers(Array):
    """An array whose elements are each a nested vmsd, or the mark of a null pointer. No struct may begin with it."""

    __slots__ = ()

    def read(self, record: Record, source: Source, position: int) -> tuple[Any, int]:
        count = self.count if isinstance(self.count, int) else 1
        found = _Targets(self, record, position)
        for i in range(count):
            found.end = position
            if position >= source.limit and self.layout.fixed != 0:
                cut = Cut(position, f"[{i}]", *SHORT, found if found.starts else None)
                raise cut.inside(self.name)
            found.starts.append(position)
            if position < source.limit and source.data[position] == NULL:
                position += 1
                continue
            try:
                end = self.layout.read(source, position, record).end
            except Cut as cut:
                found.end = cut.position
                cut.part = found
                cut.names.append(f"[{i}]")
                raise cut.inside(self.name) from None
            if end == position:
                break
            position = end
        found.end = position
        return found, position

    def put(self, value: Any, scope: Given, out: list[bytes]) -> None:
        count = self.count if isinstance(self.count, int) else 1
        if not isinstance(value, list | tuple) or len(value) != count:
            raise Misfit(f"not {count} elements")
        for i, element in enumerate(value):
            try:
                if element == NULL:
                    out.append(bytes((NULL,)))
                else:
                    self.layout.write(element, scope, out)
            except Misfit as misfit:
                misfit.names.append(f"[{i}]")
                raise

    def check(self, record: Record, part: Any, path: str, faults: list[Fault]) -> None:
        part.check(join(path, self.name), faults)

    def blank(self, values: dict[str, Values], scope: Given) -> None:
        values[self.name] = [self.layout.blank(scope)] * (self.count if isinstance(self.count, int) else 1)
