"""The `vmfuzz` command: options in, an exit status out. What each command does is in `fuzz.commands`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

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


@app.command("run")
def run_command(
    target: Annotated[str, typer.Option(help="stream, roundtrip or memory; stream for a new campaign.")] = "",
    machine: Machines = None,
    design: DesignNames = None,
    time: Annotated[str | None, typer.Option(help="How long, such as 60s, 5m, 2h; no end if not given.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the search; 1 for a new campaign.")] = None,
    campaign: Annotated[Path, typer.Option(help="The campaign's folder; made, or gone on with.")] = Path("campaign"),
    executions: Annotated[
        int | None,
        typer.Option(min=1, help="Stop each worker after so many executions, those of earlier runs counted."),
    ] = None,
    loadvm: Annotated[
        bool, typer.Option("--loadvm", help="Load as snapshots: then a reset, and the stream again (docs/session.md).")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Start the guest behind each load, too.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Save again behind each load, too, and load that.")] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Worker processes in all; one a machine if not given.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds of processor time after which an execution is ended as a hang.")
    ] = 60.0,
    memory: Annotated[int, typer.Option(min=256, help="MiB that a worker may ask for beyond its start.")] = 4096,
    baseline: Baselines = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the final report.")] = False,
) -> None:
    """Fuzz: designs side by side, live status, at the end a table design x finding."""
    from fuzz.commands.run import run  # noqa: PLC0415 - a command imports only what it needs
    from fuzz.commands.run_asked import RunOptions  # noqa: PLC0415

    machines, designs = tuple(machine or ()), tuple(design or ())
    options = RunOptions(
        target,
        machines,
        designs,
        time,
        seed,
        campaign,
        executions,
        loadvm,
        resume,
        again,
        jobs,
        timeout,
        memory,
        tuple(baseline or ()),
        quiet,
    )
    raise typer.Exit(run(options))


@app.command("program")
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


@app.command("load")
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
    )
    raise typer.Exit(run(options))


@app.command("report")
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


@app.command("show")
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


@app.command("strip")
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


@app.command("edit")
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


@app.command("diff")
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


@app.command("generate")
def generate_command(
    machine: Annotated[str, typer.Argument(help="A shipped machine by name, or DIR/NAME of a capture.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
) -> None:
    """Generate a machine's default stream from its description alone."""
    from fuzz.commands.generate import generate  # noqa: PLC0415

    raise typer.Exit(generate(machine, output))


@app.command(
    "capture",
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


@app.command("confirm")
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


@app.command("replay")
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


@app.command("shrink")
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


@app.command("minimize")
def minimize_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A campaign, or a folder of inputs.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="The folder to write.")],
    merge: Annotated[list[Path] | None, typer.Option(metavar="DIR", help="One more folder; may be repeated.")] = None,
    target: Annotated[str | None, typer.Option(help="stream, roundtrip or memory; a campaign says it itself.")] = None,
    machine: Annotated[
        str | None, typer.Option("--machine", "-m", help="The machine, where nothing beside the inputs names it.")
    ] = None,
    design: DesignNames = None,
    loadvm: Annotated[bool, typer.Option("--loadvm", help="Load as snapshots.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Start the guest behind each load, too.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Save again behind each load, too, and load that.")] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Measuring processes; as many as processors if not given.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.01, help="Processor seconds that one input may take.")] = 60.0,
    once: Annotated[
        bool, typer.Option("--once", help="Look at each input once: nothing is said of non-deterministic ones.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Of a corpus the fewest and smallest files that show all that it shows; and what is wrong with its entries."""
    from fuzz.commands.minimize import MinimizeOptions, run  # noqa: PLC0415

    options = MinimizeOptions(
        folder,
        output,
        tuple(merge or ()),
        target,
        machine,
        tuple(design or ()),
        loadvm,
        resume,
        again,
        jobs or os.cpu_count() or 1,
        timeout,
        once,
        as_json,
    )
    raise typer.Exit(run(options))


@app.command("status")
def status_command(
    campaign: Annotated[Path, typer.Argument(help="The campaign's folder.")] = Path("campaign"),
    baseline: Baselines = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again and again until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show a running or finished campaign."""
    from fuzz.commands.status import status  # noqa: PLC0415

    raise typer.Exit(status(campaign, as_json=as_json, baseline=tuple(baseline or ()), watch=watch))


@app.command("triage")
def triage_command(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Campaigns, or folders of crashers.")],
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="The file of states; DIR/triage.toml if not given.")
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay/--no-replay", help="Run the smallest witness of each cause again.")
    ] = True,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes that replay; one for each processor if not given.")
    ] = None,
    state: Annotated[
        list[str] | None, typer.Option(help="Show only causes that are new, known, fixed or 'back again'.")
    ] = None,
    design: Annotated[
        list[str] | None, typer.Option("--design", "-d", help="FILE:CLASS of yours that causes tell of.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List causes with their states; replay their witnesses, and say what is new, fixed or back again."""
    from fuzz.commands.triage import TriageOptions, triage  # noqa: PLC0415

    states, designs = tuple(state or ()), tuple(design or ())
    options = TriageOptions(tuple(folders), file, replay, jobs, states, designs, as_json)
    raise typer.Exit(triage(options))


@app.command("bench")
def bench_command(
    machine: Machines = None,
    time: Annotated[float, typer.Option(min=0.5, help="Seconds for each measurement of executions.")] = 5.0,
    only: Annotated[
        Literal["parse", "fuzz"] | None, typer.Option(help="Only parsing of streams, or only executions.")
    ] = None,
    analyze_migration: Annotated[
        Path | None, typer.Option(help="QEMU's scripts/analyze-migration.py, to hold parsing against.")
    ] = None,
    qemu: Annotated[str, typer.Option(help="QEMU that makes the stream to parse.")] = "qemu-system-x86_64",
    as_json: Json = False,
) -> None:
    """Measure this computer: executions, and the share of reading, loading, comparing, resetting; parsing."""
    from fuzz.commands.bench import bench  # noqa: PLC0415

    raise typer.Exit(bench(machine or (), time=time, as_json=as_json, only=only, script=analyze_migration, qemu=qemu))


@app.command("oss-fuzz")
def oss_fuzz_command(
    target: Annotated[
        list[str] | None, typer.Option(help="A fuzz target; may be repeated. All of them if not given.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The trial's folder; nothing is written elsewhere.")] = Path("oss-fuzz"),
    bundle: Annotated[
        bool, typer.Option("--bundle/--no-bundle", help="Make a program of each target, as OSS-Fuzz does.")
    ] = True,
    time: Annotated[
        str | None, typer.Option(help="How long each target searches, such as 10s (the default), 5m.")
    ] = None,
    runs: Annotated[int | None, typer.Option(min=1, help="Instead of --time: how many executions.")] = None,
    as_json: Json = False,
) -> None:
    """Build the fuzz targets as OSS-Fuzz and ClusterFuzzLite do, and try them here, without a cloud."""
    from fuzz.commands.oss_fuzz import OssFuzzOptions, oss_fuzz  # noqa: PLC0415

    raise typer.Exit(oss_fuzz(OssFuzzOptions(tuple(target or ()), out, bundle, time, runs, as_json)))


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
