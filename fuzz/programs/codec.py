"""Programs as bytes: any bytes are a program, and every program has bytes that mean it.

The first byte chooses the world. A call is a byte for verb and caller, then a byte for each operand; a number of bytes
whose byte is 255 follows in eight more. What is missing at the end is zero; what is beyond `MAX_CALLS` calls is not
looked at.
"""

from __future__ import annotations

from typing import Final

from fuzz.programs.program import MAX_CALLS, NUMBERS, VERBS, WHO, Call, Operand, Program, names
from fuzz.programs.worlds import WORLDS
from model.memory import T64

_WORLDS: Final = tuple(WORLDS.values())
_VERBS: Final = tuple(VERBS)
_SMALL: Final = tuple(unit * 0x800 + fine for unit in range(48) for fine in (0, 0x10, 0x400, 0x7F0))
_SPECIAL: Final = (1, 2, 4, 8, 0xFFF, 0x1001, 1 << 32, 1 << 63, T64 - 0x1000, T64 - 0x800, T64 - 1, T64)
_TABLE: Final = (*_SMALL, *_SPECIAL)
_LITERAL: Final = 255
_CODES: Final = {number: code for code, number in reversed([*enumerate(_TABLE)])}


def encode(program: Program) -> bytes:
    """The shortest bytes that mean the program. Raises ValueError for a verb or name that there is not."""
    world = WORLDS[program.world]
    out = bytearray([_WORLDS.index(world)])
    for call in program.calls:
        out.append(_VERBS.index(call.verb) + len(_VERBS) * WHO.index(call.who))
        for kind, value in zip(VERBS[call.verb], call.operands, strict=True):
            if kind not in NUMBERS:
                out.append(names(world, kind).index(value))
            elif isinstance(value, int) and value in _CODES:
                out.append(_CODES[value])
            else:
                out.append(_LITERAL)
                out += int(value).to_bytes(8, "big")
    return bytes(out)


def decode(data: bytes) -> Program:
    """The program that the bytes mean."""
    world = _WORLDS[(data[0] if data else 0) % len(_WORLDS)]
    at = 1
    calls: list[Call] = []
    while at < len(data) and len(calls) < MAX_CALLS:
        who, verb = divmod(data[at], len(_VERBS))
        at += 1
        operands: list[Operand] = []
        for kind in VERBS[_VERBS[verb]]:
            code = data[at] if at < len(data) else 0
            at += 1
            if kind not in NUMBERS:
                choice = names(world, kind)
                operands.append(choice[code % len(choice)])
                continue
            number = _TABLE[code % len(_TABLE)]
            if code == _LITERAL:
                number = int.from_bytes(data[at : at + 8].ljust(8, b"\0"), "big")
                at += 8
            low, high = NUMBERS[kind]
            operands.append(number if low <= number <= high else low + number % (high - low + 1))
        calls.append(Call(_VERBS[verb], tuple(operands), WHO[who % len(WHO)]))
    return Program(world.name, tuple(calls))
