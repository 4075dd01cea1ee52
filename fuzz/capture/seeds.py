"""Seed streams: taken from a real QEMU, stripped to what a load needs, and checked against the unstripped ones.

A seed ships no firmware and no kernel: of RAM it keeps the bytes that loading looks at, zeros around them, and drops
every other page. Which bytes these are the model says, which loads the whole stream first: whatever it reads of RAM
meanwhile, the avail and used rings of every queue that is set up as a whole (not the descriptor tables, which are
mapped but not read), and the headers of requests under way. That this is enough the real program says: it must load
the stripped stream as it loads the whole one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from fuzz import qemu
from fuzz.capture.errors import CaptureError
from fuzz.capture.guest import has_guest
from fuzz.capture.machine import saved
from fuzz.qemu import Qemu, QemuError
from model import Machine, load
from model.designs import Design
from model.devices.virtio import Virtio
from model.memory import layout
from vmformat import StreamError, read, write
from vmformat.strip import strip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from model.designs import Load
    from model.memory import AddressSpace, FlatView, Use

QUIET: Final = 1.0
"""Seconds without a change of layout or ring indices that end a boot."""

POLL: Final = 0.2
HEADER: Final = 16
GAP: Final = 16
"""Bytes that may lie between two pieces of one structure."""

AVAIL, USED = 2, 1


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes of guest RAM that a seed keeps: a range of a RAM block, and why."""

    block: str
    offset: int
    length: int
    what: str

    def to_json(self) -> dict[str, Any]:
        """For provenance.json."""
        return {"block": self.block, "offset": hex(self.offset), "length": hex(self.length), "what": self.what}


@dataclass(frozen=True, slots=True)
class Seed:
    """A stream, what of RAM is in it (None: all of it), and why it is all of it where less was asked for."""

    data: bytes
    kept: tuple[Kept, ...] | None
    note: str = ""


def booted(
    arguments: Sequence[str], boot: float, *, binary: str, progress: Callable[[str], None] = lambda _: None
) -> bytes:
    """The stream of a machine that has run its firmware, or a guest, as QEMU writes it. Raises QemuError.

    It is taken when layout and ring indices have stood still long enough, or after `boot` seconds. A guest with a
    kernel of its own is taken after `boot` seconds: a busy one never stands still, and an idle one does while it boots;
    or when it powers off. What runs may write to its disks, so the process is sealed: what it writes to images that are
    not given with -blockdev is thrown away.
    """
    with Qemu(arguments, binary=binary, extra=("-no-shutdown",), sealed=True) as vm:
        (_run_guest if has_guest(arguments) else _run_firmware)(vm, boot, progress)
        vm.qmp("stop")
        return saved(vm)


def _run_guest(vm: Qemu, boot: float, progress: Callable[[str], None]) -> None:
    start = time.monotonic()
    vm.qmp("cont")
    while (passed := time.monotonic() - start) < boot:
        progress(f"the guest runs ({passed:.0f} s of {boot:g})")
        time.sleep(min(POLL, boot - passed))
        if not vm.qmp("query-status")["running"]:  # raises if it has ended
            return


def _run_firmware(vm: Qemu, boot: float, progress: Callable[[str], None]) -> None:
    """Until nothing moves: for a second, or on a slow host for as long as the layout took to move at all."""
    at_reset = last = _situation(vm)
    vm.qmp("cont")
    start = changed = time.monotonic()
    first: float | None = None
    while time.monotonic() - start < boot:
        time.sleep(POLL)
        now = _situation(vm)
        moment = time.monotonic()
        if now != last:
            last, changed = now, moment
            if first is None and now != at_reset:
                first = moment - start
        if first is not None and moment - changed >= max(QUIET, first):
            break
        progress(f"the firmware runs ({moment - start:.0f} s)")


def _situation(vm: Qemu) -> tuple[object, ...]:
    """What must stand still: the layout, and every queue's state."""
    views = frozenset(layout(vm.hmp("info mtree -f")).items())
    _, queues = qemu.virtio_state(vm, 4)
    return (views, *((path, index, tuple(sorted(state.items()))) for path, index, state in queues))


