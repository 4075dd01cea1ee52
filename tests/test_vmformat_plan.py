from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmformat._steps import HUNG_STEPS, Run
from vmformat.errors import StreamError
from vmformat.plan import Plan, Refusal, SilentVisitor, measure
from vmformat.reader import Reader
from vmformat.schema import Count, Field, Schema, When

EVERY = frozenset(f"type:{name}" for name in ("uint8", "uint16", "uint32", "int32 le", "buffer", "struct", "bool"))


class Log(SilentVisitor):
    """Writes down what it is shown; local values by path."""

    def __init__(self, local: dict[str, int] | None = None, refuse: str = "") -> None:
        self.seen: list[tuple[object, ...]] = []
        self.values = local or {}
        self.refuse = refuse

    def field(self, schema: Schema, field: Field, path: str, value: object) -> Refusal | None:
        self.seen.append((path, value))
        return Refusal(22, ("no.",), 0, path) if path == self.refuse else None

    def pre_load(self, schema: Schema, path: str, version: int) -> Refusal | None:
        self.seen.append(("pre", schema.name, path, version))
        return None

    def post_load(self, schema: Schema, path: str, version: int) -> Refusal | None:
        self.seen.append(("post", schema.name, path, version))
        return Refusal(1, (), 0, path) if schema.name == self.refuse else None

    def local(self, path: str) -> int:
        return self.values.get(path, 0)

    def opaque(self, reader: Reader, schema: Schema, field: Field, path: str) -> Refusal | None:
        self.seen.append((path, reader.take(2)))
        return None


def vmsd(name: str, *fields: Field, version: int = 1, minimum: int = 0, subs: tuple[Schema, ...] = ()) -> Schema:
    return Schema(name, version, minimum, fields, subs)


U8, U32 = Field("a", "uint8"), Field("n", "uint32")
INNER = vmsd("inner", Field("x", "uint8"), Field("y", "uint16"))
SUB = vmsd("dev/sub", Field("s", "uint8"), version=2, minimum=1)
DEV = vmsd("dev", U8, subs=(SUB,))


def sub(name: bytes, version: int, payload: bytes) -> bytes:
    return b"\x05" + bytes([len(name)]) + name + version.to_bytes(4, "big") + payload


