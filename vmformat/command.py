"""Commands: the records that steer postcopy, packages and COLO (facts: stream.md 1.6, 1.7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from vmformat import framing
from vmformat.errors import StreamError
from vmformat.framing import Kind
from vmformat.node import Node


class Cmd(IntEnum):
    """Command numbers."""

    INVALID = 0
    OPEN_RETURN_PATH = 1
    PING = 2
    POSTCOPY_ADVISE = 3
    POSTCOPY_LISTEN = 4
    POSTCOPY_RUN = 5
    POSTCOPY_RAM_DISCARD = 6
    PACKAGED = 7
    ENABLE_COLO = 8
    POSTCOPY_RESUME = 9
    RECV_BITMAP = 10
    SWITCHOVER_START = 11


_HEAD: Final = 5
"""Bytes before a command's payload."""

LENGTHS: Final[dict[int, int]] = {
    Cmd.OPEN_RETURN_PATH: 0,
    Cmd.PING: 4,
    Cmd.POSTCOPY_LISTEN: 0,
    Cmd.POSTCOPY_RUN: 0,
    Cmd.PACKAGED: 4,
    Cmd.ENABLE_COLO: 0,
    Cmd.POSTCOPY_RESUME: 0,
    Cmd.SWITCHOVER_START: 0,
}
"""Payload bytes of commands that have always as many."""

FROM_MAIN: Final = frozenset({Cmd.POSTCOPY_ADVISE, Cmd.POSTCOPY_RAM_DISCARD, Cmd.PACKAGED, Cmd.RECV_BITMAP})
"""Commands whose payload comes from the main channel, also when the command stands in a package."""


def takes_from_main(cmd: int, length: int) -> bool:
    """Whether a loader reads the payload of such a command from the main channel.

    A package whose length has not four bytes is refused before anything is read.
    """
    return cmd in FROM_MAIN and (cmd != Cmd.PACKAGED or length == LENGTHS[cmd])


@dataclass(frozen=True, slots=True)
class Command:
    """One command record.

    `payload` is what its 16-bit length covers. PACKAGED is followed by `package`, as many bytes as its payload says:
    records without a file header (`stream.package_records` reads them, `stream.pack` writes them). Some commands in a
    package take their payload not from it but from the main channel (`FROM_MAIN`; so a package in a package stands
    behind it, not in it): what all of them take follows as `outside`, in the order in which a loader takes it.
    `offset` is that of the record's type byte, `package_offset` that of the package.
    """

    cmd: int
    payload: bytes = b""
    package: bytes = b""
    outside: bytes = b""
    offset: int = field(default=0, compare=False)
    package_offset: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        """QEMU's name for it, or its number."""
        try:
            return Cmd(self.cmd).name
        except ValueError:
            return f"command {self.cmd}"

    def to_bytes(self) -> bytes:
        """The record as it stands in the main channel."""
        inside, outside = self.halves()
        return inside + outside

    def halves(self) -> tuple[bytes, bytes]:
        """The record as it stands in a package: the bytes there, and those in the main channel."""
        length = len(self.package)
        if (length or self.outside) and (self.cmd != Cmd.PACKAGED or self.payload != length.to_bytes(4, "big")):
            raise StreamError(self.offset, self.name, f"a payload telling {length} bytes", self.payload.hex())
        head = framing.build(framing.COMMAND, self.name, cmd=self.cmd, length=len(self.payload))
        head = bytes([Kind.COMMAND]) + head
        if not self.from_main:
            return head + self.payload, b""
        return head, self.payload + self.package + self.outside

    @property
    def from_main(self) -> bool:
        """Whether its payload comes from the main channel, wherever the command stands."""
        return takes_from_main(self.cmd, len(self.payload))

    @classmethod
    def packaged(cls, package: bytes, outside: bytes = b"") -> Command:
        """A package."""
        if len(package) > 0xFFFF_FFFF:
            raise StreamError(0, "PACKAGED", "less than 4 GiB", f"{len(package)} bytes")
        return cls(Cmd.PACKAGED, len(package).to_bytes(4, "big"), package, outside)

    @classmethod
    def ping(cls, cookie: int) -> Command:
        """A ping with a 32-bit cookie."""
        return cls(Cmd.PING, (cookie & 0xFFFF_FFFF).to_bytes(4, "big"))

    @property
    def tree(self) -> Node:
        """The payload's fields as nodes, as far as its length lets it; at 0 where it stands apart from its command."""
        at = start = self.offset + _HEAD if not self.package_apart else 0
        nodes = []
        for name, value in self.fields:
            size = len(value) if isinstance(value, bytes) else self._width(name)
            if name == "block":  # counted, and for POSTCOPY_RAM_DISCARD ended by a zero
                nodes.append(Node("block@length", "uint8", at, 1, len(value) if isinstance(value, bytes) else 0))
                at += 1
            type_ = "buffer" if isinstance(value, bytes) else {1: "uint8", 4: "uint32", 8: "uint64"}[size]
            nodes.append(Node(name, type_, at, size, value))
            at += size
            if name == "block" and self.cmd == Cmd.POSTCOPY_RAM_DISCARD:
                nodes.append(Node("end", "uint8", at, 1, self.payload[at - start]))
                at += 1
        return Node(self.name, "command", start, len(self.payload), None, tuple(nodes))

    @property
    def package_apart(self) -> bool:
        """Whether the payload may stand elsewhere than behind the command: it is taken from the main channel."""
        return self.from_main and self.cmd != Cmd.PACKAGED

    def _width(self, name: str) -> int:
        if name == "version":
            return 1
        return 8 if name.startswith(("start", "length[", "page_sizes", "target")) else 4

    @property
    def fields(self) -> tuple[tuple[str, int | bytes], ...]:
        """What the payload says, as far as its length lets it."""
        p = self.payload
        if self.cmd == Cmd.PING and len(p) == 4:
            return (("cookie", int.from_bytes(p, "big")),)
        if self.cmd == Cmd.PACKAGED and len(p) == 4:
            return (("length", int.from_bytes(p, "big")),)
        if self.cmd == Cmd.POSTCOPY_ADVISE and len(p) == 16:
            sizes = int.from_bytes(p[:8], "big"), int.from_bytes(p[8:], "big")
            return (("page_sizes", sizes[0]), ("target_page_size", sizes[1]))
        if self.cmd == Cmd.RECV_BITMAP and p and len(p) == 1 + p[0]:
            return (("block", p[1:]),)
        if (
            self.cmd == Cmd.POSTCOPY_RAM_DISCARD
            and len(p) >= 3
            and (len(p) - 3 - p[1]) % 16 == 0
            and len(p) >= 3 + p[1]
        ):
            ranges = [int.from_bytes(p[i : i + 8], "big") for i in range(3 + p[1], len(p), 8)]
            pairs = [(f"{'length' if i % 2 else 'start'}[{i // 2}]", number) for i, number in enumerate(ranges)]
            return (("version", p[0]), ("block", p[2 : 2 + p[1]]), *pairs)
        return (("payload", p),) if p else ()
