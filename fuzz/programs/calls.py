"""What each verb does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fuzz.programs.program import SLOTS
from fuzz.programs.stage import BrokenInvariant
from model.memory import Kind, address_space_map, memory_region_find, read, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuzz.programs.run import Run
    from model.memory import Region


def _add(run: Run, name: str, container: str, at: int, priority: int) -> None:
    stage = run.stage
    region, holder = stage.regions[name], stage.regions[container]
    if stage.may_hold(container, name) and region.container is None:
        epoch = run.memory.epoch
        run.memory.add_subregion(holder, at, region, priority)
        if run.memory.epoch == epoch + 1:  # no listener changed the tree meanwhile
            _wins(region)


def _del(run: Run, name: str) -> None:
    region = run.stage.regions[name]
    if region.container is not None:
        run.memory.del_subregion(region.container, region)


def _move(run: Run, name: str, at: int) -> None:
    region = run.stage.regions[name]
    if region.addr == at:
        return
    epoch = run.memory.epoch
    run.memory.set_address(region, at)
    if run.memory.epoch == epoch + 2:  # out and in, and nothing else
        _wins(region)


def _wins(region: Region) -> None:
    """memory.md 2.1: what was put in last stands before its equals and behind what has more."""
    siblings = region.container.subregions if region.container is not None else []
    at = siblings.index(region) if region in siblings else -1
    if at < 0 or any(other.priority <= region.priority for other in siblings[:at]):
        raise BrokenInvariant(f"I9: {region} was put in last and does not stand before its equals")


def _resize(run: Run, name: str, size: int) -> None:
    run.memory.set_size(run.stage.regions[name], size)


def _enable(run: Run, name: str) -> None:
    run.memory.set_enabled(run.stage.regions[name], True)


def _disable(run: Run, name: str) -> None:
    run.memory.set_enabled(run.stage.regions[name], False)


def _offset(run: Run, name: str, at: int) -> None:
    region = run.stage.regions[name]
    if region.alias is not None:
        run.memory.set_alias_offset(region, at)


def _readonly(run: Run, name: str, switch: str) -> None:
    run.memory.set_readonly(run.stage.regions[name], switch == "on")


def _nonvolatile(run: Run, name: str, switch: str) -> None:
    run.memory.set_nonvolatile(run.stage.regions[name], switch == "on")


def _romd(run: Run, name: str, switch: str) -> None:
    region = run.stage.regions[name]
    if region.kind is Kind.ROMD:
        run.memory.set_romd(region, switch == "on")


def _renew(run: Run, name: str, at: int, size: int) -> None:
    region = run.stage.regions[name]
    if region.alias is not None and region.container is None:
        run.memory.init_alias(region, at, size)


def _eventfd(run: Run, name: str, switch: str) -> None:
    region = run.stage.regions[name]
    if switch == "on":
        run.memory.add_eventfd(region)
    elif region.eventfds:
        run.memory.del_eventfd(region)


def _begin(run: Run) -> None:
    run.opened += 1
    run.memory.begin()


def _commit(run: Run) -> None:
    if run.opened:
        run.opened -= 1
        run.memory.commit()


def _open(run: Run, name: str, root: str) -> None:
    if name not in run.stage.spaces:
        run.stage.spaces[name] = run.memory.add_space(name, run.stage.regions[root])


def _close(run: Run, name: str) -> None:
    if name in run.stage.spaces:
        run.memory.remove_space(run.stage.spaces.pop(name))


def _read(run: Run, name: str, at: int, length: int) -> None:
    if name in run.stage.spaces:
        read(run.memory, run.stage.spaces[name], at, length, "address_space_read")


def _write(run: Run, name: str, at: int, length: int) -> None:
    if name in run.stage.spaces:
        write(run.memory, run.stage.spaces[name], at, bytes(length), "address_space_write")


def _map(run: Run, name: str, at: int, length: int, way: str) -> None:
    if name in run.stage.spaces:
        address_space_map(run.memory, run.stage.spaces[name], at, length, way == "w", "address_space_map")


def _find(run: Run, name: str, at: int, length: int) -> None:
    memory_region_find(run.memory, run.stage.regions[name], at, length, "memory_region_find")


def _cache(run: Run, slot: str, name: str, at: int, length: int, way: str) -> None:
    if name not in run.stage.spaces:
        return
    index = run.caches.set_up(slot, name, at, length, way == "w")
    if run.loading:
        run.design.ring_cache(run, run.caches, index)
    else:
        run.caches.build_cache(index)


def _check(run: Run, slot: str) -> None:
    if run.loading and run.caches.is_set_up(SLOTS.index(slot)):
        run.design.ring_check(run, run.caches, SLOTS.index(slot))


def _use(run: Run, slot: str) -> None:
    index = SLOTS.index(slot)
    if run.caches.stale(index):
        run.say(f"{slot} is stale")
    run.caches.read(index)


def _load(run: Run) -> None:
    """Where the load begins is seen before anything runs."""


def _section(run: Run) -> None:
    if run.loading:
        run.section_ends()
        run.section_begins()


def _postload(run: Run) -> None:
    if run.loading:
        run.design.before_post_load(run)


def _release(run: Run) -> None:
    if run.loading:
        run.design.lock_released(run)


CALLS: Final[dict[str, Callable[..., Any]]] = {
    "add": _add,
    "del": _del,
    "move": _move,
    "resize": _resize,
    "enable": _enable,
    "disable": _disable,
    "offset": _offset,
    "readonly": _readonly,
    "nonvolatile": _nonvolatile,
    "romd": _romd,
    "renew": _renew,
    "eventfd": _eventfd,
    "begin": _begin,
    "commit": _commit,
    "open": _open,
    "close": _close,
    "read": _read,
    "write": _write,
    "map": _map,
    "find": _find,
    "cache": _cache,
    "check": _check,
    "use": _use,
    "load": _load,
    "section": _section,
    "postload": _postload,
    "release": _release,
}
"""By verb, called with the run and the operands."""
