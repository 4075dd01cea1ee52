"""`vmfuzz strip`: a stream without its RAM, or with only what is needed of it."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import vmformat
from fuzz.atomic import write_pieces
from fuzz.corpus import CorpusError, find_stream
from vmformat import Section, Span, StreamError
from vmformat.ram.pages import block_names
from vmformat.strip import Wanted, stripped_pieces

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from vmformat import Stream

ALL_BUT: Final = "all-but"
MODES: Final = ("none", "zero", "all", ALL_BUT)

_RANGE: Final = re.compile(r"(?P<block>.+):(?P<offset>\w+)\+(?P<length>\w+)", re.DOTALL)


class OptionError(Exception):
    """An option that cannot be used, in one line."""


@dataclass(frozen=True, slots=True)
class StripOptions:
    """What was typed; see `vmfuzz strip --help`."""

    stream: str
    output: Path
    ram: str = "none"
    blocks: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    drop_zero: bool = False
    vmdesc: bool = False
    snapshot: str | None = None

    def wanted(self) -> Wanted:
        """The same for `vmformat.strip`. Raises OptionError."""
        if self.ram not in MODES:
            raise OptionError(f"--ram: expected {', '.join(MODES)}, found {self.ram}")
        if self.blocks and self.ram != ALL_BUT:
            raise OptionError(f"{self.blocks[0]}: blocks are named with --ram {ALL_BUT} only")
        if self.ram == ALL_BUT and not self.blocks:
            raise OptionError(f"--ram {ALL_BUT}: expected the names of blocks behind the stream")
        keep: dict[str, list[tuple[int, int]]] = {}
        for text in self.keep:
            block, offset, length = _range(text)
            keep.setdefault(block, []).append((offset, length))
        pages = "all" if self.ram == ALL_BUT else self.ram
        return Wanted(pages, frozenset(self.blocks), keep, self.drop_zero, not self.vmdesc)


def strip(options: StripOptions) -> int:
    """Write the stripped stream. Exit status: 0, or 2 with one line on stderr when something cannot be used."""
    try:
        wanted = options.wanted()
        stream = vmformat.open(find_stream(options.stream), snapshot=options.snapshot)
        _check_blocks(stream, {*wanted.but, *wanted.keep})
        before = _size(stream)
    except (CorpusError, OptionError) as error:
        return _unusable(str(error))
    except StreamError as error:
        return _unusable(f"{options.stream}: {error}")
    except OSError as error:
        return _unusable(f"{options.stream}: {error.strerror or error}")
    try:
        after = write_pieces(options.output, stripped_pieces(stream, wanted))
    except StreamError as error:
        return _unusable(f"{options.stream}: {error}")
    except OSError as error:
        return _unusable(f"{options.output}: {error.strerror or error}")
    sys.stdout.write(f"{options.output}: {after} bytes of {before}\n")
    return 0


def _size(stream: Stream) -> int:
    """Bytes of the stream; RAM is not looked at."""
    size = sum(map(len, replace(stream, records=()).pieces()))
    for record in stream.records:
        if isinstance(record, Section):
            size += len(record.head()) + len(record.buffer) + len(record.foot())
        else:
            size += record.size if isinstance(record, Span) else len(record.to_bytes())
    return size


def _range(text: str) -> tuple[str, int, int]:
    """A range of a block: name, offset, length (bytes)."""
    found = _RANGE.fullmatch(text)
    try:
        if found is not None:
            return found["block"], int(found["offset"], 0), int(found["length"], 0)
    except ValueError:
        pass
    raise OptionError(f"--keep: expected BLOCK:OFFSET+LENGTH, as pc.ram:0x1000+64, found {text}")


def _check_blocks(stream: Stream, named: Collection[str]) -> None:
    if not named:
        return
    known = block_names(stream)
    for block in sorted(named):
        if block not in known:
            raise OptionError(
                f"no RAM block {block!r} in the stream, which has {', '.join(map(repr, known)) or 'none'}"
            )


def _unusable(why: str) -> int:
    line = "".join(c if c.isprintable() else "?" for c in why)
    sys.stderr.write(f"vmfuzz strip: {line}\n")
    return 2