@pytest.mark.parametrize(
    ("schema", "data", "seen"),
    [
        pytest.param(vmsd("d", U8, Field("b", "uint16")), b"\x01\x02\x03", [("a", 1), ("b", 0x203)], id="integers"),
        pytest.param(vmsd("d", Field("a", "uint16", count=2)), b"\0\1\0\2", [("a", (1, 2))], id="array"),
        pytest.param(vmsd("d", Field("a", "uint8", count=0)), b"", [("a", ())], id="array of none"),
        pytest.param(vmsd("d", Field("a", "bool")), b"\x7f", [("a", True)], id="any byte is true"),
        pytest.param(vmsd("d", Field("a", "buffer", 3)), b"abc", [("a", b"abc")], id="buffer"),
        pytest.param(
            vmsd("d", U32, Field("v", "uint8", count=Count("n"))),
            b"\0\0\0\2\7\x08",
            [("n", 2), ("v", (7, 8))],
            id="varray",
        ),
        pytest.param(
            vmsd("d", U32, Field("v", "uint8", count=Count("n"))),
            b"\x80\0\0\0",
            [("n", 1 << 31), ("v", ())],
            id="negative",
        ),
        pytest.param(
            vmsd("d", U32, Field("v", "buffer", 1, Count("n"))), b"\0\0\0\2ab", [("n", 2), ("v", b"ab")], id="vbuffer"
        ),
        pytest.param(
            vmsd("d", Field("s", "struct", count=2, struct=INNER)),
            b"\1\0\2\3\0\4",
            [("s[0].x", 1), ("s[0].y", 2), ("s[1].x", 3), ("s[1].y", 4), ("s", b"\1\0\2\3\0\4")],
            id="array of structs",
        ),
        pytest.param(
            vmsd("d", Field("q", "qtailq", struct=INNER)),
            b"\1\1\0\2\xff\3\0\4\0",
            [("q[0].x", 1), ("q[0].y", 2), ("q[1].x", 3), ("q[1].y", 4)],
            id="qtailq",
        ),
        pytest.param(
            vmsd("d", Field("t", "tmp", struct=vmsd("t", U8, Field("b", "uint8", since=1)))),
            b"\1",
            [("t.a", 1)],
            id="tmp",
        ),
        pytest.param(
            vmsd("d", Field("t", "vstruct", struct=vmsd("t", U8, Field("b", "uint8", since=2), version=3), version=1)),
            b"\1",
            [("t.a", 1)],
            id="vstruct has a version of its own",
        ),
        pytest.param(
            vmsd("d", U8, Field("b", "uint8", when=When("a", 4)), Field("c", "uint8", when=When("a", 4, invert=True))),
            b"\4\1",
            [("a", 4), ("b", 1)],
            id="conditions",
        ),
        pytest.param(
            vmsd("d", Field("h", "struct", struct=vmsd("h", U32)), Field("v", "uint8", count=Count("h.n"))),
            b"\0\0\0\1\7",
            [("h.n", 1), ("h", b"\0\0\0\1"), ("v", (7,))],
            id="count in a struct before",
        ),
        pytest.param(
            vmsd("d", U32, Field("h", "struct", struct=vmsd("h", Field("v", "uint8", count=Count("n"))))),
            b"\0\0\0\1\7",
            [("n", 1), ("h.v", (7,)), ("h", b"\7")],
            id="count in the struct around",
        ),
        pytest.param(DEV, b"\1" + sub(b"dev/sub", 1, b"\2"), [("a", 1), ("dev/sub.s", 2)], id="subsection"),
        pytest.param(DEV, b"\1" + sub(b"dev/sub", 0x101, b"\2"), [("a", 1), ("dev/sub.s", 2)], id="version 0x101 is 1"),
        pytest.param(DEV, b"\1" + sub(b"dev/sub\0!", 1, b"\2"), [("a", 1), ("dev/sub.s", 2)], id="name cut at a NUL"),
        pytest.param(
            DEV,
            b"\1" + sub(b"dev/sub", 1, b"\2") * 2,
            [("a", 1), ("dev/sub.s", 2), ("dev/sub.s", 2)],
            id="subsection repeated",
        ),
        pytest.param(DEV, b"\1\x05\x03dev", [("a", 1)], id="name too short to be one"),
        pytest.param(DEV, b"\1" + b"\x05\x07other/x", [("a", 1)], id="another's subsection"),
        pytest.param(vmsd("d", Field("a", "nullptr", count=2)), b"00", [], id="null pointers"),
        pytest.param(vmsd("d", Field("o", "virtio", 9), U8), b"xy\1", [("o", b"xy"), ("a", 1)], id="opaque"),
        pytest.param(vmsd("d", Field("o", "odd", 2), U8), b"xy\1", [("a", 1)], id="opaque, not wanted"),
        pytest.param(vmsd("d", Field("o", "string"), U8), b"\2xy\1", [("a", 1)], id="string"),
        pytest.param(vmsd("d", Field("a", "uint8", when=When("zzz"))), b"\1", [("a", 1)], id="told from outside"),
    ],
)
def test_loads(schema: Schema, data: bytes, seen: list[tuple[object, ...]]) -> None:
    log = Log()
    plan = Plan(schema, EVERY | {"type:virtio"})
    junk = b"" if data.endswith((b"dev", b"other/x")) else b"\x7e"
    reader = Reader(data + junk, base=0x1000)
    assert plan.load(reader, schema.version, log, {"zzz": 1}) is None
    assert log.seen == seen
    if junk:
        assert reader.pos == len(data)


