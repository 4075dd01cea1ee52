"""A real QEMU: started, spoken to through QMP, stopped. Never left behind, never on the network.

`Qemu` is a context manager around one process. The monitor is a Unix socket in a temporary folder of its own; standard
input is empty, output goes to a file in that folder. Every command has a time limit, the process has limits on memory
and processor time, and it is killed when the context ends or when we die.

`load` gives a stream to a fresh, stopped destination and reports what tests compare the model with (`Loaded`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import itertools
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from qemu.qmp import QMPClient
from qemu.qmp.error import QMPError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

DEFAULT_BINARY = "qemu-system-x86_64"

_ADDRESS_SPACE = 64 << 30  # bytes of virtual memory: guest RAM, TCG's buffer, thread stacks
_PROCESSOR_SECONDS = 1200
_BATCH = 256  # commands under way at once
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)

_T = TypeVar("_T")

_PROGRAM = r"^\S*qemu\S*: "
_NETWORK_OPTIONS = frozenset({"nodefaults", "nic", "net", "netdev"})
_TRACE_EVENTS = (
    "flatview_new",
    "qemu_loadvm_state_section_startfull",
    "pci_update_mappings_add",
    "pci_update_mappings_del",
)


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

    `arguments` are completed by `complete_arguments`; -S (stopped) is added unless `running`. `extra` is added as it
    is. Raises QemuError from every method; after that the process is only good for `stop`.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        binary: str = DEFAULT_BINARY,
        extra: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> None:
        self.arguments = complete_arguments(arguments)
        self._binary = find_binary(binary)
        self._extra = tuple(extra)
        self._timeout = timeout
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
        command = [
            self._binary,
            *self.arguments,
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
                preexec_fn=_confine,  # noqa: PLW1509 - it makes three system calls and takes no lock
            )
        self._run(self._accept(), "start")

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

    def output(self) -> tuple[str, ...]:
        """What the process has written to standard error (and output) so far, by line."""
        return tuple((self._folder / "output").read_text(errors="replace").splitlines())

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
        state = self._wait_for_migration(timeout or self._timeout)
        if state.get("status") != "completed":
            raise QemuError(f"migrate: {state.get('error-desc') or state.get('status')}")

    def load(self, path: Path, timeout: float | None = None) -> bool:
        """Load the stream in `path` into this process, started with `-incoming defer`.

        Returns whether it was accepted; if not, the process has ended or is about to (`wait`).
        """
        descriptor = os.open(path, os.O_RDONLY)
        try:
            self.pass_file("vmfuzz-in", descriptor)
        finally:
            os.close(descriptor)
        try:
            self.qmp("migrate-incoming", {"uri": "fd:vmfuzz-in"})
            return self._wait_for_migration(timeout or self._timeout).get("status") == "completed"
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
            return self._loop.run_until_complete(asyncio.wait_for(what, self._timeout))
        except TimeoutError:
            raise QemuError(f"QEMU did not answer within {self._timeout:g} s ({name})") from None
        except (QMPError, OSError) as error:
            if self._process is not None and self.wait(0.3) is not None:
                raise QemuError(self._ended()) from None
            raise QemuError(f"{name}: {_first_line(str(error))}") from None

    def _ended(self) -> str:
        assert self._process is not None
        status = self._process.returncode
        how = f"status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
        lines = [line for line in self.output() if "warning:" not in line]
        said = re.sub(_PROGRAM, "", lines[0]) if lines else "it said nothing"
        return f"QEMU ended with {how}: {said}"


def find_binary(binary: str) -> str:
    """The full path of a QEMU binary given as a name or a path. Raises QemuError."""
    found = shutil.which(binary)
    if found is None:
        raise QemuError(f"{binary}: no such QEMU (install qemu-system-x86, or name one with --qemu)")
    return found


def _confine() -> None:
    """In the child: die with the parent, no core files, bounded memory and processor time."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for what, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, _ADDRESS_SPACE),
        (resource.RLIMIT_CPU, _PROCESSOR_SECONDS),
    ):
        hard = resource.getrlimit(what)[1]
        bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (bound, bound))


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else "no answer"


# -- what loading did


