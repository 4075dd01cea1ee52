"""What one load came to: a frozen value, with a readable text form and the JSON that scripts rely on.

An Outcome holds only what the load did, nothing about how long it took or which Python objects took part, so that two
of them from the same machine can be compared with `==`, field by field (`model.compare`), and so that the same
stream, machine and design always give the same Outcome (DESIGN.md, Contracts).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from model.severity import Severity, severity_of
from model.situation import Situation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from model.listening import Heard
    from model.schedule import Step
    from model.story import Story

Verdict = Literal["accepted", "refused", "aborted", "hung", "waiting"]

# What came of a step of the schedule: nothing to do; done, with no view read while changes were pending; with one read
# that showed what a fresh one would; with one that did not; or the program died of it.
Result = Literal["idle", "done", "pending", "harmful", "died"]

# One range of a flat view: start, end (inclusive), name, offset in region, read-only, and the identity of the region.
Row = tuple[int, int, str, int, bool, str]
Layout = tuple[tuple[str, tuple[Row, ...]], ...]


@dataclass(frozen=True, slots=True)
class At:
    """Where a load stopped: the offset in the stream (bytes), the section and the field, and QEMU's own lines.

    `section` is what the stream calls it; `kind` the kind of the device found for it, "stream" when there is none.
    """

    offset: int
    section: str
    instance: int
    field: str
    errors: tuple[str, ...]
    kind: str = "stream"

    def to_json(self) -> dict[str, Any]:
        """The `at` object of `vmfuzz load --json`."""
        return {
            "offset": self.offset,
            "section": self.section,
            "instance": self.instance,
            "field": self.field,
            "errors": list(self.errors),
        }


@dataclass(frozen=True, slots=True)
class QueueState:
    """One virtqueue after the load: its indices (16 bit, modular) and what its three ring caches point at."""

    index: int
    num: int
    last_avail: int
    shadow_avail: int
    used: int
    inuse: int
    caches: tuple[str, ...] = ()

    def to_json(self) -> dict[str, int]:
        """The queue object of `vmfuzz load --json`."""
        return {
            "index": self.index,
            "num": self.num,
            "last_avail": self.last_avail,
            "shadow_avail": self.shadow_avail,
            "used": self.used,
            "inuse": self.inuse,
        }


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What a device derived from guest memory or from its configuration while it loaded."""

    section: str
    kind: str
    broken: bool = False
    started: bool = False
    queues: tuple[QueueState, ...] = ()
    derived: tuple[tuple[str, str], ...] = ()

    @property
    def is_virtio(self) -> bool:
        """Whether the device is a virtio one."""
        return self.kind.startswith("virtio-")

    def to_json(self) -> dict[str, Any]:
        """The device object of `vmfuzz load --json`."""
        shown: dict[str, Any] = {
            "section": self.section,
            "broken": self.broken,
            "started": self.started,
            "queues": [queue.to_json() for queue in self.queues],
        }
        if self.derived:
            shown["derived"] = dict(self.derived)
        return shown


@dataclass(frozen=True, slots=True)
class Acted:
    """A step of the schedule that has run: where ("wait 3", or "end": when the load was over), and what came of it."""

    step: Step
    where: str
    result: Result

    def __str__(self) -> str:
        place = f"{self.step.point} {self.step.number}"
        return f"{self.step}: {self.result}" if self.where == place else f"{self.step}: at {self.where}, {self.result}"


@dataclass(frozen=True, slots=True, order=True)
class Cause:
    """What groups findings: design, oracle, reader or actor, kind of the unseen change, kind of device."""

    design: str
    oracle: str
    reader: str
    change: str
    device: str

    def __str__(self) -> str:
        return f"{self.design}/{self.oracle}/{self.reader}/{self.change}/{self.device}"

    @classmethod
    def parse(cls, text: str) -> Cause:
        """The inverse of `str()`. Raises ValueError when there are not five parts."""
        parts = text.split("/")
        if len(parts) != 5:
            msg = f"a cause has five parts joined by '/', found {len(parts)} in {text!r}"
            raise ValueError(msg)
        return cls(*parts)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something wrong with a design: what kind, why, and a line for people.

    `rank`: how bad it is, where more is known than its cause says. `story`: of a use of a flat view, if one was asked
    for. Neither makes two findings different.
    """

    kind: str
    cause: Cause
    text: str
    rank: Severity | None = field(default=None, compare=False)
    story: Story | None = field(default=None, compare=False, repr=False)

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return self.rank if self.rank is not None else severity_of(self.kind, self.cause)

    def to_json(self) -> dict[str, Any]:
        """The finding object of `vmfuzz load --json`."""
        shown = {"kind": self.kind, "cause": str(self.cause), "text": self.text, "severity": str(self.severity)}
        return shown if self.story is None else {**shown, **self.story.to_json()}


def most_severe(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in the order in which people want them: the worst first, equals by kind and cause, guards last."""
    return sorted(findings, key=lambda finding: (finding.severity, finding.cause.oracle == "guard", finding))


