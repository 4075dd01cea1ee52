"""The reader in bulk against the plain one, over schemas and payloads of every kind."""

from __future__ import annotations

import construct
import pytest
import slow_grammar
from hypothesis import given, settings
from hypothesis import strategies as st

from vmformat import Count, Field, Node, Schema, StreamError, When, decode, decode_partial, encode
from vmformat.schema import INTEGERS
from vmformat.tree import Structs, decode_tolerant, end_of

INTEGER = st.sampled_from(sorted(INTEGERS))
SMALL = st.sampled_from(["uint8", "int8", "bool", "uint16", "int32"])


PLAIN = ["int", "array", "buffer", "buffers", "count", "string", "vbuffer", "irq", "subsections", "must"]
NESTING = ["struct", "structs", "list", "gtree", "tmp", "vstruct"]
USUAL = st.sampled_from([b"\0", b"\1", b"\0\0\0\1", bytes(16)])
MASKS = st.sampled_from([1, 3, 0xFF])
SINCE = st.sampled_from([0, 0, 0, 2])
LISTS = st.sampled_from(["qtailq", "repeat int8", "repeat uint32"])
BUFFERS = st.sampled_from(["buffer", "virtio"])


@st.composite
def leaf(draw: st.DrawFn, kind: str, name: str, count: int | Count | None, when: When | None) -> Field:
    """A field without a schema of its own."""
    match kind:
        case "int":
            return Field(name, draw(INTEGER), since=draw(SINCE), when=when)
        case "array":
            return Field(name, draw(INTEGER), count=count, when=when)
        case "buffer":
            return Field(name, draw(BUFFERS), draw(st.integers(0, 5)), when=when)
        case "buffers":
            return Field(name, "buffer", draw(st.integers(0, 3)), count=count, when=when)
        case "count":
            return Field(name, draw(SMALL))
        case "irq":
            return Field(name, "pci irq state", 16, when=when)
        case "must":
            return Field(name, "must exist", when=when or When("x"))
        case _:
            return Field(name, kind, when=when)


@st.composite
def nesting(
    draw: st.DrawFn, kind: str, name: str, inner: Schema, count: int | Count | None, when: When | None
) -> Field:
    """A field with a schema of its own."""
    match kind:
        case "structs":
            return Field(name, "struct", count=count, struct=inner, when=when)
        case "list":
            return Field(name, draw(LISTS), struct=inner, when=when)
        case "vstruct":
            return Field(name, kind, struct=inner, when=when, version=2)
        case _:
            return Field(name, kind, struct=inner, since=draw(SINCE), when=when)


@st.composite
def schemas(draw: st.DrawFn, depth: int = 3, name: str = "v", known: tuple[str, ...] = ()) -> Schema:
    """Any schema; `known` are the counting fields around it."""
    fields: list[Field] = []
    names = list(known)
    for i in range(draw(st.integers(0, 5))):
        field = f"{name}{i}"
        kind = draw(st.sampled_from(PLAIN + (NESTING if depth else [])))
        if kind == "subsections" and any(f.type == kind for f in fields):
            continue  # values do not say in which of two scans a subsection was found
        when = None
        if names and draw(st.integers(0, 3)) == 0:
            when = When(draw(st.sampled_from(names)), draw(MASKS), draw(st.booleans()))
        count: int | Count | None = draw(st.sampled_from([None, 0, 1, 2, 3]))
        if draw(st.booleans()) and names:
            less, times = draw(st.integers(0, 1)), draw(st.integers(1, 2))
            count = Count(draw(st.sampled_from(names)), times, less, unsigned=draw(st.booleans()))
        if kind in NESTING:
            inner = draw(schemas(depth - 1, f"{field}.", tuple(names)))
            fields.append(draw(nesting(kind, field, inner, count, when)))
            names += [f"{field}.{f.name}" for f in inner.fields if f.type == "uint8"]
        else:
            fields.append(draw(leaf(kind, field, count, when)))
            names += [field] if kind == "count" else []
    subs: tuple[Schema, ...] = ()
    if depth and draw(st.integers(0, 2)) == 0:
        subs = (draw(schemas(0, f"{name}/s", tuple(names))),)
    raw = any(f.type == "subsections" for f in fields) or draw(st.integers(0, 5)) == 0
    return Schema(name, draw(st.integers(1, 3)), 1, tuple(fields), subs, raw)


def heads(schema: Schema) -> set[bytes]:
    """What the subsections in a schema begin with."""
    found = {b"\5" + bytes([len(sub.name)]) + sub.name.encode() + b"\0\0\0\1" for sub in schema.subsections}
    for inner in (*schema.subsections, *(f.struct for f in schema.fields if f.struct is not None)):
        found |= heads(inner)
    return found


@st.composite
def payloads(draw: st.DrawFn) -> tuple[Schema, bytes]:
    """A schema and bytes that fit it more often than not for some way."""
    schema = draw(schemas())
    pieces: list[st.SearchStrategy[bytes]] = [
        st.binary(max_size=8),
        st.sampled_from([b"\0", b"\1", b"\0\0\0\1", bytes(16)]),
    ]
    if known := sorted(heads(schema)):
        pieces.append(st.sampled_from(known))
    return schema, b"".join(draw(st.lists(st.one_of(pieces), max_size=30)))


