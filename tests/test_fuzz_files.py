"""Files that arguments name and that are not there."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from fuzz.qemu import Qemu, QemuError
from fuzz.qemu.files import absent_files
from fuzz.qemu.process import complaint

if TYPE_CHECKING:
    from pathlib import Path

SAID = "qemu-system-x86_64: "


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        pytest.param("-M pc -m 16M -nodefaults -device e1000,romfile=", [], id="none"),
        pytest.param("-kernel k -initrd i -append file=x -hda disk.img", ["k", "i", "disk.img"], id="values that are"),
        pytest.param("-drive file=a.img,format=raw -drive if=none,file=a.img", ["a.img"], id="each once"),
        pytest.param("-drive file=a,,b.img,format=raw", ["a,b.img"], id="a comma in a name"),
        pytest.param(
            "-blockdev driver=qcow2,node-name=n,file.driver=file,file.filename=a.qcow2", ["a.qcow2"], id="nested"
        ),
        pytest.param("""-blockdev '{"driver": "file", "filename": "a.raw"}'""", ["a.raw"], id="JSON"),
        pytest.param("-object memory-backend-file,id=m,size=1M,mem-path=shm -mem-path p", ["shm", "p"], id="memory"),
        pytest.param("-drive file=nbd://host/x -drive file=nbd:host:1 -drive file=null-co://", [], id="protocols"),
        pytest.param("-device e1000,romfile=pxe.rom -device e1000,romfile=./pxe.rom", ["./pxe.rom"], id="ROMs"),
        pytest.param("-kernel here -drive file=here", [], id="there"),
    ],
)
def test_absent_files(arguments: str, absent: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").touch()
    monkeypatch.chdir(tmp_path)
    assert list(absent_files(shlex.split(arguments))) == absent


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        pytest.param([], "it said nothing", id="nothing"),
        pytest.param([f"{SAID}a", f"{SAID}b"], "a", id="the first"),
        pytest.param([f"{SAID}warning: w", "WARNING: Image format", "  more", f"{SAID}-drive x: no"], "-drive x: no"),
        pytest.param(["a library's complaint"], "a library's complaint", id="of somebody else"),
        pytest.param([f"{SAID}-device x: Warning: y"], "-device x: Warning: y", id="nothing but a warning"),
    ],
)
def test_why_a_process_gave_up(lines: list[str], line: str) -> None:
    assert complaint(lines) == line


@pytest.mark.qemu
def test_a_machine_that_was_captured_elsewhere(real_qemu: str) -> None:
    arguments = ("-M", "pc", "-m", "16M", "-nodefaults", "-drive", "file=no-such-disk.img,format=raw,if=ide")
    with pytest.raises(QemuError) as caught, Qemu(arguments, binary=real_qemu):
        pass
    text = str(caught.value)
    assert "Could not open 'no-such-disk.img': No such file or directory" in text
    assert text.endswith(": no-such-disk.img)")
    assert "(not here, seen from /" in text
    assert "\n" not in text
