"""`vmfuzz minimize` from a folder to a folder."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fuzz.campaign import Campaign, Settings
from fuzz.cli import app
from fuzz.commands.minimize import MinimizeOptions, run
from fuzz.minimize.control import Control
from fuzz.minimize.health import Ill, health
from fuzz.minimize.how import How
from fuzz.minimize.index import control_path
from fuzz.minimize.measurement import Measurement
from fuzz.minimize.pool import Input, Pool
from fuzz.minimize.sources import Asked, Group, gather
from fuzz.mutate.programs import ProgramMutator
from fuzz.programs import seed_inputs
from fuzz.schedules import scheduled
from fuzz.targets.memory import MAX_SIZE
from model.schedule import split

ROOT = Path(__file__).parent.parent
CRASHERS = ROOT / "corpus" / "crashers"
DESIGN = "v8-rcu-getref"
MEMORY = How("memory", designs=(DESIGN,))


def sha1(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


def programs(folder: Path, many: int, first: int = 0) -> Path:
    """Mutants of the seeds, every one kept."""
    folder.mkdir(parents=True, exist_ok=True)
    mutator = ProgramMutator(MAX_SIZE)
    seeds = seed_inputs()
    for at in range(first, first + many):
        data = mutator.mutate(seeds[at % len(seeds)], MAX_SIZE, at)
        (folder / sha1(data)).write_bytes(data)
    return folder


def minimized(capsys: pytest.CaptureFixture[str], folder: Path, out: Path, **options: Any) -> dict[str, Any]:
    asked = {"target": "memory", "designs": (DESIGN,), "as_json": True, **options}
    assert run(MinimizeOptions(folder, out, **asked)) == 0
    values: dict[str, Any] = json.loads(capsys.readouterr().out)
    return values


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def shown(folder: Path) -> dict[str, int]:
    """Features of each file, in a process of its own."""
    inputs = [Input(path, path.name, path.stat().st_size) for path in sorted(folder.iterdir())]
    with Pool(MEMORY, 1) as pool:
        return {one.sha1: measured.features for one, measured, _ in pool.measure(inputs)}


def together(features: Any) -> int:
    every = 0
    for one in features:
        every |= one
    return every


def test_nothing_is_lost_nothing_needless_and_two_processes_choose_as_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, out = programs(tmp_path / "given", 40), tmp_path / "out"
    before = content(given)
    values = minimized(capsys, given, out, jobs=2)
    assert content(given) == before
    (group,) = values["groups"]
    assert values["ended"] == "complete"
    assert group["checked"]
    assert group["least"]
    assert sorted(content(out)) == [one["name"] for one in group["files"]]
    assert all(sha1(data) == name for name, data in content(out).items())
    features = shown(given)
    kept = {name: features[name] for name in content(out)}
    assert together(features[name] for name in before) == together(kept.values())
    assert len(kept) < len(before)
    for name, own in kept.items():
        others = together(kept[other] for other in kept if other != name)
        assert own & ~others, f"{name} can be left out"
    assert all(one["alone"] for one in group["files"])
    assert json.loads((tmp_path / "out.minimize.json").read_bytes())["groups"] == values["groups"]
    assert not (tmp_path / "out.minimize.control").exists()

    # With one more folder: the earlier result is taken back, and knows how its inputs are run.
    more = programs(tmp_path / "more", 6, first=100)
    (both,) = gathered(out, more).values()
    assert both.how == MEMORY
    assert {*both.inputs} == {*kept, *content(more)}


def test_a_campaign_comes_out_as_one_to_go_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    campaign = Campaign(tmp_path / "campaign")
    campaign.open(Settings("memory", (), (DESIGN,), 1))
    corpus = programs(campaign.corpus("memory"), 8)
    told = campaign.worker("memory") / "spec.json"
    told.parent.mkdir(parents=True)
    told.write_text(MEMORY.spec(campaign.path, "memory").to_json())
    data = next(path.read_bytes() for path in sorted(corpus.iterdir()))
    (corpus / "copy").write_bytes(data)
    out = tmp_path / "out"
    values = minimized(capsys, campaign.path, out, target=None, designs=(), once=True)
    (group,) = values["groups"]
    ill = group["health"]["duplicate_bytes"]
    assert [Path(one["path"]).name for one in ill] == ["copy"]
    result = Campaign(out)
    assert result.groups() == ("memory",)
    spec = result.spec("memory")
    assert spec is not None
    assert spec.campaign == str(out)
    settings, repaired = result.open(Settings("memory", (), (DESIGN,), 1))
    assert repaired == ()
    assert settings.designs == (DESIGN,)
    assert len(content(result.corpus("memory"))) == group["kept"]["files"] <= 8


SLOW = """
import time
from model.designs import Design