def stripped(raw: bytes, machine: Machine, *, keep_vmdesc: bool, keep_ram: bool) -> Seed:
    """The stream as it is shipped: all of RAM stays if the model does not accept the stream, which then gets a note.

    Raises CaptureError if it cannot be read.
    """
    try:
        description = machine.description
        stream = read(raw, machine.schemas, configuration=description.config_section, footers=description.footers)
    except StreamError as error:
        raise CaptureError(f"the stream cannot be read: {error}") from None
    if not keep_vmdesc:
        stream = replace(stream, trailing=b"")
    if keep_ram:
        return Seed(write(stream), None)
    kept, problem = _kept(write(stream), machine)
    if problem:
        return Seed(write(stream), None, problem)
    ranges: dict[str, list[tuple[int, int]]] = {}
    for one in kept:
        ranges.setdefault(one.block, []).append((one.offset, one.length))
    return Seed(write(strip(stream, ranges)), kept)


class _Watch(Design):
    """Notes which bytes of RAM are read, and while which section is loaded."""

    def __init__(self, machine: Machine) -> None:
        self.kept: set[Kept] = set()
        self._what = "the loader"
        machine.memory.ram.on_read = self._read

    def section_begins(self, load: Load) -> None:
        """Nobody has read yet."""
        self._what = "the loader"

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        """What is read from now on is read by this reader."""
        self._what = f"{load.section}: {use.reader}"
        return super().flat_view(load, space, use)

    def _read(self, block: str, offset: int, length: int) -> None:
        self.kept.add(Kept(block, offset, length, self._what))


def _kept(data: bytes, machine: Machine) -> tuple[tuple[Kept, ...], str]:
    """What a load reads, and what is wrong if it is not accepted."""
    watch = _Watch(machine)
    try:
        outcome = load(machine, data, watch)
        if outcome.verdict != "accepted":
            why = outcome.messages[0] if outcome.messages else "no message"
            return (), f"the model says {outcome.verdict} of QEMU's own stream: {why}"
        for handler in machine.handlers:
            if isinstance(handler.effects, Virtio):
                watch.kept.update(_rings(handler.effects))
        return _merged(watch.kept), ""
    finally:
        machine.memory.ram.on_read = None
        machine.reset()


def _merged(kept: Iterable[Kept]) -> tuple[Kept, ...]:
    """In order; without those that lie inside another, and with pieces of one structure in one."""
    found: list[Kept] = []
    for one in sorted(kept, key=lambda one: (one.block, one.offset, -one.length, one.what)):
        last = found[-1] if found else None
        end = one.offset + one.length
        if last is None or last.block != one.block or one.offset > last.offset + last.length + GAP:
            found.append(one)
        elif end > last.offset + last.length:
            if one.what == last.what:
                found[-1] = replace(last, length=end - last.offset)
            else:
                found.append(one)
    return tuple(found)


def _rings(device: Virtio) -> list[Kept]:
    found = []
    for queue in device.queues:
        if queue.caches is None:
            continue
        for which, name in ((AVAIL, "avail ring"), (USED, "used ring")):
            cache = queue.caches[which]
            if cache.region is not None and cache.pointer:
                what = f"{device.section}: queue {queue.index} {name}"
                found.append(Kept(cache.region.block, cache.xlat, cache.length, what))
    for block, offset in device.requests.headers:
        found.append(Kept(block, offset, HEADER, f"{device.section}: header of a request under way"))
    return found


def _telling(messages: Sequence[str]) -> tuple[str, ...]:
    """The messages but for the one about a VMDESCRIPTION that is not there."""
    return tuple(line for line in messages if not line.startswith("Expected vmdescription section"))


def checked(arguments: Sequence[str], raw: bytes, seed: Seed, what: str, *, binary: str) -> Seed:
    """The seed, if the real program loads it like the whole stream; else the whole stream with a note that says why.

    Raises CaptureError if QEMU does not start.
    """
    if seed.kept is None:
        return seed
    try:
        whole = qemu.load(arguments, raw, binary=binary)
        short = qemu.load(arguments, seed.data, binary=binary)
    except QemuError as error:
        raise CaptureError(f"{what}: {error}") from None
    for name, one, other in (
        ("verdict", whole.verdict, short.verdict),
        ("messages", _telling(whole.messages), _telling(short.messages)),
        ("flat views", layout(whole.flat), layout(short.flat)),
        ("rebuilds", whole.rebuilds, short.rebuilds),
        ("virtio queues", whole.queues, short.queues),
    ):
        if one != other:
            detail = f": {other} instead of {one}" if name in {"verdict", "messages", "rebuilds"} else ""
            return Seed(raw, None, f"QEMU loads the stripped stream with other {name} than the whole one{detail}")
    return seed
