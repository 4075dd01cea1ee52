"""Crashers with all that was taken from them back in some form: a stream to be shrunk again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from fuzz.corpus import find_machine, find_stream
from model import parse, section_schemas
from vmformat import Section, read, write

if TYPE_CHECKING:
    from vmformat import Stream

FOLDER = Path(__file__).resolve().parent.parent / "corpus" / "crashers"


def bloated(name: str) -> bytes:
    """The shipped crasher with the sections of its machine's seed in front that it has not, and something behind."""
    path = FOLDER / f"{name}.vmstate"
    machine = json.loads(path.with_suffix(".json").read_text())["machine"]
    schemas = section_schemas(parse(find_machine(machine).description.read_bytes()))
    crasher = read(path.read_bytes(), schemas)
    seed = read(find_stream(f"{machine}/after").read_bytes(), schemas)
    known = {section.name for section in crasher.sections} | {"ram", "kvm-tpr-opt"}
    more = [one for one in seed.sections if one.name not in known and not _moves_memory(one)]
    return write(crasher.with_records((*more, *crasher.records))) + b"nobody reads this"


def _moves_memory(section: Section) -> bool:
    """Whether it is of a PCI device: these must come as they do in the crasher."""
    return "/" in section.name


def bloated_crasher(name: str, folder: Path) -> Path:
    """The same on disk, with the JSON of the shipped one."""
    path = folder / f"{name}.vmstate"
    path.write_bytes(bloated(name))
    shutil.copy((FOLDER / path.name).with_suffix(".json"), path.with_suffix(".json"))
    return path


def names(stream: Stream) -> list[str]:
    """Its sections."""
    return [section.name for section in stream.sections]
