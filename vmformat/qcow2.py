"""Snapshots in qcow2 images: which there are, and the VM state that savevm put into one, as a source of bytes.

After the format's public specification. An image maps guest clusters to places in its file by two levels of tables; a
snapshot has a first level of its own, and the clusters behind the end of the disk in it are the VM state: the stream.
They may lie anywhere in the file, and only those somebody asks for are read.

Nothing in an image is believed: tables and clusters outside the file are a StreamError, so are features that are not
known here. A backing file is not opened, because it never holds VM state.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vmformat.errors import StreamError
from vmformat.source import Indexed

if TYPE_CHECKING:
    from vmformat.source import Slices, Source

MAGIC: Final = b"QFI\xfb"

_V2_HEADER: Final = 72
_V3_HEADER: Final = 104
_DIRTY, _CORRUPT, _EXTERNAL, _COMPRESSION, _EXTENDED = (1 << bit for bit in range(5))
_CLUSTER_BITS: Final = range(9, 22)
_OFFSET: Final = 0x00FF_FFFF_FFFF_FE00
_COMPRESSED: Final = 1 << 62
_ZERO: Final = 1
_SUBCLUSTERS: Final = 32
_ENTRY: Final = 40
_MOST_RATIO: Final = 64
"""How many times larger than the image its VM state may claim to be: clusters may be compressed, or zeros."""

_KEPT: Final = 1 << 22
"""Bytes of clusters that are kept, but never less than two clusters."""

_CHUNK: Final = 1 << 20
_MOST_SNAPSHOTS: Final = 65536
"""What the program itself takes."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An internal snapshot.

    - `id`, `name`: what qemu-img lists as ID and TAG. `seconds`, `nanoseconds`: when it was made, since 1970.
    - `clock`: the guest's clock, nanoseconds. `size`: bytes of VM state, 0 for a snapshot of the disk alone.
    - `disk_size`: bytes of the virtual disk then.
    - `l1_offset`, `l1_entries`: its table in the file.
    """

    id: str
    name: str
    seconds: int
    nanoseconds: int
    clock: int
    size: int
    disk_size: int
    l1_offset: int
    l1_entries: int


@dataclass(frozen=True, slots=True)
class Image:
    """What the header says. `size`: bytes of the virtual disk now; `extended`: 16 bytes a second-level entry, not 8."""

    version: int
    cluster_bits: int
    size: int
    snapshots: int
    snapshots_offset: int
    extended: bool
    zstd: bool


def is_qcow2(data: Slices) -> bool:
    """Whether an image begins here."""
    return bytes(data[:4]) == MAGIC


def read_header(data: Slices) -> Image:
    """The header. Raises StreamError for what is no qcow2 image, or one that uses what is not known here."""
    head = bytes(data[:_V3_HEADER])
    if head[:4] != MAGIC:
        raise StreamError(0, "qcow2.magic", MAGIC.hex(" "), head[:4].hex(" ") or "the end of the file")
    version = _u32(head, 4)
    if version not in {2, 3}:
        raise StreamError(4, "qcow2.version", "2 or 3", str(version))
    if len(head) < (_V2_HEADER if version == 2 else _V3_HEADER):
        raise StreamError(len(head), "qcow2.header", "more bytes", "the end of the file")
    bits = _u32(head, 20)
    if bits not in _CLUSTER_BITS:
        raise StreamError(20, "qcow2.cluster_bits", "9 to 21", str(bits))
    crypt = _u32(head, 32)
    if crypt:
        raise StreamError(32, "qcow2.crypt_method", "an image that is not encrypted", f"method {crypt}")
    features = _u64(head, 72) if version == 3 else 0
    if features & _EXTERNAL:
        raise StreamError(72, "qcow2.incompatible_features", "an image in one file", "an external data file")
    unknown = features & ~(_DIRTY | _CORRUPT | _EXTERNAL | _COMPRESSION | _EXTENDED)
    if unknown:
        raise StreamError(72, "qcow2.incompatible_features", "features known here", f"bits {unknown:#x}")
    extended = bool(features & _EXTENDED)
    if extended and bits < 14:
        raise StreamError(20, "qcow2.cluster_bits", "14 or more with extended tables", str(bits))
    kind = data[_V3_HEADER : _V3_HEADER + 1]
    zstd = bool(features & _COMPRESSION and kind and kind[0] == 1)
    return Image(version, bits, _u64(head, 24), _u32(head, 60), _u64(head, 64), extended, zstd)


def snapshots(data: Slices) -> tuple[Snapshot, ...]:
    """The snapshots of an image, in the order of its table. Raises StreamError."""
    image = read_header(data)
    if image.snapshots > _MOST_SNAPSHOTS:
        raise StreamError(60, "qcow2.nb_snapshots", f"at most {_MOST_SNAPSHOTS}", str(image.snapshots))
    found = []
    at = image.snapshots_offset
    for i in range(image.snapshots):
        head = bytes(data[at : at + _ENTRY])
        if len(head) < _ENTRY:
            raise StreamError(at, f"qcow2.snapshots[{i}]", "a snapshot's entry", "the end of the file")
        id_size, name_size, extra_size = _u16(head, 12), _u16(head, 14), _u32(head, 36)
        names_at = at + _ENTRY + extra_size
        end = names_at + id_size + name_size
        if end > len(data):
            raise StreamError(at, f"qcow2.snapshots[{i}]", "an entry within the file", f"{end - at} bytes")
        extra = bytes(data[at + _ENTRY : at + _ENTRY + min(extra_size, 16)])
        names = bytes(data[names_at:end])
        found.append(
            Snapshot(
                _text(names[:id_size]),
                _text(names[id_size:]),
                seconds=_u32(head, 16),
                nanoseconds=_u32(head, 20),
                clock=_u64(head, 24),
                size=_u64(extra, 0) if extra_size >= 8 else _u32(head, 32),
                disk_size=_u64(extra, 8) if extra_size >= 16 else image.size,
                l1_offset=_u64(head, 0),
                l1_entries=_u32(head, 8),
            )
        )
        at = end + -(end - image.snapshots_offset) % 8
    return tuple(found)


def find_snapshot(data: Slices, name: str | None = None) -> Snapshot:
    """The snapshot of that name, else of that id; without a name the only one that has VM state.

    Raises StreamError, with the names there are, if there is none such.
    """
    found = snapshots(data)
    if name is None:
        usable = [one for one in found if one.size]
    else:
        usable = [one for one in found if one.name == name] or [one for one in found if one.id == name]
    if len(usable) == 1 or (usable and name is not None):
        return usable[0]
    listed = ", ".join(repr(one.name) for one in (usable or found)) or "none"
    wanted = "one snapshot with VM state" if name is None else f"a snapshot {name!r}"
    raise StreamError(0, "qcow2.snapshots", wanted, listed)


def vm_state(data: Slices, snapshot: str | None = None) -> Source:
    """The VM state in a snapshot (by name or id; None: the only one), each byte read when asked for.

    Raises StreamError if there is no such snapshot or it has no VM state; reading raises it where tables or clusters
    are not in the file, or are compressed in a way that is not known here.
    """
    chosen = find_snapshot(data, snapshot)
    if not chosen.size:
        raise StreamError(0, f"qcow2.snapshot {chosen.name}", "VM state", "a snapshot of the disk alone")
    if chosen.size > _MOST_RATIO * len(data):
        found = f"{chosen.size} bytes in a file of {len(data)}"
        raise StreamError(0, f"qcow2.snapshot {chosen.name}", "VM state that the file has room for", found)
    return Indexed(_VmState(data, read_header(data), chosen))


class _VmState:
    """The guest clusters behind the disk, as `Slices`."""

    def __init__(self, data: Slices, image: Image, snapshot: Snapshot) -> None:
        self._data = data
        self._image = image
        self._snapshot = snapshot
        self._bits = image.cluster_bits
        self._entry = 16 if image.extended else 8
        self._per_table = (1 << self._bits) // self._entry
        span = self._per_table << self._bits
        self._first = -(-snapshot.disk_size // span) * self._per_table  # the guest cluster where it begins
        self._clusters: OrderedDict[int, bytes] = OrderedDict()
        self._table: tuple[int, bytes] = (-1, b"")

    def __len__(self) -> int:
        return self._snapshot.size

    def __getitem__(self, key: slice, /) -> bytes:
        start, stop, step = key.indices(len(self))
        if step != 1:
            return b"".join(self[i : i + 1] for i in range(start, stop, step))
        pieces = []
        while start < stop:
            index, begin = start >> self._bits, start & ((1 << self._bits) - 1)
            end = min(begin + stop - start, 1 << self._bits)
            pieces.append(self._cluster(index)[begin:end])
            start += end - begin
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def find(self, sub: bytes, start: int = 0, end: int | None = None, /) -> int:
        """As `bytes.find`."""
        start, end, _ = slice(start, end).indices(len(self))
        for at in range(start, max(end - len(sub), start) + 1, _CHUNK):
            found = self[at : min(at + _CHUNK + len(sub) - 1, end)].find(sub)
            if found >= 0:
                return at + found
        return -1

    def rfind(self, sub: bytes, start: int = 0, end: int | None = None, /) -> int:
        """As `bytes.rfind`."""
        start, end, _ = slice(start, end).indices(len(self))
        while end - start >= len(sub):
            at = max(start, end - _CHUNK - len(sub))
            found = self[at:end].rfind(sub)
            if found >= 0:
                return at + found
            if at == start:
                break
            end = at + len(sub) - 1
        return -1

    def _cluster(self, index: int) -> bytes:
        """Cluster number `index` of the VM state. The last few are kept."""
        known = self._clusters.get(index)
        if known is None:
            known = self._clusters[index] = self._read(self._first + index)
            if len(self._clusters) > max(_KEPT >> self._bits, 2):
                self._clusters.popitem(last=False)
        return known

    def _read(self, guest: int) -> bytes:
        size = 1 << self._bits
        place, entry, bitmap = self._mapped(guest)
        if entry & _COMPRESSED:
            return self._inflate(place, entry)
        host = entry & _OFFSET
        zero = not host or (self._image.version == 3 and not self._image.extended and entry & _ZERO)
        if self._image.extended:
            zero = not bitmap & 0xFFFF_FFFF
        if zero:
            return bytes(size)
        if host & (size - 1) or host >= len(self._data):
            raise StreamError(place, "qcow2.l2", "a cluster in the file", f"{host:#x}")
        cluster = bytes(self._data[host : host + size]).ljust(size, b"\0")
        return self._with_holes(cluster, bitmap) if self._image.extended else cluster

    def _with_holes(self, cluster: bytes, bitmap: int) -> bytes:
        """The cluster with zeros for those of its 32 parts that are not allocated, or are said to be zero."""
        part = len(cluster) // _SUBCLUSTERS
        return b"".join(
            cluster[i * part : (i + 1) * part] if bitmap >> i & 1 and not bitmap >> 32 + i & 1 else bytes(part)
            for i in range(_SUBCLUSTERS)
        )

    def _mapped(self, guest: int) -> tuple[int, int, int]:
        """Where the second-level entry of a guest cluster stands, the entry, and its bitmap (0 if it has none)."""
        number, index = divmod(guest, self._per_table)
        if number >= self._snapshot.l1_entries:
            return 0, 0, 0
        if self._table[0] != number:
            self._table = number, self._second_level(number)
        table = self._table[1]
        if not table:
            return 0, 0, 0
        at = index * self._entry
        return at, _u64(table, at), _u64(table, at + 8) if self._image.extended else 0

    def _second_level(self, number: int) -> bytes:
        """A second-level table, empty if there is none."""
        place = self._snapshot.l1_offset + 8 * number
        entry = bytes(self._data[place : place + 8])
        if len(entry) < 8:
            raise StreamError(place, "qcow2.l1", "a table in the file", "the end of the file")
        at = _u64(entry, 0) & _OFFSET
        if not at:
            return b""
        size = 1 << self._bits
        if at & (size - 1) or at + size > len(self._data):
            raise StreamError(place, "qcow2.l1", "a table in the file", f"{at:#x}")
        return bytes(self._data[at : at + size])

    def _inflate(self, place: int, entry: int) -> bytes:
        if self._image.zstd:
            raise StreamError(place, "qcow2.l2", "clusters stored plainly or by zlib", "a cluster compressed by zstd")
        shift = 62 - (self._bits - 8)
        at = entry & (1 << shift) - 1
        sectors = (entry & _COMPRESSED - 1) >> shift
        packed = bytes(self._data[at : (at // 512 + sectors + 1) * 512])
        size = 1 << self._bits
        try:
            cluster = zlib.decompressobj(-12).decompress(packed, size)
        except zlib.error as error:
            raise StreamError(at, "qcow2.l2", "a compressed cluster", str(error)) from None
        if len(cluster) != size:
            raise StreamError(at, "qcow2.l2", f"a compressed cluster of {size} bytes", f"{len(cluster)} bytes")
        return cluster


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def _u64(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "big")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