@pytest.mark.parametrize(
    ("schema", "version", "data", "errno", "messages"),
    [
        pytest.param(
            DEV,
            2,
            b"",
            22,
            ["dev: incoming version_id 2 is too new for local version_id 1"],
            id="too new",
        ),
        pytest.param(
            vmsd("d", version=3, minimum=2),
            1,
            b"",
            22,
            ["d: incoming version_id 1 is too old for local minimum version_id  2"],
            id="too old",
        ),
        pytest.param(DEV, 1, b"\1" + sub(b"dev/what", 1, b""), 2, [], id="unknown subsection"),
        pytest.param(DEV, 1, b"\1" + sub(b"device-x", 1, b""), 2, [], id="a prefix without a slash is enough"),
        pytest.param(
            DEV,
            1,
            b"\1" + sub(b"dev/sub", 3, b"\1"),
            22,
            ["dev/sub: incoming version_id 3 is too new for local version_id 2"],
            id="subsection too new",
        ),
        pytest.param(DEV, 1, b"\1" + sub(b"dev/sub", 1, b""), 5, ["Failed to load dev/sub:s"], id="subsection cut off"),
        pytest.param(
            vmsd("o", Field("p", "struct", struct=vmsd("i", Field("v[1]", "uint16 equal")))),
            1,
            b"\0\x09.",
            22,
            ["8 != 9", "Failed to load i:v", "Failed to load o:p"],
            id="equal, chain innermost first",
        ),
        pytest.param(
            vmsd("o", Field("v", "int32 equal")),
            1,
            b"\xff\xff\xff\xfe.",
            22,
            ["8 != fffffffe", "Failed to load o:v"],
            id="hex",
        ),
        pytest.param(
            vmsd("o", Field("v", "int32 le")),
            1,
            b"\0\0\0\x09.",
            22,
            ["Invalid value 9 expecting positive value <= 8", "Failed to load o:v"],
            id="less or equal",
        ),
        pytest.param(
            vmsd("o", Field("v", "int32 le")),
            1,
            b"\xff\xff\xff\xff.",
            22,
            ["Invalid value -1 expecting positive value <= 8", "Failed to load o:v"],
            id="negative",
        ),
        pytest.param(
            vmsd("o", Field("v", "uint8 equal")),
            1,
            b"",
            22,
            ["8 != 0", "Failed to load o:v"],
            id="equal at the end: 0 is read",
        ),
        pytest.param(
            vmsd("o", Field("i", "pci irq state")),
            1,
            b"\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\0.",
            22,
            ["irq state 2: must be 0 or 1.", "Failed to load o:i"],
            id="irq state",
        ),
        pytest.param(
            vmsd("o", Field("i", "nullptr")),
            1,
            b"1.",
            22,
            ["vmstate: get_nullptr expected VMS_NULLPTR_MARKER", "Failed to load o:i"],
            id="no null pointer",
        ),
        pytest.param(vmsd("o", U8, U32), 1, b"\1\2\3", 5, ["Failed to load o:n"], id="cut off"),
        pytest.param(
            vmsd("o", Field("i", "struct", struct=INNER), U8),
            1,
            b"\1\0\2",
            5,
            ["Failed to load o:i"],
            id="the peek behind a struct that ends with the data",
        ),
        pytest.param(
            vmsd("o", U32, Field("v", "uint8", count=Count("n"))),
            1,
            b"\x7f\xff\xff\xff\1\2",
            5,
            ["Failed to load o:v"],
            id="hostile count",
        ),
        pytest.param(
            vmsd("o", U32, Field("v", "struct", count=Count("n"), struct=INNER)),
            1,
            b"\x7f\xff\xff\xff\1\2\3\1",
            5,
            ["Failed to load inner:y", "Failed to load o:v"],
            id="hostile count of structs",
        ),
        pytest.param(
            vmsd("o", Field("q", "qtailq", struct=INNER)),
            1,
            b"\1\1\0\2",
            5,
            ["Failed to load o:q"],
            id="list without an end",
        ),
        pytest.param(
            vmsd("o", Field("q", "qlist", struct=vmsd("e", Field("v", "uint8 equal")))),
            1,
            b"\1\7\0.",
            22,
            ["0 != 7", "Failed to load e:v", "q: failed to load e (-22)", "Failed to load o:q"],
            id="qlist has a line of its own",
        ),
        pytest.param(
            vmsd("o", Field("g", "gtree", struct=Schema("pair", 0, 0, (Field("key", "uint64"),), raw=True))),
            1,
            b"\0\0\0\2\1\0\0\0\0\0\0\0\1\0.",
            22,
            ["g inconsistent stream when loading the gtree", "Failed to load o:g"],
            id="gtree count",
        ),
        pytest.param(
            vmsd("o", U8, Field("a <= 3", "must exist", when=When("a", at_most=3))),
            1,
            b"\4.",
            1,
            ["Input validation failed: o/a <= 3"],
            id="validation",
        ),
    ],
)
def test_refuses(schema: Schema, version: int, data: bytes, errno: int, messages: list[str]) -> None:
    log = Log(dict.fromkeys(("v", "p.v[1]", "q[0].w"), 8))
    reader = Reader(data)
    refusal = Plan(schema).load(reader, version, log)
    assert refusal is not None
    assert (refusal.errno, list(refusal.messages), refusal.kind) == (errno, messages, "refused")


def test_refusal_says_where() -> None:
    schema = vmsd("o", U8, Field("p", "struct", count=2, struct=vmsd("i", Field("v", "uint8 equal"))))
    refusal = Plan(schema).load(Reader(b"\1\0\7.", base=0x100), 1, Log())
    assert refusal is not None
    assert (refusal.offset, refusal.field) == (0x102, "p[1].v")


def test_the_first_refusal_is_latched() -> None:
    reader = Reader(b"\1.")
    Plan(vmsd("o", Field("v", "uint8 equal"))).load(reader, 1, Log())
    assert reader.error == 22


