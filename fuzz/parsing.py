"""What reading streams costs here, and beside it what QEMU's own script takes for the same stream.

`python -m fuzz.parsing STREAM [SCRIPT]` measures one process that has read no stream yet, and prints JSON: `first` is
the first stream that it reads, with all that is made once and kept (layouts of schemas); `again` is the same stream
when that is there. Times are milliseconds of processor time: what else runs on the computer is not counted.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import vmformat
from vmformat import Section, StreamError, encode

if TYPE_CHECKING:
    from collections.abc import Callable

ITERABLE: Final = frozenset({"ram", "dirty-bitmap", "block"})
"""Sections that are written back as they came: pages, not fields."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A stream to named values and back to bytes, in milliseconds."""

    read: float
    """Bytes to records, the VMDESCRIPTION to schemas."""
    values: float
    """Payloads to values by name, virtio's insides as well."""
    write: float
    """Values to payloads, records to bytes."""
    sections: int
    """Device sections whose every field was decoded."""
    opaque: int
    """Device sections of which no schema was known, or whose schema did not fit."""
    same: bool
    """Whether the bytes were those that came."""

    @property
    def total(self) -> float:
        """All of it."""
        return self.read + self.values + self.write


def pass_over(data: bytes) -> Pass:
    """Read a stream, take values out of every section, build it from them. Raises StreamError."""
    clock = time.process_time
    start = clock()
    stream = vmformat.read(data)
    behind_read = clock()
    values = [
        (section, section.decoded().values())
        for section in stream.records
        if isinstance(section, Section) and section.name not in ITERABLE
    ]
    behind_values = clock()
    payloads: dict[int, bytes] = {}
    opaque = 0
    for section, found in values:
        assert isinstance(found, dict)
        if section.layout is None or "@rest" in found or "payload" in found:
            opaque += 1
        else:
            payloads[section.offset] = encode(section.layout, found, section.version)
    records = tuple(
        replace(record, payload=payloads[record.offset])
        if isinstance(record, Section) and record.offset in payloads
        else record
        for record in stream.records
    )
    written = vmformat.write(replace(stream, records=records))
    end = clock()
    milli = 1000.0
    return Pass(
        (behind_read - start) * milli,
        (behind_values - behind_read) * milli,
        (end - behind_values) * milli,
        len(payloads),
        opaque,
        written == data,
    )


def read_time(data: bytes, times: int = 3) -> float:
    """Milliseconds of `vmformat.read` alone, the best of some. Raises StreamError."""
    best = float("inf")
    for _ in range(times):
        start = time.process_time()
        vmformat.read(data)
        best = min(best, time.process_time() - start)
    return best * 1000


class ScriptError(Exception):
    """A file that is not QEMU's scripts/analyze-migration.py."""


def analyzer(script: Path) -> Callable[[str], Any]:
    """What reads a stream with QEMU's script and gives its dictionary of values. Raises ScriptError.

    The script is run as it is, on a stream that is none, for the class that it defines.
    """
    scope: dict[str, Any] = {"__name__": "analyze_migration", "__file__": str(script)}
    arguments = sys.argv
    sys.argv = [str(script), "-f", "/dev/null"]
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            exec(compile(script.read_text(), str(script), "exec"), scope)  # noqa: S102 - the user's own file, named by him
    except OSError as error:
        raise ScriptError(f"{script}: {error.strerror}") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's file raises
        if "MigrationDump" not in scope:
            raise ScriptError(f"{script}: no analyze-migration.py ({type(error).__name__}: {error})") from None
    finally:
        sys.argv = arguments
    if "MigrationDump" not in scope:
        raise ScriptError(f"{script}: no analyze-migration.py (it defines no MigrationDump)")

    def read(stream: str) -> Any:
        dump = scope["MigrationDump"](stream)
        with contextlib.redirect_stdout(io.StringIO()):
            dump.read(dump_memory=False)
        return dump.getDict()

    return read


def main(arguments: list[str]) -> int:
    """One process's measurements, as JSON."""
    stream = Path(arguments[0])
    data = stream.read_bytes()
    try:
        first, again = pass_over(data), pass_over(data)
    except StreamError as error:
        print(f"{stream}: {error}", file=sys.stderr)
        return 2
    found: dict[str, Any] = {"first": asdict(first), "again": asdict(again), "script": None}
    if len(arguments) > 1:
        try:
            analyze = analyzer(Path(arguments[1]))
            start = time.process_time()
            analyze(str(stream))
            found["script"] = (time.process_time() - start) * 1000
        except ScriptError as error:
            print(error, file=sys.stderr)
            return 2
        except Exception as error:  # noqa: BLE001 - whatever the user's file raises
            print(f"{arguments[1]}: {type(error).__name__}: {error}", file=sys.stderr)
            return 2
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
