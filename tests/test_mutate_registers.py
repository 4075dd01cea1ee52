"""Registers of config space by their offset, wherever a section's payload holds it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutants import leaf_of, machine, stream

from fuzz.mutate.index import read_leaf
from fuzz.mutate.registers import BARS, COMMAND, HEADER, Config, config_of, functions, get, put
from vmformat import Section, StreamError

MACHINES = ("pc-small", "q35-modern")


def found() -> list[tuple[str, Section, Config]]:
    return [(name, section, config) for name in MACHINES for _, section, config in functions(stream(name))]


@pytest.mark.parametrize("name", MACHINES)
def test_functions_are_the_sections_that_have_a_config_space_where_they_stand(name: str) -> None:
    source = stream(name)
    schemas = {section.name for section in source.sections if any(".vendor_id" in leaf.path for leaf in section.leaves)}
    assert {section.name for _, section, _ in functions(source)} == schemas
    assert all(source.records[at] is section for at, section, _ in functions(source))
    assert len(schemas) > 5


def test_a_register_is_where_the_format_names_it() -> None:
    for _, section, config in found():
        for offset, path, size in (
            (0, ".vendor_id", 2),
            (2, ".device_id", 2),
            (COMMAND, ".command", 2),
            (HEADER, ".header_type", 1),
        ):
            leaf = leaf_of(section, path)
            assert (config.offset + offset, size) == (leaf.offset, leaf.size), section.name
            assert get(section, config, offset, size) == read_leaf(section, leaf)


def test_ids_are_those_of_the_machine_and_express_functions_have_4_kib() -> None:
    for name, section, config in found():
        function = section.name.rpartition("/")[0]
        entry = next(one for one in machine(name).description.functions if one.function == function)
        assert get(section, config, 0, 4).to_bytes(4, "little") == entry.config[:4]
        assert config.size == len(entry.config)


@given(st.sampled_from(found()), st.integers(0, 255), st.sampled_from((1, 2, 4)), st.integers(-1, 1 << 33))
def test_what_is_put_is_got_and_nothing_else_is_touched(
    place: tuple[str, Section, Config], offset: int, size: int, value: int
) -> None:
    _, section, config = place
    made = put(section, config, offset, size, value)
    assert get(made, config, offset, size) == value % (1 << 8 * size)
    start = config.offset + offset
    assert (
        made.payload[:start] + made.payload[start + size :] == section.payload[:start] + section.payload[start + size :]
    )


def test_registers_are_little_endian() -> None:
    _, section, config = found()[0]
    made = put(section, config, BARS, 4, 0x01020304)
    assert [get(made, config, BARS + at, 1) for at in range(4)] == [4, 3, 2, 1]


def test_outside_the_payload_nothing_is_put_and_zero_is_read() -> None:
    for _, section, config in found():
        behind = len(section.payload) - config.offset
        with pytest.raises(StreamError):
            put(section, config, behind - 1, 2, 0)
        assert get(section, config, behind, 4) == 0
        assert get(section, config, behind - 1, 2) == section.payload[-1]


def test_a_section_without_config_space_has_no_place_for_it() -> None:
    timer = stream("pc-small").section("timer")
    assert timer is not None
    assert config_of(timer) is None
    assert config_of(Section(timer.kind, 1, "nobody", 0, 1, bytes(300), None, 1)) is None
