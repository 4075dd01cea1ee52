"""A full disk: said in one line, nothing lost, and the campaign goes on when there is room."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from fuzz.campaign import Campaign, FindingStore, records
from fuzz.campaign.shelf import NAME, Shelf, name_of
from fuzz.campaign.spec import Spec
from fuzz.engine import FeatureMap, Found
from fuzz.work.blackbox import BlackBox
from fuzz.work.feed import Feed
from fuzz.work.reporting import WorkerReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB. Skipped where none can be mounted."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


class Silent:
    """A mutator that is never asked."""

    max_size = 1 << 14
    engine: Callable[[bytes, int], bytes] | None = None
    made_by = ("arm",)

    def counts(self) -> dict[str, list[int]]:
        return {"arm": [1, 1]}

    def weights(self) -> dict[str, float]:
        return {}

    def learned(self, fresh: int, stopped: str | None) -> None: ...

    def mutate(self, data: bytes, max_size: int, seed: int) -> bytes:
        return data

    def crossover(self, first: bytes, second: bytes, max_size: int, seed: int) -> bytes:
        return first


def one(number: int) -> bytes:
    return number.to_bytes(4, "big") * 2048


def test_nothing_is_lost_and_it_goes_on_when_there_is_room(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = Campaign(small / "c")
    campaign.prepare("w", "w")
    campaign.findings.mkdir(parents=True)
    spec = Spec("w", "stream", "m", "m.json", (), (), 1, str(campaign.path))
    read, write = os.pipe()
    os.set_blocking(read, False)
    feed = Feed(Silent())
    feed.mutate(b"x", 10, 1)
    folder = campaign.worker("w")
    report = WorkerReport(
        spec, folder, FindingStore(campaign.findings), Shelf(campaign.corpus("w")), feed, FeatureMap(256, 16), Silent(),
        voice=write,
    )  # fmt: skip
    report.box = BlackBox(folder / "current", 1 << 14)
    for number in range(60):  # 480 KiB of entries, and findings among them
        data = one(number)
        report.began(data, number)
        report.ended(data, number, 1)
        if number % 6 == 0:
            report.found(Found("divergence", f"d/verdict/loader/a->b/dev{number}", "text"), data, number)
    report.tick(60, 1)
    (line,) = os.read(read, 1000).decode().splitlines()
    assert line.startswith("worker w: cannot write: No space left on device; what is found is held in memory")
    entries = {entry.name for entry in campaign.corpus("w").iterdir() if NAME.fullmatch(entry.name)}
    assert 0 < len(entries) < 60
    assert all(name_of((campaign.corpus("w") / name).read_bytes()) == name for name in entries)
    assert 0 < len(records(campaign.findings)) < 10
    subprocess.run(["mount", "-o", "remount,size=4m", str(small)], check=True)
    monkeypatch.setattr(WorkerReport, "PERIOD", 0.0)
    report.tick(60, 1)
    assert b"writes again" in os.read(read, 1000)
    assert {entry.name for entry in campaign.corpus("w").iterdir()} == {name_of(one(number)) for number in range(60)}
    assert len(records(campaign.findings)) == 10
    assert (report.stats.trouble, report.stats.arms) == ("", {"arm": [1, 1, 60, 60, 10]})
    os.close(read)
    os.close(write)


def test_what_the_disk_never_took_is_left_elsewhere_at_the_end(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = Campaign(small / "c")
    campaign.prepare("w", "w")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    spec = Spec("w", "stream", "m", "m.json", (), (), 1, str(campaign.path))
    read, write = os.pipe()
    store, shelf = FindingStore(campaign.findings), Shelf(campaign.corpus("w"))
    report = WorkerReport(
        spec, campaign.worker("w"), store, shelf, Feed(Silent()), FeatureMap(256, 16), Silent(), voice=write
    )
    (small / "ballast").write_bytes(bytes(200 << 10))
    report.found(Found("divergence", "d/verdict/loader/a->b/dev", "text"), bytes(100 << 10), 1)
    report.stopped(1, 1, "signal")
    place = tmp_path / f"vmfuzz-held-{os.getpid()}"
    last = os.read(read, 1000).decode().splitlines()[-1]
    assert f"1 findings and 0 corpus entries that were held are inputs in {place}" in last
    (left,) = place.iterdir()
    assert left.read_bytes() == bytes(100 << 10)
    os.close(read)
    os.close(write)
