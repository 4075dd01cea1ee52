"""The dictionaries and options of the fuzz targets, from the format's own constants and the shipped machines.

    python -m fuzz.oss.dictionary [FOLDER]      writes NAME.dict and NAME.options beside each fuzz target

A test holds the files to what this would write. Our mutators know the format already; the words are for the byte
mutations that they leave to libFuzzer, and for engines that have no mutator of ours.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.atomic import write_atomic
from fuzz.corpus import find_machine, shipped_machines
from fuzz.oss.build import mutator_of
from fuzz.oss.definition import FOLDER, defined, names
from fuzz.programs import WORLDS, Call, Program, encode
from fuzz.programs.program import NUMBERS, VERBS
from fuzz.programs.program import names as operands_of
from model import parse
from model.memory import T64
from model.schedule import MARK, POINTS
from vmformat import Cmd, Kind, RamFlag
from vmformat.framing import MAGIC, VERSION
from vmformat.store import shipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fuzz.oss.definition import FuzzTarget

LONGEST: Final = 64
"""Bytes of a word; libFuzzer cuts longer ones."""

TIMEOUT: Final = 60
"""Seconds for one input, the slowest computer in mind."""

Word = tuple[str, bytes]
"""A name for people, and the bytes."""


def dictionary(target: FuzzTarget) -> str:
    """The text of a fuzz target's dictionary, a word a line."""
    return entries(words(target))


def words(target: FuzzTarget) -> dict[bytes, str]:
    """The words of a fuzz target's dictionary, each with a name."""
    seen: dict[bytes, str] = {}
    for name, data in _programs() if target.kind == "memory" else _streams(target):
        seen.setdefault(data[:LONGEST], name)
    return seen


def entries(words: Mapping[bytes, str]) -> str:
    """Words as libFuzzer's dictionaries have them, one a line."""
    return "".join(f'{_named(name)}="{escaped(data)}"\n' for data, name in words.items())


def options(name: str, target: FuzzTarget) -> str:
    """The text of a fuzz target's options."""
    values = {
        "dict": f"{name}.dict",
        "max_len": mutator_of(target).max_size,
        "len_control": 0,
        "timeout": TIMEOUT,
    }
    return "[libfuzzer]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())


def escaped(data: bytes) -> str:
    """Bytes as a libFuzzer dictionary has them between its quotes."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\x{byte:02X}" for byte in data)


def _named(name: str) -> str:
    """libFuzzer takes letters, digits and underscores before the `=`."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)


def _streams(target: FuzzTarget) -> Iterator[Word]:
    yield "header", MAGIC + VERSION.to_bytes(4, "big")
    yield from ((f"record_{kind.name}", bytes([kind])) for kind in Kind)
    yield from ((f"command_{cmd.name}", bytes([Kind.COMMAND]) + cmd.to_bytes(2, "big")) for cmd in Cmd)
    yield from ((f"ram_{flag.name}", flag.to_bytes(8, "big")) for flag in RamFlag)
    machines = (target.machine,) if target.kind == "stream" else shipped_machines()
    descriptions = [parse(find_machine(name).description.read_bytes()) for name in machines]
    for one in descriptions:
        yield "machine", _counted(one.machine)
    for one in descriptions:
        yield from ((f"block_{block.name}", _counted(block.name)) for block in one.blocks)
        yield from ((f"section_{entry.name}", _counted(entry.name)) for entry in one.sections)
        yield from _subsections(one.schemas.values())
    if target.kind == "roundtrip":
        yield from ((f"device_{name}", _counted(name)) for name in shipped().names())
        yield from ((f"key_{key}", f'"{key}"'.encode()) for key in KEYS)
    if target.schedules:
        yield "schedule_end", MARK
        yield from ((f"schedule_{point}", f"{point} ".encode()) for point in POINTS)


KEYS: Final = (
    "configuration",
    "page_size",
    "devices",
    "name",
    "instance_id",
    "vmsd_name",
    "version",
    "fields",
    "type",
    "size",
    "struct",
    "array_len",
    "index",
    "subsections",
)
"""What the JSON of a VMDESCRIPTION is made of."""


def _subsections(schemas: Iterable[object]) -> Iterator[Word]:
    for schema in schemas:
        for sub in getattr(schema, "subsections", ()):
            yield f"subsection_{sub.name}", bytes([Kind.SUBSECTION]) + _counted(sub.name)


def _counted(name: str) -> bytes:
    """A name as the stream has it: its length in a byte before it."""
    data = name.encode()
    return bytes([len(data) & 0xFF]) + data


def _programs() -> Iterator[Word]:
    """A call of each verb in each world, and numbers at the ends of what there is."""
    for index, (world, value) in enumerate(WORLDS.items()):
        yield f"world_{world}", bytes([index])
        for verb, kinds in VERBS.items():
            operands = tuple(NUMBERS[kind][0] if kind in NUMBERS else operands_of(value, kind)[-1] for kind in kinds)
            yield f"{world}_{verb}", encode(Program(world, (Call(verb, operands, ""),)))[1:]
    for number in (0, 1 << 32, 1 << 63, T64 - 0x1000, T64 - 1):
        yield f"number_{number:x}", b"\xff" + number.to_bytes(8, "big")


def files() -> Iterator[tuple[str, str]]:
    """Names and texts of all generated files."""
    for name in names():
        target = defined(name)
        yield f"{name}.dict", dictionary(target)
        yield f"{name}.options", options(name, target)


def main(argv: list[str]) -> None:
    """Write the files."""
    folder = Path(argv[1]) if len(argv) > 1 else FOLDER
    for name, text in files():
        write_atomic(folder / name, text.encode())


if __name__ == "__main__":
    main(sys.argv)