@dataclass(frozen=True, slots=True)
class SectionTrace:
    """One section's share of a load: name, instance, rebuilds of flat views, BAR mappings as QEMU traced them."""

    name: str
    instance: int
    rebuilds: int
    mappings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a real destination did with a stream.

    - `verdict`: accepted, refused (QEMU said so and exited), aborted (killed by a signal), or hung.
    - `messages`: its own lines, without program name, traces and the warnings of start-up.
    - `flat`: `info mtree -f` after the load ("" unless accepted); `tree`: `info mtree -D -o`.
    - `views`: flat views created while loading; `rebuilds`: commits that rebuilt them; `sections` splits both.
    - `queues`: per virtio device (QOM path) and queue index QEMU's `x-query-virtio-queue-status`; `virtio`: its status.
    """

    verdict: str
    messages: tuple[str, ...]
    flat: str = ""
    tree: str = ""
    views: int = 0
    rebuilds: int = 0
    sections: tuple[SectionTrace, ...] = ()
    virtio: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    queues: tuple[tuple[str, int, Mapping[str, Any]], ...] = ()


def load(
    arguments: Sequence[str],
    stream: bytes | Path,
    *,
    binary: str = DEFAULT_BINARY,
    timeout: float = 30.0,
    queues: int = 8,
) -> Loaded:
    """Load `stream` in a fresh, stopped QEMU with these arguments.

    `queues`: how many queues of each virtio device are asked for their status. Raises QemuError if QEMU cannot be
    started.
    """
    extra = ["-incoming", "defer"]
    for event in _TRACE_EVENTS:
        extra += ["-trace", event]
    with tempfile.TemporaryDirectory(prefix="vmfuzz-stream-") as folder:
        path = Path(folder) / "stream"
        if isinstance(stream, Path):
            path = stream
        else:
            path.write_bytes(stream)
        with Qemu(arguments, binary=binary, extra=extra, timeout=timeout) as vm:
            before = len(vm.output())
            return _observe(vm, path, before, timeout, queues)


def _observe(vm: Qemu, path: Path, before: int, timeout: float, queues: int) -> Loaded:
    try:
        accepted = vm.load(path, timeout)
    except QemuError:
        return Loaded("hung", ())
    if not accepted:
        status = vm.wait(5)
        verdict = "hung" if status is None else "aborted" if status < 0 else "refused"
        messages, sections, views = parse_trace(vm.output()[before:])
        return Loaded(verdict, messages, "", "", views, sum(s.rebuilds for s in sections), sections)
    messages, sections, views = parse_trace(vm.output()[before:])
    status_by_path, queue_status = virtio_state(vm, queues)
    return Loaded(
        "accepted",
        messages,
        vm.hmp("info mtree -f"),
        vm.hmp("info mtree -o -D"),
        views,
        sum(section.rebuilds for section in sections),
        sections,
        status_by_path,
        queue_status,
    )


def virtio_state(
    vm: Qemu, queues: int
) -> tuple[tuple[tuple[str, Mapping[str, Any]], ...], tuple[tuple[str, int, Mapping[str, Any]], ...]]:
    """QEMU's own status of every virtio device and of its first `queues` queues, by QOM path."""
    devices: list[tuple[str, Mapping[str, Any]]] = []
    found: list[tuple[str, int, Mapping[str, Any]]] = []
    for entry in sorted(vm.qmp("x-query-virtio"), key=lambda item: str(item["path"])):
        path = str(entry["path"])
        status = vm.qmp("x-query-virtio-status", {"path": path})
        devices.append((path, status))
        for queue in range(min(queues, int(status["num-vqs"]))):
            try:
                found.append((path, queue, vm.qmp("x-query-virtio-queue-status", {"path": path, "queue": queue})))
            except QemuError:
                break
    return tuple(devices), tuple(found)


_STARTFULL = re.compile(r"^qemu_loadvm_state_section_startfull (\d+)\((.*)\) (\d+) (\d+)$")
_FLATVIEW = re.compile(r"^flatview_new 0x[0-9a-f]+ \(root (0x[0-9a-f]+)\)$")
_MAPPING = re.compile(r"^pci_update_mappings_(add|del) (.*)$")
_OTHER = re.compile(r"^(?:\d+@\d+\.\d+:)?([a-z0-9_]+) ")


def parse_trace(lines: Sequence[str]) -> tuple[tuple[str, ...], tuple[SectionTrace, ...], int]:
    """(messages, sections, flat views created) from QEMU's standard error with the trace events of `load`.

    Within a section a commit makes one flat view per distinct root, so a root seen again starts the next commit.
    What happens before the first section is booked under the name "".
    """
    messages: list[str] = []
    sections: list[tuple[str, int, Counter[str], list[str]]] = [("", 0, Counter(), [])]
    views = 0
    for raw in lines:
        line = re.sub(r"^\d+@\d+\.\d+:", "", raw)
        if match := _STARTFULL.match(line):
            sections.append((match[2], int(match[3]), Counter(), []))
        elif match := _FLATVIEW.match(line):
            views += 1
            sections[-1][2][match[1]] += 1
        elif match := _MAPPING.match(line):
            sections[-1][3].append(f"{match[1]} {match[2]}")
        else:
            messages.append(re.sub(_PROGRAM, "", line))
    traces = tuple(
        SectionTrace(name, instance, max(roots.values(), default=0), tuple(mappings))
        for name, instance, roots, mappings in sections
        if name or roots
    )
    return tuple(messages), traces, views
