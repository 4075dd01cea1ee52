"""What generated machines are cut from: the shipped machine `seed-24` and its stream, a real QEMU's both."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from fuzz.corpus import find_machine, find_stream
from model import parse
from model.schemas import section_schemas
from vmformat import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmformat import Section, Stream

NAME: Final = "seed-24"
PORT, NET, BLK = "rp0", "net0", "blk0"
"""Ids of the functions that are multiplied."""

PLACES: Final = {PORT: "0000:00:02.0", NET: "0000:00:02.0:00.0", BLK: "0000:00:03.0:00.0"}
"""Where they are."""

PORTS: Final = {NET: (PORT, "0000:00:02.0"), BLK: ("rp8", "0000:00:03.0")}
"""The ports that the virtio functions are behind: id and place."""


@dataclass(frozen=True)
class Template:
    """The description as JSON, and the stream."""

    description: dict[str, Any]
    stream: Stream

    @classmethod
    def shipped(cls) -> Template:
        """`seed-24`. Raises CorpusError in a broken installation."""
        raw = find_machine(NAME).description.read_bytes()
        data = find_stream(f"{NAME}/after").read_bytes()
        return cls(json.loads(raw), read(data, section_schemas(parse(raw))))

    @cached_property
    def multiplied(self) -> frozenset[str]:
        """Ids of all root ports and virtio functions."""
        kinds = {"pcie-root-port", "virtio-net-pci", "virtio-blk-pci"}
        return frozenset(entry["id"] for entry in self.description["pci"] if entry["type"] in kinds)

    @cached_property
    def places(self) -> frozenset[str]:
        """Where these functions are."""
        return frozenset(entry["function"] for entry in self.description["pci"] if entry["id"] in self.multiplied)

    def multiplied_section(self, entry: Mapping[str, Any]) -> str:
        """Whose section that is: "port", "bus" (of a port) or "device"; "" for the board's."""
        if entry["name"] == "PCIBUS" and entry["instance"] > 0:
            return "bus"
        if entry.get("function") not in self.places:
            return ""
        return "port" if entry["schema"] == "pcie-root-port" else "device"

    def regions(self, owner: str, *, inside: bool) -> list[dict[str, Any]]:
        """The regions of a function: those that stand in the board's containers (`inside`), or the others."""
        board = {"io", "pci"}
        own = [entry for entry in self.description["regions"] if entry.get("owner") == owner]
        return [entry for entry in own if (entry.get("container") in board) == inside]

    def function(self, owner: str) -> dict[str, Any]:
        """The entry of a function."""
        return next(entry for entry in self.description["pci"] if entry["id"] == owner)

    def section_entry(self, owner: str) -> dict[str, Any]:
        """The section that a function loads, as described."""
        return next(entry for entry in self.description["sections"] if entry.get("function") == PLACES[owner])

    def section(self, owner: str) -> Section:
        """The section that a function loads, in the stream. It must be there."""
        found = self.stream.section(self.section_entry(owner)["name"])
        assert found is not None
        return found


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """JSON with other names in it: a string that is one of `names`, or begins with one and `:` or `/`.

    The first that fits counts.
    """
    if isinstance(value, str):
        for old, new in names.items():
            if value == old or value.startswith((f"{old}:", f"{old}/")):
                return new + value[len(old) :]
        return value
    if isinstance(value, list):
        return [renamed(one, names) for one in value]
    if isinstance(value, dict):
        return {key: renamed(one, names) for key, one in value.items()}
    return value
