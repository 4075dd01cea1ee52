"""A real QEMU: started, spoken to through QMP, stopped. Never left behind, never on the network.

`Qemu` is a context manager around one process. The monitor is a Unix socket in a temporary folder of its own; standard
input is empty, output goes to a file in that folder. Every command has a time limit, the process has limits on memory
and processor time, and it is killed when the context ends or when we die.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from qemu.qmp import ExecuteError, QMPClient
from qemu.qmp.error import QMPError

from fuzz.qemu.confine import Seal, limit
from fuzz.qemu.files import absent_files

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

DEFAULT_BINARY = "qemu-system-x86_64"

_QUIET = {"QEMU_AUDIO_DRV": "none"}  # sound that a guest makes goes nowhere, and no driver of the host complains
_BATCH = 256  # commands under way at once

_T = TypeVar("_T")

PROGRAM = r"^\S*qemu\S*: "
"""How the program begins its own lines."""

_NETWORK_OPTIONS = frozenset({"nodefaults", "nic", "net", "netdev"})


class QemuError(Exception):
    """QEMU is missing, ended, did not answer or refused a command: one line, QEMU's own words where it had any."""


def option_names(arguments: Sequence[str]) -> frozenset[str]:
    """The names of the options among QEMU's arguments, without their dashes."""
    return frozenset(word.lstrip("-") for word in arguments if word.startswith("-") and len(word) > 1)


def accelerator(arguments: Sequence[str]) -> str | None:
    """The accelerator that the arguments name, or None."""
    found = None
    for word, value in itertools.pairwise(arguments):
        if word.lstrip("-") == "accel":
            found = value.partition(",")[0].removeprefix("accel=")
        elif word.lstrip("-") in {"machine", "M"}:
            match = re.search(r"(?:^|,)accel=([^,:]+)", value)
            found = match[1] if match else found
        elif word.lstrip("-") == "enable-kvm":
            found = "kvm"
    return "kvm" if found is None and "enable-kvm" in option_names(arguments) else found


def complete_arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    """The arguments with what a headless, unconnected, reproducible process needs added where they do not say."""
    names = option_names(arguments)
    added: list[str] = []
    if accelerator(arguments) is None:
        added += ["-accel", "tcg"]
    if not names & {"display", "nographic", "vnc", "spice", "curses"}:
        added += ["-display", "none"]
    if not names & _NETWORK_OPTIONS:
        added += ["-nic", "none"]
    return (*arguments, *added)


