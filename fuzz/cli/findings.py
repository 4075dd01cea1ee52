"""Options of the commands that load a stream or run a program, and hand over what they show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from fuzz.cli.options import DesignNames, Json, Machine, Seeded
from fuzz.cli.root import app

PANEL: Final = "Loads and findings"
"""Where `--help` lists them."""


@app.command("load", rich_help_panel=PANEL)
def load_command(
    stream: Annotated[str | None, typer.Argument(help="A file, or NAME/before, NAME/after.")] = None,
    machine: Machine = None,
    design: DesignNames = None,
    loadvm: Annotated[
        bool, typer.Option("--loadvm", help="As a snapshot load, whose failure ends nothing; then reset, load again.")
    ] = False,
    as_json: Json = False,
    mtree: Annotated[
        bool, typer.Option("--mtree", help="Print the final flat views as `info mtree -f` does; takes one design.")
    ] = False,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="What others do meanwhile: 'POINT N: ACTOR ...; ...', or a file of steps (docs/schedule.md)."
        ),
    ] = None,
    points: Annotated[
        bool,
        typer.Option("--points", help="Print where a schedule may have steps; takes one design."),
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="The story of each finding: who read what by which path, and both maps.")
    ] = False,
    cost: Annotated[bool, typer.Option("--cost", help="What each design makes QEMU do, beside per-device.")] = False,
    generated: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICES",
            help="No STREAM: how cost grows over machines of so many virtio devices, as 1..256 or 1,8,24.",
        ),
    ] = None,
    queues: Annotated[
        str | None, typer.Option(help="With --generated: active queues of each device; 1..32 if not given.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="With --generated: write the machines and streams there.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Then start the guest: what begins anew, and by what was mapped.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Then save again, and load that under the reference design.")
    ] = False,
    postcopy_ram: Annotated[
        bool, typer.Option("--postcopy-ram", help="The destination has this capability: which pages it asks for.")
    ] = False,
    seeded: Seeded = None,
) -> None:
    """Load one stream on a machine under one or more designs; say what happened."""
    if generated is not None:
        from fuzz.commands.load_cost import QUEUES, CurveOptions, run_curves  # noqa: PLC0415

        others = {
            "STREAM": stream,
            "--machine": machine,
            "--loadvm": loadvm,
            "--mtree": mtree,
            "--schedule": schedule,
            "--points": points,
            "--explain": explain,
            "--resume": resume,
            "--again": again,
            "--postcopy-ram": postcopy_ram,
            "--seeded": seeded,
        }
        for name, value in others.items():
            if value:
                raise typer.BadParameter(f"not with {name}", param_hint="--generated")
        raise typer.Exit(run_curves(CurveOptions(generated, queues or QUEUES, tuple(design or ()), as_json, keep)))
    if stream is None:
        raise typer.BadParameter("missing: a file, or NAME/after; or give --generated", param_hint="STREAM")
    for name, given in {"--queues": queues, "--keep": keep}.items():
        if given is not None:
            raise typer.BadParameter("only with --generated", param_hint=name)
    from fuzz.commands.load import LoadOptions, run  # noqa: PLC0415

    options = LoadOptions(
        stream,
        machine,
        tuple(design or ()),
        loadvm,
        as_json,
        mtree,
        schedule,
        explain,
        cost,
        points,
        resume,
        again,
        postcopy_ram,
        seeded,
    )
    raise typer.Exit(run(options))


@app.command("program", rich_help_panel=PANEL)
def program_command(
    programs: Annotated[list[Path], typer.Argument(metavar="FILE", help="Programs, as text or as bytes.")],
    design: DesignNames = None,
    shrink: Annotated[
        str | None, typer.Option("--shrink", metavar="CAUSE", help="Print the smallest program with that cause.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run programs of memory-API calls under one or more designs; say what happened."""
    from fuzz.commands.program import program  # noqa: PLC0415

    raise typer.Exit(program(tuple(programs), tuple(design or ()), shrink, as_json=as_json))


