"""`vmfuzz load --generated`: how what a load costs grows with devices and with queues."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from fuzz.atomic import write_atomic
from fuzz.corpus import CorpusError
from fuzz.cost.curve import findings, measure, shapes, work
from fuzz.cost.show import show, show_words
from fuzz.cost.sizes import parse_sizes
from fuzz.designs import UsageError, named_designs
from fuzz.generated import ShapeError, Template, describe, stream
from fuzz.show.progress import Line
from model import parse
from model.schemas import section_schemas

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fuzz.cost.curve import Axis, Curve
    from fuzz.generated import Shape
    from model import Design, Finding

QUEUES = "1..32"
"""Sizes of the curve over queues where none are given."""

_DEVICES = 8
"""Devices of the machines along that curve, or fewer if the other one does not get there."""


@dataclass(frozen=True, slots=True)
class CurveOptions:
    """What was asked: sizes as they are typed."""

    devices: str
    queues: str = QUEUES
    designs: tuple[str, ...] = ()
    as_json: bool = False
    keep: Path | None = None
    """A folder for the machines and their streams."""


def run_curves(options: CurveOptions, console: Console | None = None) -> int:
    """Measure and print. Exit status: 0 nothing found, 1 findings, 2 something that cannot be used."""
    console = console or Console(emoji=False)
    try:
        designs = named_designs(options.designs)
        plans = planned(parse_sizes(options.devices, "--generated"), parse_sizes(options.queues, "--queues"))
        template = Template.shipped()
        if options.keep is not None:
            _keep(options.keep, plans, template)
    except (CorpusError, UsageError, ShapeError) as error:
        Console(stderr=True, emoji=False).print(f"vmfuzz load: {error}", markup=False, highlight=False, soft_wrap=True)
        return 2
    except OSError as error:
        line = f"--keep {options.keep}: {error.strerror or error}"
        Console(stderr=True, emoji=False).print(f"vmfuzz load: {line}", markup=False, highlight=False, soft_wrap=True)
        return 2
    curves = _measured(plans, designs, template)
    found = tuple(finding for curve in curves for finding in findings(curve))
    if options.as_json:
        shown = {"curves": [curve.to_json() for curve in curves], "findings": [one.to_json() for one in found]}
        print(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        _show(curves, found, console)
    return 1 if found else 0


def planned(devices: Sequence[int], queues: Sequence[int]) -> list[tuple[Axis, list[Shape]]]:
    """The curves: over devices with the fewest queues, over queues with some devices; one size alone is no curve.

    Raises ShapeError for a machine that cannot be.
    """
    plans: list[tuple[Axis, list[Shape]]] = []
    if len(devices) > 1 or len(queues) == 1:
        plans.append(("devices", shapes("devices", devices, queues[0])))
    if len(queues) > 1:
        fixed = max((one for one in devices if one <= _DEVICES), default=devices[0])
        plans.append(("queues", shapes("queues", queues, fixed)))
    return plans


def _measured(
    plans: Sequence[tuple[Axis, list[Shape]]], designs: Sequence[type[Design]], template: Template
) -> list[Curve]:
    total = sum(work(machines, designs) for _, machines in plans)
    progress = Line()
    curves: list[Curve] = []
    before = 0
    for axis, machines in plans:
        curves.append(measure(axis, machines, designs, template, partial(_told, progress, total, before)))
        before += work(machines, designs)
    progress.done()
    return curves


def _keep(folder: Path, plans: Sequence[tuple[Axis, list[Shape]]], template: Template) -> None:
    """Write each machine and its stream as `vmfuzz capture` would. Raises OSError."""
    for shape in {shape.name: shape for _, machines in plans for shape in machines}.values():
        description = describe(shape, template)
        data = stream(shape, template, section_schemas(parse(description)))
        places = {folder / "machines" / f"{shape.name}.json": description}
        places[folder / "seeds" / shape.name / "after.vmstate"] = data
        for path, content in places.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, content)


def _told(progress: Line, total: int, before: int, done: int) -> None:
    progress(lambda: f"{(before + done) / total:4.0%} of the loads")


def _show(curves: Sequence[Curve], found: Sequence[Finding], console: Console) -> None:
    for curve in curves:
        show(curve, console)
        console.print()
    if any(len(curve.sizes) > 1 for curve in curves):
        show_words(curves, console)
    for finding in found:
        console.print(Text(f"{finding.kind}: {finding.text}\n    cause {finding.cause}"), soft_wrap=True)
