"""Shipped streams with something changed, loaded by the model and by the real program.

A case is an edit of a shipped stream and what must come of it. Places are named as the format names them: a leaf's
path, or a register of config space. `CASES` of a test module are used twice: `check` holds the model against what the
case says, and `hold_all` (behind the fixture `held`) against the installed program.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, Protocol

from fuzz.confirm.hold import Against, in_model, in_programs
from fuzz.corpus import find_machine, find_stream
from model import REFERENCE, Machine, Outcome, load, parse, section_schemas
from vmformat import Command, Configuration, Eof, Leaf, Section, Stream, read, write

Change = Callable[[Stream], Stream]
Edit = Callable[[Stream], Stream | bytes]
PC, Q35 = "pc-small", "q35-modern"
PAGE = 4096


@dataclass(frozen=True, eq=False)
class Case:
    """An edit, the verdict it must have, a piece of what is said, and what some addresses of `memory` must show.

    In `shows` an address is one of the address space `space`; None for nothing there.
    """

    edit: Edit
    verdict: str = "accepted"
    text: str = ""
    shows: Mapping[int, str | None] | None = None
    space: str = "memory"
    machine: str = Q35


Cases = dict[str, Case]


class Edited(Hashable, Protocol):
    """An edit of a machine's shipped stream, whatever is expected of it."""

    @property
    def machine(self) -> str: ...
    @property
    def edit(self) -> Edit: ...


@lru_cache
def machine(name: str) -> Machine:
    return Machine(parse(find_machine(name).description.read_bytes()))


@lru_cache
def stream(name: str) -> Stream:
    found = read(find_stream(f"{name}/after").read_bytes(), section_schemas(machine(name).description))
    return replace(found, trailing=found.trailing[:1])


@cache
def data_of(case: Edited) -> bytes:
    edited = case.edit(stream(case.machine))
    return edited if isinstance(edited, bytes) else write(edited)


def differing(one: bytes, other: bytes) -> list[int]:
    """Where two strings of one length differ; looked at byte by byte only where a piece of them does."""
    assert len(one) == len(other)
    step = 256
    pieces = [at for at in range(0, len(one), step) if one[at : at + step] != other[at : at + step]]
    return [i for at in pieces for i in range(at, min(at + step, len(one))) if one[i] != other[i]]


# Edits


def on(*edits: Change) -> Change:
    """One edit after the other."""

    def edit(found: Stream) -> Stream:
        for one in edits:
            found = one(found)
        return found

    return edit


def raw(change: Callable[[bytes], bytes]) -> Edit:
    """A change of the bytes."""
    return lambda found: change(write(found))


def index_of(found: Stream, device: str) -> int:
    """The record number of the first section whose name ends so."""
    return next(i for i, r in enumerate(found.records) if isinstance(r, Section) and r.name.endswith(device))


def section(device: str, change: Callable[[Section], Section]) -> Change:
    """A change of one section."""

    def edit(found: Stream) -> Stream:
        index = index_of(found, device)
        record = found.records[index]
        assert isinstance(record, Section)
        return found.replace_record(index, change(record))

    return edit


def leaf_of(found: Section, path: str) -> Leaf:
    """The leaf whose path ends so; `[3]` names an element."""
    number = re.match(r".*\[(\d+)\]", path)
    every = re.sub(r"(.*)\[\d+\]", r"\1[]", path)
    for leaf in found.leaves:
        if leaf.path.endswith(path):
            return leaf
        if number is not None and leaf.path.endswith(every):
            return leaf.element(int(number[1]))
    raise KeyError(path)


def put(device: str, path: str, value: int | bytes) -> Change:
    """A field of a section gets a value."""

    def change(found: Section) -> Section:
        leaf = leaf_of(found, path)
        data = (
            value
            if isinstance(value, bytes)
            else value.to_bytes(leaf.size, "big" if leaf.byteorder == "big" else "little")
        )
        return found.replace_bytes(leaf.offset, data)

    return section(device, change)


def config(device: str, register: int, data: bytes) -> Change:
    """Bytes of config space, from a register on."""
    return section(device, lambda found: found.replace_bytes(leaf_of(found, ".vendor_id").offset + register, data))


def byte(device: str, register: int, value: int) -> Change:
    return config(device, register, bytes([value]))


def word(device: str, register: int, value: int) -> Change:
    return config(device, register, struct.pack("<H", value))


def dword(device: str, register: int, value: int) -> Change:
    return config(device, register, struct.pack("<I", value))


def qword(device: str, register: int, value: int) -> Change:
    return config(device, register, struct.pack("<Q", value))


def header(device: str, **changes: Any) -> Change:
    """Another version, instance, name, id, kind or footer of a section."""
    return section(device, lambda found: replace(found, **changes))


