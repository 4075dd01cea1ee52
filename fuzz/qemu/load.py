"""A stream given to a fresh, stopped, sealed destination, and what became of it: what the model is compared with."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fuzz.qemu.process import DEFAULT_BINARY, Qemu, QemuError
from fuzz.qemu.trace import EVENTS, SectionTrace, parse_trace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATIENCE: Final = 30.0
"""Seconds after which a load that has not ended is waiting or hung."""

_ANSWER: Final = 3.0
"""Seconds in which a process that merely waits answers its monitor."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a real destination did with a stream.

    - `verdict`: accepted; refused (it said so and exited); aborted (killed by a signal); waiting (its monitor answers,
      the load has not ended); hung (its monitor does not answer any more).
    - `messages`: its own lines, without program name, traces and the warnings of start-up.
    - `ended`: how the process ended, in words; "" if it lives.
    - `flat`: `info mtree -f` after the load ("" unless accepted).
    - `views`: flat views created while loading; `rebuilds`: commits that rebuilt them; `sections` splits both.
    - `queues`: per virtio device (QOM path) and queue index QEMU's `x-query-virtio-queue-status`; `virtio`: its status.
    - `saved`: the stream it writes afterwards, if asked for; `unsaved` says why there is none.
    """

    verdict: str
    messages: tuple[str, ...]
    flat: str = ""
    views: int = 0
    rebuilds: int = 0
    sections: tuple[SectionTrace, ...] = ()
    virtio: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    queues: tuple[tuple[str, int, Mapping[str, Any]], ...] = ()
    ended: str = ""
    saved: bytes | None = None
    unsaved: str = ""


def load(
    arguments: Sequence[str],
    stream: bytes | Path,
    *,
    binary: str = DEFAULT_BINARY,
    timeout: float = PATIENCE,
    queues: int = 8,
    save: bool = False,
) -> Loaded:
    """Load `stream` in a fresh, stopped QEMU with these arguments.

    `timeout`: seconds for the load to end. `queues`: how many queues of each virtio device are asked for their status.
    `save`: let an accepted machine write its state again. Raises QemuError if QEMU cannot be started.
    """
    extra = ["-incoming", "defer"]
    for event in EVENTS:
        extra += ["-trace", event]
    with tempfile.TemporaryDirectory(prefix="vmfuzz-stream-") as folder:
        path = Path(folder) / "stream"
        if isinstance(stream, Path):
            path = stream
        else:
            path.write_bytes(stream)
        with Qemu(arguments, binary=binary, extra=extra, sealed=True) as vm:
            before = vm.written()
            vm.timeout = timeout
            loaded = _observe(vm, path, before, queues)
            if save and loaded.verdict == "accepted":
                return _saved(vm, loaded, Path(folder) / "saved")
            return loaded


def _observe(vm: Qemu, path: Path, before: int, queues: int) -> Loaded:
    try:
        accepted = vm.load(path, vm.timeout)
    except QemuError:
        return _unfinished(vm, before)
    messages, sections, views = parse_trace(vm.output(before))
    rebuilds = sum(section.rebuilds for section in sections)
    if not accepted:
        status = vm.wait(5)
        messages, sections, views = parse_trace(vm.output(before))
        rebuilds = sum(section.rebuilds for section in sections)
        verdict = "hung" if status is None else "aborted" if status < 0 else "refused"
        return Loaded(verdict, messages, "", views, rebuilds, sections, ended=vm.ended())
    vm.timeout = max(vm.timeout, PATIENCE)
    status_by_path, queue_status = virtio_state(vm, queues)
    return Loaded(
        "accepted",
        messages,
        vm.hmp("info mtree -f"),
        views,
        rebuilds,
        sections,
        status_by_path,
        queue_status,
    )


def _unfinished(vm: Qemu, before: int) -> Loaded:
    """It has not ended: whether it waits or hangs shows in whether it still answers."""
    vm.timeout = _ANSWER
    verdict = "hung"
    try:
        if vm.qmp("query-status").get("status") == "inmigrate":
            verdict = "waiting"
    except QemuError:
        pass
    messages, sections, views = parse_trace(vm.output(before))
    return Loaded(verdict, messages, "", views, sum(section.rebuilds for section in sections), sections)


def _saved(vm: Qemu, loaded: Loaded, path: Path) -> Loaded:
    try:
        vm.migrate(path)
        return replace(loaded, saved=path.read_bytes())
    except QemuError as error:
        return replace(loaded, unsaved=str(error))
    except OSError as error:
        return replace(loaded, unsaved=os.strerror(error.errno or 0))


def virtio_state(
    vm: Qemu, queues: int
) -> tuple[tuple[tuple[str, Mapping[str, Any]], ...], tuple[tuple[str, int, Mapping[str, Any]], ...]]:
    """QEMU's own status of every virtio device and of its first `queues` queues, by QOM path."""
    paths = sorted(str(entry["path"]) for entry in vm.qmp("x-query-virtio"))
    status = vm.qmp_all([("x-query-virtio-status", {"path": path}) for path in paths])
    asked = [
        (path, queue)
        for path, one in zip(paths, status, strict=True)
        for queue in range(min(queues, int(one["num-vqs"])))
    ]
    answers = vm.qmp_each([("x-query-virtio-queue-status", {"path": path, "queue": queue}) for path, queue in asked])
    found: list[tuple[str, int, Mapping[str, Any]]] = []
    ended: set[str] = set()
    for (path, queue), answer in zip(asked, answers, strict=True):
        if answer is None:
            ended.add(path)  # of a device's queues those in front of the first that is none
        elif path not in ended:
            found.append((path, queue, answer))
    return tuple(zip(paths, status, strict=True)), tuple(found)
