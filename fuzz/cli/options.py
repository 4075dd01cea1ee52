"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Machines = Annotated[
    list[str] | None,
    typer.Option("--machine", "-m", help="A shipped machine by name, or DIR/NAME of a capture; may be repeated."),
]
Machine = Annotated[
    str | None, typer.Option("--machine", "-m", help="The machine; not needed when STREAM is typed NAME/after.")
]
DesignNames = Annotated[
    list[str] | None,
    typer.Option("--design", "-d", help="A load design, `all`, or FILE:CLASS for your own; may be repeated."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Baselines = Annotated[
    list[Path] | None,
    typer.Option(
        "--baseline",
        metavar="FILE",
        help="Causes listed there as new or known do not count (docs/triage.md); may be repeated.",
    ),
]
Seeded = Annotated[
    str | None,
    typer.Option(
        "--seeded",
        metavar="BUG",
        help="A seeded bug by name, or FILE:CLASS for your own (docs/seams.md): each design with it and without.",
    ),
]
