"""Commands in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmformat.command import Cmd
from vmformat.render.line import clean, plural, size
from vmformat.render.values import shown

if TYPE_CHECKING:
    from vmformat.command import Command


def said(command: Command) -> str:
    """What a command asks for, behind its name; "" where the name says it all."""
    fields = dict(command.fields)
    if "payload" in fields:
        return f"{plural(len(command.payload), 'byte')} that it should not have: {shown(command.payload)}"
    match command.cmd:
        case Cmd.PING:
            return f"cookie {shown(fields['cookie'])}" if fields else ""
        case Cmd.PACKAGED:
            return f"{plural(len(command.package), 'byte')} of records" if fields else ""
        case Cmd.POSTCOPY_ADVISE:
            if not fields:
                return "no page sizes: only dirty bitmaps come later"
            host, target = fields["page_sizes"], fields["target_page_size"]
            return f"page sizes of the blocks {shown(host)}, target page {shown(target)}"
        case Cmd.RECV_BITMAP:
            return f"of block {_name(fields.get('block', b''))}"
        case Cmd.POSTCOPY_RAM_DISCARD:
            ranges = _ranges(fields)
            count = sum(length for _, length in ranges)
            named = _name(fields.get("block", b""))
            return f"{plural(len(ranges), 'range')} of block {named}, {size(count)}"
    return ""


def ranges(command: Command) -> list[tuple[int, int]]:
    """The ranges (start, length; bytes in the block) that a POSTCOPY_RAM_DISCARD names; none for others."""
    return _ranges(dict(command.fields)) if command.cmd == Cmd.POSTCOPY_RAM_DISCARD else []


def _ranges(fields: dict[str, int | bytes]) -> list[tuple[int, int]]:
    numbers = {name: value for name, value in fields.items() if isinstance(value, int)}
    found = []
    for i in range(len(numbers)):
        if f"start[{i}]" not in numbers:
            break
        found.append((numbers[f"start[{i}]"], numbers[f"length[{i}]"]))
    return found


def _name(value: int | bytes) -> str:
    return repr(clean(value.decode("latin-1"))) if isinstance(value, bytes) else str(value)
