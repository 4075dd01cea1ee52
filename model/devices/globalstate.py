"""The run state that the source was in (stream.md 2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.devices.handler import Effects
from model.messages import c_text
from vmformat import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.load_state import LoadState

EINVAL = 22


class GlobalState(Effects):
    """A name of a run state."""

    vmsd: ClassVar[str] = "globalstate"
    fields: ClassVar[frozenset[str]] = frozenset({"runstate"})
    post: ClassVar[frozenset[str]] = frozenset({"globalstate"})
    RUN_STATES: ClassVar[frozenset[str]] = frozenset({
        "debug", "inmigrate", "internal-error", "io-error", "paused", "postmigrate", "prelaunch", "finish-migrate",
        "restore-vm", "running", "save-vm", "shutdown", "suspended", "watchdog", "guest-panicked", "colo",
    })  # fmt: skip

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """An unknown name ends the load."""
        value = self.loaded.get("runstate", b"")
        assert isinstance(value, bytes)
        name = c_text(value[:-1])  # the program ends it by force
        if name not in self.RUN_STATES:
            return Refusal(EINVAL, (f"invalid parameter value: {name}",), 0, "runstate")
        load.run_state = name
        return None

    def saved(self) -> Mapping[str, int | bytes | None]:
        """A machine that ran is paused here: the name is written over what was loaded."""
        value = self.loaded.get("runstate", b"")
        assert isinstance(value, bytes)
        paused = b"paused\0"
        return {"runstate": paused + value[len(paused) :]} if c_text(value) == "running" else {}
