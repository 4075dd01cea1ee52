"""What a load design is: where a transaction begins and commits, and what a reader of a flat view gets meanwhile.

A design is a class. Every hook does by default what QEMU does today, which is the design `per-device`, so that a
design says only where it differs. One object serves one load: state lives on `self` and starts anew with the next
load, unless a design says that it outlives a load (`process` of the `Load`).

The hooks, in the order in which a load meets them:

| hook | called |
|---|---|
| `load_begins`, `load_ends` | around the call of the outermost main loop, as `qemu_loadvm_state` makes it |
| `loop_begins`, `loop_ends` | around each main loop: the outermost, that of a package, that of the postcopy listener |
| `section_begins`, `section_ends` | around each section: FULL and START with `full`, PART and END without |
| `region_added`, `region_removed` | when a region has been put into a container, or taken out of one |
| `flat_view` | whenever somebody gets a flat view: the getter, which knows who reads |
| `ring_cache`, `ring_check` | for each queue that a virtio device finds set up when its section has been read |
| `listener_commit` | when a virtio device's memory listener hears that a commit has rebuilt the views |
| `before_post_load` | before each post-load function of a device |
| `lock_released` | when the loader lets go of the big lock (BQL): it waits for data, or takes turns with others |
| `end_of_stream` | at each EOF byte, before the loop returns |
| `run_state_change` | when the load is over and the received run state is applied |

`*_ends` are called on every path out, with the error that ends the load or None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from model.memory import AddressSpace, FlatView, Memory, Region, Use
    from vmformat import Refusal


class Rings(Protocol):
    """The virtio device as a design sees it: it can build a ring cache and check a ring, now or later."""

    section: str

    def build_cache(self, index: int) -> None:
        """Build the three ring caches of queue `index` from the flat view that the getter returns."""

    def build_caches(self) -> None:
        """Build those of queue 0, 1, ... up to the first of size 0, as the memory listener does (virtio.md 7)."""

    def check_ring(self, index: int) -> Refusal | None:
        """Read the ring's indices through its caches, as virtio.md 2 step 11 does, and derive used and in-use."""

    def error(self, message: str) -> None:
        """Mark the device broken and say why."""


class Load(Protocol):
    """The load as a design sees it.

    `process`: what outlives a load, as static variables do. `full_section`: whether the section at hand is a FULL one.
    `section`: its name. `actor`: who runs now, "" for the loader itself. `running`: whether the received run state
    starts the guest. `memory.has_lock`: whether whoever runs now holds the big lock.
    """

    memory: Memory
    process: dict[str, object]
    full_section: bool
    section: str
    actor: str
    running: bool

    def abort(self, message: str) -> None:
        """The program dies here, with `message`: raises."""

    def say(self, message: str) -> None:
        """Print a line, as `error_report` does."""

    def forced_commit(self) -> None:
        """Do the work of a commit now, at whatever depth, and count it as forced."""


class Design:
    """QEMU as it is: every memory-API call is a transaction of its own, and a reader gets the current view.

    `guards`: whether the design claims to stop every use of a view that pending changes make wrong. A wrong read that
    passes, or a right one that is stopped, then refutes it.
    `hears_changes`: whether `region_added` and `region_removed` are wanted.
    `asks_in_commit`: whether the commit's own reads pass through `flat_view`, too; QEMU's own do, and a getter that
    commits meets itself there.
    `takes_turns`: the load runs in a thread of its own that takes the big lock for each FULL section only.
    `shows_on`: shipped machines whose streams show what is known of the design, where the usual ones do not.
    `bug`: a seeded bug that is on while a stream is loaded, and `sound` the same design without it (`model.seeded`).
    """

    name: ClassVar[str] = "per-device"
    guards: ClassVar[bool] = False
    hears_changes: ClassVar[bool] = False
    asks_in_commit: ClassVar[bool] = False
    takes_turns: ClassVar[bool] = False
    shows_on: ClassVar[tuple[str, ...]] = ()
    bug: ClassVar[type[object] | None] = None
    sound: ClassVar[type[Design] | None] = None

    def load_begins(self, load: Load) -> None:
        """The header has been read; the main loop is about to start."""

    def load_ends(self, load: Load, error: Refusal | None) -> None:
        """The outermost main loop has returned."""

    def loop_begins(self, load: Load) -> None:
        """A main loop starts: the outermost one, or that of a package or of the postcopy listener."""

    def loop_ends(self, load: Load, error: Refusal | None) -> None:
        """That main loop returns."""

    def section_begins(self, load: Load) -> None:
        """A section's type byte has been read; `load.full_section` is true for FULL (not START, PART, END)."""

    def section_ends(self, load: Load, error: Refusal | None) -> None:
        """A section has been loaded, its footer included, or has failed."""

    def end_of_stream(self, load: Load) -> None:
        """An EOF byte has been read, in whatever loop."""

    def before_post_load(self, load: Load) -> None:
        """A device's fields are loaded and its post-load function is about to run."""

    def region_added(self, load: Load, container: Region, region: Region) -> None:
        """A region has been put into a container. Called only if `hears_changes`."""

    def region_removed(self, load: Load, container: Region, region: Region) -> None:
        """A region has been taken out of a container. Called only if `hears_changes`."""

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        """The getter. What it returns is what the reader works with until its operation is over."""
        return space.current

    def ring_cache(self, load: Load, device: Rings, index: int) -> None:
        """Queue `index` of `device` is set up: QEMU builds its ring caches now."""
        device.build_cache(index)

    def ring_check(self, load: Load, device: Rings, index: int) -> Refusal | None:
        """The caches of queue `index` may be there: QEMU reads its indices now."""
        return device.check_ring(index)

    def listener_commit(self, load: Load, device: Rings) -> None:
        """The views have been rebuilt and the device's memory listener hears of it."""
        device.build_caches()

    def lock_released(self, load: Load) -> None:
        """The loader lets go of the big lock, for others to run."""

    def run_state_change(self, load: Load) -> None:
        """The load succeeded and the received run state is applied."""
