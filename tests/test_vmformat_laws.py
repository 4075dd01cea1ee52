"""What vmformat promises of any bytes: over bytes drawn at random, over damaged real streams, over hostile ones.

The promises themselves are `fuzz.targets.laws`, which the soak runs by the million. Here are also the two that grow
with the input: the lines that run, counted, so that no clock has a say, and the memory.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import tracemalloc
from functools import cache
from typing import TYPE_CHECKING, Any

import mutants
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fuzz.corpus import find_stream, shipped_machines
from fuzz.mutate.hostile import FAMILIES
from fuzz.mutate.small import small_inputs
from fuzz.targets.laws import Laws
from vmformat import StreamError, every_fault, lines, read, write
from vmformat.paths import walk_records
from vmformat.records import Eof
from vmformat.strategies import near_valid_streams, streams
from vmformat.text import bytes_from_text, to_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from vmformat import Schemas, Stream

SETTINGS = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
MACHINES = ("pc-small", "q35-modern", "virtio-zoo")


@cache
def small(name: str) -> tuple[bytes, ...]:
    """Small streams made of a machine's seeds."""
    seeds = [find_stream(f"{name}/{moment}").read_bytes() for moment in ("before", "after")]
    return small_inputs(seeds, mutants.machine(name).schemas)


def broken(data: bytes, schemas: Schemas | None = None) -> list[Any]:
    """The promises that these bytes break."""
    laws = Laws(schemas)
    return [*laws.quick(data, []), *laws.thorough(data)]


@SETTINGS
@given(st.binary(max_size=300))
@example(b"")
@example(b"QEVM\0\0\0\3")
def test_laws_hold_for_any_bytes(data: bytes) -> None:
    assert broken(data) == []
    assert broken(b"QEVM\0\0\0\3" + data) == []


@SETTINGS
@given(near_valid_streams())
def test_laws_hold_for_streams_that_are_nearly_valid(data: bytes) -> None:
    assert broken(data) == []


@SETTINGS
@given(streams())
def test_laws_hold_for_streams_that_are_valid(stream: Stream) -> None:
    assert broken(write(stream)) == []


@pytest.mark.parametrize("name", MACHINES)
@SETTINGS
@given(data=st.data())
def test_laws_hold_for_damaged_pieces_of_real_streams(name: str, data: st.DataObject) -> None:
    schemas = mutants.machine(name).schemas
    begun = data.draw(st.sampled_from(small(name)))
    assert broken(data.draw(near_valid_streams(begun)), schemas) == []
    try:
        stream = read(begun, schemas)
    except StreamError:
        return
    assert broken(data.draw(near_valid_streams(stream)), schemas) == []


@pytest.mark.parametrize("name", sorted({*shipped_machines()} - {"seed-24"}))  # as q35-modern, ten times as large
@pytest.mark.parametrize("moment", ["before", "after"])
def test_laws_hold_for_shipped_streams(name: str, moment: str) -> None:
    assert broken(find_stream(f"{name}/{moment}").read_bytes(), mutants.machine(name).schemas) == []


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", MACHINES)
def test_laws_hold_for_cut_shipped_streams(name: str, cut: float) -> None:
    data = find_stream(f"{name}/after").read_bytes()
    assert broken(data[: int(cut * len(data))]) == []


@pytest.mark.parametrize("name", FAMILIES)
def test_laws_hold_for_hostile_streams(name: str) -> None:
    assert broken(FAMILIES[name](40)) == []


# What grows


def everything(data: bytes) -> None:
    """All that a reader may be asked for."""
    with contextlib.suppress(StreamError):
        read(data)
    stream = read(data, tolerant=True)
    assert write(stream) == data
    for _, record in walk_records(stream):
        if not isinstance(record, Eof) and hasattr(record, "tree"):
            for _ in record.tree.walk():
                pass
    for _ in lines(stream):
        pass
    every_fault(stream)
    assert bytes_from_text(to_text(stream)) == data


def lines_run(function: Callable[[bytes], None], data: bytes) -> int:
    """How many lines of Python run, calls among them."""
    count = 0

    def trace(_frame: FrameType, _event: str, _argument: object) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(data)
    finally:
        sys.settrace(before)
    return count


SIZES = [32, 64, 128, 256]
SLACK = 20_000
"""Lines that may run more often at one size than at another for no deeper reason."""


@pytest.mark.parametrize("name", FAMILIES)
def test_time_grows_no_faster_than_the_input(name: str) -> None:
    """Doubling the input at most doubles what it adds: n log n passes, n * n adds four times as much."""
    everything(FAMILIES[name](8))  # grammars are made once
    first = lines_run(everything, FAMILIES[name](SIZES[0]))
    sizes = SIZES if first < 100_000 else [n // 4 for n in SIZES]
    counts = [lines_run(everything, FAMILIES[name](n)) for n in sizes]
    added = [after - before for before, after in itertools.pairwise(counts)]
    assert added[2] <= 2.5 * max(added[1], 2 * added[0], 0) + SLACK, counts


def test_the_count_of_lines_shows_what_is_quadratic() -> None:
    def quadratic(data: bytes) -> None:
        for _ in data:
            for _ in data:
                pass

    counts = [lines_run(quadratic, bytes(n)) for n in SIZES]
    added = [after - before for before, after in itertools.pairwise(counts)]
    assert added[2] > 2.5 * max(added[1], 2 * added[0]) + SLACK


@pytest.mark.parametrize("name", FAMILIES)
def test_memory_stays_within_its_bound(name: str) -> None:
    """64 MB + 40 times the input is the promise; held here with 4 MB, so that the factor shows on small inputs.

    Sections of known devices take what their schemas' trees do, a hundred kilobytes each, up to some hundreds of them.
    """
    base = (64 if name.endswith("well_known") else 4) << 20
    data = FAMILIES[name](100 if name.endswith("well_known") else 500)  # those take milliseconds each
    everything(FAMILIES[name](4))  # what is kept for all streams, as the schemas of the store
    tracemalloc.start()
    try:
        stream = read(data, tolerant=True)
        for section in stream.sections:
            for _ in section.decoded().walk():
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= base + 40 * len(data)


LYING = {
    "a machine name of 4 GiB": b"QEVM\0\0\0\3\7\xff\xff\xff\xffpc",
    "a package of 4 GiB": b"QEVM\0\0\0\3\7\0\0\0\2pc\x08\0\7\0\4\xff\xff\xff\xff",
    "a VMDESCRIPTION of 4 GiB": b'QEVM\0\0\0\3\7\0\0\0\2pc\0\6\xff\xff\xff\xff{"page_size": 4096}',
    "a device config of 2 GiB": (
        b"QEVM\0\0\0\3\7\0\0\0\2pc\4\0\0\0\1\x1avirtio-mmio@0/virtio-block"[:-4]
        + bytes(4) + b"\0\0\0\2" + bytes(12) + bytes(8) + b"\x7f\xff\xff\xff" + bytes(40) + b"\x7e\0\0\0\1\0"
    ),
    "RAM blocks without end": (
        b"QEVM\0\0\0\3\7\0\0\0\2pc\1\0\0\0\2\3ram\0\0\0\0\0\0\0\4" + b"\xff" * 6 + b"\xf0\4" + b"\1a" + bytes(8)
    ),
}  # fmt: skip


@pytest.mark.parametrize("data", LYING.values(), ids=LYING)
def test_no_length_takes_more_than_what_is_there(data: bytes) -> None:
    everything(data)
    tracemalloc.start()
    try:
        everything(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
