"""Lists grow by an element that was not there, or by a copy of the last one, and read again as such."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mutants import stream

from fuzz.mutate.index import index_of
from fuzz.mutate.lists import grown, lists_of

if TYPE_CHECKING:
    from vmformat import Section

REQUESTS = "virtio\tdevice\trequests"
HEAD = "virtio.device.requests[].element.index"


def disk(machine: str) -> Section:
    return next(section for section in stream(machine).sections if section.name.endswith("/virtio-blk"))


@pytest.mark.parametrize(
    ("machine", "kind", "path"),
    [
        ("pc-small", "virtio-blk", REQUESTS),
        ("virtio-zoo", "virtio-gpu", "virtio-gpu\tresources"),
        ("virtio-zoo", "scsi-disk", "qdev\trequests"),
    ],
)
def test_the_lists_that_a_schema_knows(machine: str, kind: str, path: str) -> None:
    section = next(one for one in stream(machine).sections if one.name.endswith(f"/{kind}"))
    assert lists_of(section) == (path,)


def test_a_device_without_lists_has_none() -> None:
    timer = stream("pc-small").section("timer")
    assert timer is not None
    assert lists_of(timer) == ()
    assert grown(timer, REQUESTS) is None


@pytest.mark.parametrize("number", [1, 2])
def test_an_empty_list_has_elements_of_zeros(number: int) -> None:
    made = grown(disk("pc-small"), REQUESTS, number)
    assert made is not None
    index = index_of(made)
    assert index is not None
    assert index.count(HEAD) == number
    assert made.payload.count(0) > 49_000 * number


def test_a_list_with_elements_has_its_last_one_twice() -> None:
    before = disk("q35-request")
    made = grown(before, REQUESTS)
    old = index_of(before)
    assert made is not None
    assert old is not None
    new = index_of(made)
    assert new is not None
    assert new.count(HEAD) == old.count(HEAD) + 1
    *_, first, second = (one for number in range(new.count(HEAD)) if (one := new.value(HEAD, number)) is not None)
    length = len(made.payload) - len(before.payload)
    assert second.offset - first.offset == length
    at = made.payload[first.offset - 1 : second.offset - 1]
    assert at == made.payload[second.offset - 1 : second.offset - 1 + length]
