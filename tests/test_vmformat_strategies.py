"""The strategies that others' tests use: what is valid is read strictly, what is nearly valid tolerantly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mutants
import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from vmformat import (
    Command,
    Schema,
    Section,
    Stream,
    StreamError,
    decode,
    describe,
    encode,
    package_records,
    read,
    write,
)
from vmformat.ram.records import RamState, parse_ram
from vmformat.strategies import (
    commands,
    near_valid_streams,
    packages,
    payloads,
    ram_payloads,
    schemas,
    sections,
    streams,
    vmdescriptions,
)
from vmformat.vmdescription import parse

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@SETTINGS
@given(st.data())
def test_payloads_are_of_their_schema(data: DataObject) -> None:
    schema = data.draw(schemas())
    payload = data.draw(payloads(schema))
    tree = decode(schema, payload)
    assert encode(schema, tree.values()) == payload
    assert Schema.from_json(schema.to_json()) == schema


@SETTINGS
@given(st.data())
def test_payloads_of_a_machines_sections(data: DataObject) -> None:
    known = mutants.machine("pc-small").schemas
    schema = known[data.draw(st.sampled_from(sorted(known)))]
    payload = data.draw(payloads(schema))
    assert encode(schema, decode(schema, payload).values()) == payload


@SETTINGS
@given(streams())
def test_streams_are_read_strictly(stream: Stream) -> None:
    data = write(stream)
    again = read(data)
    assert again == stream
    assert write(again) == data
    tolerant = read(data, tolerant=True)
    assert tolerant == stream
    assert tolerant.faults == ()


@SETTINGS
@given(st.data())
def test_streams_of_a_machine_are_read_strictly(data: DataObject) -> None:
    known = mutants.machine("pc-small").schemas
    stream = data.draw(streams(known, "pc-i440fx-7.2"))
    written = write(stream)
    assert read(written, known) == stream
    assert stream.configuration is not None
    assert stream.configuration.machine == "pc-i440fx-7.2"


@SETTINGS
@given(near_valid_streams())
def test_nearly_valid_streams_are_read_tolerantly(data: bytes) -> None:
    assert write(read(data, tolerant=True)) == data


@SETTINGS
@given(sections())
def test_sections_have_trees(section: Section) -> None:
    assert section.schema is not None
    assert encode(section.schema, section.tree.values()) == section.payload


@SETTINGS
@given(ram_payloads())
def test_ram_payloads_are_records_to_the_last_byte(payload: bytes) -> None:
    *_, last = parse_ram(payload, 0, RamState())
    assert last.offset == len(payload) - 8


@SETTINGS
@given(commands())
def test_commands_say_what_they_hold(command: Command) -> None:
    assert all(name != "payload" for name, _ in command.fields)


@SETTINGS
@given(packages())
def test_packages_can_be_looked_into(package: Command) -> None:
    stream = Stream(records=(package,))
    assert package_records(stream, package)
    assert read(write(stream) + b"\0").records[0] == package


@SETTINGS
@given(vmdescriptions())
def test_vmdescriptions_are_parsed(text: bytes) -> None:
    assert parse(text) == describe(b"\x06" + len(text).to_bytes(4, "big") + text)


SMALL: dict[str, tuple[st.SearchStrategy[bytes], int]] = {
    "a stream": (streams().map(write), 30),
    "a nearly valid one": (near_valid_streams(), 30),
    "ram": (ram_payloads(), 8),
}


@pytest.mark.parametrize(("strategy", "size"), SMALL.values(), ids=SMALL)
def test_examples_shrink_to_next_to_nothing(strategy: st.SearchStrategy[bytes], size: int) -> None:
    smallest = find(strategy, lambda _: True, settings=settings(derandomize=True, database=None))
    assert len(smallest) <= size


def devices(stream: Stream) -> list[Section]:
    """The sections that are no RAM: a list of blocks is never all zero."""
    return [section for section in stream.sections if not section.is_ram]


def test_a_failure_shrinks_to_what_shows_it() -> None:
    how = settings(derandomize=True, database=None, deadline=None, max_examples=300)
    found = find(streams(), lambda stream: any(any(one.payload) for one in devices(stream)), settings=how)
    assert len(devices(found)) == 1
    assert sum(len(section.payload) for section in devices(found)) < 40


def test_most_nearly_valid_streams_are_refused_but_not_all() -> None:
    verdicts = []

    @SETTINGS
    @given(near_valid_streams())
    def collect(data: bytes) -> None:
        try:
            read(data)
        except StreamError:
            verdicts.append(False)
        else:
            verdicts.append(True)

    collect()
    assert len(verdicts) / 10 < sum(verdicts) < len(verdicts) * 9 / 10
