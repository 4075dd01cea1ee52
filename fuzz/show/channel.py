"""Files that are no stream but a channel beside one: told by their first bytes, or by `--as`."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.show.options import OptionError
from fuzz.streams import STDIN
from vmformat.channels import channel as channels
from vmformat.render.channel import channel_json, channel_lines

if TYPE_CHECKING:
    from fuzz.show.options import ShowOptions
    from fuzz.show.terminal import Output
    from vmformat.channels.channel import Channel

_LARGE: Final = 64 << 20
"""Bytes from which on a file is not read but mapped."""


def open_channel(options: ShowOptions) -> Channel | None:
    """The channel in a file, None if it is a stream. Raises OptionError, OSError."""
    if options.kind is not None and options.kind not in channels.KINDS:
        raise OptionError(f"--as: expected {', '.join(channels.KINDS)}, found {options.kind}")
    if options.stream == STDIN:
        if options.kind is None:
            return None
        return _checked(channels.read_channel(sys.stdin.buffer.read(), options.kind), options)
    path = Path(options.stream)
    if not path.is_file():
        return None
    with path.open("rb") as file:
        if options.kind is None and not channels.is_channel(file.read(4)):
            return None
        file.seek(0)
        large = path.stat().st_size > _LARGE
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if large else file.read()
    return _checked(channels.read_channel(data, options.kind), options)


def _checked(channel: Channel, options: ShowOptions) -> Channel:
    if options.view != "tree" or options.paths:
        option = "--path" if options.paths else f"--{options.view}"
        raise OptionError(f"{option}: not for a {channel.kind} channel")
    return channel


def show_channel(channel: Channel, options: ShowOptions, output: Output) -> None:
    """Print it."""
    if options.json:
        for piece in channel_json(channel):
            output.write(piece)
    else:
        output.lines(channel_lines(channel, options.detail))