@app.command("report", rich_help_panel=PANEL)
def report_command(
    file: Annotated[
        str, typer.Argument(help="A crasher, a campaign's finding (its folder or a file in it), or any stream.")
    ],
    machine: Machine = None,
    design: Annotated[
        str | None, typer.Option("--design", "-d", help="The design to tell of; a finding and a crasher name it.")
    ] = None,
    cause: Annotated[str | None, typer.Option(help="The cause to tell of; the worst if not given.")] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="The file to write, `-` for standard output; FILE's stem.md.")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(help="What others do meanwhile, as for `load`; a finding and a crasher tell it.")
    ] = None,
    loadvm: Annotated[bool, typer.Option("--loadvm", help="As a snapshot load, whose failure ends nothing.")] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Load it in the installed QEMU, too, and say what came of it.")
    ] = False,
    qemu: Annotated[
        str | None, typer.Option(metavar="BIN", help="As --confirm, and in a QEMU that loads as the design does.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write one Markdown file about a finding, to be sent to people who do not know vmfuzz."""
    from fuzz.commands.report import ReportOptions, run  # noqa: PLC0415
    from fuzz.letter.case import Asked  # noqa: PLC0415

    asked = Asked(machine, design, cause, schedule, loadvm)
    raise typer.Exit(run(ReportOptions(file, asked, output, confirm, qemu, as_json)))


@app.command("shrink", rich_help_panel=PANEL)
def shrink_command(
    file: Annotated[
        str,
        typer.Argument(
            help="A crasher (.vmstate beside .json), a witness, or any stream; or a folder, of a campaign or one "
            "finding, whose witnesses are shrunk in place."
        ),
    ],
    machine: Machine = None,
    design: Annotated[
        str | None, typer.Option("--design", "-d", help="The design under which it shows; a crasher may name it.")
    ] = None,
    cause: Annotated[
        list[str] | None,
        typer.Option(help="A cause that it must go on showing; may be repeated. All that it shows if not given."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="OUT: write OUT.vmstate and OUT.json, a crasher.")
    ] = None,
    executions: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many executions; of a folder, for each finding.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Of a folder: so many findings at once; 1 if not given.")
    ] = None,
    loadvm: Annotated[bool, typer.Option("--loadvm", help="As a snapshot load, whose failure ends nothing.")] = False,
    same_verdict: Annotated[
        bool, typer.Option("--same-verdict", help="What the reference says of the stream must stay, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Shrink a stream and its schedule to the smallest that shows the same cause; or all findings of a campaign."""
    if Path(file).is_dir() and output is None:
        from fuzz.commands.shrink_campaign import ShrinkCampaignOptions  # noqa: PLC0415
        from fuzz.commands.shrink_campaign import run as run_campaign  # noqa: PLC0415

        others = {
            "--machine": machine,
            "--design": design,
            "--cause": cause,
            "--loadvm": loadvm,
            "--same-verdict": same_verdict,
        }
        for name, given in others.items():
            if given:
                raise typer.BadParameter(
                    "not with a folder, whose findings keep all that; give a witness", param_hint=name
                )
        raise typer.Exit(run_campaign(ShrinkCampaignOptions(Path(file), executions, jobs or 1, as_json)))
    if jobs is not None:
        raise typer.BadParameter("only with a folder of findings", param_hint="--jobs")
    from fuzz.commands.shrink import ShrinkOptions, run  # noqa: PLC0415

    raise typer.Exit(
        run(ShrinkOptions(file, machine, design, tuple(cause or ()), output, executions, loadvm, same_verdict, as_json))
    )


@app.command("replay", rich_help_panel=PANEL)
def replay_command(
    files: Annotated[
        list[Path],
        typer.Argument(help="Crashers (.vmstate beside .json), findings, campaigns, or folders of them."),
    ],
    design: Annotated[
        list[str] | None,
        typer.Option(
            "--design",
            "-d",
            help="FILE:CLASS, your own design of which crashers tell; with --accept any of which they shall tell; may "
            "be repeated.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Look at no designs of crashers but this; may be repeated.")
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Write what came out otherwise as what is expected.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Show what is as expected, too.")] = False,
    as_json: Json = False,
) -> None:
    """Hold crashers to the outcome expected of each design, and findings to their cause."""
    from fuzz.commands.replay import ReplayOptions, replay  # noqa: PLC0415

    options = ReplayOptions(tuple(files), tuple(design or ()), tuple(only or ()), accept, every, as_json)
    raise typer.Exit(replay(options))
