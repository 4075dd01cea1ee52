"""`vmfuzz schema`: what is known of devices' sections; show it, take it in, give it out, learn it from a QEMU."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fuzz.corpus import CorpusError
from fuzz.qemu import QemuError
from fuzz.schemas.folder import default
from fuzz.schemas.sources import (
    Known,
    SchemaError,
    from_file,
    from_machine,
    from_store,
    joined,
    matching,
    read_folder,
)
from model import DescriptionError
from vmformat import StreamError
from vmformat.schema_text import fixed_size, listing
from vmformat.store.archive import Entry, write_archive, write_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_ERRORS = (SchemaError, CorpusError, DescriptionError, StreamError, QemuError)


@dataclass(frozen=True, slots=True)
class Where:
    """Where schemas are looked for: a machine, a file, or (neither) the store."""

    machine: str | None = None
    file: str | None = None

    def known(self) -> list[tuple[str, Entry]]:
        """Each schema with where it comes from, by name and version."""
        if self.machine is not None:
            found = [(self.machine, entry) for entries in from_machine(self.machine).values() for entry in entries]
        elif self.file is not None:
            found = [(self.file, entry) for entries in from_file(self.file).values() for entry in entries]
        else:
            return from_store()
        return sorted(found, key=lambda item: (item[1].schema.name, item[1].schema.version))


def list_schemas(where: Where, words: Sequence[str] = (), *, as_json: bool = False) -> int:
    """A table of all, or of those whose names contain one of the words. Exit status 0, or 2 with one line."""

    def run() -> None:
        rows = [
            (entry.schema, entry.seen, source)
            for source, entry in where.known()
            if not words or any(word.lower() in entry.schema.name.lower() for word in words)
        ]
        if as_json:
            _print_json(
                [
                    {"name": s.name, "version": s.version, "minimum": s.minimum, "fields": len(s.fields),
                     "subsections": len(s.subsections), "size": fixed_size(s), "seen": seen, "source": source}
                    for s, seen, source in rows
                ]
            )  # fmt: skip
            return
        table = [("NAME", "VERSION", "FIELDS", "SUBSECTIONS", "BYTES", "SEEN", "SOURCE")]
        for s, seen, source in rows:
            versions = str(s.version) if s.minimum >= s.version else f"{s.minimum}..{s.version}"
            size = fixed_size(s)
            cells = (
                s.name,
                versions,
                len(s.fields),
                len(s.subsections),
                "vary" if size is None else size,
                seen,
                source,
            )
            table.append(tuple(map(str, cells)))  # type: ignore[arg-type]
        _print_table(table)

    return _run(run)


def show_schema(where: Where, name: str, version: int | None = None, *, as_json: bool = False) -> int:
    """The schemas of one vmsd, fields and all. Exit status 0, or 2 with one line."""

    def run() -> None:
        found = [
            (source, entry)
            for source, entry in where.known()
            if entry.schema.name == name and version in {None, entry.schema.version}
        ]
        if not found:
            raise SchemaError(
                f"{name}: no schema of that name" + ("" if version is None else f" and version {version}")
            )
        if as_json:
            _print_json([entry.schema.to_json() for _, entry in found])
            return
        for number, (source, entry) in enumerate(found, start=1):
            shape = f", shape {number} of {len(found)}" if len(found) > 1 else ""
            sys.stdout.write(f"{source}, seen {entry.seen} times{shape}\n")
            sys.stdout.writelines(f"{line}\n" for line in listing(entry.schema))

    return _run(run)


def import_schemas(files: Sequence[str], folder: Path | None = None) -> int:
    """Put the schemas of files into a user's folder, beside what it has. Exit status 0, or 2 with one line."""

    def run() -> None:
        target = folder or default()
        taken: Known = {}
        for file in files:
            taken = joined(taken, from_file(file))
        before = read_folder(target)
        after = joined(before, taken)
        new = sum(len(after[name]) - len(before.get(name, ())) for name in taken)
        write_folder(target, {name: after[name] for name in taken}, ())
        sys.stdout.write(f"{target}: {sum(map(len, taken.values()))} schemas taken, {new} of them new\n")

    return _run(run)


def export_schemas(output: Path, names: Sequence[str], where: Where) -> int:
    """Write schemas into a folder, or into a file that ends in .zip. Exit status 0, or 2 with one line."""

    def run() -> None:
        known: Known = {}
        for _, entry in where.known():
            known.setdefault(entry.schema.name, []).append(entry)
        chosen = matching(known, names)
        (write_archive if output.suffix == ".zip" else write_folder)(output, chosen, ())
        sys.stdout.write(f"{output}: {sum(map(len, chosen.values()))} schemas of {len(chosen)} names\n")

    return _run(run)


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """QEMUs to ask, where to write, words that arguments of machines must contain, where streams are kept."""

    output: Path
    binaries: tuple[str, ...]
    only: tuple[str, ...] = ()
    keep: Path | None = None


def capture_schemas(options: CaptureOptions) -> int:
    """Learn schemas from QEMUs, as the shipped store was. Exit status 0, or 2 with one line."""

    def run() -> None:
        from fuzz.capture.store import learn  # noqa: PLC0415 - no other subcommand needs it

        def progress(line: str) -> None:
            sys.stderr.write(f"{line}\n")

        learnt = learn(options.binaries, only=options.only, keep=options.keep, progress=progress)
        write = write_archive if options.output.suffix == ".zip" else write_folder
        write(options.output, learnt.known, learnt.free)
        number = sum(map(len, learnt.known.values()))
        sys.stdout.write(
            f"{options.output}: {number} schemas of {len(learnt.known)} names, {learnt.machines} machines\n"
        )

    return _run(run)


def _run(what: Callable[[], None]) -> int:
    try:
        what()
    except _ERRORS as error:
        return _unusable(str(error))
    except OSError as error:
        return _unusable(f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "))
    return 0


def _unusable(why: str) -> int:
    line = " ".join(why.split())[:1000]
    sys.stderr.write("vmfuzz schema: " + "".join(c if c.isprintable() else "?" for c in line) + "\n")
    return 2


def _print_json(value: object) -> None:
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if i in {0, 6} else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
