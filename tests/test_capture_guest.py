"""Guests that the arguments bring: what a destination is started with, and when a guest is stopped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from fuzz.capture.guest import destination, has_guest, without_guest
from fuzz.commands.capture import CaptureOptions, run

if TYPE_CHECKING:
    from pathlib import Path

KERNEL = ("-kernel", "k", "--initrd", "i", "-append", "-kernel quiet")


def test_a_kernel_is_a_guest() -> None:
    assert has_guest(("-m", "8M", "-kernel", "k"))
    assert has_guest(("--kernel", "k"))
    assert not has_guest(("-m", "8M", "-device", "kernel"))


def test_what_is_the_guest_s_is_left_out_with_its_value() -> None:
    assert without_guest(("-m", "8M", *KERNEL, "-device", "x")) == ("-m", "8M", "-device", "x")
    assert without_guest(("-m", "8M")) == ("-m", "8M")
    assert without_guest(("-m", "8M", "-kernel")) == ("-m", "8M")


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """What the program takes for a kernel of the oldest kind: it halts at once."""
    path = tmp_path / "kernel"
    path.write_bytes(b"\xfa\xf4\xeb\xfd".ljust(64 << 10, b"\0"))
    return path


@pytest.mark.qemu
@pytest.mark.parametrize("board", ["pc-q35-7.2", "pc-i440fx-7.2"])
def test_a_destination_needs_no_kernel(board: str, kernel: Path, real_qemu: str) -> None:
    arguments = ("-machine", board, "-m", "8M", "-nodefaults")
    assert destination((*arguments, "-kernel", str(kernel)), binary=real_qemu) == arguments


@pytest.mark.qemu
def test_where_the_loader_is_a_ram_block_a_destination_needs_the_kernel(kernel: Path, real_qemu: str) -> None:
    arguments = ("-machine", "pc-i440fx-1.7", "-m", "8M", "-nodefaults", "-kernel", str(kernel))
    assert destination(arguments, binary=real_qemu) == arguments


@pytest.mark.qemu
def test_a_guest_is_captured(kernel: Path, tmp_path: Path, real_qemu: str) -> None:
    arguments = ("-machine", "pc-i440fx-7.2,vmport=off", "-m", "8M", "-nodefaults")
    options = CaptureOptions(str(tmp_path / "m"), (*arguments, "-kernel", str(kernel)), qemu=real_qemu, boot=1.5)
    console = Console(record=True, width=200)
    assert run(options, console) == 0, console.export_text()
    assert "the guest runs" in console.export_text()
    description = json.loads((tmp_path / "machines" / "m.json").read_bytes())
    provenance = json.loads((tmp_path / "seeds" / "m" / "provenance.json").read_bytes())
    assert "-kernel" not in description["arguments"]
    assert "-kernel" in provenance["arguments"]
    assert provenance["streams"]["after"]["taken"] == "1.5 s after start, a guest running"
