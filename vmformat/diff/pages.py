"""Guest memory of two streams: blocks, and what their pages hold in the end.

A page may be sent many times and in many ways; what counts is what it holds after the last. Of each page a digest is
kept, so that two guests of gigabytes can be compared; a page that was never sent holds what the destination put there.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from vmformat.diff.difference import Difference
from vmformat.errors import StreamError
from vmformat.ram.pages import ram_blocks, ram_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat.ram.pages import Block, Page
    from vmformat.section import Section
    from vmformat.stream import Stream

_ZERO: Final = 1
_MOST_KEPT: Final = 1 << 26
"""Bytes of pages that are kept because XBZRLE changes them later."""


class _Digests:
    """A number for each page of a block that was sent: in a row where pages stand close, else by themselves."""

    __slots__ = ("far", "near", "sent")

    def __init__(self) -> None:
        self.near = array("Q")
        self.far: dict[int, int] = {}
        self.sent = 0

    def set(self, page: int, digest: int) -> None:
        self.sent += 1
        near = self.near
        if page >= len(near):
            if page > 4 * self.sent + (1 << 16):
                self.far[page] = digest
                return
            near.frombytes(bytes(8 * (page + 1 - len(near))))
        near[page] = digest

    def get(self, page: int) -> int:
        return self.near[page] if page < len(self.near) and self.near[page] else self.far.get(page, 0)

    def pages(self) -> Iterator[int]:
        """Pages that were sent."""
        yield from (page for page, digest in enumerate(self.near) if digest)
        yield from sorted(page for page in self.far if page >= len(self.near) or not self.near[page])


@dataclass(slots=True)
class Memory:
    """What a stream says of guest memory; `damage` is where that ends too early."""

    blocks: dict[str, Block] = field(default_factory=dict)
    digests: dict[str, _Digests] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    damage: str = ""


def memory(stream: Stream) -> Memory:
    """Read all pages. Raises nothing: what cannot be read ends it."""
    found = Memory()
    try:
        found.blocks = {block.name: block for block in ram_blocks(stream)}
        changing: set[tuple[str | None, int]] = set()
        if any("XBZRLE" in block.pages for block in found.blocks.values()):
            changing = {(page.block, page.address) for page in ram_pages(stream) if page.kind == "XBZRLE"}
        kept: dict[tuple[str | None, int], bytes] = {}
        for page in ram_pages(stream):
            _add(found, page, kept, changing)
    except StreamError as error:
        found.damage = str(error)
    return found


def _add(
    found: Memory, page: Page, kept: dict[tuple[str | None, int], bytes], changing: set[tuple[str | None, int]]
) -> None:
    name = page.block or ""
    digests = found.digests.get(name)
    if digests is None:
        digests = found.digests[name] = _Digests()
        found.sizes[name] = page.page_size
    number = page.address // page.page_size
    key = page.block, page.address
    if page.kind == "ZERO" and key not in changing and page.stored == b"\0":
        digests.set(number, _ZERO)
        return
    try:
        content = page.content(kept.get(key))
    except StreamError:
        # It changes a page that nobody knows, or is none: two of them are the same if their bytes are.
        content = digests.get(number).to_bytes(8, "big") + page.stored
    if key in changing and len(kept) * page.page_size < _MOST_KEPT:
        kept[key] = content
    digests.set(number, _ZERO if not content.strip(b"\0") else _digest(content))


def _digest(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big") | 2


def compare_ram(one: Stream, other: Stream) -> Iterator[Difference]:
    """A difference for each block that is listed otherwise, and for each run of pages: its addresses in `path`.

    Both are streams of ram sections only.
    """
    if len(one.sections) == len(other.sections) and all(map(_same, one.sections, other.sections)):
        return
    a, b = memory(one), memory(other)
    for name in dict.fromkeys([*a.blocks, *b.blocks]):
        yield from _block(name, a.blocks.get(name), b.blocks.get(name))
    for name in dict.fromkeys([*a.digests, *b.digests]):
        size = a.sizes.get(name) or b.sizes.get(name) or 1
        yield from _pages(name, size, a.digests.get(name) or _Digests(), b.digests.get(name) or _Digests())


def _same(one: Section, other: Section) -> bool:
    """Whether two ram sections have the same bytes, looked at in pieces."""
    return len(one.buffer) == len(other.buffer) and all(
        a == b for a, b in zip(one.chunks(), other.chunks(), strict=False)
    )


def _block(name: str, a: Block | None, b: Block | None) -> Iterator[Difference]:
    if a is None or b is None:
        block = a or b
        length = block.length if block is not None else None
        text = "" if length is None else f"a block of {length:#x} bytes"
        yield Difference("ram", "dropped" if b is None else "added", "ram", name, text=text)
        return
    for what in ("length", "page_size", "address"):
        old, new = getattr(a, what), getattr(b, what)
        if old != new:
            yield Difference("ram", "changed", "ram", f"{name}.{what}", old, new, "uint64")


def _pages(name: str, size: int, a: _Digests, b: _Digests) -> Iterator[Difference]:
    run: tuple[str, int, int] | None = None
    for page, what in _differing(a, b):
        if run is not None and run[0] == what and run[2] + 1 == page:
            run = what, run[1], page
            continue
        if run is not None:
            yield _run(name, size, *run)
        run = what, page, page
    if run is not None:
        yield _run(name, size, *run)


def _run(name: str, size: int, what: str, first: int, last: int) -> Difference:
    where = f"{first * size:#x}" if first == last else f"{first * size:#x}..{last * size:#x}"
    count = last - first + 1
    text = f"{count} page{'s' if count > 1 else ''}"
    if what == "added":
        return Difference("ram", "added", "ram", f"{name}[{where}]", text=text)
    if what == "dropped":
        return Difference("ram", "dropped", "ram", f"{name}[{where}]", text=text)
    return Difference("ram", "changed", "ram", f"{name}[{where}]", text=text)


def _differing(a: _Digests, b: _Digests) -> Iterator[tuple[int, str]]:
    if a.near == b.near and a.far == b.far:
        return
    pages = {*a.pages(), *b.pages()} if a.far or b.far else range(max(len(a.near), len(b.near)))
    for page in sorted(pages):
        one, other = a.get(page), b.get(page)
        if one != other:
            yield page, "changed" if one and other else "dropped" if one else "added"
