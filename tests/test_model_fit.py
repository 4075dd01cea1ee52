"""What of a stream does not fit a machine: each kind of line from a shipped stream with one thing changed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from fuzz.commands.load import LoadOptions, run
from fuzz.corpus import find_machine, find_stream, shipped_machines
from model import Machine, from_json, misfits
from vmformat import Configuration, Eof, Section, Stream, read, write
from vmformat.stream import read_some

if TYPE_CHECKING:
    from collections.abc import Callable

MACHINES = shipped_machines()


@cache
def document(name: str) -> str:
    return find_machine(name).description.read_text()


def machine(name: str, **changes: Any) -> Machine:
    value = json.loads(document(name))
    value["configuration"].update(changes)
    return Machine(from_json(value))


@cache
def pristine(name: str) -> Machine:
    return machine(name)


def stream(name: str = "q35-modern/after") -> Stream:
    return read(find_stream(name).read_bytes(), pristine(name.partition("/")[0]).schemas)


def changed(which: str, **fields: Any) -> Stream:
    """The stream with other values in the header of a section."""
    found = stream()
    return found.with_records(
        replace(record, **fields) if isinstance(record, Section) and record.name == which else record
        for record in found.records
    )


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", MACHINES)
def test_a_machines_own_streams_fit(name: str, moment: str) -> None:
    assert misfits(pristine(name), find_stream(f"{name}/{moment}").read_bytes()) == ()


def test_another_machines_stream() -> None:
    lines = misfits(pristine("pc-small"), find_stream("q35-modern/after").read_bytes())
    assert lines[0] == "configuration: of machine type pc-q35-7.2, the machine is pc-i440fx-7.2"
    assert "RAM block pc.ram: 0x4000000 bytes, the machine's has 0x1000000" in lines
    assert "section 0000:00:02.1:00.0/virtio-blk: no such device in the machine" in lines
    assert "section PCIBUS: instance 2, the machine has 0" in lines
    assert "section 0000:00:02.0/virtio-blk: not in the stream" in lines
    assert len(lines) == len(set(lines))


CASES: dict[str, tuple[Callable[[], Stream], str]] = {
    "a newer version": (lambda: changed("hpet", version=9), "section hpet: version 9, the machine takes up to 2"),
    "an older version": (lambda: changed("apic", version=1), "section apic: version 1, the machine takes 3 and later"),
    "a name with anything in it": (
        lambda: changed("hpet", name="h\n\x01"),
        r"section 'h\n\x01': no such device in the machine",
    ),
    "a section less": (
        lambda: stream().with_records(r for r in stream().records if getattr(r, "name", "") != "hpet"),
        "section hpet: not in the stream",
    ),
    "a footer less": (
        lambda: changed("hpet", footer=None),
        "footers: 1 of ",
    ),
    "another machine type": (
        lambda: replace(stream(), configuration=Configuration.build("pc-q35-9.0")),
        "configuration: of machine type pc-q35-9.0, the machine is pc-q35-7.2",
    ),
}


@pytest.mark.parametrize("case", list(CASES))
def test_one_thing_changed_is_one_line(case: str) -> None:
    make, line = CASES[case]
    lines = misfits(pristine("q35-modern"), write(make()))
    assert any(found.startswith(line) for found in lines), lines
    assert len(lines) == (2 if "name" in case else 1)  # a renamed section is missing under its own name


def test_a_config_space_of_another_length() -> None:
    found = stream()
    section = found.section("0000:00:02.1:00.0/virtio-blk")
    assert section is not None
    short = bytearray(section.payload[: 4 + 256]) + section.payload[4 + 4096 :]
    at = short[4 + 0x34] + 4
    while short[at] != 0x10:
        at = short[at + 1] + 4
    short[at] = 0x09  # no longer a PCI Express capability
    data = write(changed(section.name, payload=bytes(short)))
    lines = misfits(pristine("q35-modern"), data)
    assert lines == (f"section {section.name}: a config space of 256 bytes, the machine's has 4096",)


def test_machine_types_that_send_less() -> None:
    modern = find_stream("pc-small/before").read_bytes()
    assert misfits(machine("pc-small", section=False), modern) == (
        "configuration: the stream has one (of pc-i440fx-7.2), the machine type pc-i440fx-7.2 takes none",
    )
    without = write(replace(stream("pc-small/before"), configuration=None))
    assert misfits(pristine("pc-small"), without) == (
        "configuration: the stream has none, the machine type pc-i440fx-7.2 wants one",
    )
    (line,) = misfits(machine("pc-small", footers=False), modern)
    assert re.fullmatch(r"footers: (\d+) of \1 sections have one, the machine type takes none", line)


def test_what_is_no_stream() -> None:
    (line,) = misfits(pristine("pc-small"), b"not a stream at all")
    assert line.startswith("header: not a stream of version 3: ")
    assert misfits(pristine("pc-small"), b"")[0].startswith("header: ")


def test_a_stream_that_ends_early_lacks_nothing_that_anybody_knows_of() -> None:
    data = find_stream("pc-small/before").read_bytes()
    assert misfits(pristine("pc-small"), data[: len(data) // 2]) == ()


def test_reading_as_far_as_it_goes() -> None:
    data = find_stream("pc-small/before").read_bytes()
    schemas = pristine("pc-small").schemas
    whole, complete = read_some(data, schemas)
    assert complete
    assert whole == read(data, schemas)
    assert isinstance(whole.records[-1], Eof)
    some, complete = read_some(data[: len(data) // 2], schemas)
    assert not complete
    assert some.records == whole.records[: len(some.records)]
    assert 0 < len(some.records) < len(whole.records)


def test_load_prints_them_and_keeps_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(LoadOptions("q35-modern/after", "pc-small", ("per-device",), as_json=True)) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["outcomes"][0]["verdict"] == "refused"
    assert document["misfits"][0].startswith("configuration: of machine type pc-q35-7.2")
    assert run(LoadOptions("q35-modern/after", "pc-small", ("per-device",))) == 0
    assert "does not fit: configuration: of machine type pc-q35-7.2" in capsys.readouterr().out
    assert run(LoadOptions("pc-small/after", None, ("per-device",), as_json=True)) == 0
    assert json.loads(capsys.readouterr().out)["misfits"] == []
