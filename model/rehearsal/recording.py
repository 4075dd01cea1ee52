"""A load that is written down: every hook is passed on to a design, and what both sides say is noted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from model.designs import Design
from model.rehearsal.seen import LoadSeen, RingsSeen
from model.rehearsal.transcript import (
    ANSWERED,
    CALLED,
    COMMITTED,
    CURRENT,
    DEATHS,
    DID,
    DIED,
    GAVE,
    NOTHING,
    PASSED,
    Transcript,
    asks,
    death,
    silent,
)
from vmformat import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.designs import Load, Rings
    from model.devices.virtio.together import Together
    from model.load_state import LoadState
    from model.memory import AddressSpace, FlatView, Region, Use
    from model.outcome import Outcome
    from model.rehearsal.transcript import Entry


class Recording(Design):
    """The hooks of one load under `design`. `begins` is called before any of them."""

    load: LoadState

    def __init__(self, design: Design, room: int) -> None:
        """`room`: the most entries."""
        self._design = design
        self._silent = silent(type(design))
        self._entries: list[Entry] = []
        self._room = room
        self._on = True
        self.broke = False  # something was raised that no program does
        self._spaces: list[AddressSpace] = []  # whose views are being asked for, the latest last
        self._numbers: dict[int, int] = {}
        self._things: list[Any] = []
        self._rings: dict[int, RingsSeen] = {}
        self._seen: Any = None
        self._told: tuple[Together | None, tuple[Entry, ...]] = (
            None,
            (),
        )  # devices that hear of commits together, as noted

    def begins(self, load: LoadState) -> None:
        """The load is about to begin."""
        self.load = load

    def ended(self, outcome: Outcome) -> Transcript | None:
        """The load is over: all of it, if all of it could be written down."""
        if not self._on or len(self._entries) > self._room:
            return None
        return Transcript(asks(self._design), self._entries, outcome)

    # What the stand-ins ask

    def facts(self) -> Entry:
        """An entry with what can be known now."""
        self._note(GAVE, None, None)
        return self._entries.pop()

    def act(self, who: str | int, what: str, *arguments: object) -> Any:
        """Have it done; note that, and what came of it."""
        self._entries.append((DID, who, what, *arguments))
        try:
            result = getattr(self._real(who), what)(*arguments)
        except DEATHS as stop:
            self._note(DIED, stop, None)
            raise
        except BaseException:
            self._on, self.broke = False, True
            raise
        self._note(GAVE, result, None)
        return result

    def behind(self, who: str | int) -> Any:
        """The real thing; from here on nobody knows what the design goes by, or does."""
        self._on = False
        return self._real(who)

    # Writing down

    def _real(self, who: str | int) -> Any:
        if isinstance(who, int):
            return self._things[who]
        return self.load if who == "load" else self.load.memory

    def _number(self, thing: object) -> int:
        """The number of something that this load has shown; it is kept, so that no other gets its identity."""
        number = self._numbers.get(id(thing))
        if number is None:
            number = self._numbers[id(thing)] = len(self._things)
            self._things.append(thing)
        return number

    def _note(self, kind: int, what: object, arguments: object) -> None:
        load = self.load
        memory = load.memory
        if len(self._entries) > self._room:
            self._on = False
            self._entries.clear()
        self._entries.append(
            (
                kind,
                what,
                arguments,
                memory.depth,
                memory.update_pending,
                memory.has_lock,
                load.full_section,
                load.section,
                load.actor,
                load.running,
                self._number(self._spaces[-1].current) if self._spaces else -1,
            )
        )

    def _call(self, hook: str, noted: object, *given: object) -> Any:
        """Call a hook of the design with what is `given`, and note it with what stands for that."""
        if hook in self._silent:
            self._note(PASSED, hook, noted)
            return None
        self._note(CALLED, hook, noted)
        if self._seen is None:
            self._seen = LoadSeen(self, self.load.process)
        try:
            result = getattr(self._design, hook)(self._seen, *given)
        except DEATHS as stop:
            self._entries.append(death(stop, hook, self._design))
            raise
        except BaseException:
            self._on, self.broke = False, True
            raise
        if result is None:
            self._entries.append(NOTHING)
        elif isinstance(result, Refusal):
            self._entries.append((ANSWERED, result))
        elif hook != "flat_view":
            self._on = False
        return result

    def _device(self, hook: str, device: Rings, *index: int) -> Any:
        number = self._number(device)
        seen = self._rings.get(number)
        if seen is None:
            seen = self._rings[number] = RingsSeen(self, number, device.section)
        return self._call(hook, ((number, seen.section), *index), seen, *index)

    # The hooks

    def load_begins(self, load: Load) -> None:
        """Passed on."""
        self._call("load_begins", ())

    def load_ends(self, load: Load, error: Refusal | None) -> None:
        """Passed on."""
        self._call("load_ends", (error,), error)

    def loop_begins(self, load: Load) -> None:
        """Passed on."""
        self._call("loop_begins", ())

    def loop_ends(self, load: Load, error: Refusal | None) -> None:
        """Passed on."""
        self._call("loop_ends", (error,), error)

    def section_begins(self, load: Load) -> None:
        """Passed on."""
        self._call("section_begins", ())

    def section_ends(self, load: Load, error: Refusal | None) -> None:
        """Passed on."""
        self._call("section_ends", (error,), error)

    def end_of_stream(self, load: Load) -> None:
        """Passed on."""
        self._call("end_of_stream", ())

    def before_post_load(self, load: Load) -> None:
        """Passed on."""
        self._call("before_post_load", ())

    def lock_released(self, load: Load) -> None:
        """Passed on."""
        self._call("lock_released", ())

    def run_state_change(self, load: Load) -> None:
        """Passed on."""
        self._call("run_state_change", ())

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        """Passed on; what is noted is whether the answer is the current view."""
        self._spaces.append(space)
        try:
            view: FlatView = self._call("flat_view", ((self._number(space), space.name), use), space, use)
            if view is space.current:
                self._entries.append(CURRENT)
            else:
                self._on = False
        finally:
            self._spaces.pop()
        return view

    def viewed(self, space: AddressSpace, uses: Sequence[Use]) -> None:
        """Views have been taken for these uses under a design whose getter gives the current one: as `flat_view`."""
        self._spaces.append(space)
        shown = self._number(space), space.name
        for use in uses:
            self._note(CALLED, "flat_view", (shown, use))
            self._entries.append(CURRENT)
        self._spaces.pop()

    def committed(self, told: Together) -> None:
        """Devices have been told of a commit under a design that does as usual: as `listener_commit` and `viewed`."""
        views: dict[int, int] = {}
        if self._told[0] is told:
            for space in told.spaces:
                views[self._number(space)] = self._number(space.current)
        else:
            shown = []
            for device, space, uses in told.told:
                number = self._number(device)
                of_space = (self._number(space), space.name) if uses else None
                if of_space is not None and of_space[0] not in views:
                    views[of_space[0]] = self._number(space.current)
                shown.append(((number, device.section), of_space, uses))
            self._told = told, tuple(shown)
        self._note(COMMITTED, self._told[1], views)

    def ring_cache(self, load: Load, device: Rings, index: int) -> None:
        """Passed on."""
        self._device("ring_cache", device, index)

    def ring_check(self, load: Load, device: Rings, index: int) -> Refusal | None:
        """Passed on."""
        refusal: Refusal | None = self._device("ring_check", device, index)
        return refusal

    def listener_commit(self, load: Load, device: Rings) -> None:
        """Passed on."""
        self._device("listener_commit", device)

    def region_added(self, load: Load, container: Region, region: Region) -> None:
        """Passed on. Who hears of changes goes by the tree as it is, which no transcript has."""
        self._on = False
        self._design.region_added(load, container, region)

    def region_removed(self, load: Load, container: Region, region: Region) -> None:
        """Passed on, as `region_added`."""
        self._on = False
        self._design.region_removed(load, container, region)
