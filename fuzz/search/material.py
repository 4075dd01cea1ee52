"""What every way of searching is given beside the machine: its seeds, a dictionary, the length of inputs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fuzz.corpus import find_machine
from fuzz.mutate.places import PAM
from fuzz.oss.definition import FuzzTarget
from fuzz.oss.dictionary import entries, words
from fuzz.work.build import SLACK, read_description
from model import section_schemas
from vmformat import StreamError, read

if TYPE_CHECKING:
    from model import Description
    from vmformat import Schemas, Stream


@dataclass(frozen=True)
class Material:
    """Of one machine. `seeds` are the bytes of its streams."""

    machine: str
    description: Description
    seeds: tuple[bytes, ...]

    @property
    def longest(self) -> int:
        """Bytes that an input may have at most: what our own mutants may."""
        return 2 * max((4096, *map(len, self.seeds))) + SLACK

    @cached_property
    def schemas(self) -> Schemas:
        """Those of the machine."""
        return section_schemas(self.description)

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        """The seeds that can be read."""
        found = []
        for data in self.seeds:
            try:
                found.append(read(data, self.schemas))
            except StreamError:
                continue
        return tuple(found)

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        """Field values worth trying: where this machine's regions begin and end, RAM, what PAM switches."""
        found = {*PAM, 1 << 32, self.description.below_4g}
        found |= {block.length for block in self.description.blocks}
        for region in self.description.regions:
            found |= {region.addr, region.addr + region.size}
        return tuple(sorted(number for number in found if 0 < number < 1 << 64))

    @cached_property
    def words(self) -> dict[bytes, str]:
        """Words with names for people: those of the format, and the numbers as fields and as config space have them."""
        found = words(FuzzTarget("stream", self.machine, schedules=True))
        for number in self.numbers:
            found.setdefault(number.to_bytes(8, "big"), f"address_{number:x}")
            if number < 1 << 32:
                found.setdefault(number.to_bytes(4, "little"), f"register_{number:x}")
        return found

    @cached_property
    def dictionary(self) -> str:
        """The words as libFuzzer's `-dict` has them."""
        return entries(self.words)


def material_of(machine: str) -> Material:
    """Of a machine as it is typed. Raises CorpusError, DescriptionError and OSError."""
    files = find_machine(machine)
    seeds = tuple(seed.read_bytes() for seed in files.seeds)
    return Material(machine, read_description(files.description), seeds)
