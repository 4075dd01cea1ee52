"""Loads that QEMU refuses, many a second.

`-incoming` costs a process for each stream that is refused, because QEMU exits. Loading a snapshot runs the same loader
over the same bytes, but resets the machine first and merely reports an error: one process answers hundreds of
questions. So a stream is put where `savevm` would have put it, into a qcow2 image made here, and `snapshot-load` is
told to load it.
"""

from __future__ import annotations

import re
import struct
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from fuzz.capture.errors import CaptureError
from fuzz.qemu import Qemu, QemuError

if TYPE_CHECKING:
    from collections.abc import Sequence

_BITS: Final = 12
_CLUSTER: Final = 1 << _BITS
_COPIED: Final = 1 << 63
_NAME: Final = "vmfuzz"
_TABLES: Final = 7  # clusters in front of the state: header, refcounts (2), L1, snapshots, their L1, its L2
_LIMIT: Final = _CLUSTER // 8 * _CLUSTER
_PROGRAM: Final = re.compile(r"^\S*qemu\S*: ")


def snapshot_image(state: bytes) -> bytes:
    """A qcow2 image of one empty cluster with a snapshot that holds a VM state (at most 2 MiB)."""
    count = (len(state) + _CLUSTER - 1) // _CLUSTER
    if len(state) > _LIMIT - _TABLES * _CLUSTER:
        raise CaptureError(f"a section of {len(state)} bytes is too long to be probed")
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        *(
            b"QFI\xfb",
            3,
            0,
            0,
            _BITS,
            _CLUSTER,
            0,
        ),  # magic, version, no backing file (2), cluster bits, size, no encryption
        *(
            2,
            3 * _CLUSTER,
            1 * _CLUSTER,
            1,
            1,
            4 * _CLUSTER,
        ),  # L1: entries, place; refcounts: place, clusters; snapshots
        *(0, 0, 0, 4, 104),  # no features (3), 16-bit refcounts, length of this header
    )
    snapshot = struct.pack(">QIHHIIQII", 5 * _CLUSTER, 2, 1, len(_NAME), 0, 0, 0, 0, 24)
    snapshot += struct.pack(">QQQ", len(state), _CLUSTER, (1 << 64) - 1) + b"1" + _NAME.encode()
    tables = (
        header,
        struct.pack(">Q", 2 * _CLUSTER),
        struct.pack(f">{_TABLES + count}H", *[1] * (_TABLES + count)),
        bytes(16),
        snapshot,
        struct.pack(">QQ", 0, 6 * _CLUSTER | _COPIED),
        struct.pack(f">{count}Q", *((_TABLES + index) * _CLUSTER | _COPIED for index in range(count))),
    )
    return b"".join(table.ljust(_CLUSTER, b"\0") for table in tables) + state.ljust(count * _CLUSTER, b"\0")


class Prober:
    """A stopped machine into which streams are loaded, each after a reset. Use in a `with`."""

    def __init__(self, arguments: Sequence[str], *, binary: str) -> None:
        self._vm = Qemu(arguments, binary=binary)
        self._folder = tempfile.TemporaryDirectory(prefix="vmfuzz-probe-")
        self._image = Path(self._folder.name) / "state"

    def __enter__(self) -> Self:
        """Start the machine."""
        self._vm.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._vm.stop()
        self._folder.cleanup()

    def load(self, stream: bytes) -> tuple[str, ...]:
        """What QEMU says while loading `stream`; it sees zeros behind the last byte.

        Raises QemuError if the process ends, CaptureError if the image cannot be used.
        """
        self._image.write_bytes(snapshot_image(stream))
        before = self._vm.written()
        node = {"driver": "qcow2", "node-name": _NAME, "file": {"driver": "file", "filename": str(self._image)}}
        job = {"job-id": _NAME, "tag": _NAME, "vmstate": _NAME, "devices": [_NAME]}
        self._vm.qmp_all([("blockdev-add", node), ("snapshot-load", job)])
        end = time.monotonic() + 30
        while (state := self._vm.qmp("query-jobs")[0])["status"] != "concluded":
            if time.monotonic() > end:
                raise QemuError("snapshot-load: no end after 30 s")
        self._vm.qmp_all([("job-dismiss", {"id": _NAME}), ("blockdev-del", {"node-name": _NAME})])
        if "error" in state and "loading VM state" not in state["error"]:
            raise CaptureError(f"snapshot-load: {state['error']}")
        return tuple(_PROGRAM.sub("", line) for line in self._vm.output(before))


class Persistent:
    """A prober that is started again when a stream ends it. Use in a `with`."""

    def __init__(self, arguments: Sequence[str], *, binary: str) -> None:
        self._arguments, self._binary = arguments, binary
        self._prober: Prober | None = None

    def __enter__(self) -> Self:
        """Nothing is started before it is needed."""
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._prober is not None:
            self._prober.__exit__()
            self._prober = None

    def load(self, stream: bytes) -> tuple[str, ...] | None:
        """What QEMU says while loading `stream`, None if that ended it. Raises QemuError if it cannot be started."""
        if self._prober is None:
            self._prober = Prober(self._arguments, binary=self._binary).__enter__()
        try:
            return self._prober.load(stream)
        except QemuError:
            self._stop()
            return None
