"""A destination machine: regions, address spaces, PCI functions and section handlers, built once from a description.

Building costs tens of milliseconds, so it is done once; a load changes the machine and `reset` returns it to its
pristine state by undoing what was done: the memory keeps a journal of its own changes, and of the handlers only those
that a stream touched are reset. The law, tested: after `reset` a machine behaves like one newly built.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import vmformat
from model.devices.bridge import Bridge
from model.devices.effects import equip
from model.devices.handler import Effects, Handler
from model.devices.mmio import Mmio
from model.devices.pci import Bar, PciFunction
from model.devices.ram import RamHandler
from model.devices.registers import Registers
from model.devices.virtio.together import Rings
from model.errors import Abort, DescriptionError
from model.listening import Recorder, rows_of
from model.memory import NO_WORK, Kind, Memory, Region, format_flat
from model.schemas import section_schemas
from model.system_reset import system_reset
from model.walks import Walks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from model.description import Description, FunctionEntry, RegionEntry, SectionEntry
    from model.listening import Heard
    from model.memory import AddressSpace, FlatView
    from model.outcome import DeviceState, Layout, Row
    from model.quiet import Piece

AnyHandler = Handler | RamHandler
PAGE: Final = 4096


class Machine:
    """A destination in its pristine state, ready to be loaded into by `model.load`.

    `process` is what designs keep for the life of the process; it is emptied by `reset`. `remembers`: whether what a
    load came to may be used again for the next, which is right only where functions are what they were.
    """

    def __init__(self, description: Description) -> None:
        """Build. Raises DescriptionError where the description refers to something that is not there."""
        self.description = description
        self.memory = Memory()
        self.memory.mmio = Mmio(self)
        self.regions: dict[str, Region] = {}
        self._by_name: dict[str, Region] = {}
        self.process: dict[str, object] = {}
        self._bounds: dict[bytes, dict[int, int]] = {}
        self.walks = Walks()
        self.rings = Rings()
        self.spare = b""
        """The bytes of the machine's default stream, once somebody has asked for them."""

        self.bounce_in_use = False
        self.touched: set[AnyHandler] = set()
        self.left_out: dict[AnyHandler, Piece] = {}
        """Handlers whose section was passed over, and which (`model.quiet`)."""

        self.touched_functions: set[PciFunction] = set()
        self._build_regions(description.regions)
        self.spaces = [
            self.memory.add_space(entry.name, self._region(entry.root, "spaces")) for entry in description.spaces
        ]
        self.memory_space = self._space("memory")
        self.system = self.memory_space.root
        self.functions: dict[str, PciFunction] = {}
        for entry in description.functions:
            self.functions[entry.function] = self._build_function(entry)
        for function in self.functions.values():
            parent = self.functions.get(function.entry.parent or "")
            if parent is not None:
                parent.children.append(function)
        self._build_ram()
        self.schemas = section_schemas(description)
        self.handlers: list[AnyHandler] = [self._build_handler(entry) for entry in description.sections]
        self._called: dict[str, list[AnyHandler]] = {}
        for handler in self.handlers:
            for name in handler.names:
                self._called.setdefault(name, []).append(handler)
        kinds = {handler.entry.function: handler.kind for handler in self.handlers if isinstance(handler, Handler)}
        self.registers = Registers((kinds.get(name, name[-4:]), one) for name, one in self.functions.items())
        self._watched = [
            (one, one.watch) for one in self.handlers if isinstance(one, Handler) and one.watch is not None
        ]
        every = [handler.effects for handler in self.handlers if handler.effects is not None]
        self._telling = [effects for effects in every if type(effects).state is not Effects.state]
        self._recorders = [Recorder(space) for space in self.spaces if space.name in {"memory", "I/O"}]
        for recorder in self._recorders:
            self.memory.register(recorder, recorder.space)
        self.memory.rebuilds = 0
        self.memory.work.restore(NO_WORK)
        self.memory.checkpoint()

    @property
    def remembers(self) -> bool:
        """See above."""
        return self.memory.remembers

    @remembers.setter
    def remembers(self, wanted: bool) -> None:
        self.memory.remembers = self.walks.remembers = wanted

    @property
    def name(self) -> str:
        """The name of the description."""
        return self.description.name

    @property
    def not_followed(self) -> tuple[str, ...]:
        """Kinds of sections that are loaded by their schema and their PCI part alone, sorted: the machine's report."""
        unknown = {
            handler.kind for handler in self.handlers if isinstance(handler, Handler) and not handler.is_followed
        }
        return tuple(sorted(unknown))

    def reset(self) -> None:
        """Return to the pristine state."""
        self.memory.rollback()
        for handler in self.touched:
            handler.reset()
        for function in self.touched_functions:
            function.reset()
        for one in self.left_out:
            one.load_section_id = one.load_version = 0
        self.left_out.clear()
        self.touched.clear()
        self.touched_functions.clear()
        self.process.clear()
        self.rings.forget()
        self.bounce_in_use = False
        if self.block_lengths != self.pristine_lengths:
            self.block_lengths.update(self.pristine_lengths)

    def system_reset(self) -> None:
        """What `system_reset` does to the loaded machine, by way of the memory API: see `model.system_reset`."""
        system_reset(self)

    def optional(self, name: str) -> Region | None:
        """The first region of that name, None if there is none."""
        return self._by_name.get(name)

    def find_handler(self, name: str, instance: int) -> AnyHandler | None:
        """The first handler, in list order, that a section header names (stream.md 2.4)."""
        for handler in self._called.get(name, ()):
            if handler.matches(name, instance):
                return handler
        return None

    def bounds(self, data: bytes) -> dict[int, int]:
        """Where each record of a stream begins, as far as the stream can be read, and where the next one does."""
        known = self._bounds.get(data)
        return self._new_bounds(data) if known is None else known

    def _new_bounds(self, data: bytes) -> dict[int, int]:
        starts = [record.offset for record in vmformat.read(data, self.schemas, tolerant=True).records]
        found = self._bounds[data] = dict(pairwise(starts))
        while len(self._bounds) > 4:
            del self._bounds[next(iter(self._bounds))]
        return found

    def resize_block(self, name: str, length: int) -> None:
        """Give a resizeable RAM block another used length, in bytes: a commit when the page count changes.

        Raises Abort beyond the block's maximum.
        """
        if name not in self.block_lengths:
            return
        rounded = (length + PAGE - 1) & ~(PAGE - 1) & (1 << 64) - 1
        if rounded > self.block_limits[name]:
            limit = self.block_limits[name]
            raise Abort(
                "Unexpected error in qemu_ram_resize() at ../../softmmu/physmem.c:1852:\n"
                f"Size too large: {name}: {rounded:#x} > {limit:#x}: Invalid argument"
            )
        if length >> 32:
            raise Abort("fw_cfg_modify_bytes_read: Assertion `key < fw_cfg_max_entry(s) && len < UINT32_MAX' failed.")
        if length == self.block_lengths[name]:
            return
        region = self._block_regions.get(name)
        if region is not None:
            self.memory.set_size(region, length)
        self.memory.ram.resize(name, rounded)
        self.block_lengths[name] = length

    # What a load came to

    def layout(self) -> Layout:
        """The published flat view of every address space, in their order."""
        return tuple((space.name, self.rows(space.current)) for space in self.spaces)

    def told(self) -> Layout:
        """What each recorded listener believes."""
        return tuple(
            (recorder.space.name, recorder.believes(self.rows(recorder.space.current))) for recorder in self._recorders
        )

    def heard(self) -> tuple[Heard, ...]:
        """What each recorded listener was told since the machine was pristine."""
        return tuple(recorder.heard() for recorder in self._recorders)

    def mtree(self) -> str:
        """The flat views in the form of `info mtree -f`."""
        return format_flat(self.spaces)

    def device_states(self) -> tuple[DeviceState, ...]:
        """What the devices derived, in handler order."""
        states = [effects.state() for effects in self._telling]
        return tuple([state for state in states if state is not None])

    def distances(self) -> tuple[tuple[str, ...], ...]:
        """How far the checked fields of the sections that were loaded are from what is refused, in handler order."""
        left_out, found = self.left_out, dict[tuple[str, ...], None]()
        for handler, watch in self._watched:
            if handler in left_out:
                found.update(left_out[handler].distances)
            elif watch.values:
                found.update(dict.fromkeys(watch.distances()))
        return tuple(found)

    def rows(self, view: FlatView) -> tuple[Row, ...]:
        """The ranges of a view, as outcomes tell them."""
        return rows_of(view)

    # Building

    def _build_regions(self, entries: Iterable[RegionEntry]) -> None:
        entries = tuple(entries)
        table = {entry.id: entry for entry in entries}
        for entry in entries:
            self._make(entry, table, ())
        siblings: dict[str, list[RegionEntry]] = {}
        for entry in entries:
            if entry.container is not None:
                siblings.setdefault(entry.container, []).append(entry)
        for container, children in siblings.items():
            parent = self._region(container, "container")
            # Winners come first in a description; the memory API lets the one added last win.
            for entry in reversed(children):
                self.memory.add_subregion(parent, entry.addr, self.regions[entry.id], entry.priority)

    def _make(self, entry: RegionEntry, table: dict[str, RegionEntry], above: tuple[str, ...]) -> Region:
        known = self.regions.get(entry.id)
        if known is not None:
            return known
        target = None
        if entry.kind == "alias":
            if entry.target not in table or entry.id in above:
                where = f"regions.{entry.id}.target"
                raise DescriptionError(where, "the id of another region, without a cycle", repr(entry.target))
            target = self._make(table[entry.target], table, (*above, entry.id))
        region = Region(
            entry.name,
            Kind(entry.kind),
            entry.size,
            alias=target,
            alias_offset=entry.target_offset,
            block=entry.block or "",
            owner=entry.owner,
            key=entry.id,
            readonly=entry.readonly,
            enabled=entry.enabled,
        )
        region.addr, region.priority = entry.addr, entry.priority
        self.regions[entry.id] = region
        self._by_name.setdefault(entry.name, region)
        return region

    def _region(self, key: str, where: str) -> Region:
        region = self.regions.get(key)
        if region is None:
            raise DescriptionError(where, "the id of a region", repr(key))
        return region

    def _space(self, name: str) -> AddressSpace:
        for space in self.spaces:
            if space.name == name:
                return space
        raise DescriptionError("spaces", f"an address space named {name!r}", "none")

    def _build_function(self, entry: FunctionEntry) -> PciFunction:
        where = f"pci.{entry.function}"
        function = PciFunction(entry, self.memory)
        for bar in entry.bars:
            container = entry.bus_io if bar.space == "io" else entry.bus_memory
            function.bars.append(
                Bar(bar, self._region(bar.region, where), self._region(container or "", where), entry.config[0x0E])
            )
        function.bars.sort(key=lambda bar: bar.slot)
        if entry.bridge is not None:
            memory, io = self._region(entry.bus_memory or "", where), self._region(entry.bus_io or "", where)
            second = self._region(entry.bridge.memory, where), self._region(entry.bridge.io, where)
            vga = {name: self._region(key, where) for name, key in entry.bridge.vga.items()}
            function.bridge = Bridge(
                self.memory,
                {"io": io, "mem": memory, "pref": memory, "io_lo": io, "io_hi": io} | ({"mem": memory}),
                {name: self._region(key, where) for name, key in entry.bridge.windows.items()},
                vga,
                second,
            )
        if entry.bus_master_alias is not None and entry.bus_master_space is not None:
            if not 0 <= entry.bus_master_space < len(self.spaces):
                raise DescriptionError(f"{where}.bus_master.space", "an index of spaces", str(entry.bus_master_space))
            function.master_alias = self._region(entry.bus_master_alias, where)
            function.master_space = self.spaces[entry.bus_master_space]
        return function

    def _build_ram(self) -> None:
        blocks = self.description.blocks
        for entry in blocks:
            self.memory.ram.add_block(entry.name, entry.length)
        self.pristine_lengths = {entry.name: entry.length for entry in blocks}
        self.block_lengths = dict(self.pristine_lengths)
        self.block_limits = {entry.name: entry.max_length for entry in blocks}
        self._block_regions = {region.block: region for region in self.regions.values() if region.block}
        for entry in blocks:
            if entry.name not in self._block_regions:
                self._block_regions[entry.name] = Region(entry.name, Kind.ROM, entry.length, block=entry.name)
        for name, offset, data in self.description.rom:
            self.memory.ram.write(name, offset, data)

    def _build_handler(self, entry: SectionEntry) -> AnyHandler:
        if entry.iterable:
            return RamHandler(self, entry.name, entry.instance)
        function = None
        if entry.function is not None:
            function = self.functions.get(entry.function)
            if function is None:
                raise DescriptionError(f"sections.{entry.name}.function", "a function of pci", repr(entry.function))
        schema = self.schemas.get((entry.name, entry.instance))
        if schema is None:
            raise DescriptionError(f"sections.{entry.name}.schema", "a key of schemas", repr(entry.schema))
        handler = Handler(self, entry, schema, function)
        equip(self, handler)
        return handler
