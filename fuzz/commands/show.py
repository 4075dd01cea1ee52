"""`vmfuzz show`: a stream as a tree of named fields, and other ways to look at it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fuzz.corpus import CorpusError
from fuzz.show.channel import open_channel, show_channel
from fuzz.show.options import OptionError
from fuzz.show.terminal import Output
from fuzz.show.views import View
from fuzz.streams import machine_for, read_stream, schemas_for
from vmformat import StreamError
from vmformat.render.line import clean

if TYPE_CHECKING:
    from fuzz.show.options import ShowOptions


def show(options: ShowOptions) -> int:
    """Print what was asked for.

    Exit status: 0; 2 with one line on stderr when the stream, the machine or an option cannot be used, or when the
    stream is damaged (what can be read of it is printed all the same, unless it is to be `strict`).
    """
    try:
        options.check()
        channel = open_channel(options)
        if channel is not None:
            with Output(colour=options.color, pager=options.pager and not options.json) as output:
                show_channel(channel, options, output)
            return 0 if channel.fault is None else _unusable(f"{options.stream}: {channel.fault}")
        machine = machine_for(options.stream, options.machine)
        schemas = schemas_for(machine)
        stream, schedule = read_stream(options.stream, schemas, options.snapshot, tolerant=not options.strict)
        view = View(options, stream, schemas, machine, schedule)
        view.find()
        with Output(colour=options.color, pager=options.pager and not options.json) as output:
            view.show(output)
    except (CorpusError, OptionError) as error:
        return _unusable(str(error))
    except StreamError as error:
        return _unusable(f"{options.stream}: {error}")
    except OSError as error:
        return _unusable(f"{options.stream}: {error.strerror or error}")
    if not view.faults:
        return 0
    more = f" (and {len(view.faults) - 1} more)" if len(view.faults) > 1 else ""
    return _unusable(f"{options.stream}: {view.faults[0]}{more}")


def _unusable(why: str) -> int:
    sys.stderr.write(f"vmfuzz show: {clean(why, 1000)}\n")
    return 2
