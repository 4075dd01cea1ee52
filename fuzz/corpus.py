"""Machines and seeds by name: the shipped ones, or a folder that `vmfuzz capture` made.

Shipped files are package data (`fuzz/corpus` in a wheel) or the repository's `corpus/` folder in a checkout. A
machine is typed as NAME (shipped), as DIR/NAME or DIR as given to `capture -o`, or as the path of its JSON file; a
stream as NAME/before, NAME/after, DIR/NAME/after, or as the path of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).resolve().parent


class CorpusError(Exception):
    """A machine or stream that cannot be found or read, in one line that says which, where and why."""


@dataclass(frozen=True, slots=True)
class MachineFiles:
    """A machine description and the streams that belong to it."""

    name: str
    typed: str
    """How to name this machine on a command line."""
    description: Path
    seeds: tuple[Path, ...]


def root() -> Path:
    """The folder of shipped machines, seeds and crashers. Raises CorpusError in a broken installation."""
    for place in (_HERE / "corpus", _HERE.parent / "corpus"):
        if (place / "machines").is_dir():
            return place
    msg = f"shipped machines: not found in {_HERE / 'corpus'} nor {_HERE.parent / 'corpus'}"
    raise CorpusError(msg)


def shipped_machines() -> tuple[str, ...]:
    """Names of the shipped machines, sorted."""
    return tuple(sorted(path.stem for path in (root() / "machines").glob("*.json")))


def find_machine(text: str) -> MachineFiles:
    """The machine that `text` names. Raises CorpusError."""
    if "/" not in text and not text.endswith(".json"):
        shipped = root() / "machines" / f"{text}.json"
        if shipped.is_file():
            return _machine(shipped, text)
    path = Path(text)
    if path.is_file():
        return _machine(path, text)
    captured = path.parent / "machines" / f"{path.name}.json"
    if captured.is_file():
        return _machine(captured, text)
    if (path / "machines").is_dir():
        inside = sorted((path / "machines").glob("*.json"))
        if len(inside) == 1:
            return _machine(inside[0], text)
        names = ", ".join(f"{path / entry.stem}" for entry in inside) or "none in it"
        msg = f"machine {text}: name one of its machines ({names})"
        raise CorpusError(msg)
    msg = f"machine {text}: no such file, and shipped are {', '.join(shipped_machines()) or 'none'}"
    raise CorpusError(msg)


def _machine(description: Path, typed: str) -> MachineFiles:
    name = description.stem
    seeds = sorted((description.parent.parent / "seeds" / name).glob("*.vmstate"))
    return MachineFiles(name, typed, description, tuple(seeds))


def find_stream(text: str) -> Path:
    """The stream that `text` names: a file, NAME/after, NAME/before or DIR/NAME/after. Raises CorpusError."""
    path = Path(text)
    if path.is_file():
        return path
    owner, _, moment = text.rpartition("/")
    if owner and moment:
        places = [path.parent.parent / "seeds" / path.parent.name / f"{moment}.vmstate"]
        if "/" not in owner:
            places.insert(0, root() / "seeds" / owner / f"{moment}.vmstate")
        for place in places:
            if place.is_file():
                return place
    shipped = ", ".join(f"{seed.parent.name}/{seed.stem}" for seed in sorted((root() / "seeds").glob("*/*.vmstate")))
    msg = f"stream {text}: no such file, and shipped are {shipped or 'none'}"
    raise CorpusError(msg)
