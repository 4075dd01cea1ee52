"""What goes beside the stream: files that are no stream but belong to one, as trees of named fields.

    multifd       a channel of pages; told by its first bytes
    return-path   what the destination says
    colo          what follows a stream that has ENABLE_COLO: checkpoints
    preempt       pages that a destination in postcopy could not wait for (capability postcopy-preempt): ram records

The law: `write_channel(c.kind, c.tree.values()) == c.data` for every channel read from any bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vmformat.channels import colo, multifd, return_path
from vmformat.command import Cmd, Command
from vmformat.errors import Fault, StreamError
from vmformat.framing import Kind
from vmformat.iterable.rows import Records, build
from vmformat.node import Node
from vmformat.ram.context import RamContext
from vmformat.ram.tree import RamForm
from vmformat.ram.walk import CONTINUE, NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmformat.iterable.rows import Form
    from vmformat.ram.walk import Sliced
    from vmformat.stream import Stream

KINDS: Final = ("multifd", "return-path", "colo", "preempt")
"""What `read_channel` takes as a kind."""

_STREAM: Final = b"QEVM"
_DESCRIPTION_HEAD: Final = 5
_TELLING: Final = {"multifd": "flags", "return-path": "type", "colo": "message", "preempt": "address_flags"}
"""Which field tells what a record is."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel of a `kind` of `KINDS`. Its bytes are looked at when someone asks. `offset`: of the first one."""

    kind: str
    data: Sliced
    context: RamContext
    offset: int = 0

    @property
    def tree(self) -> Node:
        """Records, one behind the other, made when asked for; what is none stands behind them in a leaf `@rest`."""
        return Node(self.kind, "record", self.offset, len(self.data), None, self._records)

    def records(self) -> Iterator[Node]:
        """The children of the tree one by one, for who must not hold millions at once."""
        return self._records.nodes(self.offset)

    @property
    def fault(self) -> Fault | None:
        """What is wrong: the first record that is none or is cut off."""
        error = self._records.fault()
        if error is None:
            return None
        return Fault(self.offset + error.offset, error.path, error.expected, error.found)

    @property
    def _records(self) -> Records:
        return Records(_form(self.kind, self.context), self.data)

    def title(self, record: Node) -> str:
        """What a record of the tree is, in a word or two."""
        first = record.find(_TELLING[self.kind])
        number = first.value if first is not None and isinstance(first.value, int) else 0
        if record.value is not None:
            return "no record"
        if self.kind == "multifd":
            return multifd.title(int(record.name.strip("[]")), number)
        if self.kind == "preempt":
            return NAMES.get(number & self.context.page_size - 1 & ~CONTINUE, "record")
        return return_path.title(number) if self.kind == "return-path" else colo.title(number)


def read_channel(data: Sliced, kind: str | None = None, context: RamContext | None = None) -> Channel:
    """The channel in `data`. Only multifd can be told without a `kind`. `context`: that of the stream it belongs to.

    Damage is no error: see `Channel.fault`. Raises StreamError if no kind is named and none can be told, or another.
    """
    if kind is None:
        if not is_channel(data):
            found = "a stream" if bytes(data[:4]) == _STREAM else bytes(data[:4]).hex(" ") or "nothing"
            raise StreamError(0, "channel", "a multifd channel, or a kind that is named", found)
        kind = "multifd"
    _form(kind, RamContext())
    return Channel(kind, data, context or RamContext())


def is_channel(data: Sliced) -> bool:
    """Whether the first bytes show that this is a side channel."""
    return int.from_bytes(data[:4], "big") == multifd.MAGIC


def checkpoints(stream: Stream) -> Channel | None:
    """The COLO session behind a stream: what follows its VMDESCRIPTION. None if the stream has no ENABLE_COLO."""
    if not any(isinstance(record, Command) and record.cmd == Cmd.ENABLE_COLO for record in stream.records):
        return None
    trailing, start = stream.trailing, 0
    if trailing[:1] == bytes([Kind.VMDESCRIPTION]):
        start = min(_DESCRIPTION_HEAD + int.from_bytes(trailing[1:_DESCRIPTION_HEAD], "big"), len(trailing))
    last = stream.records[-1]
    context = next((one.context for one in stream.sections if one.is_ram and one.context), RamContext())
    return Channel("colo", trailing[start:], context, last.offset + len(last.to_bytes()) + start)


def write_channel(kind: str, values: object, context: RamContext | None = None) -> bytes:
    """The bytes of a list of records as `Channel.tree.values()` gives it. Raises StreamError if one does not fit."""
    return build(_form(kind, context or RamContext()), values, kind)


def _form(kind: str, context: RamContext) -> Form:
    if kind == "multifd":
        return multifd.MultifdForm()
    if kind == "return-path":
        return return_path.ReturnPathForm()
    if kind == "colo":
        return colo.ColoForm(context)
    if kind == "preempt":
        return RamForm(context)
    raise StreamError(0, "channel", ", ".join(KINDS), kind)
