"""Other threads of the program: RCU's, the monitor's, and those that load beside the loader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from model.actors.actor import Actor, Idle
from model.memory import T64, Kind, Listener, Region, Use

if TYPE_CHECKING:
    from model.load_state import LoadState

LISTENING: Final = 3


def _reclaim(load: LoadState, _words: tuple[str, ...]) -> None:
    """Free old views. What loses its last reference is finalized, in a transaction of its own (memory.md 10)."""
    load.memory.begin()
    load.memory.commit()


def _mtree(load: LoadState, _words: tuple[str, ...]) -> None:
    """`info mtree -f`: every space's view, with a reference."""
    for space in load.memory.spaces:
        load.memory.getter(space, Use(load.actor, 0, T64, getter="reference"))


class _Vhost(Listener):
    """What a device that is plugged in wants to hear."""

    def region_add(self, space: object, piece: object) -> None:
        """A range is new."""


def _plug(load: LoadState, _words: tuple[str, ...]) -> None:
    """`device_add` of a PCI device: its bus-master space is made, and a listener on memory is registered."""
    memory, machine = load.memory, load.machine
    root = Region("bus master container", Kind.CONTAINER, T64, key="plugged")
    alias = memory.create("bus master", Kind.ALIAS, T64, alias=machine.system, enabled=False, key="plugged-master")
    memory.add_subregion(root, 0, alias)
    memory.add_space("plugged", root)
    memory.getter(machine.memory_space, Use("listener_add_address_space", 0, T64, getter="reference"))
    memory.register(_Vhost(), machine.memory_space)


def _listen(load: LoadState, _words: tuple[str, ...]) -> None:
    """The postcopy listener thread takes a record of the main channel, without the lock."""
    if load.postcopy < LISTENING or load.loops < 2:
        raise Idle
    load.listener_record()


def _second(load: LoadState, _words: tuple[str, ...]) -> None:
    """A second load thread gets its section loaded before the one whose turn it is."""
    if not load.overtake():
        raise Idle


THREADS: Final = (
    Actor("rcu-reclaim", "the RCU thread frees old views, under the lock", (), _reclaim),
    Actor("monitor-mtree", "somebody types `info mtree -f`", (), _mtree),
    Actor("monitor-plug", "somebody types `device_add`", (), _plug),
    Actor("listener", "the postcopy listener thread loads a record", (), _listen, locks=False),
    Actor("second-loader", "another load thread loads the next section first", (), _second, locks=False),
)
