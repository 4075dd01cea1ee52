"""Options of the commands about campaigns: `run` and what looks after what it left behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from fuzz.cli.options import Baselines, DesignNames, Json, Machines, Seeded
from fuzz.cli.root import app

PANEL: Final = "Campaigns"
"""Where `--help` lists them."""


@app.command("run", rich_help_panel=PANEL)
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
    seeded: Seeded = None,
    by_atheris: Annotated[
        bool, typer.Option("--by-atheris", help="Instrument by atheris's own means, should probes ever be in the way.")
    ] = False,
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
        seeded,
        by_atheris,
    )
    raise typer.Exit(run(options))


@app.command("status", rich_help_panel=PANEL)
def status_command(
    campaign: Annotated[Path, typer.Argument(help="The campaign's folder.")] = Path("campaign"),
    baseline: Baselines = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again and again until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show a running or finished campaign."""
    from fuzz.commands.status import status  # noqa: PLC0415

    raise typer.Exit(status(campaign, as_json=as_json, baseline=tuple(baseline or ()), watch=watch))


@app.command("triage", rich_help_panel=PANEL)
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


@app.command("minimize", rich_help_panel=PANEL)
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


@app.command("oss-fuzz", rich_help_panel=PANEL)
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


@app.command("bench", rich_help_panel=PANEL)
def bench_command(
    machine: Machines = None,
    time: Annotated[float, typer.Option(min=0.5, help="Seconds for each measurement of executions.")] = 5.0,
    only: Annotated[
        Literal["parse", "fuzz", "real"] | None,
        typer.Option(help="Only parsing of streams, only executions, or only executions beside a real QEMU."),
    ] = None,
    analyze_migration: Annotated[
        Path | None, typer.Option(help="QEMU's scripts/analyze-migration.py, to hold parsing against.")
    ] = None,
    qemu: Annotated[
        str, typer.Option(help="QEMU that makes the stream to parse, and beside which executions are measured.")
    ] = "qemu-system-x86_64",
    search: Annotated[
        bool, typer.Option("--search", help="Look for seeded bugs in several ways instead (docs/search.md).")
    ] = False,
    seeded: Annotated[
        list[str] | None,
        typer.Option(
            "--seeded", metavar="BUG", help="--search: a bug by name, or FILE:CLASS; all shipped ones if none."
        ),
    ] = None,
    design: Annotated[
        list[str] | None,
        typer.Option("--design", "-d", help="--search: under which the bug is looked for; per-device, wrap-main."),
    ] = None,
    way: Annotated[
        list[str] | None, typer.Option(help="--search: vmfuzz, atheris, hypothesis, random; all if none.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="--search: from so many seeds; 5, quick 2.")] = None,
    executions: Annotated[
        int | None, typer.Option(min=1, help="--search: at most so many in each search, not the bug's own budget.")
    ] = None,
    limit: Annotated[float, typer.Option(min=1, help="--search: at most so many seconds for each search.")] = 600.0,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="--search: at a time; as many as processors if not given.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="--search: six bugs, two seeds, ten minutes at most.")] = False,
    feedback: Annotated[
        list[str] | None,
        typer.Option(help="Searches that are told code, situations, both, hash instead (docs/situations.md)."),
    ] = None,
    resume: Annotated[
        Path, typer.Option(metavar="DIR", help="--search: results are kept here; those that are there count.")
    ] = Path("bench-search"),
    as_json: Json = False,
) -> None:
    """Measure this computer: executions, where their time goes, how many a real QEMU does; parsing. Or searches."""
    if search:
        from fuzz.commands.bench_search import SearchOptions, bench_search  # noqa: PLC0415

        machines, bugs, designs, ways = (tuple(given or ()) for given in (machine, seeded, design, way))
        options = SearchOptions(
            resume, bugs, machines, designs, ways, seeds, executions, limit, jobs, quick=quick, as_json=as_json
        )
        raise typer.Exit(bench_search(options))
    if feedback:
        from fuzz.commands.bench_feedback import FeedbackOptions, bench_feedback  # noqa: PLC0415
        from fuzz.search.plan import EXECUTIONS  # noqa: PLC0415

        executions = executions or EXECUTIONS
        machines, bugs, designs = (tuple(given or ()) for given in (machine, seeded, design))
        asked = FeedbackOptions(
            tuple(feedback), resume / "feedback", machines, designs, bugs, seeds, executions, jobs or 1, as_json
        )
        raise typer.Exit(bench_feedback(asked))
    if seeded or design or way or quick:
        raise typer.BadParameter("--seeded, --design, --way and --quick are for --search")
    from fuzz.commands.bench import bench  # noqa: PLC0415

    raise typer.Exit(bench(machine or (), time=time, as_json=as_json, only=only, script=analyze_migration, qemu=qemu))
