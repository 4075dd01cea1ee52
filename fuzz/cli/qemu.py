"""Options of the commands that ask a real QEMU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from fuzz.cli.options import Json, Machines
from fuzz.cli.root import app

PANEL: Final = "A real QEMU"
"""Where `--help` lists them."""


@app.command(
    "capture",
    rich_help_panel=PANEL,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False},
)
def capture_command(
    arguments: Annotated[list[str] | None, typer.Argument(help="QEMU's own arguments, behind `--`.")] = None,
    output: Annotated[str, typer.Option("-o", "--output", help="DIR/NAME: where to, and the machine's name.")] = "",
    qemu: Annotated[str, typer.Option(help="The QEMU to ask.")] = "qemu-system-x86_64",
    boot: Annotated[float, typer.Option(min=0, help="At most so many seconds of boot; 0: no after-stream.")] = 10.0,
    keep_vmdesc: Annotated[bool, typer.Option("--keep-vmdesc", help="Leave the VMDESCRIPTION in the streams.")] = False,
    keep_ram: Annotated[bool, typer.Option("--keep-ram", help="Leave all RAM pages in the streams.")] = False,
) -> None:
    """Capture a machine description and seed streams from a real QEMU."""
    from fuzz.commands.capture import CaptureOptions, run  # noqa: PLC0415

    options = CaptureOptions(output, tuple(arguments or ()), qemu, boot, keep_vmdesc, keep_ram)
    raise typer.Exit(run(options))


@app.command("confirm", rich_help_panel=PANEL)
def confirm_command(
    stream: Annotated[
        list[str] | None, typer.Argument(help="Files, or NAME/before, NAME/after; none with --mutate: the seeds.")
    ] = None,
    machine: Machines = None,
    qemu: Annotated[str, typer.Option(help="The QEMU to hold the model against.")] = "qemu-system-x86_64",
    against: Annotated[str | None, typer.Option(help="A second QEMU, to hold the first against.")] = None,
    design: Annotated[
        str, typer.Option("--design", "-d", help="The design that this QEMU loads under.")
    ] = "per-device",
    mutate: Annotated[int, typer.Option(min=0, help="Hold so many mutants of the machine's seeds.")] = 0,
    single_field: Annotated[
        bool, typer.Option("--single-field", help="Mutants have one field changed and nothing else.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the mutants.")] = 1,
    jobs: Annotated[int | None, typer.Option(min=1, help="QEMUs at once; as many as processors if not given.")] = None,
    crashers: Annotated[Path, typer.Option(help="Where mutants that disagree are kept.")] = Path("disagreements"),
    timeout: Annotated[float, typer.Option(min=1, help="Seconds after which a load waits or hangs.")] = 30.0,
    as_json: Json = False,
) -> None:
    """Load streams, or mutants, in the model and in a real QEMU; say where they disagree."""
    from fuzz.commands.confirm import ConfirmOptions, run  # noqa: PLC0415

    options = ConfirmOptions(
        tuple(stream or ()),
        tuple(machine or ()),
        qemu,
        against,
        design,
        mutate,
        single_field,
        seed,
        jobs or os.cpu_count() or 1,
        crashers,
        timeout,
        as_json,
    )
    raise typer.Exit(run(options))
