"""Options of the commands that read and write streams without loading them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from fuzz.cli.options import Json
from fuzz.cli.root import app

PANEL: Final = "Streams"
"""Where `--help` lists them."""


@app.command("show", rich_help_panel=PANEL)
def show_command(
    stream: Annotated[str, typer.Argument(help="A file, `-` for standard input, or NAME/before, NAME/after.")],
    machine: Annotated[
        str | None, typer.Option("--machine", "-m", help="Take schemas from this machine where the stream has none.")
    ] = None,
    path: Annotated[
        list[str] | None,
        typer.Option("--path", "-p", help="Only what has that name, as 'virtio-net*/queue[2].desc'; may be repeated."),
    ] = None,
    as_json: Json = False,
    as_hex: Annotated[bool, typer.Option("--hex", help="The bytes, with the names of their fields.")] = False,
    sizes: Annotated[bool, typer.Option("--sizes", help="Bytes of each device and section.")] = False,
    ram: Annotated[bool, typer.Option("--ram", help="The RAM blocks, and where which pages are.")] = False,
    coverage: Annotated[bool, typer.Option("--coverage", help="The share of bytes with a name, by device.")] = False,
    faults: Annotated[bool, typer.Option("--faults", help="Only what is wrong with the stream.")] = False,
    text: Annotated[bool, typer.Option("--text", help="The text form that `edit --from-text` reads.")] = False,
    depth: Annotated[int | None, typer.Option(min=0, help="Levels of fields below a section.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Elements of an array; 0: all of them.")] = 64,
    everything: Annotated[bool, typer.Option("--all", help="Leave nothing out: no folding, no limit.")] = False,
    flat: Annotated[bool, typer.Option("--flat", help="A line for each field, with its whole path.")] = False,
    snapshot: Annotated[str | None, typer.Option(help="The snapshot in a .qcow2 file, by name.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Show nothing of a damaged stream.")] = False,
    pager: Annotated[bool, typer.Option("--pager/--no-pager", help="Use $PAGER on a terminal.")] = True,
    color: Annotated[
        bool | None, typer.Option("--color/--no-color", help="Colours; by default on a terminal.", show_default=False)
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--as", help="What goes beside a stream: multifd, return-path, colo or preempt."),
    ] = None,
) -> None:
    """Show a stream as a tree of named fields."""
    from fuzz.commands.show import show  # noqa: PLC0415
    from fuzz.show.options import ShowOptions  # noqa: PLC0415

    options = ShowOptions(
        stream,
        machine,
        tuple(path or ()),
        snapshot,
        as_json,
        as_hex,
        sizes,
        ram,
        coverage,
        faults,
        text,
        depth,
        limit,
        everything,
        flat,
        strict,
        pager,
        color,
        kind,
    )
    raise typer.Exit(show(options))


@app.command("diff", rich_help_panel=PANEL)
def diff_command(
    one: Annotated[str, typer.Argument(metavar="A", help="A file, `-`, or NAME/before, NAME/after.")],
    other: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    machine: Annotated[
        str | None, typer.Option("--machine", "-m", help="Take schemas from this machine where a stream has none.")
    ] = None,
    path: Annotated[
        list[str] | None,
        typer.Option("--path", "-p", help="Only what is there, as 'virtio-net*/queue[2].desc'; may be repeated."),
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Not what is there, as `timer` or `ram`.")] = None,
    ram: Annotated[bool, typer.Option("--ram", help="All places in RAM that differ, not the first few.")] = False,
    as_json: Json = False,
    snapshot: Annotated[
        list[str] | None, typer.Option(help="The snapshot in .qcow2 files, by name; given twice: that of A, that of B.")
    ] = None,
    pager: Annotated[bool, typer.Option("--pager/--no-pager", help="Use $PAGER on a terminal.")] = True,
    color: Annotated[
        bool | None, typer.Option("--color/--no-color", help="Colours; by default on a terminal.", show_default=False)
    ] = None,
) -> None:
    """Compare two streams, field by field; exit status 0: the same, 1: they differ, 2: trouble."""
    from fuzz.commands.diff import DiffOptions, run_diff  # noqa: PLC0415

    chosen, ignored = tuple(path or ()), tuple(ignore or ())
    options = DiffOptions((one, other), machine, chosen, ignored, ram, as_json, pager, color, tuple(snapshot or ()))
    raise typer.Exit(run_diff(options))


@app.command("edit", rich_help_panel=PANEL)
def edit_command(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STREAM EDIT",
            help="A file, `-`, or NAME/after; then 'PATTERN=VALUE' (also |= &= ^= += -=), 'RECORD/+SUBSECTION', "
            "'RECORD/-FIELD'. With --from-text no STREAM.",
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="The file to write; `-`: standard output.")
    ] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Write the stream over itself.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Only the bytes at that place: nothing follows.")] = False,
    drop: Annotated[list[str] | None, typer.Option(help="Leave out records: a PATTERN, or `#17`.")] = None,
    duplicate: Annotated[list[str] | None, typer.Option(help="Records that come again behind themselves.")] = None,
    move: Annotated[list[str] | None, typer.Option(help="PATTERN:before:TARGET or PATTERN:after:TARGET.")] = None,
    insert: Annotated[
        list[str] | None, typer.Option(help="FILE:PATTERN[:before:TARGET]: records of another stream.")
    ] = None,
    insert_text: Annotated[
        list[str] | None, typer.Option(help="FILE[:before:TARGET]: records in the text form.")
    ] = None,
    from_text: Annotated[str | None, typer.Option(help="Begin with a text that `show --text` wrote.")] = None,
    machine: Annotated[
        str | None, typer.Option("--machine", "-m", help="Take schemas from this machine where the stream has none.")
    ] = None,
    snapshot: Annotated[str | None, typer.Option(help="The snapshot in a .qcow2 file, by name.")] = None,
    as_json: Json = False,
) -> None:
    """Change fields, sections and records of a stream; lengths and counts follow."""
    from fuzz.commands.edit import EditOptions, edit  # noqa: PLC0415

    options = EditOptions(
        tuple(arguments or ()),
        output,
        in_place,
        raw,
        machine,
        from_text,
        tuple(drop or ()),
        tuple(duplicate or ()),
        tuple(move or ()),
        tuple(insert or ()),
        tuple(insert_text or ()),
        as_json,
        snapshot,
    )
    raise typer.Exit(edit(options))


@app.command("strip", rich_help_panel=PANEL)
def strip_command(
    stream: Annotated[str, typer.Argument(help="A file, or NAME/before, NAME/after.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
    blocks: Annotated[list[str] | None, typer.Argument(metavar="BLOCK", help="With --ram all-but.")] = None,
    ram: Annotated[
        str, typer.Option(help="Pages that stay: none; all as zero pages; all; all-but those of BLOCK...")
    ] = "none",
    keep: Annotated[
        list[str] | None,
        typer.Option(help="BLOCK:OFFSET+LENGTH, bytes that stay where others go; may be repeated."),
    ] = None,
    drop_zero: Annotated[bool, typer.Option("--drop-zero", help="Leave out pages that are zero anyway.")] = False,
    vmdesc: Annotated[bool, typer.Option("--vmdesc", help="Leave out the VMDESCRIPTION too.")] = False,
    snapshot: Annotated[str | None, typer.Option(help="The snapshot in a .qcow2 file, by name.")] = None,
) -> None:
    """Strip a stream of its RAM: block lists stay, pages go, but for those that are to stay."""
    from fuzz.commands.strip import StripOptions, strip  # noqa: PLC0415

    options = StripOptions(stream, output, ram, tuple(blocks or ()), tuple(keep or ()), drop_zero, vmdesc, snapshot)
    raise typer.Exit(strip(options))


@app.command("generate", rich_help_panel=PANEL)
def generate_command(
    machine: Annotated[str, typer.Argument(help="A shipped machine by name, or DIR/NAME of a capture.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
) -> None:
    """Generate a machine's default stream from its description alone."""
    from fuzz.commands.generate import generate  # noqa: PLC0415

    raise typer.Exit(generate(machine, output))