def flat(node: Node) -> list[tuple[object, ...]]:
    """A tree without the ways in which it may be kept."""
    return [(path, n.name, n.type, n.offset, n.size, n.value) for path, n in node.walk()]


def it_reads_what_the_plain_reader_reads(schema: Schema, payload: bytes) -> None:
    node, fault = decode_partial(schema, payload, 100)
    if fault is not None and fault.expected == "a known subsection":
        return  # the plain reader leaves these to whoever comes next
    plain, end, other = slow_grammar.decode(schema, payload, 100)
    rest = ("@rest", "@rest", "buffer", 100 + end, len(payload) - end, payload[end:])
    assert flat(node) == flat(plain) + ([rest] if end < len(payload) else [])
    if other is not None:
        assert fault is not None
        assert (fault.offset, fault.path) == (other.offset, other.path)
    else:
        assert (fault is not None) == (end < len(payload))
        assert end_of(schema, b"?" + payload, 1) == 1 + end


def it_writes_what_the_plain_writer_writes(schema: Schema, payload: bytes) -> None:
    _, end, fault = slow_grammar.decode(schema, payload)
    if fault is not None:
        return
    payload = payload[:end]
    node, fault = decode_partial(schema, payload)
    if fault is not None:
        assert fault.expected == "a known subsection"
        return
    values = node.values()
    assert values == slow_grammar.decode(schema, payload)[0].values()
    assert encode(schema, values) == payload == slow_grammar.encode(schema, values)


def faults_never_stop_what_can_be_read(schema: Schema, payload: bytes) -> None:
    node, faults = decode_tolerant(schema, payload, 7)
    partial, fault = decode_partial(schema, payload, 7)
    assert flat(node) == flat(partial)
    assert (faults[-1] if fault is not None else None) == fault
    assert all(7 <= found.offset <= 7 + len(payload) for found in faults)


@settings(max_examples=200)
@given(payloads())
def test_it_reads_and_writes_as_the_plain_one_and_faults_never_stop_what_can_be_read(
    case: tuple[Schema, bytes],
) -> None:
    """Three promises of each example: to draw one takes longer than to look at it."""
    it_reads_what_the_plain_reader_reads(*case)
    it_writes_what_the_plain_writer_writes(*case)
    faults_never_stop_what_can_be_read(*case)


@settings(max_examples=200)
@given(payloads(), st.data())
def test_it_refuses_what_the_plain_writer_refuses(case: tuple[Schema, bytes], data: st.DataObject) -> None:
    schema, payload = case
    plain, _, _ = slow_grammar.decode(schema, payload)
    values = plain.values()
    assert isinstance(values, dict)
    name = ""
    if values:
        name = data.draw(st.sampled_from(sorted(values)))
        values[name] = data.draw(st.sampled_from([-1, 1 << 70, b"", b"x", (), [], {}, "ab", [{}], (1,), True]))
    try:
        expected = slow_grammar.encode(schema, values)
    except (construct.ConstructError, TypeError, ValueError, OverflowError):
        with pytest.raises(StreamError):
            encode(schema, values)
    else:
        if values.get(name) in [{}, [], (), b"", ""]:
            return  # nothing is nothing to the plain writer, whatever its type
        assert encode(schema, values) == expected


def test_equal_elements_are_one_object() -> None:
    pair = Schema("pair", 1, 1, (Field("a", "uint8"), Field("b", "uint16")))
    schema = Schema("v", 1, 1, (Field("s", "struct", count=1024, struct=pair),))
    for tail in (bytes(3), b"\1\2\3"):
        payload = b"\7\0\1" * 3 + b"\4\0\0" + tail * 1020
        values = decode(schema, payload).values()
        assert isinstance(values, dict)
        elements = values["s"]
        assert len({id(element) for element in elements}) == 3
        assert encode(schema, values) == payload
        elements[1000] = dict(elements[1000], a=9)
        assert encode(schema, values) == payload[:3000] + b"\x09" + payload[3001:]


def test_a_list_of_many_elements_takes_little_memory() -> None:
    empty = Schema("e", 1, 1, ())
    schema = Schema("v", 1, 1, (Field("q", "qlist", struct=empty),))
    node = decode(schema, b"\1" * 100_000 + b"\0")
    assert not isinstance(node.children[0].inner, tuple)
    assert node.children[0].find("[99999]@more") is not None
    assert encode(schema, node.values()) == b"\1" * 100_000 + b"\0"


def test_an_element_cut_off_is_the_last() -> None:
    pair = Schema("pair", 1, 1, (Field("a", "uint8"), Field("b", "uint16")))
    node, fault = decode_partial(Schema("v", 1, 1, (Field("s", "struct", count=9, struct=pair),)), b"\1\0\2\3\0")
    inner = node.children[0].inner
    assert isinstance(inner, Structs)
    assert inner.values() == [{"a": 1, "b": 2}, {"a": 3}]
    assert fault is not None
    assert fault.path == "s[1].b"
