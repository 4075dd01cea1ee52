"""The black box: the input being executed, in a file that outlives its process.

A worker copies each input into a mapped file before it runs it: a copy of some kilobytes, no system call. However the
process ends (a signal, no memory left, `kill -9`), the file tells what it was doing. The room is taken when the file
is made, so that a disk that fills up later cannot make the mapping fault.

    offset  bytes
    0       8      VMFZBOX1
    8       8      number of the execution, little-endian as all of it
    16      8      length of the input
    24      1      1 while an execution is under way, else 0
    25      1      how often a process already died of this input
    32             the input
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

MAGIC: Final = b"VMFZBOX1"
_HEAD: Final = struct.Struct("<8sQQBB")
_START: Final = 32
_UNDER_WAY: Final = 24


@dataclass(frozen=True, slots=True)
class Last:
    """What a box says of its process's last moments."""

    data: bytes
    execution: int
    """Number of the execution, counted by that process."""
    deaths: int
    """Processes that died of it before."""


class BlackBox:
    """The box of a process that runs. `size`: room for the longest input, bytes.

    `last`: what an earlier process left in it, which stays until this one begins something: the box is made beside its
    place. Raises OSError when there is no room for the file.
    """

    def __init__(self, path: Path, size: int, last: Last | None = None) -> None:
        self._room = size
        made = path.with_name(f".{path.name}.new")
        handle = os.open(made, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            os.posix_fallocate(handle, 0, _START + size)
            self._map = mmap.mmap(handle, _START + size)
        finally:
            os.close(handle)
        self._map[: _HEAD.size] = _HEAD.pack(MAGIC, 0, 0, 0, 0)
        if last is not None:
            self.begin(last.data, last.execution, last.deaths)
        made.replace(path)

    def begin(self, data: bytes, execution: int, deaths: int = 0) -> None:
        """An execution of `data` begins; `deaths`: processes that died of it before. Too long an input is cut off."""
        box = self._map
        box[_UNDER_WAY] = 0
        data = data[: self._room]
        box[_START : _START + len(data)] = data
        box[: _HEAD.size] = _HEAD.pack(MAGIC, execution, len(data), 1, deaths)

    def end(self) -> None:
        """It has ended."""
        self._map[_UNDER_WAY] = 0

    def close(self) -> None:
        """Let go of the file, which stays."""
        self._map.close()


def read_box(path: Path) -> Last | None:
    """What was under way when the process ended; None when nothing was, or there is no whole box."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if len(data) < _START:
        return None
    magic, execution, length, under_way, deaths = _HEAD.unpack_from(data)
    if magic != MAGIC or under_way != 1 or length > len(data) - _START:
        return None
    return Last(data[_START : _START + length], execution, deaths)


def progress(path: Path) -> tuple[int, bool] | None:
    """How far a running process is: number of its execution, and whether it is under way. None where no box is."""
    try:
        with path.open("rb", buffering=0) as file:
            head = file.read(_HEAD.size)
    except OSError:
        return None
    if len(head) < _HEAD.size:
        return None
    magic, execution, _, under_way, _ = _HEAD.unpack(head)
    return (execution, under_way == 1) if magic == MAGIC else None


def forget(path: Path) -> None:
    """What was under way is dealt with. Raises OSError."""
    with path.open("r+b", buffering=0) as file:
        file.seek(_UNDER_WAY)
        file.write(b"\0")
