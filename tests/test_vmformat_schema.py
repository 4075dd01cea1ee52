from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmformat.errors import StreamError
from vmformat.schema import Count, Field, Schema, When
from vmformat.virtio import VirtioShape, virtio_schema

names = st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=8)
numbers = st.integers(0, 1 << 32)
counts = st.none() | numbers | st.builds(Count, names, numbers, numbers, st.booleans())
conditions = st.none() | st.builds(When, names, numbers, st.booleans(), st.none() | numbers)
leaves = st.builds(Field, names, st.sampled_from(["uint8", "buffer", "odd"]), numbers, counts, numbers, conditions)
labelled = st.builds(Field, names, st.just("uint8"), label=names)


def _schemas(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    nested = st.builds(
        Field, names, st.sampled_from(["struct", "qtailq", "vstruct"]), struct=inner, version=st.none() | numbers
    )
    fields = st.lists(leaves | labelled | nested, max_size=4).map(tuple)
    subsections = st.lists(inner, max_size=2).map(tuple)
    return st.builds(Schema, names, numbers, numbers, fields, subsections, st.booleans(), st.booleans())


schemas = st.recursive(st.builds(Schema, names, numbers, numbers, st.just(())), _schemas, max_leaves=6)


@given(schemas)
def test_json_round_trip(schema: Schema) -> None:
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema


def test_json_leaves_defaults_out() -> None:
    schema = Schema("vga", 2, 2, (Field("latch", "uint32"), Field("sr", "uint8", count=8)))
    assert schema.to_json() == {
        "name": "vga",
        "version": 2,
        "fields": [{"name": "latch", "type": "uint32"}, {"name": "sr", "type": "uint8", "count": 8}],
    }


def test_json_of_a_real_one() -> None:
    schema = virtio_schema(VirtioShape("net", express=True, vectors=4, max_queue_pairs=4))
    assert Schema.from_json(schema.to_json()) == schema


@pytest.mark.parametrize(
    ("value", "where"),
    [
        pytest.param([], "expected a JSON object, found list", id="no object"),
        pytest.param({"version": 1}, "(.name): expected a string, found None", id="no name"),
        pytest.param({"name": "a", "version": True}, "(a.version): expected a number", id="no number"),
        pytest.param({"name": "a", "version": 1, "colour": 1}, "(a): expected no other key, found 'colour'", id="key"),
        pytest.param({"name": "a", "version": 1, "fields": 3}, "(a.fields): expected a list", id="no list"),
        pytest.param(
            {"name": "a", "version": 1, "fields": [{"name": "b", "type": "struct"}]},
            "(a.fields[0]): expected a struct, found none",
            id="struct without a struct",
        ),
    ],
)
def test_wrong_json(value: object, where: str) -> None:
    with pytest.raises(StreamError) as error:
        Schema.from_json(value)
    assert where in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("field", "plain"),
    [
        pytest.param(Field("config[1]", "pci config"), "config", id="ordinal"),
        pytest.param(Field("mac_reg[CTRL]", "uint32"), "mac_reg[CTRL]", id="macro name"),
        pytest.param(Field("portsc[0]", "uint32", label="portsc[0]"), "portsc[0]", id="index, labelled"),
        pytest.param(Field("bus[0].ifs", "struct"), "bus[0].ifs", id="index inside"),
        pytest.param(Field("[0]", "uint8"), "[0]", id="nothing but an index"),
    ],
)
def test_name_in_messages(field: Field, plain: str) -> None:
    assert field.plain_name == plain


@pytest.mark.parametrize(
    ("count", "value", "loading", "elements"),
    [
        pytest.param(Count("n"), 3, True, 3, id="plain"),
        pytest.param(Count("n", 6), 65, True, 390, id="times"),
        pytest.param(Count("n", less=1), 0, True, 0, id="less than none"),
        pytest.param(Count("n"), 0x7FFF_FFFF, True, 0x7FFF_FFFF, id="largest"),
        pytest.param(Count("n"), 0x8000_0000, True, 0, id="negative"),
        pytest.param(Count("n"), -1, True, 0, id="negative from a signed field"),
        pytest.param(Count("n", endless=True), 0x8000_0000, True, None, id="endless"),
        pytest.param(Count("n", endless=True), 0x8000_0000, False, 0x8000_0000, id="endless, but nobody loads"),
    ],
)
def test_counts(count: Count, value: int, loading: bool, elements: int | None) -> None:
    assert count.elements(value, loading=loading) == elements


@pytest.mark.parametrize(
    ("when", "value", "holds"),
    [
        pytest.param(When("f", 4), 6, True, id="bit set"),
        pytest.param(When("f", 4), 3, False, id="bit clear"),
        pytest.param(When("f", 4, invert=True), 3, True, id="inverted"),
        pytest.param(When("n", at_most=64), 64, True, id="at most"),
        pytest.param(When("n", at_most=64), 65, False, id="more"),
        pytest.param(When("n", at_most=64, invert=True), 65, True, id="more, inverted"),
    ],
)
def test_conditions(when: When, value: int, holds: bool) -> None:
    assert when.holds(value) is holds


def test_error_is_one_line_and_survives_pickling() -> None:
    error = StreamError(0x10, "a\nb", "x", "y\r" * 300)
    assert str(error).startswith("offset 0x10 (a\\nb): expected x, found y")
    assert len(str(error).splitlines()) == 1
    again = pickle.loads(pickle.dumps(error))
    assert (again.offset, again.path, again.expected, again.found) == (0x10, "a\nb", "x", "y\r" * 300)
