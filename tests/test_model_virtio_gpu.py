"""virtio-gpu: resources in guest memory, and scanouts that show them (virtio.md 4.2, 11)."""

from __future__ import annotations

import struct

import pytest
from mutants import Case, Cases, Edit, check, patch, put

GPU = "virtio-gpu"
RAM, END, HOLE = 0x800000, 0x1000000, 0x80000000
INVALID = "Failed to load virtio-gpu:virtio-gpu"
Pieces = list[tuple[int, int]]


def case(edit: Edit, verdict: str = "accepted", text: str = "") -> Case:
    return Case(edit, verdict, text, machine="virtio-zoo")


def resource(
    pieces: Pieces, number: int = 1, size: tuple[int, int] = (4, 3), form: int = 2, count: int | None = None
) -> bytes:
    """A resource with its picture; `count` is what it says of its pieces."""
    told = struct.pack(">5I", number, *size, form, len(pieces) if count is None else count)
    picture = bytes(range(48)) if size == (4, 3) else b""
    return told + b"".join(struct.pack(">QI", *piece) for piece in pieces) + picture


def resources(*found: bytes) -> Edit:
    return patch(GPU, ("resources@end", 0, b"".join(found)))


def shown(number: int, *found: bytes) -> Edit:
    """Resources, and one of them shown by the first scanout."""
    return patch(GPU, ("resources@end", 0, b"".join(found)), ("scanout[0].resource_id", 4, struct.pack(">I", number)))


CASES: Cases = {
    "a resource": case(resources(resource([(RAM, 48)]))),
    "without memory": case(resources(resource([]))),
    "in pieces": case(resources(resource([(RAM, 16), (RAM + 0x10000, 32)]))),
    "two resources": case(resources(resource([(RAM, 48)]), resource([(RAM, 48)], number=2))),
    "the same twice": case(resources(resource([(RAM, 48)]), resource([(RAM, 48)])), "refused", INVALID),
    "format 0": case(resources(resource([(RAM, 48)], form=0)), "refused", INVALID),
    "format 5": case(resources(resource([(RAM, 48)], form=5)), "refused", INVALID),
    "format 67": case(resources(resource([(RAM, 48)], form=67))),
    "format 134": case(resources(resource([(RAM, 48)], form=134))),
    "no width": case(resources(resource([(RAM, 48)], size=(0, 9)))),
    "no height": case(resources(resource([(RAM, 48)], size=(9, 0)))),
    "no size, shown": case(shown(1, resource([(RAM, 48)], size=(0, 0)))),
    "too wide": case(resources(resource([(RAM, 48)], size=(0x3FFFFFF, 1))), "refused", INVALID),
    "far too wide": case(resources(resource([(RAM, 48)], size=(0xFFFFFFFF, 1))), "refused", INVALID),
    "far too high": case(resources(resource([(RAM, 48)], size=(1, 0xFFFFFFFF))), "refused", INVALID),
    "too large": case(resources(resource([(RAM, 48)], size=(0x100000, 0x100000))), "refused", INVALID),
    "larger than the stream": case(resources(resource([(RAM, 48)], size=(1024, 1024))), "refused", INVALID),
    "far higher than the stream": case(resources(resource([(RAM, 48)], size=(16, 1 << 20))), "refused", INVALID),
    "100,000 pieces that are not there": case(resources(resource([], count=100_000)), "refused", INVALID),
    "pieces that are not there": case(resources(resource([], count=1000)), "refused", INVALID),
    "2^32 - 1 pieces": case(resources(resource([], count=0xFFFFFFFF)), "aborted", "failed to allocate"),
    "of no length": case(resources(resource([(RAM, 0)])), "refused", INVALID),
    "nowhere": case(resources(resource([(HOLE, 48)]))),
    "nowhere, of a page and more": case(resources(resource([(HOLE, 4097)])), "refused", INVALID),
    "nowhere, twice": case(resources(resource([(HOLE, 16), (HOLE, 32)])), "refused", INVALID),
    "nowhere, in two resources": case(
        resources(resource([(HOLE, 16)]), resource([(HOLE, 32)], number=2)), "refused", INVALID
    ),
    "across the end of RAM": case(resources(resource([(END - 16, 48)])), "refused", INVALID),
    "at the end of RAM": case(resources(resource([(END - 48, 48)]))),
    "shown": case(shown(1, resource([(RAM, 48)]))),
    "shown, but not there": case(shown(2, resource([(RAM, 48)])), "refused", INVALID),
    "shown, but nothing is there": case(shown(1), "refused", INVALID),
    "another number of outputs": case(put(GPU, "max_outputs", 2), "refused", "1 != 2"),
    "no outputs": case(put(GPU, "max_outputs", 0), "refused", "1 != 0"),
    "not enabled": case(put(GPU, "enable", 0)),
}


@pytest.mark.parametrize("one", CASES.values(), ids=CASES.keys())
def test_the_model(one: Case) -> None:
    check(one)


@pytest.mark.qemu
@pytest.mark.parametrize("name", CASES)
def test_as_the_program(name: str, held: dict[str, tuple[str, ...]]) -> None:
    assert held[name] == ()
