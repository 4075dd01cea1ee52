"""Faults that loaders of other devices have had: numbers that were trusted, or judged too strictly.

What a device's own fields say is checked where its section ends, or by the schema itself; so these faults also load by
another schema than the sound program, and are shown fields that no device of the model asks for.

Model: what is written behind the end of something kills the program at once. There it may go on for a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from model.devices.checks.check import EINVAL
from model.devices.pci import COMMAND, COMMAND_IO, COMMAND_MEMORY
from model.errors import Killed
from model.seeded.bug import SeededBug
from model.seeded.revised import revised, without
from vmformat import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.devices.checks import Watch
    from model.devices.handler import Handler, SectionVisitor
    from model.devices.pci import Bar
    from vmformat import Field, Schema

_TIMERS: Final = 32
_KEYS, _KEYS_ROOM = 16, 256
_CONTROL: Final = 4096
"""Bytes of a USB device's buffer for control transfers."""


class TimerCountTrusted(SeededBug):
    """The number of timers is not held to what there can be: timers are written behind the last one."""

    source = "S10, CVE-2013-4527, fixed by 3f1c49e213"
    budget = 5_000

    def section_schema(self, sound: Callable[..., Any], handler: Handler) -> Schema:
        """Nothing validates it."""
        return without(sound(handler), "hpet", "num_timers in range")

    def shown_fields(self, sound: Callable[..., Any], handler: Handler) -> frozenset[str]:
        """Also the number."""
        shown: frozenset[str] = sound(handler)
        return shown | {"hpet:num_timers"}

    def load_field(
        self, sound: Callable[..., Any], visitor: SectionVisitor, schema: Schema, field: Field, path: str, value: object
    ) -> Refusal | None:
        """So many timers do not fit."""
        if (schema.name, field.name) == ("hpet", "num_timers") and isinstance(value, int) and value > _TIMERS:
            raise Killed("SIGSEGV: a timer is written behind the last one")
        refusal: Refusal | None = sound(visitor, schema, field, path, value)
        return refusal


class _KeysShown(SeededBug):
    """A PS/2 queue is put in order after the load: its first bytes are copied from where it is read."""

    source = "S26, CVE-2017-16845, fixed by 802cbcb730"

    def shown_fields(self, sound: Callable[..., Any], handler: Handler) -> frozenset[str]:
        """Also the queue's place and length."""
        shown: frozenset[str] = sound(handler)
        return shown | {"PS2 Common State:queue.rptr", "PS2 Common State:queue.count"}

    def load_field(
        self, sound: Callable[..., Any], visitor: SectionVisitor, schema: Schema, field: Field, path: str, value: object
    ) -> Refusal | None:
        """The length comes behind the place."""
        if (schema.name, field.name) == ("PS2 Common State", "queue.count") and isinstance(value, int):
            first = visitor.handler.effects.number(path.replace("count", "rptr"))
            if self._is_outside(first, value):
                raise Killed("SIGSEGV: keys are copied from outside their queue")
        refusal: Refusal | None = sound(visitor, schema, field, path, value)
        return refusal

    def _is_outside(self, first: int, count: int) -> bool:
        raise NotImplementedError


class KeyCountTrusted(_KeysShown):
    """A PS/2 queue may have a negative number of bytes: a huge one is copied when it is put in order after the load."""

    def _is_outside(self, first: int, count: int) -> bool:
        return count < 0


class KeyPlaceTrusted(_KeysShown):
    """Where a PS/2 queue is read is not looked at: what is in it is copied from there when it is put in order."""

    def _is_outside(self, first: int, count: int) -> bool:
        return 0 < count <= _KEYS and not 0 <= first < _KEYS_ROOM