def payload(device: str, change: Callable[[bytes], bytes]) -> Change:
    """A section's payload as bytes."""
    return section(device, lambda found: found.replace_payload(change(found.payload)))


def patch(device: str, *changes: tuple[str, int, bytes]) -> Change:
    """Several places of a section at once: at a field, so many bytes are replaced by these."""

    def edit(found: Section) -> Section:
        places = [(leaf_of(found, path).offset, length, data) for path, length, data in changes]
        whole = found.payload
        for offset, length, data in sorted(places, reverse=True):
            whole = whole[:offset] + data + whole[offset + length :]
        return found.replace_payload(whole)

    return section(device, edit)


def without(device: str) -> Change:
    return lambda found: found.replace_record(index_of(found, device))


def again(device: str, edit: Change | None = None) -> Change:
    """A section once more at the end, changed by `edit`."""

    def twice(found: Stream) -> Stream:
        other = found if edit is None else edit(found)
        record = other.records[index_of(other, device)]
        return found.with_records((*found.records[:-1], record, *found.records[-1:]))

    return twice


def behind(device: str, other: str) -> Change:
    """A section moved right behind another."""

    def edit(found: Stream) -> Stream:
        record = found.records[index_of(found, device)]
        rest = found.replace_record(index_of(found, device))
        index = index_of(rest, other)
        return rest.replace_record(index, rest.records[index], record)

    return edit


def insert(index: int, *records: Section | Command | Eof) -> Change:
    """Records in front of record number `index`; -1 stands for the end of the stream."""

    def edit(found: Stream) -> Stream:
        place = index % len(found.records)
        return found.with_records((*found.records[:place], *records, *found.records[place:]))

    return edit


def configuration(data: bytes) -> Change:
    """The configuration section's payload."""
    return lambda found: replace(found, configuration=Configuration(data))


def page(address: int, data: bytes, block: str = "pc.ram") -> Change:
    """A RAM page whose contents begin with `data`, sent last of all."""
    record = struct.pack(">QB", address | 8, len(block)) + block.encode() + data.ljust(PAGE, b"\0")

    def edit(found: Stream) -> Stream:
        index = next(i for i, r in enumerate(found.records) if isinstance(r, Section) and r.kind == 3)
        end = found.records[index]
        assert isinstance(end, Section)
        return found.replace_record(index, end.replace_payload(end.payload[:-8] + record + end.payload[-8:]))

    return edit


def subsection(device: str, name: str, *replacements: bytes | None, version: int = 1) -> Change:
    """A core subsection of a virtio section replaced by any number of it; None stands for it as it is.

    One that is not there is added at the end.
    """

    def change(found: Section) -> Section:
        heads = [leaf for leaf in found.leaves if re.fullmatch(r"virtio\.core\.[^.]*@version", leaf.path)]
        starts = [
            leaf.offset - len(leaf.path.removeprefix("virtio.core.").removesuffix("@version")) - 2 for leaf in heads
        ]
        start = end = len(found.payload)
        for number, leaf in enumerate(heads):
            if leaf.path == f"virtio.core.{name}@version":
                start = starts[number]
                end = starts[number + 1] if number + 1 < len(starts) else len(found.payload)
        old = found.payload[start:end]
        head = bytes([5, len(name)]) + name.encode() + struct.pack(">I", version)
        new = b"".join(old if one is None else head + one for one in replacements)
        return found.replace_payload(found.payload[:start] + new + found.payload[end:])

    return section(device, change)


# What comes of it


def outcome_of(case: Case) -> Outcome:
    """The model's load, from a pristine machine."""
    bench = machine(case.machine)
    try:
        return load(bench, data_of(case), REFERENCE())
    finally:
        bench.reset()


def check(case: Case) -> None:
    """The model does what the case says."""
    found = outcome_of(case)
    assert found.verdict == case.verdict, found.messages
    assert any(case.text in line for line in found.messages) or not case.text, found.messages
    rows = dict(found.layout)[case.space]
    for address, name in (case.shows or {}).items():
        shown = next((row[2] + (" (ro)" if row[4] else "") for row in rows if row[0] <= address <= row[1]), None)
        assert shown == name, hex(address)


def hold_all(cases: Mapping[str, Edited], against: Against) -> dict[str, tuple[str, ...]]:
    """Every case held as `against` says: a line for each disagreement. Two programs run at a time."""
    work = [(machine(case.machine), data_of(case)) for case in cases.values()]
    modelled = [in_model(bench, data, against) for bench, data in work]

    def lines(number: int) -> tuple[str, ...]:
        return in_programs(*work[number], modelled[number], against).lines

    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lines, range(len(work)))
        return dict(zip(cases, found, strict=True))
