"""Capture a machine: run the processes that are needed, ask them what they know, put it together.

Four kinds of process see the machine, all with the same arguments: one at reset that also writes the `before` stream; a
throw-away one whose BARs get mapped (`mapping`); a destination that waits for a stream and has nothing in its ROMs;
and many short-lived ones that refuse a stream each (`masks`, `virtio`).
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.capture import objects as qom
from fuzz.capture.describe import MachineFacts
from fuzz.capture.errors import CaptureError
from fuzz.capture.functions import learn_functions, learn_settings
from fuzz.capture.mapping import map_everything
from fuzz.capture.masks import Masks, learn_masks, prologue_of
from fuzz.capture.prober import Persistent, Prober
from fuzz.capture.qtest import Accessible
from fuzz.capture.regions import assemble
from fuzz.capture.sections import dump_vmstate, extended, learn_sections, with_minimums
from fuzz.capture.virtio import VirtioFacts, learn_virtio, with_features
from fuzz.capture.writable import learn_writable
from fuzz.qemu import DEFAULT_BINARY, Qemu, QemuError, accelerator, complete_arguments
from model.memory.mtree import layout, parse_flat
from vmformat.errors import StreamError
from vmformat.stream import read, write
from vmformat.strip import without_zeros

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fuzz.capture.regions import Region
    from vmformat.stream import Stream

_RAM_HALVES: Final = ("ram-below-4g", "ram-above-4g")
_BLOCK = re.compile(r"^\s*(.+?)\s+\d+ [KMG]iB\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)")


@dataclass(frozen=True, slots=True)
class _Pristine:
    """What the process at reset said."""

    before: bytes
    version: str
    package: str
    machine: str
    suppressed: bool
    objects: qom.Objects
    tree: str
    flat: str
    limits: dict[str, int]
    low: int
    high: int


def learn_machine(
    name: str,
    arguments: Sequence[str],
    *,
    binary: str = DEFAULT_BINARY,
    progress: Callable[[str], None] = lambda _: None,
    with_masks: bool = True,
) -> tuple[MachineFacts, bytes]:
    """All facts about the machine that QEMU makes of these arguments, and its `before` stream as QEMU wrote it.

    Raises CaptureError or QemuError, one line each.
    """
    progress("the machine with every BAR mapped")
    with Accessible(arguments, binary=binary) as access:  # one after the other: they would fight over disk images
        mapped = map_everything(access)
    progress("the machine at reset")
    with Qemu(arguments, binary=binary) as vm:
        pristine = _look(vm)
        stream = read_own(pristine.before)
        blocks = list(pristine.limits)
        made = _made(stream, pristine.objects)
        regions, spaces = assemble(pristine.objects, pristine.tree, pristine.flat, mapped, blocks, made)
        settings = learn_settings(vm, pristine.objects)
        functions = learn_functions(stream, pristine.objects, mapped, regions, spaces, settings)
        virtio = learn_virtio(vm, stream.sections, functions, mapped.answers)
    dump = dump_vmstate(binary, pristine.machine)
    sections = learn_sections(stream, dump, frozenset(item.address for item in functions))
    rom = _destination(arguments, binary, pristine, regions)
    prologue = prologue_of(stream)
    progress("oldest versions of sections")
    with Persistent(arguments, binary=binary) as prober:
        sections = with_minimums(sections, stream, dump, prober, prologue)
    progress("virtio features")
    virtio = _with_features(virtio, arguments, prologue, binary)
    masks: dict[str, Masks] = {}
    if with_masks:
        masks = learn_masks(arguments, functions, prologue, binary=binary, progress=progress)
        progress("writable bits of config space")
        masks = learn_writable(arguments, functions, masks, binary=binary)
    facts = MachineFacts(
        name=name,
        qemu=pristine.version,
        package=pristine.package,
        machine=pristine.machine,
        vmdescription=not pristine.suppressed,
        arguments=tuple(arguments),
        accelerator=accelerator(complete_arguments(arguments)) or "tcg",
        stream=stream,
        below_4g=pristine.low,
        above_4g=pristine.high,
        block_limits=pristine.limits,
        regions=regions,
        spaces=spaces,
        functions=functions,
        masks=masks,
        virtio=virtio,
        sections=sections,
        dump=dump,
        rom=rom,
    )
    return facts, pristine.before


def with_stream(facts: MachineFacts, data: bytes) -> MachineFacts:
    """The facts with what another stream of the same machine, as QEMU wrote it, tells of its sections."""
    functions = frozenset(item.address for item in facts.functions)
    return replace(facts, sections=extended(facts.sections, read_own(data), facts.dump, functions))


def read_own(data: bytes) -> Stream:
    """A described stream as QEMU wrote it, with or without configuration section and footers. Raises CaptureError.

    That every section has a footer is tried first: a reader that expects none makes footers part of the payloads.
    """
    try:
        return read(data, footers=True)
    except StreamError:
        pass
    try:
        return read(data, footers=False)
    except StreamError as error:
        raise CaptureError(f"the stream cannot be read: {error}") from None


def _look(vm: Qemu) -> _Pristine:
    suppressed = bool(vm.qmp("qom-get", {"path": "/machine", "property": "suppress-vmdesc"}))
    before = saved(vm)
    answer = vm.qmp("query-version")
    found = answer["qemu"]
    machine = str(vm.qmp("qom-get", {"path": "/machine", "property": "type"}))
    flat = vm.hmp("info mtree -f -o")
    objects = qom.walk(vm)
    low, high = _split(objects)
    return _Pristine(
        before,
        f"{found['major']}.{found['minor']}.{found['micro']}",
        str(answer["package"]),
        machine.removesuffix("-machine"),
        suppressed,
        objects,
        vm.hmp("info mtree -o -D"),
        flat,
        _block_limits(vm.hmp("info ramblock")),
        low,
        high,
    )


def _made(stream: Stream, objects: qom.Objects) -> dict[str, int]:
    """Which PCI device was made before which other: section ids count registrations."""
    numbers: dict[str, int] = {}
    for section in stream.sections:
        numbers.setdefault(section.name.rpartition("/")[0], section.section_id + 1)
    return {path: numbers[address] for path, address in objects.functions.items() if address in numbers}


def saved(vm: Qemu) -> bytes:
    """The machine's stream, with a VMDESCRIPTION whether or not its type has one, without pages of zeros.

    Of a large guest nearly all pages are, and a fresh destination has zeros there. Raises QemuError and CaptureError.
    """
    vm.qmp("qom-set", {"path": "/machine", "property": "suppress-vmdesc", "value": False})
    with tempfile.TemporaryDirectory(prefix="vmfuzz-stream-") as folder:
        path = Path(folder) / "stream"
        try:
            vm.migrate(path)
        except QemuError as error:
            line = str(error)
            raise QemuError(line if line.startswith("migrate: ") else f"migrate: {line}") from None
        return write(without_zeros(read_own(path.read_bytes())))


def _block_limits(text: str) -> dict[str, int]:
    """The most bytes of each RAM block, from `info ramblock`."""
    found = {}
    for line in text.splitlines():
        match = _BLOCK.match(line)
        if match:
            found[match[1]] = int(match[3], 16)
    return found


def _split(objects: qom.Objects) -> tuple[int, int]:
    """How much RAM is below and above 4 GiB, whatever it is made of: the sizes of the two aliases that show it."""
    sizes = {region.name: region.size for region in objects.regions.values() if region.name in _RAM_HALVES}
    low, high = (sizes.get(name, 0) for name in _RAM_HALVES)
    if not low:
        raise CaptureError(f"no region {_RAM_HALVES[0]}: this is no PC")
    return low, high


def _destination(
    arguments: Sequence[str], binary: str, pristine: _Pristine, regions: Sequence[Region]
) -> tuple[tuple[str, int, bytes], ...]:
    """Check that a waiting destination looks like the machine at reset, and read what its ROMs hold."""
    with Qemu(arguments, binary=binary, extra=["-incoming", "defer"]) as vm:
        flat = vm.hmp("info mtree -f -o")
        if layout(flat) != layout(pristine.flat):
            raise CaptureError("a QEMU that waits for a stream has another memory layout than one at reset")
        blocks = {(region.name, region.kind): region.block for region in regions if region.block}
        return tuple(_rom_contents(vm, flat, blocks))


def _rom_contents(vm: Qemu, flat: str, blocks: Mapping[tuple[str, str], str | None]) -> list[tuple[str, int, bytes]]:
    found: dict[tuple[str, int], bytes] = {}
    with tempfile.TemporaryDirectory(prefix="vmfuzz-rom-") as folder:
        path = Path(folder) / "rom"
        for view in parse_flat(flat):
            if not any(space.name == "memory" for space in view.spaces):
                continue
            for line in view.ranges:
                block = blocks.get((line.name, "rom"))
                if line.type != "rom" or block is None:
                    continue
                size = line.end + 1 - line.start
                vm.qmp("pmemsave", {"val": line.start, "size": size, "filename": str(path)})
                data = path.read_bytes()
                for at in range(0, size, 32):
                    row = data[at : at + 32]
                    if any(row):
                        found[block, line.offset + at] = row
    return [(block, offset, data) for (block, offset), data in sorted(found.items())]


def _with_features(
    virtio: dict[str, VirtioFacts], arguments: Sequence[str], prologue: bytes, binary: str
) -> dict[str, VirtioFacts]:
    if not virtio:
        return {}
    with Prober(arguments, binary=binary) as prober:
        return {name: with_features(facts, prober, prologue) for name, facts in virtio.items()}
