"""Patterns: what they mean, on a stream that a QEMU wrote."""

from __future__ import annotations

import pytest

from fuzz.corpus import find_machine, find_stream
from model import parse, section_schemas
from vmformat import Command, Field, Schema, Section, Stream, StreamError, pack, read
from vmformat.paths import FieldPattern, find


@pytest.fixture(scope="module")
def stream() -> Stream:
    schemas = section_schemas(parse(find_machine("q35-modern").description.read_bytes()))
    return read(find_stream("q35-modern/after").read_bytes(), schemas)


@pytest.mark.parametrize(
    ("pattern", "path", "yes"),
    [
        ("queue[2].desc", "virtio.queues.queue[2].desc", True),
        ("ueue[2].desc", "virtio.queues.queue[2].desc", False),
        ("queue[*].desc", "virtio.queues.queue[17].desc", True),
        ("queue[1..3].desc", "virtio.queues.queue[3].desc", True),
        ("queue[1..3].desc", "virtio.queues.queue[4].desc", False),
        ("virtio.queues.queue[2].desc", "virtio.queues.queue[2].desc", True),
        ("virtio/started.started", "virtio.core.virtio/started.started", True),
        ("*.desc", "virtio.queues.queue[2].desc", True),
        ("desc?", "a.desc", False),
        ("@end", "requests@end", True),
        ("[2]", "a[2]", True),
        ("config[1].command", "pci.config[1].command", True),
    ],
)
def test_field_patterns(pattern: str, path: str, yes: bool) -> None:
    assert FieldPattern(pattern).matches(path) is yes


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("virtio-net*/queue[2].desc", 1),
        ("virtio-*/queue[0].desc", 2),
        ("virtio-*/queue[0..1].num", 4),
        ("configuration/machine", 1),
        ("ram:START", 1),
        ("timer/cpu_ticks_offset", 1),
        ("*:FULL/nothing_of_that_name", 0),
        ("*virtio-blk/virtio/started.started", 1),
        ("virtio-net/queue[7].desc", 0),
        ("#0", 1),
        ("#9999", 0),
    ],
)
def test_found(stream: Stream, pattern: str, count: int) -> None:
    assert len(find(stream, pattern)) == count


def test_what_is_found_stands_where_it_says(stream: Stream) -> None:
    (match,) = find(stream, "virtio-net*/queue[2].desc")
    assert match.path == "virtio.queues.queue[2].desc"
    assert match.record.tree.find(match.path) == match.node


def test_a_whole_path_means_that_field_alone() -> None:
    inner = Schema("inner", 1, 1, (Field("a", "uint8"),))
    outer = Schema("outer", 1, 1, (Field("x", "struct", struct=inner), Field("a", "uint8")))
    stream = Stream(records=(Section.build(outer, {"x": {"a": 1}, "a": 2}),))
    assert [match.path for match in find(stream, "outer/a")] == ["a"]
    assert [match.path for match in find(stream, "outer/x.a")] == ["x.a"]
    assert [match.path for match in find(stream, "outer/*a")] == ["x.a", "a"]


def test_packages_are_looked_into(stream: Stream) -> None:
    timer = stream.section("timer")
    assert timer is not None
    packed = Stream(stream.header, stream.configuration, (pack([Command.ping(3), timer]),))
    schemas = {("timer", 0): timer.schema} if timer.schema else {}
    (match,) = find(packed, "timer/cpu_ticks_offset", schemas)
    assert match.place == (0, 1)
    (match,) = find(packed, "PING/cookie")
    assert match.node.value == 3
    assert find(packed, "#0.1/cpu_ticks_offset", schemas)


def test_a_pattern_that_cannot_be_one(stream: Stream) -> None:
    with pytest.raises(StreamError, match="a field behind the slash"):
        find(stream, "timer/")
