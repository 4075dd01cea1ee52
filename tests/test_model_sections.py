"""Section headers, footers, order and repetition on shipped streams (stream.md 2.4, 2.5, 2.11)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mutants import PC, Case, Cases, Edit, again, check, header, insert, on, payload, put, raw, stream, without

from vmformat import Eof, Kind, Section, Stream

BLK, NET = "02.1:00.0/virtio-blk", "02.0:00.0/virtio-net"
ANY = 0xFFFFFFFF


def cut(end: int) -> Edit:
    return raw(lambda data: data[:end])


def part(section_id: int, data: bytes = b"", kind: Kind = Kind.PART) -> Section:
    return Section(kind, section_id, "", 0, 0, data, None, section_id)


def first(found: Stream) -> Stream:
    """All RAM behind the devices."""
    ram = [r for r in found.records if isinstance(r, Section) and r.is_ram]
    rest = [r for r in found.records[:-1] if not (isinstance(r, Section) and r.is_ram)]
    return found.with_records((*rest, *ram, found.records[-1]))


def only_ram(found: Stream) -> Stream:
    return found.with_records(r for r in found.records if not isinstance(r, Section) or r.is_ram)


def section_of(name: str) -> Section:
    found = stream("q35-modern").section(name)
    assert found is not None
    return found


TIMER = section_of("timer")

CASES: Cases = {
    "as it is": Case(on()),
    "as it is, pc": Case(on(), machine=PC),
    "no timer": Case(without("timer")),
    "only RAM": Case(only_ram),
    "nothing": Case(lambda found: found.with_records((Eof(),))),
    "RAM behind the devices": Case(first, "refused", "Operation not permitted"),
    "EOF behind RAM": Case(insert(3, Eof()), text="Expected vmdescription section, but got 4"),
    "EOF twice": Case(insert(-1, Eof())),
    "timer twice": Case(again("timer")),
    "cpu twice": Case(again("cpu")),
    "timer as START": Case(header("timer", kind=Kind.START)),
    "timer by PART": Case(insert(-1, part(0, TIMER.payload)), text=""),
    "timer by END": Case(insert(-1, part(0, TIMER.payload, Kind.END)), text=""),
    "nobody's PART": Case(insert(-1, part(99)), "refused", "Unknown savevm section 99"),
    "nobody's PART of 2^32-1": Case(insert(-1, part(ANY)), "refused", "Unknown savevm section -1"),
    "PART 0 before anything": Case(insert(0, part(0)), "refused", "incoming version_id 0 is too old"),
    "timer takes ram's id": Case(
        lambda found: found.with_records(
            (found.records[0], replace(TIMER, section_id=2, footer=2), *found.records[1:])
        ),
        "refused",
        "Missing section footer for timer",
    ),
    "unknown name": Case(header("timer", name="nobody"), "refused", "Unknown savevm section or instance 'nobody' 0."),
    "no name": Case(header("timer", name=""), "refused", "Unable to read ID string for section 0"),
    "name with a NUL": Case(header("timer", name="timer\0x")),
    "name that is no text": Case(header("timer", name="\xff\xfe"), "refused", "Unknown savevm section or instance"),
    "name of 255": Case(header("timer", name="x" * 255), "refused", "Unknown savevm section or instance"),
    "another instance": Case(header("timer", instance=7), "refused", "Unknown savevm section or instance 'timer' 7."),
    "any instance": Case(header("timer", instance=ANY)),
    "any cpu": Case(header("cpu", instance=ANY)),
    "any blk": Case(header(BLK, instance=ANY)),
    "any i8254": Case(header("i8254", instance=ANY), "refused", "Unknown savevm section or instance 'i8254'"),
    "i8254 by its port": Case(header("i8254", instance=0x40)),
    "any ram": Case(header("ram", instance=ANY), "refused", "Unknown savevm section or instance 'ram'"),
    "bare name of a device": Case(header(BLK, name="virtio-blk")),
    "blk's section for net": Case(
        header(BLK, name=section_of("0000:00:02.0:00.0/virtio-net").name), "refused", "version"
    ),
    "version too new": Case(header("timer", version=3), "refused", "unsupported version 3 for 'timer' v2"),
    "version of 2^31": Case(header("timer", version=0x8000000C), "refused", "unsupported version -2147483636"),
    "version too old": Case(header("timer", version=0), "refused", "timer: incoming version_id 0 is too old"),
    "blk of version 1": Case(header(BLK, version=1), "refused", "virtio-blk: incoming version_id 1 is too old"),
    "no footer": Case(header("timer", footer=None), "refused", "Missing section footer for timer"),
    "footer's id": Case(
        header("timer", footer=9), "refused", "Mismatched section id in footer for timer - read 0x9 expected 0x0"
    ),
    "payload longer": Case(payload("timer", lambda data: data + b"\0"), "refused", "Missing section footer for timer"),
    "payload shorter": Case(payload("timer", lambda data: data[:-1]), "refused", "Missing section footer for timer"),
    "unknown record": Case(raw(lambda data: data[:-1] + b"\x55\0\0"), "refused", "Unknown savevm section type 85"),
    "a subsection by itself": Case(raw(lambda data: data[:-1] + b"\5\0\0"), "refused", "Unknown savevm section type 5"),
    "a footer by itself": Case(raw(lambda data: data[:-1] + b"\x7e\0\0"), "refused", "Unknown savevm section type 126"),
    "equal field": Case(put("02.0/pcie-root-port", "log_max", 9), "refused", "8 != 9"),
    "cut before EOF": Case(cut(-1), "refused", "Input/output error"),
    "cut in a footer": Case(cut(-5), "refused"),
    "cut in globalstate": Case(cut(-20), "refused", "Failed to load globalstate:runstate"),
    "cut in blk": Case(cut(-5000), "refused"),
    "cut in a page": Case(cut(9000), "refused"),
    "junk behind EOF": Case(raw(lambda data: data + b"junk"), text="Expected vmdescription section, but got"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
