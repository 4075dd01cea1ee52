"""The file header and the configuration section on shipped streams (stream.md 1.2, 1.5, 2.11)."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from mutants import PC, Case, Cases, Edit, check, configuration, raw

from model.header import CAPABILITIES

NAME = b"\0\0\0\x0apc-q35-7.2"


def subsection(name: bytes, payload: bytes, version: int = 1) -> bytes:
    return bytes([5, len(name)]) + name + struct.pack(">I", version) + payload


def capabilities(*names: bytes) -> bytes:
    listed = b"".join(bytes([len(name)]) + name for name in names)
    return subsection(b"configuration/capabilities", struct.pack(">I", len(names)) + listed)


def start(data: bytes) -> Edit:
    return raw(lambda found: data + found[len(data) :])


CASES: Cases = {
    "magic": Case(start(b"QEVN"), "refused", "Not a migration stream"),
    "version 2": Case(start(b"QEVM\0\0\0\2"), "refused", "SaveVM v2 format is obsolete and don't work anymore"),
    "version 4": Case(start(b"QEVM\0\0\0\4"), "refused", "Unsupported migration stream version"),
    "version 2^31": Case(start(b"QEVM\x80\0\0\0"), "refused", "Unsupported migration stream version"),
    "cut in the magic": Case(raw(lambda data: data[:3]), "refused", "Not a migration stream"),
    "cut in the version": Case(raw(lambda data: data[:6]), "refused", "Unsupported migration stream version"),
    "cut behind the version": Case(raw(lambda data: data[:8]), "refused", "Configuration section missing"),
    "cut in the length": Case(raw(lambda data: data[:11]), "refused"),
    "cut in the name": Case(raw(lambda data: data[:16]), "refused"),
    "cut behind the name": Case(raw(lambda data: data[: 9 + len(NAME)]), "refused"),
    "no configuration": Case(
        lambda found: replace(found, configuration=None), "refused", "Configuration section missing"
    ),
    "another machine": Case(
        configuration(b"\0\0\0\x0apc-q35-7.1"),
        "refused",
        "Machine type received is 'pc-q35-7.1' and local is 'pc-q35-7.2'",
    ),
    "the beginning of the name": Case(configuration(b"\0\0\0\2pc")),
    "no name": Case(configuration(b"\0\0\0\0")),
    "longer name": Case(configuration(b"\0\0\0\x0bpc-q35-7.2x"), "refused", "Machine type received is 'pc-q35-7.2x'"),
    "name and NUL": Case(configuration(b"\0\0\0\x0bpc-q35-7.2\0")),
    "name, NUL and more": Case(configuration(b"\0\0\0\x0dpc-q35-7.2\0xx")),
    "name with a NUL": Case(configuration(b"\0\0\0\x0apc\0q35-7.2"), "refused", "Machine type received is 'pc'"),
    "name of 2^32-1": Case(start(b"QEVM\0\0\0\3\7\xff\xff\xff\xff"), "aborted", "failed to allocate"),
    "name of 2^31-1": Case(start(b"QEVM\0\0\0\3\7\x7f\xff\xff\xff"), "refused"),
    "page bits 12": Case(configuration(NAME + subsection(b"configuration/target-page-bits", b"\0\0\0\x0c"))),
    "page bits 16": Case(
        configuration(NAME + subsection(b"configuration/target-page-bits", b"\0\0\0\x10")),
        "refused",
        "Received TARGET_PAGE_BITS is 16 but local is 12",
    ),
    "capability": Case(configuration(NAME + capabilities(b"xbzrle"))),
    "capabilities": Case(
        configuration(NAME + capabilities(*sorted(n.encode() for n in CAPABILITIES - {"x-ignore-shared"})))
    ),
    "no capabilities": Case(configuration(NAME + capabilities())),
    "unknown capability": Case(
        configuration(NAME + capabilities(b"foobar")), "refused", "Received unknown capability foobar"
    ),
    "nameless capability": Case(configuration(NAME + capabilities(b"")), "refused", "Received unknown capability "),
    "ignored shared memory": Case(
        configuration(NAME + capabilities(b"x-ignore-shared")),
        "refused",
        "Capability x-ignore-shared is off, but received capability is on",
    ),
    "ignored shared memory, wrong name": Case(
        configuration(b"\0\0\0\1x" + capabilities(b"x-ignore-shared")), "refused", "Machine type received is 'x'"
    ),
    "uuid": Case(configuration(NAME + subsection(b"configuration/uuid", bytes(16))), text="UUID is received"),
    "uuid twice": Case(configuration(NAME + 2 * subsection(b"configuration/uuid", bytes(range(16)))), text="UUID"),
    "unknown subsection": Case(
        configuration(NAME + subsection(b"configuration/foo", b"")), "refused", "No such file or directory"
    ),
    "subsection of version 2": Case(
        configuration(NAME + subsection(b"configuration/uuid", bytes(16), 2)), "refused", "is too new"
    ),
    "subsection of version 0x101": Case(configuration(NAME + subsection(b"configuration/uuid", bytes(16), 0x101))),
    "pc: another machine": Case(configuration(NAME), "refused", "and local is 'pc-i440fx-7.2'", machine=PC),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_model(case: Case) -> None:
    check(case)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
