"""Ports and memory of a stopped machine, read and written as a processor would.

QEMU's qtest channel takes a line for each access and answers with one. It works beside any accelerator, on a machine
that never ran, and reaches registers too, which the monitor's `xp` and `o` do not all do. Hundreds of accesses are
sent at once.
"""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from fuzz.capture.errors import CaptureError
from fuzz.qemu import Qemu

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECONDS: Final = 60.0
_BATCH: Final = 200
"""Lines under way at once: few enough for neither side's socket buffer to fill while the other waits."""


class Accessible:
    """A stopped QEMU with its qtest channel. Use in a `with`; `vm` is the process."""

    def __init__(self, arguments: Sequence[str], *, binary: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="vmfuzz-qtest-")
        path = Path(self._folder.name) / "socket"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._listener.settimeout(_SECONDS)
        self._connection: socket.socket | None = None
        self._rest = b""
        extra = ("-qtest", f"unix:{path}", "-qtest-log", "none")
        self.vm = Qemu(arguments, binary=binary, extra=extra)

    def __enter__(self) -> Self:
        """Start the machine. Raises QemuError if it does not start."""
        try:
            self.vm.__enter__()
            self._connection, _ = self._listener.accept()
            self._connection.settimeout(_SECONDS)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        self.vm.stop()
        if self._connection is not None:
            self._connection.close()
        self._listener.close()
        self._folder.cleanup()

    def ask(self, lines: Sequence[str]) -> list[int]:
        """Execute lines of the protocol (`inl 0xcfc`, `writel 0x1000 0x1`): the value of each, 0 where it has none.

        Raises CaptureError if the process ends or refuses a line.
        """
        values: list[int] = []
        for start in range(0, len(lines), _BATCH):
            batch = lines[start : start + _BATCH]
            answers = self._exchange("".join(f"{line}\n" for line in batch).encode(), len(batch))
            for line, answer in zip(batch, answers, strict=True):
                word, _, value = answer.partition(" ")
                if word != "OK":
                    raise CaptureError(f"qtest: {line}: {answer}")
                values.append(int(value, 0) if value else 0)
        return values

    def _exchange(self, text: bytes, count: int) -> list[str]:
        assert self._connection is not None
        answers: list[str] = []
        try:
            self._connection.sendall(text)
            while len(answers) < count:
                head, newline, rest = self._rest.partition(b"\n")
                if newline:
                    self._rest = rest
                    answers.append(head.decode(errors="replace").strip())
                    continue
                more = self._connection.recv(1 << 16)
                if not more:
                    raise CaptureError("qtest: QEMU ended while its registers were accessed")
                self._rest += more
        except OSError as error:
            raise CaptureError(f"qtest: {error}") from None
        return answers
