"""What goes into the bundle that PyInstaller makes of a fuzz target, beside the code that it finds by itself.

    python3 -m fuzz.oss.bundle NAME    prints PyInstaller's arguments, a line each, for the checkout at hand

A bundle has no `.py` files, but probes are written into source text; so the sources of what is under test go in as
data. So do the machine and its streams: the mutators graft sections of these.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.oss.definition import defined, names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.oss.definition import FuzzTarget

SOURCES: Final = ("model", "vmformat")
"""Packages that probes may be written into."""


def bundle(target: FuzzTarget, sources: Path) -> Iterator[str]:
    """PyInstaller's arguments, for a checkout in the folder `sources`."""
    for package in SOURCES:
        for folder in sorted({path.parent for path in (sources / package).rglob("*.py")}):
            yield f"--add-data={folder}/*.py:{folder.relative_to(sources)}"
    yield f"--add-data={sources}/vmformat/store/*.zip:vmformat/store"
    if target.machine:
        yield f"--add-data={sources}/corpus/machines/{target.machine}.json:fuzz/corpus/machines"
        yield f"--add-data={sources}/corpus/seeds/{target.machine}/*.vmstate:fuzz/corpus/seeds/{target.machine}"


def main(argv: list[str]) -> int:
    """Exit status: 0, or 2 for what it does not know."""
    if len(argv) != 2 or argv[1] not in names():
        sys.stderr.write(f"usage: python3 -m fuzz.oss.bundle NAME; there are {', '.join(names())}\n")
        return 2
    sys.stdout.writelines(f"{line}\n" for line in bundle(defined(argv[1]), Path.cwd()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