class MessageLengthTrusted(SeededBug):
    """The length of a SCSI message may be anything: accepted, and the next message is written behind the buffer."""

    source = "S28, CVE-2018-18849, fixed by e58ccf0396"
    machine = "pc-attic"
    budget = 5_000

    def check_fields(
        self, sound: Callable[..., Any], watch: Watch, path: str, messages: list[str], not_modelled: set[str]
    ) -> Refusal | None:
        """Not of this controller."""
        if any(one.vmsd == "lsiscsi" for one in watch.checks.get(path, ())):
            return None
        refusal: Refusal | None = sound(watch, path, messages, not_modelled)
        return refusal


class PortCountTrusted(SeededBug):
    """The number of SATA ports comes behind the ports and replaces the controller's own: it looks for those as well."""

    source = "S09, CVE-2013-4526, fixed by ae2158ad6c"
    machine = "q35-sata"
    sections = 4
    budget = 2_000

    def section_schema(self, sound: Callable[..., Any], handler: Handler) -> Schema:
        """Any number will do."""
        return revised(sound(handler), "ahci", "ports", type="int32")

    def shown_fields(self, sound: Callable[..., Any], handler: Handler) -> frozenset[str]:
        """Also the number."""
        shown: frozenset[str] = sound(handler)
        return shown | {"ahci:ports"}

    def load_field(
        self, sound: Callable[..., Any], visitor: SectionVisitor, schema: Schema, field: Field, path: str, value: object
    ) -> Refusal | None:
        """More ports than there are."""
        if (schema.name, field.name) == ("ahci", "ports") and isinstance(value, int) and value > visitor.local(path):
            raise Killed("SIGSEGV: a port is looked for behind the last one")
        refusal: Refusal | None = sound(visitor, schema, field, path, value)
        return refusal


class ErrorCountTrusted(SeededBug):
    """The number of logged errors is not held to the log's size: so many are read, and what follows is read as them."""

    source = "S11, CVE-2013-4529, fixed by 5f691ff91d"
    machine = "bridges"
    budget = 2_000

    def section_schema(self, sound: Callable[..., Any], handler: Handler) -> Schema:
        """Nothing validates it."""
        return without(sound(handler), "PCIE_AER_ERROR_LOG", "log_num <= log_max")


class SetupLengthRefused(SeededBug):
    """A setup length beyond the buffer, which a guest can set, refuses the load and so pins the guest to its host."""

    source = "P01, removed by f30815390a"
    machine = "q35-usb"

    def shown_fields(self, sound: Callable[..., Any], handler: Handler) -> frozenset[str]:
        """Also the length."""
        shown: frozenset[str] = sound(handler)
        return shown | {"USBDevice:setup_len"}

    def load_field(
        self, sound: Callable[..., Any], visitor: SectionVisitor, schema: Schema, field: Field, path: str, value: object
    ) -> Refusal | None:
        """Longer than the buffer."""
        if (schema.name, field.name) == ("USBDevice", "setup_len") and isinstance(value, int) and value > _CONTROL:
            visitor.load.guest_can_cause = True
            return Refusal(EINVAL, (), 0, path)
        refusal: Refusal | None = sound(visitor, schema, field, path, value)
        return refusal


class EnableBitOverlooked(SeededBug):
    """A BAR is mapped whether or not its enable bit is set: memory shows what should not be there."""

    source = "S29, CVE-2025-54566, fixed by cad9aa6fbd; BARs in the place of virtual functions"
    budget = 2_000

    def bar_address(self, sound: Callable[..., Any], bar: Bar, config: bytes) -> int | None:
        """As if both bits were set."""
        command = config[COMMAND] | COMMAND_IO | COMMAND_MEMORY
        address: int | None = sound(bar, config[:COMMAND] + bytes([command]) + config[COMMAND + 1 :])
        return address


BUGS: Final = (
    TimerCountTrusted,
    KeyCountTrusted,
    KeyPlaceTrusted,
    MessageLengthTrusted,
    PortCountTrusted,
    ErrorCountTrusted,
    SetupLengthRefused,
    EnableBitOverlooked,
)
