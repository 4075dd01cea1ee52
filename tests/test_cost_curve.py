"""Curves, and what a design is blamed for: more forced commits the more queues there are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fuzz import cli
from fuzz.commands.load_cost import planned
from fuzz.cost.curve import findings, measure, shapes, work
from fuzz.cost.show import in_words
from fuzz.generated import Template
from model import DESIGNS

if TYPE_CHECKING:
    from pathlib import Path

    from fuzz.cost.curve import Axis, Curve
    from model import Design
    from model.designs.design import Load
    from model.memory import AddressSpace, FlatView, Use

WrapMain = DESIGNS["wrap-main"]


class CommitsAlways(WrapMain):  # type: ignore[misc, valid-type]
    """A control: whoever asks for a view while a transaction is open makes it commit."""

    name = "commits-always"

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        if load.memory.depth and not use.commits:
            load.forced_commit()
        return space.current


class CommitsOnce(CommitsAlways):
    """Another: only the first who asks does."""

    name = "commits-once"

    def flat_view(self, load: Load, space: AddressSpace, use: Use) -> FlatView:
        if load.process.setdefault("committed", self) is not self or hasattr(self, "done"):
            return space.current
        self.done = True
        return super().flat_view(load, space, use)


DESIGNS_HERE = (DESIGNS["per-device"], WrapMain, DESIGNS["assert-depth"], CommitsAlways, CommitsOnce)


def curve(axis: Axis, sizes: tuple[int, ...], other: int, designs: tuple[type[Design], ...] = DESIGNS_HERE) -> Curve:
    told: list[int] = []
    machines = shapes(axis, sizes, other)
    found = measure(axis, machines, designs, Template.shipped(), told.append)
    assert told == sorted(told)
    assert told[-1] == work(machines, designs)
    return found


@pytest.fixture(scope="module")
def by_devices() -> Curve:
    return curve("devices", (1, 2, 4), 2)


@pytest.fixture(scope="module")
def by_queues() -> Curve:
    return curve("queues", (1, 2, 4), 2)


def counts(found: Curve, name: str) -> dict[str, tuple[int, ...]]:
    return {series.design: series.counts[name] for series in found.series if series.accepted}


def test_counts(by_devices: Curve, by_queues: Curve) -> None:
    assert counts(by_devices, "rebuilds")["per-device"] == (15, 20, 30)
    assert counts(by_queues, "rebuilds")["per-device"] == (20, 20, 20)
    assert counts(by_devices, "rebuilds")["wrap-main"] == counts(by_queues, "rebuilds")["wrap-main"] == (1, 1, 1)
    # three caches a ring, by the load and by the listener at the one commit
    assert counts(by_devices, "caches")["wrap-main"] == (12, 24, 48)
    assert counts(by_queues, "caches")["wrap-main"] == (12, 24, 48)


def test_who_forces_a_commit_for_each_ring_is_blamed(by_devices: Curve, by_queues: Curve) -> None:
    (finding,) = findings(by_queues)
    assert str(finding.cause) == "commits-always/cost/forced-commits/grows-with-queues/virtio"
    assert (finding.kind, "6 Q + 2" in finding.text) == ("cost", True)
    assert findings(by_devices) == ()


def test_in_words(by_devices: Curve, by_queues: Curve) -> None:
    words = dict(line.split(": ", 1) for line in in_words([by_devices, by_queues]))
    assert words["per-device"] == "rebuilds grow with devices (5 D + 10)"
    assert words["wrap-main"] == "rebuilds stay constant (1)"
    assert words["commits-always"].endswith("forced commits grow with devices (6 D + 2) and with queues (6 Q + 2)")
    assert words["commits-once"].endswith("forced commits stay constant (1)")
    assert "assert-depth" not in words  # it dies: nothing grows


def test_which_curves_there_are() -> None:
    def plans(devices: tuple[int, ...], queues: tuple[int, ...]) -> list[tuple[str, list[str]]]:
        return [(axis, [f"{s.devices}x{s.queues}" for s in machines]) for axis, machines in planned(devices, queues)]

    assert plans((1, 16), (2, 4)) == [("devices", ["1x2", "16x2"]), ("queues", ["1x2", "1x4"])]
    assert plans((1, 4, 8, 16), (1,)) == [("devices", ["1x1", "4x1", "8x1", "16x1"])]
    assert plans((24,), (1, 4)) == [("queues", ["24x1", "24x4"])]
    assert plans((24,), (4,)) == [("devices", ["24x4"])]


def vmfuzz(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["vmfuzz", *arguments])
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert isinstance(done.value.code, int)
    return done.value.code


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ("load", "-d", "per-device", "-d", "v6-do-commit", "--generated", "1,2,3", "--queues", "1,2,3")
    assert vmfuzz(monkeypatch, *options) == 1
    shown = capsys.readouterr().out
    assert "per-device: rebuilds grow with devices (5 D + 10)" in shown
    assert "cause v6-do-commit/cost/forced-commits/grows-with-queues/virtio" in shown
    assert max(map(len, shown.split("active queues")[0].splitlines())) <= 80
    assert vmfuzz(monkeypatch, *options, "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert [one["axis"] for one in document["curves"]] == ["devices", "queues"]
    plain = document["curves"][0]["designs"][0]
    assert plain["growth"]["rebuilds"]["formula"] == "5 D + 10"
    assert set(plain["counts"]) == set(plain["growth"])
    assert [finding["cause"] for finding in document["findings"]] == [
        "v6-do-commit/cost/forced-commits/grows-with-queues/virtio"
    ]
    assert vmfuzz(monkeypatch, "load", "--generated", "2", "--queues", "1", "--keep", str(tmp_path)) == 0
    capsys.readouterr()
    assert vmfuzz(monkeypatch, "load", f"{tmp_path}/generated-2x1/after", "-m", f"{tmp_path}/generated-2x1") == 0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--generated", "0"), "--generated"),
        (("--generated", "5000"), "5000 devices"),
        (("--generated", "256", "--queues", "64"), "rings"),
        (("--generated", "4", "--design", "nope"), "nope"),
        (("seed-24/after", "--generated", "4"), "STREAM"),
        (("--generated", "4", "--mtree"), "--mtree"),
        (("seed-24/after", "--queues", "4"), "--queues"),
        ((), "STREAM"),
    ],
)
def test_unusable(
    arguments: tuple[str, ...], why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vmfuzz(monkeypatch, "load", *arguments) == 2
    said = capsys.readouterr()
    assert why in said.err
    assert len(said.err.splitlines()) == 1


def test_the_table_of_one_stream(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert vmfuzz(monkeypatch, "load", "seed-24/after", "-d", "wrap-main", "-d", "assert-depth", "--cost") == 1
    lines = capsys.readouterr().out.partition("\ncost  ")[2].splitlines()
    (wrapped,) = [line.split() for line in lines if line.startswith("wrap-main  ")]
    assert wrapped == ["wrap-main", "1", "0", "474", "96", "50", "0.8", "1.6", "8.5"]
    assert any(line.startswith("assert-depth  ") and line.split()[-1] == "aborted" for line in lines)
