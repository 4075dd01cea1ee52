"""A curve: the same load on ever larger generated machines, under each design."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from fuzz.cost.counts import COUNTS, count
from fuzz.cost.growth import fit
from fuzz.generated import Shape, describe, smallest_per_port, stream
from model import Cause, Finding, Machine, load, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fuzz.cost.growth import Growth
    from fuzz.generated import Template
    from model import Design, Outcome

Axis: TypeAlias = Literal["devices", "queues"]

SYMBOLS: Final = {"devices": "D", "queues": "Q"}


@dataclass(frozen=True, slots=True)
class Series:
    """One design along a curve: how each load ended, and each count at each size."""

    design: str
    verdicts: tuple[str, ...]
    died: str
    """Where and why the first load ended that was not accepted; "" if all were."""
    counts: dict[str, tuple[int, ...]]

    @property
    def accepted(self) -> bool:
        """Whether every load was: else counts are those of a part of a load, and do not tell how it grows."""
        return not self.died


@dataclass(frozen=True, slots=True)
class Curve:
    """All designs along an axis: `sizes` on it, and `other`, what each machine has of the other axis."""

    axis: Axis
    sizes: tuple[int, ...]
    other: int
    per_port: int
    series: tuple[Series, ...]

    @property
    def title(self) -> str:
        """What is varied, and what is not."""
        ports = f", {self.per_port} behind each root port" if self.per_port > 1 else ""
        if self.axis == "devices":
            return f"devices D = {_listed(self.sizes)}, {self.other} active queue{'s' * (self.other > 1)} each{ports}"
        return f"active queues Q = {_listed(self.sizes)} of each of {self.other} device{'s' * (self.other > 1)}{ports}"

    def growth(self, series: Series, name: str) -> Growth:
        """How one of COUNTS grows under a design."""
        return fit(self.sizes, series.counts[name])

    def to_json(self) -> dict[str, Any]:
        """A curve of `vmfuzz load --generated --json`."""
        return {
            "axis": self.axis,
            "sizes": list(self.sizes),
            ("queues" if self.axis == "devices" else "devices"): self.other,
            "per_port": self.per_port,
            "designs": [self._series_json(series) for series in self.series],
        }

    def _series_json(self, series: Series) -> dict[str, Any]:
        growth = {}
        for name in COUNTS if series.accepted else ():
            one = self.growth(series, name)
            growth[name] = {
                "degree": one.degree,
                "exact": bool(one.coefficients),
                "formula": one.formula(SYMBOLS[self.axis]),
                "since": one.since,
                "exponent": round(one.exponent, 3),
            }
        return {
            "design": series.design,
            "verdicts": list(series.verdicts),
            "died": series.died,
            "counts": {name: list(values) for name, values in series.counts.items()},
            "growth": growth,
        }


def shapes(axis: Axis, sizes: Sequence[int], other: int) -> list[Shape]:
    """The machines of a curve, all with as many functions behind each root port. Raises ShapeError."""
    per_port = smallest_per_port(sizes if axis == "devices" else [other])
    if axis == "devices":
        return [Shape(size, other, per_port) for size in sizes]
    return [Shape(other, size, per_port) for size in sizes]


def measure(
    axis: Axis,
    machines: Sequence[Shape],
    designs: Sequence[type[Design]],
    template: Template,
    done: Callable[[int], None] = lambda _: None,
) -> Curve:
    """Load each machine's stream under each design. `done` is told the work so far, of `work(machines, designs)`."""
    outcomes: list[list[Outcome]] = []
    so_far = 0
    for shape in machines:
        machine = Machine(parse(describe(shape, template)))
        data = stream(shape, template, machine.schemas)
        outcomes.append([])
        for design in designs:
            outcomes[-1].append(load(machine, data, design()))
            machine.reset()
            so_far += _weight(shape)
            done(so_far)
    sizes = tuple(shape.devices if axis == "devices" else shape.queues for shape in machines)
    other = machines[0].queues if axis == "devices" else machines[0].devices
    series = tuple(_series(row) for row in zip(*outcomes, strict=True))
    return Curve(axis, sizes, other, machines[0].per_port, series)


def work(machines: Sequence[Shape], designs: Sequence[type[Design]]) -> int:
    """The work of a `measure`, in no unit."""
    return len(designs) * sum(map(_weight, machines))


def findings(curve: Curve) -> tuple[Finding, ...]:
    """What a design is blamed for: commits that it forces, or rebuilds, more of them the more queues there are."""
    if curve.axis != "queues":
        return ()
    found = []
    for series in curve.series:
        for name, what in (("forced_commits", "forced commits"), ("rebuilds", "rebuilds")):
            growth = curve.growth(series, name)
            if series.accepted and growth.grows:
                cause = Cause(series.design, "cost", what.replace(" ", "-"), "grows-with-queues", "virtio")
                formula = f"{growth.formula('Q')} with {curve.other} devices of Q queues"
                found.append(Finding("cost", cause, f"{what} grow with queues: {formula}{_idle(curve, series, name)}"))
    return tuple(found)


def _idle(curve: Curve, series: Series, name: str) -> str:
    """Whether only commits grow that find nothing to do."""
    rebuilding = curve.growth(series, "forced_rebuilds")
    if name != "forced_commits" or rebuilding.grows:
        return ""
    return f"; those that find a change and rebuild do not: {series.counts['forced_rebuilds'][-1]}"


def _weight(shape: Shape) -> int:
    return 20 + shape.devices * (shape.devices * shape.queues + 20)


def _series(outcomes: Sequence[Outcome]) -> Series:
    died = ""
    for one in outcomes:
        if one.verdict != "accepted" and not died:
            where = one.at.section or "the stream" if one.at else "nowhere"
            reason = one.at.errors[0] if one.at and one.at.errors else "no message"
            died = f"{one.verdict} in {where}: {reason}"
    return Series(
        outcomes[0].design,
        tuple(one.verdict for one in outcomes),
        died,
        {name: tuple(count(one, name) for one in outcomes) for name in COUNTS},
    )


def _listed(sizes: Sequence[int]) -> str:
    return ", ".join(map(str, sizes))
