"""Things are found where their bytes stand, and go when they do not come again."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from model import shelf as shelf_module
from model.shelf import Shelf


@dataclass
class Thing:
    data: bytes
    came_again: bool = False

    @property
    def cost(self) -> int:
        return len(self.data)


def ended(word: bytes) -> Thing:
    """None of these begins with another."""
    return Thing(bytes([len(word)]) + word)


WORDS = st.lists(st.binary(max_size=6), min_size=1, max_size=30, unique=True)


@given(WORDS, st.data())
def test_what_was_put_is_found_wherever_it_stands(words: list[bytes], data: st.DataObject) -> None:
    shelf: Shelf[Thing] = Shelf()
    things = [ended(word) for word in words]
    assert sum(map(shelf.put, things)) == shelf.cost
    for _ in range(20):
        thing = data.draw(st.sampled_from(things))
        before = data.draw(st.binary(max_size=5))
        assert shelf.find(before + thing.data + b"rest", len(before)) is thing
        assert len(shelf._recent) <= shelf_module.RECENT
    assert shelf.find(b"\7", 0) is None
    assert shelf.find(b"", 0) is None


def test_what_did_not_come_again_goes() -> None:
    shelf: Shelf[Thing] = Shelf()
    things = [ended(word) for word in (b"one", b"other", b"third")]
    for thing in things:
        shelf.put(thing)
    shelf.find(things[1].data, 0)
    assert shelf.tidy() == things[1].cost == shelf.cost
    assert shelf.find(things[0].data, 0) is None
    assert shelf.find(things[1].data, 0) is things[1]
    assert shelf.tidy() == things[1].cost
    assert shelf.tidy() == len(shelf) == 0


def test_there_are_only_so_many_lengths() -> None:
    shelf: Shelf[Thing] = Shelf()
    costs = [shelf.put(Thing(bytes(size + 1))) for size in range(shelf_module.MOST_SIZES + 1)]
    assert costs[-1] == 0
    assert len(shelf) == shelf_module.MOST_SIZES
