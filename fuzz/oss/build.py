"""What a fuzz target is built of: what runs, what makes inputs, what it begins with.

    python3 -m fuzz.oss.build NAME ZIP    writes the seed corpus of a fuzz target: an archive of flat files

Importing this imports the code under test. A process is started for one kind of target and often ends within seconds,
so what only streams need is imported for them alone.
"""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from fuzz.atomic import write_atomic
from fuzz.campaign.spec import Spec
from fuzz.corpus import find_machine, root
from fuzz.mutate.programs import ProgramMutator
from fuzz.oss.definition import defined, names
from fuzz.programs import seed_inputs as seed_programs
from fuzz.targets import memory
from model.designs import HELD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.engine import Target
    from fuzz.mutate.mutator import Mutator
    from fuzz.oss.definition import FuzzTarget


def held_designs(target: FuzzTarget) -> tuple[str, ...]:
    """The designs that run beside the reference: those that nothing is known against."""
    if target.kind != "stream" or target.schedules:
        return ()
    return tuple(design.name for design in HELD)


def target_of(target: FuzzTarget) -> Target:
    """What runs each input."""
    if target.kind == "memory":
        return memory.MemoryTarget(())
    from fuzz.work.build import build_target  # noqa: PLC0415 - see above

    description = str(find_machine(target.machine).description)
    spec = Spec("", target.kind, target.machine, description, (), held_designs(target), 0, "", loadvm=target.loadvm)
    return build_target(spec)


def mutator_of(target: FuzzTarget) -> Mutator | ProgramMutator:
    """What makes inputs of others."""
    if target.kind == "memory":
        return ProgramMutator(memory.MAX_SIZE)
    from fuzz.mutate.small import MAX_SIZE  # noqa: PLC0415
    from fuzz.work.build import make_mutator, read_description  # noqa: PLC0415

    description = read_description(find_machine(target.machine).description)
    if target.kind == "roundtrip":
        return make_mutator(description, _small(target), MAX_SIZE)
    return make_mutator(description, _streams(target), schedules=target.schedules)


def seed_inputs(target: FuzzTarget) -> tuple[bytes, ...]:
    """What a fuzz target begins with: none twice, in an order of its own."""
    if target.kind == "memory":
        return tuple(dict.fromkeys(seed_programs()))
    if target.kind == "roundtrip":
        return _small(target)
    return tuple(dict.fromkeys((*_streams(target), *_crashers(target))))


def _streams(target: FuzzTarget) -> list[bytes]:
    return [path.read_bytes() for path in find_machine(target.machine).seeds]


def _small(target: FuzzTarget) -> tuple[bytes, ...]:
    from fuzz.mutate.small import small_inputs  # noqa: PLC0415
    from model import parse, section_schemas  # noqa: PLC0415

    return small_inputs(_streams(target), section_schemas(parse(find_machine(target.machine).description.read_bytes())))


def _crashers(target: FuzzTarget) -> Iterator[bytes]:
    """What was kept of that machine: streams that once showed something."""
    from fuzz.crashers import read_crasher  # noqa: PLC0415
    from model.schedule import join  # noqa: PLC0415

    for path in sorted((root() / "crashers").glob("*.vmstate")):
        crasher = read_crasher(path)
        loads = crasher.machine == target.machine and crasher.loadvm == target.loadvm
        if loads and (target.schedules or not crasher.schedule):
            yield join(path.read_bytes(), crasher.schedule)


def archive(inputs: tuple[bytes, ...]) -> bytes:
    """A seed corpus: flat, each file named by its content, the same bytes each time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for data in inputs:
            name = hashlib.sha1(data, usedforsecurity=False).hexdigest()
            packed.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def main(argv: list[str]) -> int:
    """Exit status: 0, or 2 for what it does not know."""
    if len(argv) != 3 or argv[1] not in names():
        sys.stderr.write(f"usage: python3 -m fuzz.oss.build NAME ZIP; there are {', '.join(names())}\n")
        return 2
    write_atomic(Path(argv[2]), archive(seed_inputs(defined(argv[1]))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