def test_success_may_leave_a_latched_error() -> None:
    reader = Reader(b"\1")
    assert Plan(DEV).load(reader, 1, Log()) is None
    assert reader.error == 5


def test_visitor_refuses() -> None:
    schema = vmsd("o", Field("i", "struct", struct=INNER), U8)
    log = Log(refuse="i.x")
    refusal = Plan(schema, frozenset({"i.x", "a"})).load(Reader(b"\1\0\2\3."), 1, log)
    assert refusal is not None
    assert refusal.messages == ("no.", "Failed to load inner:x", "Failed to load o:i")
    assert log.seen == [("i.x", 1)]


def test_post_load_refuses() -> None:
    schema = vmsd("o", Field("i", "struct", struct=INNER), U8)
    log = Log(refuse="inner")
    refusal = Plan(schema, frozenset({"post:inner", "pre:inner"})).load(Reader(b"\1\0\2\3."), 1, log)
    assert refusal is not None
    assert (refusal.errno, refusal.messages) == (1, ("Failed to load o:i",))
    assert log.seen == [("pre", "inner", "i", 1), ("post", "inner", "i", 1)]


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [
        pytest.param({"s[].x"}, ["s[0].x", "s[1].x"], id="every element"),
        pytest.param({"s[1].x"}, ["s[1].x"], id="one element"),
        pytest.param({"inner:y"}, ["s[0].y", "s[1].y"], id="by vmsd"),
        pytest.param({"s"}, ["s"], id="as bytes"),
    ],
)
def test_wanted(wanted: set[str], seen: list[str]) -> None:
    log = Log()
    schema = vmsd("d", Field("s", "struct", count=2, struct=INNER))
    assert Plan(schema, frozenset(wanted)).load(Reader(b"\1\0\2\3\0\4."), 1, log) is None
    assert [path for path, *_ in log.seen] == seen


def test_older_version_leaves_newer_fields_out() -> None:
    schema = vmsd("d", U8, Field("b", "uint8", since=2), Field("c", "uint8"), version=3)
    log = Log()
    plan = Plan(schema, EVERY)
    assert plan.load(Reader(b"\1\2."), 1, log) is None
    assert log.seen == [("a", 1), ("c", 2)]


RAW = Schema("raw", 1, 1, (U32, Field("v", "uint8", count=Count("n")), Field("z", "uint8")), raw=True)


def test_raw_reads_zeros_past_the_end() -> None:
    log = Log()
    schema = vmsd("o", Field("r", "struct", struct=RAW))
    refusal = Plan(schema, EVERY).load(Reader(b"\0\0\0\5\1\2"), 1, log)
    assert log.seen == [("r.n", 5), ("r.v", (1, 2)), ("r.z", 0)]
    assert refusal is not None
    assert refusal.messages == ("Failed to load o:r",)


@pytest.mark.parametrize(
    ("count", "n", "kind"),
    [
        pytest.param(Count("n"), HUNG_STEPS + 3, "hung", id="too many steps"),
        pytest.param(Count("n"), HUNG_STEPS, None, id="many steps"),
        pytest.param(Count("n", endless=True), 0x8000_0000, "hung", id="endless"),
        pytest.param(Count("n"), 0x8000_0000, None, id="negative"),
    ],
)
def test_raw_loops_past_the_end(count: Count, n: int, kind: str | None) -> None:
    schema = Schema("raw", 1, 1, (U32, Field("v", "uint8", count=count)), raw=True)
    refusal = Plan(schema).load(Reader(n.to_bytes(4, "big") + b"\1\2"), 1, Log())
    assert (refusal and refusal.kind) == kind


@pytest.mark.parametrize(
    ("schema", "data", "end"),
    [
        pytest.param(DEV, b"..\1" + sub(b"dev/sub", 1, b"\2"), 2 + 1 + 13 + 1, id="to the last byte"),
        pytest.param(vmsd("o", Field("v", "uint8 equal")), b"..\7", 3, id="values are not judged"),
        pytest.param(vmsd("o", Field("i", "struct", struct=INNER)), b"..\1\1\1", 5, id="struct at the end"),
    ],
)
def test_measures(schema: Schema, data: bytes, end: int) -> None:
    assert measure(schema, data, 2) == end


