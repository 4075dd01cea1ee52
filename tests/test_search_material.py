"""What each way is given: seeds, a dictionary, numbers of the machine, the same for all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mutants import machine as machine_of

from fuzz.corpus import CorpusError, find_machine
from fuzz.mutate.places import PAM
from fuzz.search.material import Material, material_of
from fuzz.work.build import make_mutator
from vmformat import write

if TYPE_CHECKING:
    from pathlib import Path

PC = material_of("pc-small")


def test_it_is_what_our_own_search_is_given() -> None:
    files = find_machine("pc-small")
    assert PC.seeds == tuple(path.read_bytes() for path in files.seeds)
    assert PC.description == machine_of("pc-small").description
    assert PC.longest == make_mutator(PC.description, PC.seeds).max_size
    assert [write(stream) for stream in PC.streams] == list(PC.seeds)


def test_a_seed_that_cannot_be_read_is_a_seed_and_no_stream() -> None:
    spoilt = replace(PC, seeds=(b"no stream", *PC.seeds))
    assert len(spoilt.streams) == len(PC.streams)
    assert spoilt.longest == PC.longest
    assert Material("m", PC.description, ()).longest > 4096


def test_numbers_are_edges_of_what_the_machine_has() -> None:
    assert list(PC.numbers) == sorted({*PC.numbers})
    assert all(0 < number < 1 << 64 for number in PC.numbers)
    wanted = {*PAM, PC.description.below_4g, 1 << 32}
    wanted |= {edge for region in PC.description.regions for edge in (region.addr, region.addr + region.size)}
    assert {number for number in wanted if 0 < number < 1 << 64} <= {*PC.numbers}


def test_each_number_is_a_word_as_fields_and_as_registers_have_it() -> None:
    words = PC.words
    for number in PC.numbers:
        assert number.to_bytes(8, "big") in words
        assert number >= 1 << 32 or number.to_bytes(4, "little") in words
    assert (0xE8000).to_bytes(8, "big") in words
    assert b"QEVM" in b"".join(words)
    lines = PC.dictionary.splitlines()
    assert len(lines) == len(words)
    assert all(line.endswith('"') and '="' in line for line in lines)


def test_a_machine_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="nowhere"):
        material_of(str(tmp_path / "nowhere"))
