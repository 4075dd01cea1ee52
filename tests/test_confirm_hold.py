"""The model held against the installed QEMU: streams, mutants, and a model that is wrong on purpose."""

from __future__ import annotations

import json
from pathlib import Path

import mutants
import pytest

from fuzz.commands.confirm import ConfirmOptions, run
from fuzz.confirm import Against, Category, hold
from fuzz.confirm.parity import Bench, Tally, campaign, mutant
from fuzz.corpus import find_machine, find_stream
from fuzz.crashers import read_crasher
from fuzz.work.build import make_mutator
from model import REFERENCE
from model.devices.pci import Bar
from model.devices.virtio import Virtio
from vmformat import write


def bench(name: str) -> Bench:
    machine = mutants.machine(name)
    seeds = tuple((f"{name}/{path.stem}", path.read_bytes()) for path in find_machine(name).seeds)
    return Bench(name, machine, seeds, make_mutator(machine.description, [data for _, data in seeds]))


@pytest.mark.parametrize("single", [False, True], ids=["the fuzzer's mutators", "single fields"])
def test_a_mutant_is_a_function_of_its_number(single: bool) -> None:
    first, second = bench("pc-small"), bench("pc-small")
    forward = [mutant(first, number, 7, single=single) for number in range(40)]
    backward = [mutant(second, number, 7, single=single) for number in reversed(range(40))]
    assert forward == backward[::-1]
    assert len({one.data for one in forward}) > 35
    assert forward != [mutant(first, number, 8, single=single) for number in range(40)]


def test_single_fields_change_little() -> None:
    place = bench("pc-small")
    parents = dict(place.streams)
    for number in range(60):
        one = mutant(place, number, 3, single=True)
        parent = parents[one.parent]
        assert len(one.data) == len(parent)
        changed = [at for at in range(len(parent)) if parent[at] != one.data[at]]
        assert changed
        assert one.family != "several"


@pytest.mark.qemu
@pytest.mark.parametrize("single", [False, True], ids=["the fuzzer's mutators", "single fields"])
def test_a_parity_campaign(single: bool, real_qemu: str) -> None:
    benches = [bench("pc-small"), bench("q35-modern")]
    tally = Tally()
    against = Against(REFERENCE, real_qemu, timeout=10)
    told = []
    for result in campaign(benches, 60, 11, against, 2, single=single):
        tally.add(result)
        told += [f"{result.mutant}: {line}" for line in result.held.lines]
    assert not told
    assert tally.held == 60
    assert tally.compared[Category.STATE] > 20


@pytest.mark.qemu
def test_a_wrong_model_is_told(real_qemu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, data = mutants.machine("q35-modern"), find_stream("q35-modern/after").read_bytes()
    against = Against(REFERENCE, real_qemu)
    assert hold(machine, data, against).agrees
    wanted, index = Bar.wanted, Virtio._index
    with monkeypatch.context() as patch:
        patch.setattr(Bar, "wanted", lambda self, c: None if (a := wanted(self, c)) is None else a + 4096)
        lines = hold(machine, data, against).lines
        assert any(line.startswith("flat views: memory: at 0x") for line in lines), lines
    with monkeypatch.context() as patch:
        patch.setattr(Virtio, "_index", lambda self, queue, which: index(self, queue, which) + (which == 1))
        lines = hold(machine, data, against).lines
        assert any("refused" in line or "queue 0: model" in line for line in lines), lines
    with monkeypatch.context() as patch:
        patch.setattr(Virtio, "saved", lambda self: {"virtio.head.status": 1})
        lines = hold(machine, data, against).lines
        assert any("virtio.head.status: model 1, qemu 0xf" in line for line in lines), lines
    assert hold(machine, data, against).agrees


@pytest.mark.qemu
def test_streams_by_command(real_qemu: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edited = write(mutants.byte("mch", 0x02, 0x43)(mutants.stream("q35-modern")))
    (tmp_path / "edited").write_bytes(edited)
    options = ConfirmOptions(
        (str(tmp_path / "edited"), "q35-modern/after"), ("q35-modern",), against=real_qemu, as_json=True
    )
    assert run(options) == 0
    shown = json.loads(capsys.readouterr().out)["streams"]
    assert [set(one["verdict"].values()) for one in shown] == [{"refused"}, {"accepted"}]
    assert shown[1]["compared"] == [category.value for category in Category if category is not Category.SECTION]
    assert len(shown[0]["verdict"]) == 3


@pytest.mark.qemu
def test_the_seeds_of_a_machine(real_qemu: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(ConfirmOptions(machines=("pc-small",), as_json=True)) == 0
    shown = json.loads(capsys.readouterr().out)["streams"]
    assert [one["stream"] for one in shown] == ["pc-small/after", "pc-small/before"]


@pytest.mark.qemu
def test_disagreements_are_kept_as_crashers(
    real_qemu: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Bar, "wanted", lambda self, config: None)
    options = ConfirmOptions(machines=("pc-small",), qemu=real_qemu, mutate=12, crashers=tmp_path, as_json=True)
    assert run(options) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["mutants"] == 12
    assert 0 < len(shown["disagreements"]) <= 12
    for told in shown["disagreements"]:
        crasher = read_crasher(Path(told["crasher"]))
        assert crasher.machine == "pc-small"
        assert crasher.expect["per-device"]["verdict"] == told["verdict"]["qemu"]


UNUSABLE = {
    "no stream": (ConfirmOptions(), "no STREAM"),
    "no machine": (ConfirmOptions(mutate=3), "--mutate: expected a --machine"),
    "no such QEMU": (ConfirmOptions(("pc-small/after",), qemu="no-such-qemu"), "no-such-qemu: no such QEMU"),
    "no such second": (ConfirmOptions(("pc-small/after",), against="no-such-qemu"), "no-such-qemu: no such QEMU"),
    "all designs": (ConfirmOptions(("pc-small/after",), design="all"), "--design all: expected the name of one"),
    "two machines": (ConfirmOptions(("pc-small/after",), ("pc-small", "seed-24")), "--machine: expected one"),
}


@pytest.mark.qemu
@pytest.mark.parametrize(("options", "line"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_cannot_be_used(
    options: ConfirmOptions, line: str, real_qemu: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(options) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"vmfuzz confirm: {line}")
    assert said.count("\n") == 1