class Qemu:
    """One QEMU process, alive inside a `with`.

    `arguments` are completed by `complete_arguments`; -S (stopped) is added. `extra` is added as it is. `sealed`: no
    network and no file that can be written, as far as the host can do it (`fuzz.qemu.confine`). Raises QemuError from
    every method; after that the process is only good for `stop`.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        binary: str = DEFAULT_BINARY,
        extra: Sequence[str] = (),
        timeout: float = 60.0,
        sealed: bool = False,
    ) -> None:
        self.arguments = complete_arguments(arguments)
        self._sealed = sealed
        self._binary = find_binary(binary)
        self._extra = tuple(extra)
        self.timeout = timeout
        """Seconds for each answer of the monitor."""
        self._loop = asyncio.new_event_loop()
        self._client = QMPClient("vmfuzz")
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path()

    # -- life

    def __enter__(self) -> Self:
        """Start the process and wait until its monitor answers."""
        self._folder = Path(tempfile.mkdtemp(prefix="vmfuzz-qemu-"))
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        socket = self._folder / "qmp"
        self._run(self._client.start_server(str(socket)), "open a monitor socket")
        seal = Seal(self.arguments, self._folder) if self._sealed else None
        command = [
            self._binary,
            *(self.arguments if seal is None else seal.arguments),
            "-S",
            *("-chardev", f"socket,id=vmfuzz-qmp,path={socket}"),
            *("-mon", "chardev=vmfuzz-qmp,mode=control"),
            *self._extra,
        ]
        with (self._folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **_QUIET, **({} if seal is None else seal.environment)},
                preexec_fn=limit if seal is None else seal,  # noqa: PLW1509 - system calls only, no lock
            )
        try:
            self._run(self._accept(), "start")
        except QemuError as error:
            raise QemuError(f"{error}{self._absent()}") from None

    async def _accept(self) -> None:
        accepting = asyncio.ensure_future(self._client.accept())
        try:
            while not accepting.done():
                await asyncio.wait([accepting], timeout=0.02)
                if self._process is not None and self._process.poll() is not None and not accepting.done():
                    raise QemuError(self._ended())
            accepting.result()
        finally:
            if not accepting.done():
                accepting.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await accepting

    def stop(self) -> None:
        """End the process (if it still runs) and remove everything of it. Idempotent."""
        if not self._loop.is_closed():
            with contextlib.suppress(Exception):
                self._loop.run_until_complete(asyncio.wait_for(self._disconnect(), 5))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._folder != Path():
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _disconnect(self) -> None:
        if self._process is not None:
            self._process.kill()  # nothing in it is worth a farewell, and `quit` costs more
        await self._client.disconnect()

    def wait(self, seconds: float) -> int | None:
        """The exit status of the process (negative: killed by that signal); None if it still runs after `seconds`."""
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    @property
    def folder(self) -> Path:
        """The temporary folder of this process: its monitor socket and its output."""
        return self._folder

    # -- speaking

    def written(self) -> int:
        """How many bytes the process has written to standard error (and output) so far."""
        return (self._folder / "output").stat().st_size

    def output(self, since: int = 0) -> tuple[str, ...]:
        """What the process has written to standard error (and output), by line, from byte `since` on.

        Counted in bytes, because not every line that came before has an end.
        """
        text = (self._folder / "output").read_bytes()[since:].decode(errors="replace")
        return tuple(text.removesuffix("\n").split("\n")) if text else ()

    def qmp(self, command: str, arguments: Mapping[str, object] | None = None) -> Any:
        """Execute a QMP command and return its value."""
        return self._run(self._client.execute(command, arguments), command)

    def qmp_all(self, commands: Sequence[tuple[str, Mapping[str, object]]]) -> list[Any]:
        """Execute many QMP commands in order and return their values: several times faster than one by one.

        Raises QemuError at the first that fails; those behind it are executed all the same.
        """

        async def run(batch: Sequence[tuple[str, Mapping[str, object]]]) -> list[Any]:
            return await asyncio.gather(*(self._client.execute(name, arguments) for name, arguments in batch))

        values: list[Any] = []
        for start in range(0, len(commands), _BATCH):
            values += self._run(run(commands[start : start + _BATCH]), commands[start][0])
        return values

    def qmp_each(self, commands: Sequence[tuple[str, Mapping[str, object]]]) -> list[Any]:
        """As `qmp_all`, with None for those that the program refuses."""

        async def one(name: str, arguments: Mapping[str, object]) -> Any:
            try:
                return await self._client.execute(name, arguments)
            except ExecuteError:
                return None

        async def run(batch: Sequence[tuple[str, Mapping[str, object]]]) -> list[Any]:
            return await asyncio.gather(*(one(name, arguments) for name, arguments in batch))

        values: list[Any] = []
        for start in range(0, len(commands), _BATCH):
            values += self._run(run(commands[start : start + _BATCH]), commands[start][0])
        return values

    def hmp(self, line: str) -> str:
        """Execute a line of the human monitor and return its text with LF line ends."""
        return self.hmp_all([line])[0]

    def hmp_all(self, lines: Sequence[str]) -> list[str]:
        """Execute many lines of the human monitor in order and return their texts with LF line ends."""
        commands = [("human-monitor-command", {"command-line": line}) for line in lines]
        return [str(text).replace("\r\n", "\n") for text in self.qmp_all(commands)]

    def pass_file(self, name: str, descriptor: int) -> None:
        """Give the process an open file, to be named `fd:NAME` in migration commands."""

        async def send() -> None:
            self._client.send_fd_scm(descriptor)
            await self._client.execute("getfd", {"fdname": name})

        self._run(send(), "getfd")

    def migrate(self, path: Path, timeout: float | None = None) -> None:
        """Save the (stopped) machine's state to `path`."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self.pass_file("vmfuzz-out", descriptor)
        finally:
            os.close(descriptor)
        self.qmp("migrate-set-parameters", {"max-bandwidth": 1 << 40})
        self.qmp("migrate", {"uri": "fd:vmfuzz-out"})
        state = self._wait_for_migration(timeout or self.timeout)
        if state.get("status") != "completed":
            raise QemuError(f"migrate: {state.get('error-desc') or state.get('status')}")

    def load(self, path: Path, timeout: float | None = None) -> bool:
        """Load the stream in `path` into this process, started with `-incoming defer`.

        Returns whether it was accepted; if not, the process has ended or is about to (`wait`). An empty stream comes
        through a pipe, as from a source that sends nothing (stream.md 2.1).
        """
        descriptor = os.open(path, os.O_RDONLY) if path.stat().st_size else _nothing()
        try:
            self.pass_file("vmfuzz-in", descriptor)
        finally:
            os.close(descriptor)
        try:
            self.qmp("migrate-incoming", {"uri": "fd:vmfuzz-in"})
            return self._wait_for_migration(timeout or self.timeout).get("status") == "completed"
        except QemuError:
            if self.wait(0.5) is None:
                raise
            return False

    def _wait_for_migration(self, timeout: float) -> dict[str, Any]:
        end = time.monotonic() + timeout
        while True:
            state: dict[str, Any] = self.qmp("query-migrate")
            if state.get("status") in {"completed", "failed", "cancelled"}:
                return state
            if time.monotonic() > end:
                raise QemuError(f"migration: no end after {timeout:g} s")
            time.sleep(0.002)

    def _run(self, what: Coroutine[Any, Any, _T], name: str) -> _T:
        try:
            return self._loop.run_until_complete(asyncio.wait_for(what, self.timeout))
        except TimeoutError:
            raise QemuError(f"QEMU did not answer within {self.timeout:g} s ({name})") from None
        except (QMPError, OSError) as error:
            if self._process is not None and self.wait(0.3) is not None:
                raise QemuError(self._ended()) from None
            raise QemuError(f"{name}: {_first_line(str(error))}") from None

    def ended(self) -> str:
        """How the process ended, in words."""
        assert self._process is not None
        status = self._process.returncode
        if status is None:
            return ""
        return f"exit status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"

    def _absent(self) -> str:
        """Why a process may not have started, when it was another place that its arguments were made for."""
        absent = absent_files(self.arguments)
        return f" (not here, seen from {Path.cwd()}: {', '.join(absent)})" if absent else ""

    def _ended(self) -> str:
        assert self._process is not None
        status = self._process.returncode
        how = f"status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
        return f"QEMU ended with {how}: {complaint(self.output())}"


def complaint(lines: Sequence[str]) -> str:
    """Of what a process that gave up wrote, the line that says why: its first own one that is no warning."""
    telling = [line for line in lines if "warning:" not in line.lower()]
    own = [line for line in telling if re.match(PROGRAM, line)]
    found = own or telling or list(lines)
    return re.sub(PROGRAM, "", found[0]) if found else "it said nothing"


def find_binary(binary: str) -> str:
    """The full path of a QEMU binary given as a name or a path. Raises QemuError."""
    found = shutil.which(binary)
    if found is None:
        raise QemuError(f"{binary}: no such QEMU (install qemu-system-x86, or name one with --qemu)")
    return found


def _nothing() -> int:
    """The reading end of a pipe that nobody writes to."""
    reading, writing = os.pipe()
    os.close(writing)
    return reading


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else "no answer"
