"""What is remembered of a mapping is what a look at the view finds."""

from __future__ import annotations

import random

from model.memory import T64, Kind, Memory, Region, pieces
from model.memory.pieces import map_length, piece_at


def board() -> tuple[Memory, Region, Region]:
    memory = Memory()
    root = Region("root", Kind.CONTAINER, T64)
    ram, flash = Region("ram", Kind.RAM, 0x8800), Region("flash", Kind.ROMD, 0x2000)
    memory.add_space("memory", root)
    memory.add_subregion(root, 0, ram)
    memory.add_subregion(root, 0x4000, flash, 1)
    memory.add_subregion(root, 0xA000, Region("io", Kind.IO, 0x123))
    return memory, ram, flash


def test_every_question_gets_the_answer_of_the_view() -> None:
    memory, ram, flash = board()
    dice = random.Random(3)
    asked = [(dice.randrange(0xC000), dice.randrange(1, 0x3000), dice.random() < 0.5) for _ in range(300)]
    for change in range(6):
        if change % 2:
            memory.begin()  # the view stays, what its regions allow does not
        memory.set_readonly(ram, change in {1, 2, 5})
        memory.set_romd(flash, change not in {2, 3})
        view = memory.spaces[0].current
        for question in asked * 2:
            region, xlat, length = map_length(view, *question)
            pointer = region is not None and region.is_direct(question[2])
            assert piece_at(view, *question)[:4] == (region, xlat, length, pointer)
        if change % 2:
            memory.commit()


def test_answers_are_kept_with_the_content_and_bounded() -> None:
    memory, _, _ = board()
    view = memory.spaces[0].current
    assert piece_at(view, 0x10, 8, False) is piece_at(view.copy(), 0x10, 8, False)
    for address in range(pieces._MOST * 2):
        piece_at(view, address, 8, False)
        assert view.kept.pieces is not None
        assert len(view.kept.pieces) <= pieces._MOST
