"""The `vmfuzz` command: options in, an exit status out. What each command does is in `fuzz.commands`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fuzz.schemas.cli import app as schema_app

app = typer.Typer(
    name="vmfuzz",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Fuzz QEMU's device-state loading: is loading it inside one memory transaction safe?",
)

app.add_typer(schema_app, name="schema")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - it takes long to load

        try:
            number = version("vmfuzz")
        except PackageNotFoundError:
            number = "unknown (not installed)"
        typer.echo(f"vmfuzz {number}")
        raise typer.Exit


@app.callback()
def _main(
    _version_: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    store: Annotated[
        Path | None, typer.Option("--store", help="A folder of schemas to ask before the shipped ones (see `schema`).")
    ] = None,
) -> None:
    from fuzz.schemas.folder import activate  # noqa: PLC0415

    if store is not None and not store.is_dir():
        raise typer.BadParameter(f"{store}: no such folder", param_hint="--store")
    activate(store)


def main() -> None:
    """The console script. What cannot be used is one line and exit status 2."""
    if len(sys.argv) == 1:
        sys.argv.append("--help")
    try:
        status = app(prog_name="vmfuzz", standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "vmfuzz"
        why = error.format_message() if hasattr(error, "format_message") else str(error)
        typer.echo(f"{command}: {' '.join(why.split())}", err=True)
        status = 2
    except typer.Abort:
        status = 130
    sys.exit(status or 0)
