"""A section handler of the destination: which sections it takes, and how it loads one.

A handler with a schema is loaded by it. What a device then *does* with what it loaded, as far as the memory map, guest
memory or the verdict are concerned, is an `Effects` object, found by the name of the device's vmsd
(`model.devices.effects`). PCI config space is the same everywhere and is done here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

from model.schemas import section_virtio
from vmformat import compile_plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.description import SectionEntry, VirtioEntry
    from model.devices.checks.check import Watch
    from model.devices.pci import PciFunction
    from model.load_state import LoadState
    from model.machine import Machine
    from model.outcome import DeviceState
    from vmformat import Field, Plan, Reader, Refusal, Schema

_ALWAYS_TYPES: Final = frozenset({"pci config", "int32 le"})
_ALWAYS: Final = frozenset({f"type:{name}" for name in _ALWAYS_TYPES})
_ELEMENT: Final = re.compile(r"\[\d+\]")


class Effects:
    """What a device does while it loads, beyond storing fields. The base does nothing.

    `fields` are what the device wants to be shown, as `vmformat.plan` spells it; `pre` and `post` the vmsds (its own
    and nested ones) whose pre-load or post-load function does something that is modelled. `in_field`: those of `post`
    whose end is no post-load function but comes inside a field's own loader, where no design has a hook.
    """

    vmsd: ClassVar[str] = ""
    fields: ClassVar[frozenset[str]] = frozenset()
    pre: ClassVar[frozenset[str]] = frozenset()
    post: ClassVar[frozenset[str]] = frozenset()
    in_field: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, machine: Machine, handler: Handler) -> None:
        self.machine = machine
        self.handler = handler
        self.loaded: dict[str, object] = {}

    def reset(self) -> None:
        """Forget what was loaded."""
        self.loaded = {}

    def system_reset(self) -> None:
        """What a reset of the running machine does to the device, whose config space has been reset already.

        The base forgets what was loaded. A device with regions that a reset moves, or leaves where they are, says so.
        """
        self.reset()

    def follow(self, load: LoadState) -> None:
        """The process lives on: what the device says and asks from now on belongs to `load`."""

    def resume(self, load: LoadState) -> None:
        """The guest is started: what the device does before the guest has done anything."""

    def field(self, load: LoadState, path: str, value: object) -> Refusal | None:
        """A wanted field has been read."""
        self.loaded[path] = value
        return None

    def pre_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """A wanted vmsd's pre-load function; `path` says which of several of that name."""
        return None

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """A wanted vmsd's post-load function; `path` says which of several of that name."""
        return None

    def opaque(self, load: LoadState, reader: Reader, field: Field, path: str) -> Refusal | None:
        """A wanted field of a type that has a loader of its own. One whose inside nobody knows is passed over."""
        load.not_modelled.add(f"{self.handler.kind}: {field.name} ({field.type}) is passed over")
        reader.skip(field.width)
        return None

    def wants(self, schema: Schema, field: Field, path: str) -> bool:
        """Whether a field is among `fields`."""
        names = {path, f"{schema.name}:{field.name}", f"type:{field.type}", _ELEMENT.sub("[]", path)}
        return not names.isdisjoint(self.fields)

    def local(self, path: str) -> int:
        """The destination's own value of a field that a section's must equal: the one at reset."""
        return self.handler.entry.local.get(path, 0)

    def state(self) -> DeviceState | None:
        """What the device derived, for the outcome; None when there is nothing to tell."""
        return None

    def saved(self) -> Mapping[str, int | bytes | None]:
        """The fields, by path, that the device would save otherwise than they were loaded; None: not saved at all."""
        return {}

    def number(self, path: str) -> int:
        """A loaded integer; 0 when no section brought it."""
        value = self.loaded.get(path, 0)
        return value if isinstance(value, int) else 0

    @property
    def config(self) -> bytes:
        """The function's config space; empty for a device that has none."""
        function = self.handler.function
        return function.config if function is not None else b""


