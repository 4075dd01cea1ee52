"""Streams that the installed program writes in unusual ways, and what it sends beside them."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import pytest

from fuzz.qemu import Qemu, QemuError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fuzz.capture.qtest import Accessible

MACHINE = ["-machine", "pc", "-m", "8M", "-nodefaults"]
SECONDS = 60.0


def switch_on(qemu: Qemu, *capabilities: str) -> None:
    """Capabilities. The test is skipped where the host cannot have them."""
    states = [{"capability": name, "state": True} for name in capabilities]
    try:
        qemu.qmp("migrate-set-capabilities", {"capabilities": states})
    except QemuError as error:
        pytest.skip(str(error))


def start(qemu: Qemu, path: Path, **how: object) -> None:
    """Begin to migrate into a file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    qemu.pass_file("out", descriptor)
    os.close(descriptor)
    qemu.qmp("migrate", {"uri": "fd:out", **how})


def finish(qemu: Qemu, until: Callable[[dict[str, Any]], bool] | None = None) -> dict[str, Any]:
    """Wait for the migration's end, or until something is so."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        state: dict[str, Any] = qemu.qmp("query-migrate")
        if state.get("status") in {"completed", "failed"} or (until is not None and until(state)):
            assert state["status"] != "failed", state
            return state
        time.sleep(0.005)
    pytest.fail("the migration does not end")


def memory(qemu: Qemu, folder: Path, size: int = 8 << 20) -> bytes:
    """The guest's RAM from 0 on, as it stands now."""
    path = folder / "memory"
    qemu.qmp("pmemsave", {"val": 0, "size": size, "filename": str(path)})
    return path.read_bytes()


def fill(guest: Accessible, address: int, pages: int, value: int) -> None:
    """Pages of RAM, each with a few bytes that differ from page to page."""
    places = range(address, address + pages * 4096, 4096)
    guest.ask([f"writel {place + 0x100:#x} {(value + place) & 0xFFFFFFFF:#x}" for place in places])


class Listener:
    """A Unix socket that takes what comes on each connection, and may pass it on to another (both ways)."""

    def __init__(self, path: Path, behind: Path | None = None) -> None:
        self.path, self._behind = path, behind
        self.sent: list[bytearray] = []
        self.answered: list[bytearray] = []
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(16)

    def __enter__(self) -> Self:
        """Accept from now on."""
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.join()

    def wait(self, until: Callable[[], bool]) -> None:
        """Until something is so."""
        end = time.monotonic() + SECONDS
        while not until():
            assert time.monotonic() < end
            time.sleep(0.01)

    def cut(self) -> None:
        """Break every connection."""
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def join(self) -> None:
        """Wait until every connection has ended."""
        for thread in self._threads:
            thread.join(SECONDS)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                source, _ = self._socket.accept()
                self._open.append(source)
                target = None
                if self._behind is not None:
                    target = socket.socket(socket.AF_UNIX)
                    target.connect(str(self._behind))
                    self._open.append(target)
                self.sent.append(bytearray())
                self._start(self._pump, source, target, self.sent[-1])
                if target is not None:
                    self.answered.append(bytearray())
                    self._start(self._pump, target, source, self.answered[-1])

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket | None, kept: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                kept += data
                if target is not None:
                    target.sendall(data)
        if target is not None:
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_WR)


def incoming(qemu: Qemu, path: Path) -> None:
    """Let a process started with `-incoming defer` wait on a Unix socket."""
    qemu.qmp("migrate-incoming", {"uri": f"unix:{path}"})


def destination(arguments: Sequence[str], binary: str) -> Qemu:
    """A process that waits to be told where its stream comes from."""
    return Qemu([*arguments, "-incoming", "defer"], binary=binary)