@pytest.mark.parametrize(
    ("schema", "data", "text"),
    [
        pytest.param(DEV, b"", "offset 0x0 (a): expected more bytes, found the end of the data", id="cut off"),
        pytest.param(RAW, b"\x7f\0\0\0\1", "offset 0x5 (v): expected more bytes", id="raw is cut off too"),
        pytest.param(
            DEV, b"\1" + sub(b"dev/no", 1, b""), "offset 0x1: expected what the schema knows", id="subsection"
        ),
        pytest.param(
            vmsd("o", Field("q", "qtailq")), b"\1..", "offset 0x0 (q): expected what the schema", id="element"
        ),
    ],
)
def test_measures_no_more_than_there_is(schema: Schema, data: bytes, text: str) -> None:
    with pytest.raises(StreamError) as error:
        measure(schema, data, 0)
    assert str(error.value).startswith(text)


def test_a_name_nobody_has() -> None:
    with pytest.raises(StreamError):
        measure(vmsd("o", Field("v", "uint8", count=Count("zzz"))), b"....", 0)


# The law: the fast way and the exact way are one.

_leaf_types = st.sampled_from(["uint8", "uint16", "uint32", "uint8 equal", "int32 le", "bool", "nullptr", "le16"])
_array = st.none() | st.integers(0, 3)


def _fields(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[tuple[Field, ...]]:
    names = st.sampled_from("abc")
    leaf = st.builds(Field, names, _leaf_types, count=_array | st.just(Count("a")), since=st.integers(0, 2))
    blob = st.builds(Field, names, st.sampled_from(["buffer", "bitmap", "other"]), st.integers(0, 3), _array)
    irq = st.builds(Field, names, st.just("pci irq state"))
    maybe = st.builds(Field, names, st.just("uint8"), when=st.builds(When, names, st.integers(1, 3)))
    nested = st.builds(Field, names, st.just("struct"), count=_array | st.just(Count("a")), struct=inner)
    lists = st.sampled_from(["tmp", "qtailq", "qlist", "repeat", "repeat int8", "repeat uint32"])
    listed = st.builds(Field, names, lists, struct=inner)
    text = st.builds(Field, names, st.sampled_from(["string", "vbuffer"]))
    valid = st.builds(Field, names, st.just("must exist"), when=st.builds(When, names, st.integers(1, 255)))
    return st.lists(leaf | blob | irq | maybe | nested | listed | text | valid, max_size=5).map(tuple)


def _vmsds(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    subs = st.lists(inner, max_size=1).map(tuple)
    name = st.sampled_from(["", "x", "x/y"])
    return st.builds(Schema, name, st.just(2), st.just(0), _fields(inner), subs, st.booleans())


_schemas = st.recursive(st.builds(Schema, st.just("x/y"), st.just(2), st.just(0), st.just(())), _vmsds, max_leaves=5)
_bytes = st.lists(
    st.sampled_from([b"\0", b"\1", b"\2", b"\5", b"0", b"\5\3x/y\0\0\0\1", b"\5\1x\0\0\0\2", b"\5\2x/", bytes(16)]),
    max_size=16,
).map(b"".join)


@given(_schemas, _bytes, st.integers(0, 3), st.sets(st.sampled_from([*sorted(EVERY), "post:x", "pre:x/y", "a[].b"])))
def test_fast_and_exact_agree(schema: Schema, data: bytes, version: int, wanted: set[str]) -> None:
    outcomes = []
    outer = dict.fromkeys("abc", 1)
    for exact in (False, True):
        reader, log = Reader(data), Log(dict.fromkeys("abc", 1))
        with mock.patch.object(Run, "run", Run._exactly) if exact else mock.MagicMock():
            refusal = Plan(schema, frozenset(wanted)).load(reader, version, log, outer)
        outcomes.append((refusal, log.seen, reader.error, reader.pos if refusal is None else None))
    assert outcomes[0] == outcomes[1]


@given(_schemas, _bytes, st.integers(0, 2))
def test_measure_ends_where_an_accepted_load_ends(schema: Schema, data: bytes, version: int) -> None:
    reader = Reader(data)
    plan = Plan(schema)
    outer = dict.fromkeys(plan.free, 1)
    refusal = plan.load(reader, version, Log(dict.fromkeys("abc", 1)), outer)
    if refusal is None and not reader.error and not plan.free:
        assert plan.measure(data, 0, version) == reader.pos


def test_a_wanted_list_is_shown_what_announces_its_elements() -> None:
    schema = Schema(
        "x", 1, 1, (Field("q", "repeat uint32", struct=Schema("e", 1, 1, (Field("a", "uint8"),), raw=True)),)
    )
    log = Log({})
    data = b"\0\0\1\0\7" + b"\0\0\0\2\x08" + bytes(4)
    assert Plan(schema, frozenset({"q", "q[].a"})).load(Reader(data), 1, log) is None
    assert log.seen == [("q", 256), ("q[0].a", 7), ("q", 2), ("q[1].a", 8)]
