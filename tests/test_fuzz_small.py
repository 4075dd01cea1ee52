"""Small inputs for a search that reads and does not load: each is small, most are streams, all differ."""

from __future__ import annotations

import mutants

from fuzz.corpus import find_stream
from fuzz.mutate.small import MAX_SIZE, RAW, small_inputs
from vmformat import StreamError, read, write


def test_small_inputs_show_each_kind_of_section_of_the_seeds() -> None:
    schemas = mutants.machine("pc-small").schemas
    seed = find_stream("pc-small/after").read_bytes()
    inputs = small_inputs([seed, b"no stream"], schemas)
    assert len(set(inputs)) == len(inputs)
    assert max(map(len, inputs)) <= MAX_SIZE
    assert {*RAW} <= {*inputs}
    seen: set[str] = set()
    strict = 0
    for data in inputs:
        try:
            stream = read(data, schemas)
        except StreamError:
            continue
        strict += 1
        assert write(stream) == data
        seen |= {section.name for section in stream.sections}
    assert strict > len(inputs) // 2
    assert seen >= {section.name for section in read(seed, schemas).sections} - {"ram"}
