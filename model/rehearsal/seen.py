"""What a design sees of a load that is written down, or of one that it is only told of: stand-ins that tell no more
than a transcript does.

Each asks its `Talk`. Whatever else a design looks at, or changes, lies `behind`: there a load has the real thing and
stops being written down, and a rehearsal ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from model.errors import Abort
from model.rehearsal.transcript import ACTOR, DEPTH, FULL_SECTION, HAS_LOCK, RUNNING, SECTION, UPDATE_PENDING

if TYPE_CHECKING:
    from model.rehearsal.transcript import Entry
    from vmformat import Refusal


class Talk(Protocol):
    """The load's side."""

    def facts(self) -> Entry:
        """An entry with what can be known now."""

    def act(self, who: str | int, what: str, *arguments: object) -> Any:
        """The design has `who` do something: "load", "memory" or the device of that number. The result of it."""

    def behind(self, who: str | int) -> Any:
        """The real thing."""


class _StandIn:
    """Everything that a subclass does not have is behind it."""

    __slots__ = ("_talk", "_who")

    _talk: Talk
    _who: str | int

    def __init__(self, talk: Talk, who: str | int) -> None:
        object.__setattr__(self, "_talk", talk)
        object.__setattr__(self, "_who", who)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._talk.behind(self._who), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._talk.behind(self._who), name, value)


class MemorySeen(_StandIn):
    """The memory API, as far as designs need it."""

    __slots__ = ()

    @property
    def depth(self) -> int:
        """Open transactions."""
        return self._talk.facts()[DEPTH]  # type: ignore[no-any-return]

    @property
    def update_pending(self) -> bool:
        """Whether the outermost commit will rebuild."""
        return self._talk.facts()[UPDATE_PENDING]  # type: ignore[no-any-return]

    @property
    def has_lock(self) -> bool:
        """Whether whoever runs now holds the big lock."""
        return self._talk.facts()[HAS_LOCK]  # type: ignore[no-any-return]

    def begin(self) -> None:
        """Open a transaction."""
        self._talk.act("memory", "begin")

    def commit(self) -> None:
        """Close it."""
        self._talk.act("memory", "commit")


class LoadSeen(_StandIn):
    """The load (`model.designs.Load`)."""

    __slots__ = ("memory", "process")

    memory: MemorySeen
    process: dict[str, object]

    def __init__(self, talk: Talk, process: dict[str, object]) -> None:
        super().__init__(talk, "load")
        object.__setattr__(self, "memory", MemorySeen(talk, "memory"))
        object.__setattr__(self, "process", process)

    @property
    def full_section(self) -> bool:
        """Whether the section at hand is a FULL one."""
        return self._talk.facts()[FULL_SECTION]  # type: ignore[no-any-return]

    @property
    def section(self) -> str:
        """Its name."""
        return self._talk.facts()[SECTION]  # type: ignore[no-any-return]

    @property
    def actor(self) -> str:
        """Who runs now."""
        return self._talk.facts()[ACTOR]  # type: ignore[no-any-return]

    @property
    def running(self) -> bool:
        """Whether the guest is started."""
        return self._talk.facts()[RUNNING]  # type: ignore[no-any-return]

    def abort(self, message: str) -> NoReturn:
        """Die, which is how the hook ends."""
        raise Abort(message)

    def say(self, message: str) -> None:
        """Print a line."""
        self._talk.act("load", "say", message)

    def forced_commit(self) -> None:
        """Commit now."""
        self._talk.act("load", "forced_commit")


class RingsSeen(_StandIn):
    """A virtio device (`model.designs.Rings`)."""

    __slots__ = ("section",)

    section: str

    def __init__(self, talk: Talk, number: int, section: str) -> None:
        super().__init__(talk, number)
        object.__setattr__(self, "section", section)

    def build_cache(self, index: int) -> None:
        """The caches of a queue."""
        self._talk.act(self._who, "build_cache", index)

    def build_caches(self) -> None:
        """Those of all queues."""
        self._talk.act(self._who, "build_caches")

    def check_ring(self, index: int) -> Refusal | None:
        """Read and check a ring."""
        return self._talk.act(self._who, "check_ring", index)  # type: ignore[no-any-return]

    def error(self, message: str) -> None:
        """Mark it broken."""
        self._talk.act(self._who, "error", message)
