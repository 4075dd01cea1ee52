"""What the configuration and the commands before it tell of a ram section."""

from __future__ import annotations

import struct

import pytest

from vmformat import Cmd, Command, Configuration
from vmformat.ram.context import RamContext


def capabilities(*names: str) -> dict[str, object]:
    return {"configuration/capabilities": {"count": len(names), "capabilities": [{"name": name} for name in names]}}


def advise(sizes: int, page: int) -> Command:
    return Command(Cmd.POSTCOPY_ADVISE, struct.pack(">QQ", sizes, page))


BITS = {"configuration/target-page-bits": {"bits": 14}}

CASES = {
    "nothing": (None, [], None, RamContext()),
    "a bare configuration": ({}, [], None, RamContext()),
    "page bits": (BITS, [], None, RamContext(16384)),
    "page bits have the last word": (BITS, [advise(4096, 1024)], 8192, RamContext(16384, advised=4096)),
    "page bits that are none": ({"configuration/target-page-bits": {"bits": 99}}, [], 1024, RamContext(1024)),
    "capabilities": (capabilities("x-ignore-shared", "mapped-ram"), [], None, RamContext(4096, True, True)),
    "advice": (None, [Command.ping(1), advise(0x201000, 4096)], None, RamContext(advised=0x201000)),
    "advice without sizes": (None, [Command(Cmd.POSTCOPY_ADVISE)], None, RamContext()),
    "advice of a page size that is none": (None, [advise(4096, 12345)], None, RamContext(advised=4096)),
    "a page size known otherwise": (None, [], 1024, RamContext(1024)),
    "zero bytes a page": (None, [], 0, RamContext()),
}


@pytest.mark.parametrize(("subsections", "commands", "page_size", "context"), CASES.values(), ids=CASES.keys())
def test_context(
    subsections: dict[str, object] | None, commands: list[Command], page_size: int | None, context: RamContext
) -> None:
    configuration = None if subsections is None else Configuration.build("virt", subsections)
    assert RamContext.of(configuration, commands, page_size) == context


def test_a_configuration_that_cannot_be_read_says_nothing() -> None:
    assert RamContext.of(Configuration(b"\0\0\0\x09pc"), [advise(4096, 4096)]) == RamContext(advised=4096)
