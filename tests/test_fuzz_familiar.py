"""Streams read by known sections come out as the reader reads them, and what was made comes back as it was made."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fuzz.mutate import familiar as module
from fuzz.mutate.familiar import Familiar, to_bytes
from fuzz.mutate.hostile import FAMILIES
from fuzz.mutate.index import index_of
from fuzz.work.build import make_mutator, read_description
from model import section_schemas
from vmformat import Command, Eof, Kind, Section, StreamError, describe_itself, pack, read, write

if TYPE_CHECKING:
    from vmformat import Schemas, Stream

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
DESCRIPTION = read_description(CORPUS / "machines" / "pc-small.json")
SCHEMAS: Schemas = section_schemas(DESCRIPTION)
SEEDS = [path.read_bytes() for path in sorted((CORPUS / "seeds" / "pc-small").glob("*.vmstate"))]


def known() -> Familiar:
    return Familiar(SCHEMAS, tuple(read(data, SCHEMAS) for data in SEEDS))


def plainly(data: bytes) -> Stream | None:
    try:
        return read(data, SCHEMAS)
    except StreamError:
        return None


def test_seeds_are_known_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    familiar = known()
    monkeypatch.setattr("vmformat.reading.loop.Reading.step", lambda *_: pytest.fail("a record was not known"))
    for data in SEEDS:
        assert familiar.read(data) == read(data, SCHEMAS)
        assert all(isinstance(record.buffer, bytes) for record in familiar.read(data).sections)


def test_mutants_read_as_the_reader_reads_them() -> None:
    dice, familiar = random.Random(7), known()
    mutator = make_mutator(DESCRIPTION, SEEDS)
    pool, whole = list(SEEDS), 0
    for _ in range(300):
        data = mutator.mutate(dice.choice(pool), mutator.max_size, dice.getrandbits(31))
        pool.append(data)
        expected = plainly(data)
        for _ in range(2):
            try:
                found = familiar.read(data)
            except StreamError:
                assert expected is None
                continue
            assert expected is not None
            whole += 1
            assert found == expected
            assert write(found) == data
            assert [one.schema for one in found.sections] == [one.schema for one in expected.sections]
    assert whole > 300


def test_bytes_that_differ_anywhere_are_no_known_section() -> None:
    familiar = known()
    data = SEEDS[0]
    for at in range(0, len(data), 97):
        other = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        expected = plainly(other)
        try:
            assert familiar.read(other) == expected
        except StreamError:
            assert expected is None


def test_a_section_comes_back_as_it_was_made() -> None:
    familiar = known()
    stream = read(SEEDS[0], SCHEMAS)
    at = next(i for i, one in enumerate(stream.records) if isinstance(one, Section) and one.name == "timer")
    section = stream.records[at]
    assert isinstance(section, Section)
    longer = section.replace_payload(section.payload + b"\x07")
    made = stream.replace_record(at, longer)
    data = to_bytes(made)
    familiar.keep(made)
    assert familiar.read(data).records[at] is longer
    assert Familiar(SCHEMAS).read(data).records[at] is not longer


def test_packages_and_parts_are_known_by_whose_they_are() -> None:
    stream = read(SEEDS[0], SCHEMAS)
    one, other = [section for section in stream.sections if section.kind is Kind.FULL][:2]
    parts = [
        Section(Kind.PART, 1, owner.name, owner.instance, owner.version, owner.payload, owner.schema, 1)
        for owner in (one, other)
    ]
    familiar = known()
    for owner, part in zip((one, other), parts, strict=True):
        begun = Section(Kind.FULL, 1, owner.name, owner.instance, owner.version, owner.payload, owner.schema, 1)
        made = stream.with_records((begun, part, pack((one, Command.ping(3))), Eof()))
        for _ in range(2):
            again = familiar.read(write(made))
            assert again == read(write(made), SCHEMAS)
            assert again.sections[1].name == owner.name


def test_a_description_in_the_stream_has_its_say() -> None:
    familiar = known()
    described = write(describe_itself(read(SEEDS[0], SCHEMAS)))
    assert familiar.read(described) == read(described, SCHEMAS)


def test_what_cannot_be_read_raises_each_time() -> None:
    familiar = known()
    for data in (SEEDS[0][:-1], SEEDS[0][:3000], b"", b"QEVM", *(FAMILIES["sections"](n)[:-3] for n in (1, 5))):
        assert plainly(data) is None
        for _ in range(3):
            with pytest.raises(StreamError):
                familiar.read(data)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_FAILURES", 20)
    familiar = Familiar(SCHEMAS, most=200_000)
    stream = read(SEEDS[0], SCHEMAS)
    at = next(i for i, one in enumerate(stream.records) if isinstance(one, Section) and one.name == "timer")
    section = stream.records[at]
    assert isinstance(section, Section)
    for number in range(400):
        name = f"timer{number}"
        one = Section(section.kind, number, name, 0, 2, section.payload, section.schema, number)
        made = stream.replace_record(at, one)
        data = to_bytes(made)
        assert data == write(made)
        familiar.keep(made)
        familiar.read(data)
        with pytest.raises(StreamError):
            familiar.read(data[: len(data) // 2 - number])
    assert familiar._bytes_kept == sum(2 * len(wire) + module.SECTION_BYTES for _, wire in familiar._kept) <= 200_000
    assert len(familiar._alike) < 200
    assert len(familiar._failed) <= 20


def test_a_seeds_section_with_some_bytes_altered_has_its_values_where_the_seeds_has_them() -> None:
    data = SEEDS[0]
    stream = read(data, SCHEMAS)
    (section,) = [one for one in stream.sections if one.name.endswith("/virtio-blk")]
    at = data.index(section.payload)
    familiar = known()
    other = data[: at + 40] + bytes([data[at + 40] ^ 1]) + data[at + 41 :]
    (found,) = [one for one in familiar.read(other).sections if one.name.endswith("/virtio-blk")]
    (seed,) = [one for one in familiar.read(data).sections if one.name.endswith("/virtio-blk")]
    assert found.payload != seed.payload
    assert index_of(found) is index_of(seed) is not None
    (alone,) = [one for one in read(other, SCHEMAS).sections if one.name.endswith("/virtio-blk")]
    assert index_of(found).places == index_of(alone).places  # type: ignore[union-attr]
