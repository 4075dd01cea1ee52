"""Tolerant reading: what can be read, what is wrong, and the same bytes again whatever they are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.corpus import find_stream
from vmformat import Command, Eof, Gap, Section, Stream, StreamError, package_records, read, write
from vmformat.framing import Kind

HEAD = b"QEVM\0\0\0\3\7\0\0\0\2pc"


def section(name: bytes, payload: bytes, number: int = 5, footer: int | None = None) -> bytes:
    frame = bytes([Kind.FULL]) + number.to_bytes(4, "big") + bytes([len(name)]) + name + bytes(7) + b"\1"
    return frame + payload + b"\x7e" + (number if footer is None else footer).to_bytes(4, "big")


ONE, TWO = section(b"tremi", b"abc", 5), section(b"slabolgetat", b"xyz", 6)

CASES: dict[str, tuple[bytes, list[str], list[str]]] = {
    # bytes; what the records are; what is wrong (where, which path, what was found)
    "whole": (HEAD + ONE + TWO + b"\0", ["tremi", "slabolgetat", "EOF"], []),
    "nothing": (b"", [], ["0x0 header: the end of the stream"]),
    "half a header": (b"QEVM\0", ["gap 5"], ["0x5 header: the end of the stream"]),
    "only a header": (HEAD[:8], [], ["0x8 : the end of the stream"]),
    "a version": (
        b"QEVM\0\0\0\2" + HEAD[8:] + ONE + b"\0",
        ["tremi", "EOF"],
        ["0x4 header.version: 2"],
    ),
    "one bit of the magic": (b"QEVL" + HEAD[4:] + ONE + b"\0", ["tremi", "EOF"], ["0x0 header.magic: 51 45 56 4c"]),
    "a container around it": (
        b"Libvirt\0" * 3 + HEAD + ONE + b"\0",
        ["tremi", "EOF"],
        ["0x0 header.magic: 4c 69 62 76"],
    ),
    "no EOF": (HEAD + ONE, ["tremi"], ["0x2a : the end of the stream"]),
    "cut in a payload": (
        HEAD + ONE[:-7],
        ["tremi"],
        ["0x22 tremi: no schema, and no footer behind it", "0x23 : the end of the stream"],
    ),
    "cut in a head": (
        HEAD + ONE[:9],
        ["gap 9"],
        ["0x18 section: the end of the stream", "0x18 : the end of the stream"],
    ),
    "junk between": (HEAD + ONE + b"\x55junk" + TWO + b"\0", ["tremi", "gap 5", "slabolgetat", "EOF"], ["0x2a : 0x55"]),
    "a footer of another section": (
        HEAD + section(b"tremi", b"abc", 5, 9) + TWO + b"\0",
        ["tremi", "slabolgetat", "EOF"],
        ["0x22 tremi: no schema, and no footer behind it", "0x26 tremi: that of section 9"],
    ),
    "a footer that is gone": (
        HEAD + TWO + ONE[:-5] + TWO + b"\0",
        ["slabolgetat", "tremi", "slabolgetat", "EOF"],
        ["0x43 tremi: no schema, and no footer behind it", "0x46 tremi: byte 0x04"],
    ),
    "a PART of nobody": (HEAD + b"\2\0\0\0\7abc\x7e\0\0\0\7\0", ["", "EOF"], ["0x10 section.section_id: section id 7"]),
    "no name": (HEAD + section(b"", b"abc") + b"\0", ["", "EOF"], ["0x14 section.name: none"]),
    "a command of no number": (HEAD + b"\x08\0\x63\0\0\0", ["command 99", "EOF"], ["0xf command.cmd: 99"]),
    "a command of a wrong length": (HEAD + b"\x08\0\2\0\1\1\0", ["PING", "EOF"], ["0x12 PING.length: 1"]),
    "a package that is cut off": (
        HEAD + b"\x08\0\7\0\4\0\0\1\0" + ONE + TWO[:-7],
        ["gap 9", "tremi", "slabolgetat"],
        [
            "0x4d PACKAGED: 53 to the end of the stream",
            "0x4c slabolgetat: no schema, and no footer behind it",
            "0x4d : the end of the stream",
        ],
    ),
    "an unknown subsection": (
        HEAD + b"\5\x0fconfiguration/x\0\0\0\1" + ONE + b"\0",
        ["tremi", "EOF"],
        ["0xf : what the schema knows"],
    ),
    "bytes behind the end": (HEAD + b"\0abc", ["EOF"], ["0x10 : 3 bytes more"]),
    "a VMDESCRIPTION that is longer than the rest": (
        HEAD + b"\0\6\0\0\1\0{}",
        ["EOF"],
        ["0x11 vmdescription.length: 2 to the end of the stream"],
    ),
    "a VMDESCRIPTION that is none": (HEAD + b"\0\6\0\0\0\2{]", ["EOF"], ["0x15 vmdescription: Expecting"]),
}


def agree(data: bytes, tolerant: Stream) -> None:
    """A strict reader gives the same, or raises what the tolerant one noted."""
    why = None
    try:
        assert read(data) == tolerant
    except StreamError as error:
        why = str(error)
    assert why is None or why in map(str, tolerant.faults)


def shown(data: bytes) -> list[str]:
    names = []
    for record in read(data, tolerant=True).records:
        if isinstance(record, Gap):
            names.append(f"gap {len(record.data)}")
        else:
            names.append("EOF" if isinstance(record, Eof) else getattr(record, "name", "?"))
    return names


@pytest.mark.parametrize("case", CASES)
def test_what_is_read_and_what_is_wrong(case: str) -> None:
    data, records, faults = CASES[case]
    found = read(data, tolerant=True)
    assert write(found) == data
    assert shown(data) == records
    told = [f"{fault.offset:#x} {fault.path}: {fault.found}" for fault in found.faults]
    assert len(told) == len(faults), told
    for line, wanted in zip(told, faults, strict=True):
        assert line.startswith(wanted.split(": ")[0] + ":")
        assert wanted.split(": ", 1)[1] in line or "schema" in wanted, told


@pytest.mark.parametrize("case", CASES)
def test_strict_and_tolerant_are_one_grammar(case: str) -> None:
    data = CASES[case][0]
    tolerant = read(data, tolerant=True)
    agree(data, tolerant)


def test_a_package_is_read_tolerantly_too() -> None:
    package = ONE + b"\x55" + TWO
    found = read(HEAD + b"\x08\0\7\0\4" + len(package).to_bytes(4, "big") + package + b"\0", tolerant=True)
    command = found.records[0]
    assert isinstance(command, Command)
    faults: list[object] = []
    inner = package_records(found, command, faults=faults)  # type: ignore[arg-type]
    assert [type(record) for record in inner] == [Section, Gap, Section]
    assert len(faults) == 1


REAL = [find_stream(f"{name}/before").read_bytes() for name in ("pc-small", "microvm-virtio", "pc-cirrus")]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_bytes_are_read_and_written_again(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(REAL)))
    for _ in range(data.draw(st.integers(0, 8))):
        at = data.draw(st.integers(0, len(raw)))
        gone = data.draw(st.sampled_from([0, 0, 1, 4, 700]))
        raw[at : at + gone] = data.draw(st.binary(max_size=12))
    cut = data.draw(st.integers(0, len(raw)))
    for changed in (bytes(raw), bytes(raw[:cut]), bytes(raw[cut:])):
        found = read(changed, tolerant=True)
        assert write(found) == changed
        for section in found.sections:
            assert section.tree.size == len(section.buffer)
        agree(changed, found)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_stream(raw: bytes) -> None:
    assert write(read(raw, tolerant=True)) == raw
    assert write(read(HEAD + raw, tolerant=True)) == HEAD + raw
