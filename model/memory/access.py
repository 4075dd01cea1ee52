"""Reading guest memory through a flat view (memory.md 6, 8).

Every operation here that starts from an address space asks `Memory.getter` for its view exactly once and uses that view
to the end. That is QEMU's rule (one capture per operation) and the place where a design or an oracle stands.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.memory.pieces import map_length, section_end
from model.memory.region import RAM_KINDS, Kind
from model.memory.use import Use
from model.memory.view import READONLY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.memory.memory import Memory
    from model.memory.ram import Ram
    from model.memory.region import Region
    from model.memory.space import AddressSpace
    from model.memory.view import FlatRange, FlatView

_PAGE = 0x1000
_WORD = 4
BOUNCE_SIZE = _PAGE
"""What a map of something that is not RAM returns at most."""


@dataclass(frozen=True, slots=True)
class Translation:
    """Where an access starts: leaf region (None: unassigned), offset in it, and the length of this piece.

    `readonly` is the inherited flag. QEMU's translation does not return it and DMA does not heed it (1.1).
    """

    region: Region | None
    xlat: int
    length: int
    readonly: bool


@dataclass(frozen=True, slots=True)
class Mapping:
    """What `address_space_map` returned: as in Translation, and whether it points into RAM or at a bounce buffer."""

    region: Region | None
    xlat: int
    length: int
    direct: bool


def translate(view: FlatView, addr: int, length: int, write: bool) -> Translation:  # noqa: ARG001
    """Resolve one address (0..2**64-1). An unassigned one keeps its full length and has `xlat` = address.

    Only in RAM is the length cut at the end of the dispatch section. An IOMMU region is a leaf here.
    """
    index = view.find(addr)
    if index < 0:
        return Translation(None, addr, length, readonly=False)
    region, base, flags = view.infos[index]
    if region.kind in RAM_KINDS:
        length = min(length, section_end(view, index, addr) - addr)
    return Translation(region, addr - base, length, readonly=bool(flags & READONLY))


def read_view(memory: Memory, view: FlatView, addr: int, length: int, ram: Ram | None = None) -> bytes:
    """Read bytes through one view: RAM contents, zeros where nothing is assigned, `Memory.mmio` behind handlers."""
    return _read(memory, view, addr, length, ram or memory.ram)[0]


def _read(memory: Memory, view: FlatView, addr: int, length: int, ram: Ram) -> tuple[bytes, bool]:
    """The bytes, and whether something is mapped at each of them."""
    out: list[bytes] = []
    end = addr + length
    index = max(bisect_right(view.starts, addr) - 1, 0)
    starts, ends = view.starts, view.ends
    answered = True
    while addr < end:
        while index < len(starts) and ends[index] <= addr:
            index += 1
        if index >= len(starts) or starts[index] >= end:
            out.append(bytes(end - addr))
            answered = False
            break
        if addr < starts[index]:
            out.append(bytes(starts[index] - addr))
            addr = starts[index]
            answered = False
        region, base, _ = view.infos[index]
        n = min(end, ends[index]) - addr
        if region.kind is Kind.IOMMU:
            piece, ok = _read_remapped(memory, region, addr - base, n, ram)
            answered = answered and ok
        else:
            piece = region_bytes(memory, region, addr - base, n, ram)
        out.append(piece)
        addr += n
    return b"".join(out), answered


def _read_remapped(memory: Memory, region: Region, offset: int, length: int, ram: Ram) -> tuple[bytes, bool]:
    """As `_read`, behind an IOMMU; zeros where it blocks."""
    pieces = [
        (bytes(n), False) if view is None else _read(memory, view, addr, n, ram)
        for view, addr, n in remapped(memory, region, offset, length, write=False)
    ]
    return b"".join(data for data, _ in pieces), all(answered for _, answered in pieces)


def remapped(
    memory: Memory, region: Region, offset: int, length: int, *, write: bool
) -> Iterator[tuple[FlatView | None, int, int]]:
    """Where an IOMMU sends an access, page by page: (view, address in it, bytes); no view where it blocks.

    Each page is a use of the view that the IOMMU sends it to. What is blocked is tried again every four aligned bytes,
    the widest access that unassigned memory takes.
    """
    end = offset + length
    while offset < end:
        found = memory.remap(region, offset, write)
        if found is None:
            n = min(1 << (end - offset).bit_length() - 1, offset & -offset or _WORD, _WORD)
            yield None, offset, n
        else:
            n = min(end - offset, found.length)
            use = Use("address_space_translate_iommu", found.addr, n, write, getter="dispatch")
            yield memory.getter(found.space, use), found.addr, n
        offset += n


def region_bytes(memory: Memory, region: Region | None, offset: int, length: int, ram: Ram) -> bytes:
    """Bytes of one region from an offset on."""
    if region is None:
        return bytes(length)
    if region.kind is Kind.IOMMU:
        return _read_remapped(memory, region, offset, length, ram)[0]
    return (
        ram.read(region.block, offset, length) if region.is_direct(write=False) else memory.mmio(region, offset, length)
    )


def read(memory: Memory, space: AddressSpace, addr: int, length: int, reader: str, ram: Ram | None = None) -> bytes:
    """`address_space_read`: bytes at a guest address through the view that the getter gives this reader."""
    return read_view(memory, memory.getter(space, Use(reader, addr, length)), addr, length, ram)


def try_read(memory: Memory, space: AddressSpace, addr: int, length: int, reader: str) -> tuple[bytes, bool]:
    """As `read`, and whether something is mapped at every byte."""
    view = memory.getter(space, Use(reader, addr, length))
    return _read(memory, view, addr, length, memory.ram)


def write(memory: Memory, space: AddressSpace, addr: int, data: bytes, reader: str, ram: Ram | None = None) -> None:
    """`address_space_write`: direct memory takes the bytes, even through a read-only alias (1.1); the rest drops."""
    view = memory.getter(space, Use(reader, addr, len(data), write=True))
    write_view(memory, view, addr, data, ram or memory.ram)


def write_view(memory: Memory, view: FlatView, addr: int, data: bytes, ram: Ram) -> None:
    """Write bytes through one view."""
    done = 0
    while done < len(data):
        index = view.find(addr + done)
        if index < 0:
            after = bisect_right(view.starts, addr + done)
            done = view.starts[after] - addr if after < len(view) else len(data)
            continue
        region, base, _ = view.infos[index]
        n = min(view.ends[index] - addr, len(data)) - done
        piece = data[done : done + n]
        if region.is_direct(write=True):
            ram.write(region.block, addr + done - base, piece)
        elif region.kind is Kind.IOMMU:
            for other, there, count in remapped(memory, region, addr + done - base, n, write=True):
                if other is not None:
                    write_view(memory, other, there, piece[:count], ram)
                piece = piece[count:]
        else:
            memory.store(region, addr + done - base, piece)
        done += n


def address_space_map(memory: Memory, space: AddressSpace, addr: int, length: int, write: bool, reader: str) -> Mapping:
    """`address_space_map`: as far as one piece of RAM goes, or a bounce buffer of at most a page.

    A bounce buffer for a ROM that is written to ends with the ROM's section, one for registers does not.

    Model: the one bounce buffer of the program is always free. A second map of something that is not RAM returns
    nothing in QEMU while the first is held.
    """
    view = memory.getter(space, Use(reader, addr, length, write=write, maps=True))
    region, xlat, mapped = map_length(view, addr, length, write)
    if region is not None and region.kind is Kind.IOMMU:
        region, xlat, mapped = _map_remapped(memory, region, xlat, length, write)
    elif region is None or not region.is_direct(write):
        mapped = translate(view, addr, length, write).length
    if region is not None and region.is_direct(write):
        return Mapping(region, xlat, mapped, direct=True)
    return Mapping(region, xlat, min(mapped, BOUNCE_SIZE), direct=False)


def _map_remapped(
    memory: Memory, region: Region, offset: int, length: int, write: bool
) -> tuple[Region | None, int, int]:
    """As `map_length`, behind an IOMMU: as far as its pages lead to one piece of RAM."""
    first: Region | None = None
    start = done = 0
    for view, addr, count in remapped(memory, region, offset, length, write=write):
        if view is None:
            return (first, start, done) if done else (None, offset, length)
        found, xlat, n = map_length(view, addr, count, write)
        if done == 0:
            first, start = found, xlat
            if found is None or not found.is_direct(write):
                return found, xlat, translate(view, addr, count, write).length
        elif found is not first or xlat != start + done:
            break
        done += n
        if n < count or first is None or not first.is_direct(write):
            break
    return first, start, done


def memory_region_find(memory: Memory, region: Region, offset: int, length: int, reader: str) -> FlatRange | None:
    """The lowest range that shows any of a region's bytes, clipped to them; None if no space has its top as root (6).

    A region seen only through aliases is not found.
    """
    while region.container is not None:
        offset += region.addr
        region = region.container
    offset += region.addr
    space = next((space for space in memory.spaces if space.root is region), None)
    if space is None:
        return None
    view = memory.getter(space, Use(reader, offset, length))
    index = bisect_right(view.ends, offset)
    if index >= len(view) or view.starts[index] >= offset + length:
        return None
    return view.clipped(index, offset, offset + length)


def difference(old: FlatView, new: FlatView, use: Use) -> str | None:
    """How what the old view gives a use differs from what the new one gives; None if it does not.

    The most specific kind that holds anywhere in the covered bytes, in this order: `region`, `offset`, `readonly`;
    then, for uses that map, `length`.
    """
    found = explain(old, new, use)
    return found[0] if found is not None else None


def explain(old: FlatView, new: FlatView, use: Use) -> tuple[str, str] | None:
    """As `difference`, with a text that says where and what, such as `0xc0000: pc.rom instead of pc.ram`."""
    best: tuple[int, str, str] | None = None
    if old.starts is not new.starts or old.infos is not new.infos:
        addr, end = use.addr, use.addr + use.length
        while addr < end:
            was, was_base, was_flags, was_end = _at(old, addr, end)
            now, now_base, now_flags, now_end = _at(new, addr, end)
            if was is not now:
                text = f"{addr:#x}: {was.name if was else 'nothing'} instead of {now.name if now else 'nothing'}"
                return "region", text
            if was_base != now_base and (best is None or best[0] > 1):
                text = f"{addr:#x}: {was.name if was else ''}+{addr - was_base:#x} instead of +{addr - now_base:#x}"
                best = (1, "offset", text)
            elif (was_flags ^ now_flags) & READONLY and best is None:
                words = ("writable", "read-only") if now_flags & READONLY else ("read-only", "writable")
                best = (2, "readonly", f"{addr:#x}: {was.name if was else ''} {words[0]} instead of {words[1]}")
            addr = min(was_end, now_end)
        if best is None and use.maps:
            was_length = map_length(old, use.addr, use.length, use.write)[2]
            now_length = map_length(new, use.addr, use.length, use.write)[2]
            if was_length != now_length:
                return "length", f"{use.addr:#x}: {was_length:#x} bytes instead of {now_length:#x}"
    return best[1:] if best is not None else None


def _at(view: FlatView, addr: int, end: int) -> tuple[Region | None, int, int, int]:
    """(region, base, flags, end of this piece) at an address, the piece clipped to `end`."""
    index = bisect_right(view.starts, addr) - 1
    if index >= 0 and addr < view.ends[index]:
        region, base, flags = view.infos[index]
        return region, base, flags, min(end, view.ends[index])
    index += 1
    return None, 0, 0, min(end, view.starts[index]) if index < len(view.starts) else end