class Handler:
    """An entry of the program's list of section handlers.

    `load_section_id` and `load_version` are remembered from the last START or FULL that named this handler; PART and
    END find their handler by them (stream.md 2.5).
    """

    iterable = False

    def __init__(self, machine: Machine, entry: SectionEntry, schema: Schema, function: PciFunction | None) -> None:
        self.machine = machine
        self.entry = entry
        self.name = entry.name
        self.instance = entry.instance
        self.version = entry.version
        self.kind = entry.name.rsplit("/", 1)[-1]
        self.schema = schema
        self.function = function
        self.alias = LEGACY_INSTANCES.get((entry.name, entry.instance), ANY_INSTANCE)
        self.load_section_id = 0
        self.load_version = 0
        self.effects = Effects(machine, self)
        self.watch: Watch | None = None
        self.is_followed = False
        self._plan: Plan | None = None

    @property
    def virtio(self) -> VirtioEntry | None:
        """The virtio device whose section this is, if it is one."""
        return section_virtio(self.entry, None if self.function is None else self.function.entry)

    def reset(self) -> None:
        """Back to before the load."""
        self.load_section_id = 0
        self.load_version = 0
        if self.function is not None:
            self.function.reset()
        if self.watch is not None:
            self.watch.values.clear()
        self.effects.reset()

    def system_reset(self) -> None:
        """What a reset of the running machine does: section ids and versions stay, they belong to the program."""
        if self.watch is not None:
            self.watch.values.clear()
        self.effects.system_reset()

    @property
    def plan(self) -> Plan:
        """The compiled schema, showing what the device wants to see."""
        return self._new_plan() if self._plan is None else self._plan

    def _new_plan(self) -> Plan:
        self._plan = compile_plan(self.described(), self.wanted())
        return self._plan

    def described(self) -> Schema:
        """The schema that sections are loaded by."""
        return self.schema

    def wanted(self) -> frozenset[str]:
        """What of a section is shown: to the device, and to the checks behind it."""
        effects = self.effects
        hooks = {f"pre:{vmsd}" for vmsd in effects.pre} | {f"post:{vmsd}" for vmsd in effects.post}
        if self.watch is not None:
            hooks |= self.watch.wanted
        return _ALWAYS | effects.fields | hooks

    @property
    def names(self) -> tuple[str, ...]:
        """The names of sections that may be meant for this handler: its own, and the compat one if there is one."""
        compat = self.entry.compat
        return (self.name,) if compat is None or compat[0] == self.name else (self.name, compat[0])

    def matches(self, name: str, instance: int) -> bool:
        """Whether a section header names this handler (stream.md 2.4, step 3): its own name, or the compat one."""
        if name == self.name:
            return instance in {self.instance, self.alias}
        compat = self.entry.compat
        return compat is not None and compat[0] == name and compat[1] == instance

    def load(self, load: LoadState, reader: Reader, version: int) -> Refusal | None:
        """Load a payload. None when the program goes on."""
        if not self.is_followed:
            load.not_modelled.add(f"{self.kind}: what the device does with its own fields")
        refusal = self.machine.walks.load(self.plan, reader, version, SectionVisitor(load, self), self)
        if refusal is not None and not refusal.offset:
            refusal = replace(refusal, offset=reader.offset)  # a device that refuses does not know where it reads
        return refusal


ANY_INSTANCE: Final = 0xFFFF_FFFF
"""An instance id that equals the alias id which every vmsd handler has by default (stream.md 1.4)."""

LEGACY_INSTANCES: Final = {
    ("i8259", 0): 0x20,
    ("i8259", 1): 0xA0,
    ("i8254", 0): 0x40,
    ("mc146818rtc", 0): 0x70,
    ("fdc", 0): 0x3F0,
    ("serial", 0): 0x3F8,
    ("serial", 1): 0x2F8,
    ("serial", 2): 0x3E8,
    ("serial", 3): 0x2E8,
}
"""ISA devices that kept their I/O port as alias id, so that the wildcard does not name them (asked of QEMU 7.2)."""


class SectionVisitor:
    """Sees a section's fields as they are read, and passes them on to the device."""

    __slots__ = ("_effects", "_function", "_watch", "handler", "load")

    def __init__(self, load: LoadState, handler: Handler) -> None:
        self.load = load
        self.handler = handler
        self._effects, self._function, self._watch = handler.effects, handler.function, handler.watch

    def field(self, schema: Schema, field: Field, path: str, value: object) -> Refusal | None:
        """Config space is checked and taken here; the rest is the device's."""
        function = self._function
        if function is not None and field.type in _ALWAYS_TYPES:
            if isinstance(value, bytes) and field.type == "pci config":
                refusal = load_config(self.load, function, value)
                if refusal is None:
                    self.load.wants_more()
                return refusal
            if isinstance(value, int) and field.type == "int32 le":
                function.state_version = value
                return None
        watch, effects = self._watch, self._effects
        if watch is not None and (schema.name, field.name) in watch.fields:
            watch.values[path] = value
            if not effects.wants(schema, field, path):
                return None
        return effects.field(self.load, path, value)

    def pre_load(self, schema: Schema, path: str, _version: int) -> Refusal | None:
        """The device's."""
        return self.handler.effects.pre_load(self.load, schema.name, path)

    def post_load(self, schema: Schema, path: str, _version: int) -> Refusal | None:
        """The design first, then what the device refuses, then what it does."""
        watch, effects = self.handler.watch, self.handler.effects
        self.load.wants_more()
        if schema.name not in effects.in_field:
            self.load.before_post_load()
        if watch is not None and schema.name in watch.posts:
            refusal = watch.judge(path, self.load.messages, self.load.not_modelled)
            if refusal is not None or schema.name not in effects.post:
                return refusal
        return effects.post_load(self.load, schema.name, path)

    def local(self, path: str) -> int:
        """The destination's own value of a field that must equal it."""
        function = self.handler.function
        if function is not None and path.endswith("version_id"):
            return function.state_version
        return self.handler.effects.local(path)

    def opaque(self, reader: Reader, _schema: Schema, field: Field, path: str) -> Refusal | None:
        """The device's."""
        return self.handler.effects.opaque(self.load, reader, field, path)


def load_config(load: LoadState, function: PciFunction, value: bytes) -> Refusal | None:
    """Check a config space against `function` and take it."""
    size = len(function.config)
    if len(value) != size:
        value = value[:size].ljust(size, b"\0")
    refusal = function.check(value)
    if refusal is not None:
        load.guest_can_cause = False
        return refusal
    load.step(len(function.bars) + 1)
    function.load(value)
    return None
