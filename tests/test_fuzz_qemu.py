"""The real QEMU: what is added to its arguments, how its traces are counted, and (marked) a process itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fuzz.qemu import Qemu, QemuError, SectionTrace, accelerator, complete_arguments, load, parse_trace

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ("-machine", "pc-i440fx-7.2", "-m", "8M", "-nodefaults")


@pytest.mark.parametrize(
    ("given", "added"),
    [
        pytest.param((), ("-accel", "tcg", "-display", "none", "-nic", "none"), id="nothing"),
        pytest.param(("-nodefaults",), ("-accel", "tcg", "-display", "none"), id="no default devices, no network"),
        pytest.param(("-nographic", "-nodefaults", "-accel", "kvm"), (), id="everything said"),
        pytest.param(
            ("-machine", "q35,accel=kvm", "-nic", "none"), ("-display", "none"), id="accelerator of the machine"
        ),
        pytest.param(("--accel", "tcg", "--display", "none", "--nodefaults"), (), id="two dashes"),
        pytest.param(("-enable-kvm", "-nodefaults"), ("-display", "none"), id="old KVM option"),
    ],
)
def test_arguments_are_completed(given: tuple[str, ...], added: tuple[str, ...]) -> None:
    assert complete_arguments(given) == given + added


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("-m", "64M"), None),
        (("-accel", "tcg,thread=single"), "tcg"),
        (("-M", "q35,smm=off,accel=kvm:tcg"), "kvm"),
        (("-enable-kvm",), "kvm"),
    ],
)
def test_the_accelerator_named(arguments: tuple[str, ...], found: str | None) -> None:
    assert accelerator(arguments) == found


def test_traces_are_counted() -> None:
    lines = [
        "qemu_loadvm_state_section_startfull 2(ram) 0 4",
        "qemu_loadvm_state_section_startfull 39(0000:00:02.0/pcie-root-port) 0 1",
        "pci_update_mappings_add pcie-root-port 00:02.0 0,0xfea51000+0x1000",
        "flatview_new 0x560bcf55edf0 (root 0x560bcf683ae0)",
        "flatview_new 0x560bd06d0af0 (root 0x560bcf633ee0)",
        "flatview_new 0x560bcfb0e330 (root 0x560bcf683ae0)",
        "42@1700000000.123456:flatview_new 0x560bcfb0e331 (root 0x560bcf633ee0)",
        "qemu-system-x86_64: VQ 0 size 0x100 Guest index 0x1 inconsistent with Host index 0x0: delta 0x1",
    ]

    messages, sections, views = parse_trace(lines)

    assert messages == ("VQ 0 size 0x100 Guest index 0x1 inconsistent with Host index 0x0: delta 0x1",)
    assert sections == (
        SectionTrace("ram", 0, 0),
        SectionTrace("0000:00:02.0/pcie-root-port", 0, 2, ("add pcie-root-port 00:02.0 0,0xfea51000+0x1000",)),
    )
    assert views == 4


def test_no_such_binary() -> None:
    with pytest.raises(QemuError, match=r"^no-such-qemu: no such QEMU"):
        Qemu(SMALL, binary="no-such-qemu")


@pytest.mark.qemu
def test_a_process_is_spoken_to_and_ends(real_qemu: str, tmp_path: Path) -> None:
    with Qemu(SMALL, binary=real_qemu) as vm:
        assert vm.qmp("query-status")["running"] is False
        assert vm.hmp("info mtree -f").startswith("FlatView #0\n")
        assert len(set(map(str, vm.qmp_all([("query-name", {})] * 600)))) == 1
        with pytest.raises(QemuError, match=r"^no-such-command: "):
            vm.qmp("no-such-command")
        vm.migrate(tmp_path / "stream")
        folder = vm.folder
        assert vm.wait(0) is None
    assert (tmp_path / "stream").read_bytes()[:8] == b"QEVM\0\0\0\3"
    assert vm.wait(0) == -9
    assert not folder.exists()


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-machine", "nosuch"), "unsupported machine type"),
        (("-device", "nosuch"), "'nosuch' is not a valid device model name"),
        (("-m", "nonsense"), "Parameter 'size' expects a non-negative number below 2^64"),
    ],
)
def test_qemu_s_own_words_when_it_does_not_start(arguments: tuple[str, ...], said: str, real_qemu: str) -> None:
    with pytest.raises(QemuError, match=r"^QEMU ended with status 1: ") as caught, Qemu(arguments, binary=real_qemu):
        pass
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.qemu
def test_a_program_that_never_answers(tmp_path: Path) -> None:
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nexec sleep 600\n")
    sleeper.chmod(0o755)
    with pytest.raises(QemuError, match=r"did not answer within 0\.5 s"), Qemu((), binary=str(sleeper), timeout=0.5):
        pass


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("cut", "verdict", "last"),
    [
        pytest.param(None, "accepted", None, id="whole"),
        pytest.param(0, "waiting", None, id="empty"),
        pytest.param(4, "refused", "load of migration failed: Operation not supported", id="magic only"),
        pytest.param(200, "refused", "load of migration failed: Input/output error", id="in the first pages"),
    ],
)
def test_verdicts(cut: int | None, verdict: str, last: str | None, real_qemu: str, tmp_path: Path) -> None:
    with Qemu(SMALL, binary=real_qemu) as vm:
        vm.migrate(tmp_path / "stream")
    data = (tmp_path / "stream").read_bytes()

    loaded = load(SMALL, data[:cut], binary=real_qemu, timeout=2 if verdict == "waiting" else 30)

    assert loaded.verdict == verdict
    assert (loaded.messages[-1] if loaded.messages else None) == last
    if verdict == "accepted":
        assert loaded.rebuilds == 1  # PAM
        assert [s.name for s in loaded.sections if s.rebuilds] == ["0000:00:00.0/I440FX"]
        assert 'AS "memory", root: system' in loaded.flat


@pytest.mark.qemu
def test_a_sealed_process_writes_nowhere_and_reaches_nobody(real_qemu: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    arguments = (*SMALL, "-chardev", f"file,id=f,path={outside}", "-serial", "chardev:f")
    with Qemu(arguments, binary=real_qemu):
        assert outside.exists()
    outside.unlink()
    with pytest.raises(QemuError, match="Permission denied"), Qemu(arguments, binary=real_qemu, sealed=True):
        pass
    assert not outside.exists()
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))
    disk = (*SMALL, "-drive", f"if=none,id=d,format=raw,file={image}", "-device", "virtio-blk-pci,drive=d")
    block = (*SMALL, "-blockdev", f"driver=file,node-name=d,filename={image}", "-device", "virtio-blk-pci,drive=d")
    for words in (disk, block):
        with Qemu(words, binary=real_qemu, sealed=True), Qemu(words, binary=real_qemu, sealed=True):
            pass


def test_lines_that_the_program_does_not_end() -> None:
    messages, _, _ = parse_trace(["ERROR: they differqemu-system-x86_64: error while loading state"])
    assert messages == ("ERROR: they differ", "error while loading state")


def test_a_section_s_name_with_ends_of_lines() -> None:
    lines = ["qemu_loadvm_state_section_startfull 20(a", "", "b) 0 3", "flatview_new 0x1 (root 0x2)", "it said so"]
    assert parse_trace(lines) == (("it said so",), (SectionTrace("a\n\nb", 0, 1),), 1)


@pytest.mark.qemu
def test_a_warning_without_an_end_of_line_swallows_nothing(real_qemu: str) -> None:
    """Two floppy controllers: the warning at start has no end of line, and what a load says is glued to it."""
    arguments = (*SMALL, "-device", "isa-fdc")
    found = load(arguments, b"not a stream", binary=real_qemu)
    assert found.messages[0] == "Not a migration stream"
    with Qemu(arguments, binary=real_qemu) as vm:
        assert vm.output()[0].startswith("qemu-system-x86_64: warning: multiple floppy disk controllers")
        assert vm.output(vm.written()) == ()


def test_two_threads_that_speak_at_once_are_told_apart() -> None:
    lines = [
        "qemu_loadvm_state_section_startfull 2(ram) 0 4",
        "qemu-system-x86_64:qemu_loadvm_state_section 8",
        " error while loading state section id 2(ram)",
        "qemu-system-x86_64: load ofqemu_loadvm_state_section_partend 2",
        " migration failed: Invalid argument",
    ]
    messages, sections, _ = parse_trace(lines)
    assert messages == (
        "error while loading state section id 2(ram)",
        "load of migration failed: Invalid argument",
    )
    assert [one.name for one in sections] == ["ram", "ram"]
