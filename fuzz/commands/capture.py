"""`vmfuzz capture`: a machine description and seed streams from a real QEMU."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from fuzz.atomic import write_atomic
from fuzz.capture.describe import describe_machine
from fuzz.capture.errors import CaptureError
from fuzz.capture.guest import destination, has_guest
from fuzz.capture.machine import learn_machine, with_stream
from fuzz.capture.seeds import Seed, booted, checked, stripped
from fuzz.qemu import DEFAULT_BINARY, QemuError, complete_arguments
from model import DescriptionError, Machine, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from fuzz.capture.describe import MachineFacts


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """What `vmfuzz capture` was asked. `boot` is in seconds, 0 for no after-stream."""

    output: str
    arguments: tuple[str, ...]
    qemu: str = DEFAULT_BINARY
    boot: float = 10.0
    keep_vmdesc: bool = False
    keep_ram: bool = False


def run(options: CaptureOptions, console: Console | None = None) -> int:
    """Capture and write. Exit status: 0, or 2 with one line when something cannot be used."""
    console = console or Console(stderr=True, emoji=False)
    folder, name = Path(options.output).parent, Path(options.output).name
    if not options.output or not name or name in {".", ".."}:
        return _unusable(console, f"--output {options.output!r}: expected DIR/NAME")
    try:
        with console.status("starting QEMU") as status:
            say = _progress(console, status.update)
            files, notes = capture(name, options, say)
        for place, data in files.items():
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, data)
    except (CaptureError, QemuError, DescriptionError) as error:
        return _unusable(console, str(error))
    except OSError as error:
        return _unusable(console, f"{error.filename}: {error.strerror}")
    for place, data in files.items():
        console.print(f"{folder / place}  {len(data)} bytes", highlight=False, soft_wrap=True)
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    return 0


def _unusable(console: Console, line: str) -> int:
    console.print(f"vmfuzz capture: {line}", markup=False, highlight=False, soft_wrap=True)
    return 2


def _progress(console: Console, update: Callable[[str], None]) -> Callable[[str], None]:
    """Where progress goes: the status line of a terminal, else a line for each new stage."""
    seen: set[str] = set()

    def say(stage: str) -> None:
        update(stage)
        title = stage.partition(" (")[0]
        if not console.is_terminal and title not in seen:
            seen.add(title)
            console.print(title, highlight=False)

    return say


def capture(
    name: str, options: CaptureOptions, progress: Callable[[str], None]
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The files of a capture by their place below the output folder, and notes. Raises CaptureError and QemuError.

    Nothing is written: whoever asked gets all of it or nothing.
    """
    binary = options.qemu
    arguments = destination(options.arguments, binary=binary)
    facts, before = learn_machine(name, arguments, binary=binary, progress=progress)
    streams = {"before": before}
    if options.boot:
        streams["after"] = booted(options.arguments, options.boot, binary=binary, progress=progress)
        facts = with_stream(facts, streams["after"])
    description = describe_machine(facts)
    machine = Machine(parse(description))
    files = {f"machines/{name}.json": description}
    seeds: dict[str, Seed] = {}
    for moment, raw in streams.items():
        progress(f"stripping and checking the stream `{moment}`")
        seed = stripped(
            raw, machine, keep_vmdesc=options.keep_vmdesc and facts.vmdescription, keep_ram=options.keep_ram
        )
        seed = seeds[moment] = checked(arguments, raw, seed, moment, binary=binary)
        files[f"seeds/{name}/{moment}.vmstate"] = seed.data
    files[f"seeds/{name}/provenance.json"] = _provenance(facts, options, seeds, machine.not_followed)
    notes = tuple(f"{moment}: {seed.note}; all of RAM is kept" for moment, seed in seeds.items() if seed.note)
    return files, (*notes, _report(machine))


def _report(machine: Machine) -> str:
    """What the model knows of the machine's devices: one line."""
    kinds = {handler.kind for handler in machine.handlers}
    unknown = machine.not_followed
    if not unknown:
        return f"all {len(kinds)} kinds of sections are modelled"
    modelled = f"{len(kinds) - len(unknown)} of {len(kinds)} kinds of sections are modelled"
    return f"{modelled}; by schema and PCI part only: {', '.join(unknown)}"


def _provenance(
    facts: MachineFacts, options: CaptureOptions, seeds: dict[str, Seed], not_followed: tuple[str, ...]
) -> bytes:
    taken = {
        "before": "stopped at reset, no instruction run",
        "after": f"{options.boot:g} s after start, a guest running"
        if has_guest(options.arguments)
        else f"stopped when layout and ring indices stood still, at most {options.boot:g} s after start",
    }
    document: dict[str, Any] = {
        "format": 1,
        "machine": facts.name,
        "qemu": facts.qemu,
        "arguments": list(complete_arguments(options.arguments)),
        "vmdescription": "kept" if options.keep_vmdesc else "dropped: the schemas are in the machine description",
        "not_modelled": list(not_followed),
        "streams": {
            moment: {
                "taken": taken[moment],
                "sha256": hashlib.sha256(seed.data).hexdigest(),
                "ram": "all of it" if seed.kept is None else [kept.to_json() for kept in seed.kept],
                **({"note": seed.note} if seed.note else {}),
            }
            for moment, seed in seeds.items()
        },
    }
    return (json.dumps(document, indent=2) + "\n").encode()