class Slow(Design):
    name = "slow"

    def load_begins(self, load):
        time.sleep(0.05)
"""


HEARS_CTRL_C = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a shell starts in the background
from fuzz.cli import main
main()
"""


def test_a_kill_loses_no_measurement_and_ctrl_c_leaves_a_result(tmp_path: Path) -> None:
    # Far more than are measured before the signal comes, also where the processors are busy.
    given, out, control = tmp_path / "given", tmp_path / "out", tmp_path / "out.minimize.control"
    many = len(content(programs(given, 600)))
    (tmp_path / "slow.py").write_text(SLOW)
    command = [
        *(sys.executable, "-c", HEARS_CTRL_C, "minimize", str(given), "-o", str(out), "--once"),
        *("--target", "memory", "--design", f"{tmp_path / 'slow.py'}:Slow", "--jobs", "1", "--json"),
    ]

    def started() -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def measured() -> int:
        return control.read_bytes().count(b'"look"') if control.exists() else 0

    def waits_for(many: int, process: subprocess.Popen[bytes]) -> None:
        while measured() < many and process.poll() is None:
            time.sleep(0.01)

    process = started()
    waits_for(5, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = measured()
    assert 5 <= before < many
    assert not out.exists()

    process = started()
    waits_for(before + 5, process)
    process.send_signal(signal.SIGINT)
    said, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    values = json.loads(said)
    (group,) = values["groups"]
    assert values["ended"] == "interrupted"
    assert values["reused"] == before
    assert group["unmeasured"] == many - group["measured"] > 0
    assert sorted(content(out)) == [one["name"] for one in group["files"]]
    assert control.exists()


@pytest.mark.parametrize("kind", ["nothing", "file", "inside", "same", "full", "machine", "target", "campaign"])
def test_what_cannot_be_used_is_one_line(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given, out, options = programs(tmp_path / "given", 1), tmp_path / "out", ["--target", "memory"]
    match kind:
        case "nothing":
            (tmp_path / "empty").mkdir()
            given, why = tmp_path / "empty", f"{tmp_path / 'empty'}: no inputs in there"
        case "file":
            out.write_text("")
            why = f"-o {out}: is a file, not a folder"
        case "inside":
            out = given / "out"
            why = f"-o {out}: is, or lies in, or holds {given}, which is not to be altered"
        case "same":
            out = given
            why = f"-o {out}: is, or lies in, or holds {given}, which is not to be altered"
        case "full":
            (out / "x").mkdir(parents=True)
            why = f"-o {out}: not empty, and out.minimize.json does not tell of it"
        case "machine":
            (name,) = content(given)
            options = []
            why = f"{given / name}: nothing says on which machine it is loaded; give --machine, or --target"
        case "target":
            options = ["--target", "none"]
            why = "--target none: no such target; there are stream, roundtrip, memory"
        case _:
            (given / "campaign.json").write_text("{")
            options = []
            why = f"campaign {given}: campaign.json cannot be read: "
    monkeypatch.setattr(sys, "argv", ["vmfuzz"])
    status = app(["minimize", str(given), "-o", str(out), *options], prog_name="vmfuzz", standalone_mode=False)
    assert status == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"vmfuzz minimize: {why}")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out.minimize.control").exists()


def test_one_minimize_works_on_a_result(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given, out = programs(tmp_path / "given", 1), tmp_path / "out"
    control = Control(control_path(out))
    monkeypatch.setattr(sys, "argv", ["vmfuzz"])
    arguments = ["minimize", str(given), "-o", str(out), "--target", "memory"]
    status = app(arguments, prog_name="vmfuzz", standalone_mode=False)
    control.close()
    assert status == 2
    assert capfd.readouterr().err == f"vmfuzz minimize: -o {out}: another minimize is at it\n"
    assert not out.exists()


def test_inputs_that_others_put_into_the_result_are_not_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "theirs").write_bytes(b"x")
    (tmp_path / "out.minimize.json").write_text('{"format": 1, "shape": "flat", "written": ["gone"]}')
    assert run(MinimizeOptions(programs(tmp_path / "given", 1), out, target="memory")) == 2
    assert "holds 1 inputs that minimize did not write, as theirs" in capsys.readouterr().err
    assert content(out) == {"theirs": b"x"}


# How the inputs of a folder are run


def gathered(*folders: Path, **asked: Any) -> dict[str, Group]:
    return {group.name: group for group in gather(folders, Asked(**asked), lambda _: None).groups}


def files_of(group: Group) -> list[Path]:
    return [one.path for one in group.inputs.values()] + [path for paths in group.copies.values() for path in paths]


def test_crashers_tell_their_machines_and_bring_their_schedules() -> None:
    groups = gathered(CRASHERS)
    files = [one for group in groups.values() for one in group.inputs.values()]
    assert sum(group.files for group in groups.values()) == len([*CRASHERS.glob("*.vmstate")])
    for path in CRASHERS.glob("*.json"):
        machine = json.loads(path.read_bytes())["machine"]
        stream = path.with_suffix(".vmstate")
        group = next(group for group in groups.values() if stream in files_of(group))
        assert group.how.machine == machine
    schedules = [bool(scheduled(one.path, one.path.read_bytes())[1]) for one in files]
    assert any(schedules)
    longer = [one.size > one.path.stat().st_size for one in files]
    assert longer == [has and not split(one.path.read_bytes())[1] for has, one in zip(schedules, files, strict=True)]


def test_seeds_lie_where_their_machine_is_known() -> None:
    (group,) = gathered(ROOT / "corpus" / "seeds" / "pc-small").values()
    assert (group.name, group.how.target, len(group.inputs)) == ("pc-small", "stream", 2)
    assert len(group.how.designs) > 10
    both = gathered(ROOT / "corpus" / "seeds" / "pc-small", CRASHERS, designs=("wrap-main",))
    assert both["pc-small"].how.designs == ("wrap-main",)
    assert len(both["pc-small"].inputs) > 2


# What is wrong with entries


def test_health_names_each_kind_of_trouble(tmp_path: Path) -> None:
    sizes = {"small": 10, "same": 20, "large": 900, "dead": 5, "hung": 7, "seed": 3, "long": 2000}
    features = {"small": 0b110, "same": 0b110, "large": 0b100, "dead": 0b1, "seed": 0b1, "long": 0b1000, "hung": 0}
    group = Group("g", MEMORY, {name: Input(Path(name), name, size) for name, size in sizes.items()})
    group.copies = {"small": [Path("small"), Path("copy")]}
    group.unreadable = [(Path("locked"), "Permission denied")]
    group.misnamed = [Path("torn")]
    measured = {
        name: Measurement(name, features[name], failed="took more than 60 s" if name == "hung" else "")
        for name in sizes
    }
    found = health(group, measured, {"same": "a fact"}, [Measurement("seed", 0b1)], longest=1000)
    assert {kind: ills for kind, ills in found.items() if kind != "duplicate_features"} == {
        "unreadable": [Ill("locked", "Permission denied")],
        "misnamed": [Ill("torn")],
        "set_aside": [Ill("hung", "took more than 60 s")],
        "duplicate_bytes": [Ill("copy", "as small")],
        "dead": [Ill("dead")],
        "over_sized": [
            Ill("large", "900 bytes; small shows as much with 10"),
            Ill("long", "2000 bytes; mutants have at most 1000"),
        ],
        "non_deterministic": [Ill("same", "a fact")],
    }
    assert found["duplicate_features"] == [Ill("dead", "as seed"), Ill("same", "as small")]