@dataclass(frozen=True, slots=True)
class Cost:
    """What a load made QEMU do, in counts (memory.md 12), never in seconds.

    - `rebuilds`, `forced_commits`: as in `Outcome`. `forced_rebuilds`: forced commits that found something pending, so
      that they rebuilt.
    - `views`, `ranges`, `walked`, `callbacks`, `caches`: as in `model.memory.Work`, in its order.
    """

    rebuilds: int = 0
    forced_commits: int = 0
    forced_rebuilds: int = 0
    views: int = 0
    ranges: int = 0
    walked: int = 0
    callbacks: int = 0
    caches: int = 0

    def to_json(self) -> dict[str, int]:
        """The `cost` object of `vmfuzz load --json`."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One load of one stream on one machine under one design.

    `rebuilds` counts commits that rebuilt flat views, `forced_commits` those that a design made inside its getter.
    `reads_while_pending` and `harmful_reads` count by reader. `layout` is the final flat view of every address space,
    in the order of the machine's address spaces; `told` is what each listener believes to be mapped at the end, `heard`
    how often it was told something.
    `acted`: the steps of the schedule in the order in which they ran. `asked`: the pages that a destination with the
    capability postcopy-ram asks its source for, block and offset, in order. `steps` is the work of the load in model
    steps (views asked for, regions changed, sections loaded), never seconds; `cost` is what it would cost QEMU.
    `fatal`: the story of the use of a view at which the design let the program die, if stories were asked for.
    `situation`: what the load met on its way; who searches goes by it, and it makes no two outcomes different.
    """

    design: str
    verdict: Verdict
    at: At | None = None
    guest_can_cause: bool | None = None
    messages: tuple[str, ...] = ()
    rebuilds: int = 0
    forced_commits: int = 0
    reads_while_pending: tuple[tuple[str, int], ...] = ()
    harmful_reads: tuple[tuple[str, int], ...] = ()
    depth_at_end: int = 0
    run_state: str = ""
    layout: Layout = field(default=(), repr=False)
    told: Layout = field(default=(), repr=False)
    heard: tuple[Heard, ...] = ()
    devices: tuple[DeviceState, ...] = ()
    findings: tuple[Finding, ...] = ()
    not_modelled: tuple[str, ...] = ()
    acted: tuple[Acted, ...] = ()
    asked: tuple[tuple[str, int], ...] = ()
    steps: int = 0
    cost: Cost = field(default=Cost(), repr=False)
    fatal: Story | None = field(default=None, compare=False, repr=False)
    situation: Situation = field(default=Situation(), compare=False, repr=False)

    def to_json(self, findings: tuple[Finding, ...] | None = None) -> dict[str, Any]:
        """The outcome object of `vmfuzz load --json`, with the `findings` judged against the reference if given."""
        findings = self.findings if findings is None else findings
        return {
            "design": self.design,
            "verdict": self.verdict,
            "guest_can_cause": self.guest_can_cause,
            "at": self.at.to_json() if self.at else None,
            "messages": list(self.messages),
            "run_state": self.run_state,
            "rebuilds": self.rebuilds,
            "forced_commits": self.forced_commits,
            "reads_while_pending": dict(self.reads_while_pending),
            "harmful_reads": dict(self.harmful_reads),
            "depth_at_end": self.depth_at_end,
            "listeners": [heard.to_json() for heard in self.heard],
            "devices": [device.to_json() for device in self.devices],
            "findings": [finding.to_json() for finding in findings],
            "not_modelled": list(self.not_modelled),
            "acted": [str(one) for one in self.acted],
            "asked": [{"block": block, "offset": offset} for block, offset in self.asked],
            "cost": self.cost.to_json(),
        }

    def __str__(self) -> str:
        """A line for people; scripts use `to_json`."""
        pending = sum(count for _, count in self.reads_while_pending)
        harmful = sum(count for _, count in self.harmful_reads)
        where = f" in {self.at.section or 'the stream'} at {self.at.offset:#x}" if self.at else ""
        return (
            f"{self.design}: {self.verdict}{where}, {self.rebuilds} rebuilds, {pending} reads while pending "
            f"({harmful} harmful), depth {self.depth_at_end}"
        )
