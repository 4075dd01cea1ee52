"""The options of `vmfuzz schema`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer looks at annotations
from typing import Annotated

import typer

app = typer.Typer(help="List, show, import, export and capture schemas: what devices' sections hold.")

Machine = Annotated[str | None, typer.Option("--machine", "-m", help="Those of this machine instead of the store's.")]
File = Annotated[
    str | None,
    typer.Option(
        "--from", "-f", help="Those of a stream's VMDESCRIPTION, a machine's JSON, a -dump-vmstate file, a store."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.callback(invoke_without_command=True)
def _all(context: typer.Context, machine: Machine = None, file: File = None, as_json: Json = False) -> None:
    if context.invoked_subcommand is None:
        from fuzz.commands.schema import Where, list_schemas  # noqa: PLC0415 - a command imports only what it needs

        raise typer.Exit(list_schemas(Where(machine, file), as_json=as_json))


@app.command("list")
def list_command(
    words: Annotated[list[str] | None, typer.Argument(help="Only names that contain one of these.")] = None,
    machine: Machine = None,
    file: File = None,
    as_json: Json = False,
) -> None:
    """List schemas: name, versions, how many fields and subsections, bytes, in how many sections seen, source."""
    from fuzz.commands.schema import Where, list_schemas  # noqa: PLC0415

    raise typer.Exit(list_schemas(Where(machine, file), tuple(words or ()), as_json=as_json))


@app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(help="The vmsd's name: what follows the last slash of a section's.")],
    version: Annotated[int | None, typer.Option(help="Only those of this version.")] = None,
    machine: Machine = None,
    file: File = None,
    as_json: Json = False,
) -> None:
    """Show one schema: fields, types, lengths, conditions, subsections."""
    from fuzz.commands.schema import Where, show_schema  # noqa: PLC0415

    raise typer.Exit(show_schema(Where(machine, file), name, version, as_json=as_json))


@app.command("import")
def import_command(
    files: Annotated[
        list[str], typer.Argument(help="Streams with a VMDESCRIPTION, machines, -dump-vmstate files, schemas as JSON.")
    ],
    store: Annotated[
        Path | None, typer.Option(help="Into this folder; not given: your own, which all commands look into.")
    ] = None,
) -> None:
    """Take schemas from files into a folder of your own."""
    from fuzz.commands.schema import import_schemas  # noqa: PLC0415

    raise typer.Exit(import_schemas(files, store))


@app.command("export")
def export_command(
    output: Annotated[Path, typer.Argument(help="A folder, or a file that ends in .zip.")],
    names: Annotated[list[str] | None, typer.Argument(help="Only vmsds of these names.")] = None,
    machine: Machine = None,
    file: File = None,
) -> None:
    """Write schemas to a folder or a zip file, which `import` and `--store` take."""
    from fuzz.commands.schema import Where, export_schemas  # noqa: PLC0415

    raise typer.Exit(export_schemas(output, tuple(names or ()), Where(machine, file)))


@app.command("capture")
def capture_command(
    output: Annotated[Path, typer.Argument(help="A folder, or a file that ends in .zip.")],
    qemu: Annotated[list[str] | None, typer.Option(help="A QEMU to ask; may be repeated.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only machines with this in an argument.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep the streams here; those that are there are used.")] = None,
) -> None:
    """Learn schemas from real QEMUs: start every machine and device they have, and see what they save."""
    from fuzz.commands.schema import CaptureOptions, capture_schemas  # noqa: PLC0415

    binaries = tuple(qemu or ("qemu-system-x86_64",))
    raise typer.Exit(capture_schemas(CaptureOptions(output, binaries, tuple(only or ()), keep)))
