"""The COMMAND records, as a destination obeys them (stream.md 1.6, 1.7, 2.10).

Of the capabilities of a migration it may have one, postcopy-ram.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from model.messages import c_text
from vmformat import Reader, Refusal

if TYPE_CHECKING:
    from model.load_state import LoadState
    from model.postcopy import Postcopy

EPERM, EINVAL, ERANGE, EAGAIN = 1, 22, 34, 11
PACKAGED: Final = 7
PAGE: Final = 4096
ADVISE, DISCARD, LISTENING, RUNNING = 1, 2, 3, 4

# Command: its name in messages, and its payload's length where that is fixed.
COMMANDS: Final[dict[int, tuple[str, int | None]]] = {
    1: ("OPEN_RETURN_PATH", 0),
    2: ("PING", 4),
    3: ("POSTCOPY_ADVISE", None),
    4: ("POSTCOPY_LISTEN", 0),
    5: ("POSTCOPY_RUN", 0),
    6: ("POSTCOPY_RAM_DISCARD", None),
    7: ("PACKAGED", 4),
    8: ("(null)", 0),
    9: ("POSTCOPY_RESUME", 0),
    10: ("MIG_CMD_RECV_BITMAP", None),
}


class Done(NamedTuple):
    """What a command came to: a refusal, the end of every loop (RUN), a package to be read, or nothing of these."""

    refusal: Refusal | None = None
    quits: bool = False
    package: Reader | None = None


GO_ON: Final = Done()
"""The loop reads on."""


def run_command(load: LoadState, reader: Reader) -> Done:
    """One command, from behind its type byte."""
    offset = reader.offset
    command, length = reader.u16(), reader.u16()
    if reader.error:
        return Done(Refusal(reader.error, (), offset, "command"))
    if command not in COMMANDS:
        return _refuse(EINVAL, offset, f"MIG_CMD 0x{command:x} unknown (len 0x{length:x})")
    name, fixed = COMMANDS[command]
    if fixed is not None and length != fixed:
        return _refuse(ERANGE, offset, f"{name} received with bad length - expecting {fixed}, got {length}")
    return _RUN[command](load, reader, length, offset)


def _refuse(errno: int, offset: int, *lines: str) -> Done:
    return Done(Refusal(errno, lines, offset, "command"))


def _open_return_path(load: LoadState, _reader: Reader, _length: int, _offset: int) -> Done:
    if load.return_path:
        load.messages.append("CMD_OPEN_RETURN_PATH called when RP already open")
    load.return_path = True
    return GO_ON


def _ping(load: LoadState, reader: Reader, _length: int, offset: int) -> Done:
    cookie = reader.u32()
    if not load.return_path:
        return _refuse(EPERM, offset, f"CMD_PING (0x{cookie:x}) received with no return path")
    return GO_ON


def _advise(load: LoadState, _reader: Reader, length: int, offset: int) -> Done:
    before, load.postcopy = load.postcopy, ADVISE
    if before:
        return _refuse(EPERM, offset, f"CMD_POSTCOPY_ADVISE in wrong postcopy state ({before})")
    if load.pages is not None and length in {0, 16}:
        return _advise_ram(load, load.pages, length, offset)
    if length == 16:
        return _refuse(EINVAL, offset, "RAM postcopy is disabled but have 16 byte advise")
    if length:
        return _refuse(EINVAL, offset, f"CMD_POSTCOPY_ADVISE invalid length ({length})")
    return GO_ON


def _advise_ram(load: LoadState, pages: Postcopy, length: int, offset: int) -> Done:
    """The payload is read from the main channel (stream.md 1.7); what RAM holds is dropped."""
    if not length:
        return _refuse(EINVAL, offset, "RAM postcopy is enabled but have 0 byte advise")
    blocks, target = load.reader.u64(), load.reader.u64()
    if blocks != PAGE:
        return _refuse(EPERM, offset, f"Postcopy needs matching RAM page sizes (s={blocks:x} d={PAGE:x})")
    if target != PAGE:
        return _refuse(EPERM, offset, f"Postcopy needs matching target page sizes (s={target & 0xFFFFFFFF:d} d={PAGE})")
    pages.advise()
    return GO_ON


def _listen(load: LoadState, _reader: Reader, _length: int, offset: int) -> Done:
    before, load.postcopy = load.postcopy, LISTENING
    if before not in {ADVISE, DISCARD}:
        return _refuse(EPERM, offset, f"CMD_POSTCOPY_LISTEN in wrong postcopy state ({before})")
    if load.loops == 1:
        load.not_modelled.add("postcopy: LISTEN outside a package makes two threads race for one channel")
    if load.pages is not None:
        if before == ADVISE:
            load.postcopy = DISCARD  # what the first DISCARD would have done is done now, its state among it
        load.pages.listen(answered=before == DISCARD)
    return GO_ON


def _run(load: LoadState, _reader: Reader, _length: int, offset: int) -> Done:
    before, load.postcopy = load.postcopy, RUNNING
    if before != LISTENING:
        return _refuse(EPERM, offset, f"CMD_POSTCOPY_RUN in wrong postcopy state ({before})")
    return Done(quits=True)


def _discard(load: LoadState, _reader: Reader, length: int, offset: int) -> Done:
    """The payload is read from the main channel, whichever channel the command came by (stream.md 1.7)."""
    if load.postcopy not in {ADVISE, DISCARD}:
        return _refuse(EPERM, offset, f"CMD_POSTCOPY_RAM_DISCARD in wrong postcopy state ({load.postcopy})")
    load.postcopy = DISCARD
    if length < 20:
        return _refuse(EPERM, offset, f"CMD_POSTCOPY_RAM_DISCARD invalid length ({length})")
    main = load.reader
    version = main.u8()
    if version != 0:
        return _refuse(EPERM, offset, f"CMD_POSTCOPY_RAM_DISCARD invalid version ({version})")
    size = main.u8()
    name = main.take(size)
    if not size or len(name) < size:
        return _refuse(EPERM, offset, "CMD_POSTCOPY_RAM_DISCARD Failed to read RAMBlock ID")
    zero = main.u8()
    if zero:
        return _refuse(EPERM, offset, f"CMD_POSTCOPY_RAM_DISCARD missing nil ({zero})")
    rest = length - 3 - size
    if rest < 0 or rest % 16:
        return _refuse(EPERM, offset, f"CMD_POSTCOPY_RAM_DISCARD invalid length ({rest})")
    block = load.machine.memory.ram.blocks.get(name.decode("latin-1"))
    for _ in range(rest // 16):
        start, length = main.u64(), main.u64()
        if block is None:
            return _refuse(EPERM, offset, f"ram_discard_range: Failed to find block '{c_text(name)}'")
        problem = _cannot_discard(block.name, start, length, load.machine.block_limits[block.name])
        if problem:
            return _refuse(EPERM, offset, f"ram_block_discard_range: {problem}")
        load.machine.memory.ram.changes()
        block.discard(start, length)
        if load.pages is not None:
            load.pages.discard(block.name, start, length)
    return GO_ON


def _cannot_discard(name: str, start: int, length: int, limit: int) -> str:
    """Why the program does not discard a range of a block; empty if it does. Host addresses are left out."""
    if start % PAGE:
        return "Unaligned start address"
    if start + length > limit:
        return f"Overrun block '{name}' ({start}/{length:x}/{limit:x})"
    return f"Unaligned length: {length:x}" if length % PAGE else ""


def _packaged(load: LoadState, _reader: Reader, _length: int, offset: int) -> Done:
    """Length and body come from the main channel, even for a package inside a package (stream.md 1.7)."""
    main = load.reader
    length = main.u32()
    base = main.offset
    body = main.take(length)
    if len(body) < length:
        return _refuse(EAGAIN, offset, f"CMD_PACKAGED: Buffer receive fail ret={len(body)} length={length}")
    return Done(package=Reader(body, base))


def _recv_bitmap(load: LoadState, _reader: Reader, length: int, offset: int) -> Done:
    main, here = load.reader, "loadvm_handle_recv_bitmap"
    size = main.u8()
    name = main.take(size)
    if not size or len(name) < size:
        return _refuse(EINVAL, offset, f"{here}: failed to read block name")
    if length != size + 1:
        return _refuse(EINVAL, offset, f"{here}: invalid payload length ({length})")
    text = c_text(name)
    if text not in load.machine.memory.ram.blocks:
        return _refuse(EINVAL, offset, f"{here}: block '{text}' not found")
    load.messages.append("migrate_send_rp_recv_bitmap: MSG_RP_RECV_BITMAP only used for recovery")
    return GO_ON


def _colo(load: LoadState, _reader: Reader, _length: int, _offset: int) -> Done:
    load.colo = True
    return GO_ON


def _resume(load: LoadState, _reader: Reader, _length: int, _offset: int) -> Done:
    load.messages.append("loadvm_postcopy_handle_resume: illegal resume received")
    return GO_ON


_RUN: Final = {
    1: _open_return_path,
    2: _ping,
    3: _advise,
    4: _listen,
    5: _run,
    6: _discard,
    7: _packaged,
    8: _colo,
    9: _resume,
    10: _recv_bitmap,
}
