"""Which handlers keep to themselves, and for which what they do must be said in full.

Three kinds, from what their code looks at and touches:

- *quiet*: a schema and checks on its own fields, nothing else. It goes by nothing that others do, and others go by
  nothing of it.
- *own*: it calls the memory API and reads guest memory as it likes, but no other handler looks at what it has loaded.
  What it does to the world is in the memory's log.
- *open*: others may see what it has loaded, as they see a virtio device's rings when they commit. Each record leads to
  a world of its own.

A class that is not named here may look at others: on a machine that has one of these all handlers are open, and what
is known of a load is known of all that came before.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from model.designs import Design
from model.devices.ahci import Ahci
from model.devices.chipset import I440fx, Ich9Lpc, Mch, Piix4Pm
from model.devices.clock import Timer
from model.devices.e1000e import E1000e
from model.devices.fw_cfg import FwCfg
from model.devices.globalstate import GlobalState
from model.devices.handler import Effects
from model.devices.hda import IntelHda
from model.devices.root_port import RootPort
from model.devices.shpc import Shpc
from model.devices.slirp import Slirp
from model.devices.vapic import KvmTprOpt
from model.devices.vga import CirrusVga, Qxl, Vga
from model.devices.virtio import VIRTIO
from model.devices.virtio.iommu import VirtioIommu
from model.devices.vmgenid import VmGenId
from model.devices.xhci import Xhci

if TYPE_CHECKING:
    from model.machine import AnyHandler, Machine


class Kind(Enum):
    """What has to be known to know what a record does."""

    QUIET = "quiet"
    OWN = "own"
    OPEN = "open"


_QUIET: Final[frozenset[type[Effects]]] = frozenset({Effects, Timer})
_OWN: Final[frozenset[type[Effects]]] = _QUIET | {
    Ahci, CirrusVga, E1000e, FwCfg, GlobalState, I440fx, Ich9Lpc, IntelHda, KvmTprOpt, Mch, Piix4Pm, Qxl, Slirp, Vga,
    VmGenId, Xhci,
}  # fmt: skip
_POWER: Final[frozenset[type[Effects]]] = frozenset({RootPort, Shpc})
"""They switch functions on and off that are other handlers'."""
_OPEN: Final[frozenset[type[Effects]]] = (frozenset(VIRTIO.values()) - {VirtioIommu}) | _POWER


class Kinds:
    """The handlers of one machine. `is_looked_at`: whether somebody may look at any handler."""

    def __init__(self, machine: Machine) -> None:
        classes = {type(handler.effects) for handler in machine.handlers if handler.effects is not None}
        self.is_looked_at = not classes <= _OWN | _OPEN
        has_power = not classes.isdisjoint(_POWER)
        self._kinds = {handler: self._kind(handler, has_power=has_power) for handler in machine.handlers}
        self.tell = tuple(
            handler
            for handler in machine.handlers
            if handler.effects is not None and type(handler.effects).state is not Effects.state
        )
        """Those that have something to say at the end of a load."""

    def _kind(self, handler: AnyHandler, *, has_power: bool) -> Kind:
        if self.is_looked_at or (has_power and handler.function is not None):
            return Kind.OPEN
        if handler.effects is None:
            return Kind.OWN
        if type(handler.effects) in _QUIET and handler.function is None:
            return Kind.QUIET
        return Kind.OWN if type(handler.effects) in _OWN else Kind.OPEN

    def of(self, handler: AnyHandler) -> Kind:
        """The kind of a handler."""
        return self._kinds[handler]


def takes_part(design: type[Design]) -> bool:
    """Whether loads under a design can be remembered: it is one of the house's, holds nothing that another load or a
    later record could find, and neither hears of each change nor runs in a thread of its own."""
    return (
        design.__module__.startswith("model.designs.")
        and design.bug is None
        and not (design.hears_changes or design.takes_turns)
    )


def is_silent(design: type[Design]) -> bool:
    """Whether a design does nothing at a section as such, so that one that is quiet is quiet under it."""
    hooks = ("section_begins", "section_ends", "before_post_load", "lock_released")
    return all(getattr(design, hook) is getattr(Design, hook) for hook in hooks)
