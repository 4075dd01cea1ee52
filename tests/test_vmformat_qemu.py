"""The format against the real program: its streams are read to the last field, ours are loaded by it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from vmformat import (
    Configuration,
    Eof,
    Field,
    Header,
    Kind,
    Schema,
    Section,
    Stream,
    describe_itself,
    encode,
    read,
    write,
)
from vmformat.coverage import coverage, total

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.qemu

MACHINE = ["-accel", "tcg", "-m", "32M", "-nodefaults", "-display", "none"]
Q35 = [
    *("-machine", "pc-q35-7.2"),
    *MACHINE,
    *("-device", "pcie-root-port,id=rp0,chassis=0,slot=0"),
    *("-netdev", "hubport,id=n0,hubid=0", "-device", "virtio-net-pci,netdev=n0,romfile="),
    *("-blockdev", "null-co,node-name=b0,read-zeroes=on,size=1048576"),
    *("-device", "virtio-blk-pci,drive=b0,bus=rp0,num-queues=2"),
]
OLD = [
    *("-machine", "pc-i440fx-2.2"),
    *MACHINE,
    *("-blockdev", "null-co,node-name=b0,read-zeroes=on,size=1048576", "-device", "virtio-blk-pci,drive=b0"),
]

TIMER = Schema(
    "timer",
    2,
    1,
    (Field("cpu_ticks_offset", "int64"), Field("unused", "unused_buffer", 8), Field("cpu_clock_offset", "int64")),
)
GLOBALSTATE = Schema("globalstate", 1, 1, (Field("size", "uint32"), Field("runstate", "buffer", 100)))


class Qemu:
    """A QEMU that talks QMP over its standard input and output."""

    def __init__(self, arguments: list[str]) -> None:
        program = os.environ.get("VMFUZZ_QEMU", "qemu-system-x86_64")
        self.process = subprocess.Popen(
            [program, *arguments, "-qmp", "stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, command: str, **arguments: Any) -> Any:
        """What QEMU answers; None if it is gone."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return None
        for line in self.process.stdout:
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
            assert "error" not in answer, answer
        return None

    def close(self) -> tuple[int, str]:
        """Exit status and what went to stderr."""
        self.ask("quit")
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@pytest.fixture(scope="module", autouse=True)
def need_qemu() -> None:
    if shutil.which(os.environ.get("VMFUZZ_QEMU", "qemu-system-x86_64")) is None:
        if os.environ.get("VMFUZZ_REQUIRE_QEMU") == "1":
            pytest.fail("no qemu-system-x86_64")
        pytest.skip("no qemu-system-x86_64")


@pytest.fixture(scope="module", params=[Q35, OLD], ids=["q35", "pc-2.2"])
def captured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], bytes]:
    file = tmp_path_factory.mktemp("stream") / "stream"
    qemu = Qemu([*request.param, "-S"])
    qemu.ask("qmp_capabilities")
    qemu.ask("migrate", uri=f"exec:cat > {file}")
    _until_migrated(qemu)
    assert qemu.close()[0] == 0
    return request.param, file.read_bytes()


def _until_migrated(qemu: Qemu) -> str | None:
    """The status that migration ends with, None if QEMU ended first."""
    for _ in range(100_000):
        answer = qemu.ask("query-migrate")
        if answer is None or answer.get("status") in {"completed", "failed"}:
            return None if answer is None else str(answer["status"])
    pytest.fail("the migration does not end")


def load(arguments: list[str], data: bytes, path: Path) -> tuple[str | None, str]:
    """The run state after loading `data` (None: QEMU gave up) and the messages."""
    file = path / "incoming"
    file.write_bytes(data)
    qemu = Qemu([*arguments, "-S", "-incoming", f"exec:cat {file}"])
    qemu.ask("qmp_capabilities")
    state = None
    if _until_migrated(qemu) == "completed":
        for _ in range(100_000):
            state = str(qemu.ask("query-status")["status"])
            if state != "inmigrate":
                break
    return state, qemu.close()[1]


def made(state: bytes) -> Stream:
    timer = {"cpu_ticks_offset": 123, "unused": bytes(8), "cpu_clock_offset": 456}
    runstate = {"size": len(state) + 1, "runstate": state.ljust(100, b"\0")}
    records = (Section.build(TIMER, timer), Section.build(GLOBALSTATE, runstate, section_id=9), Eof())
    return Stream(Header(), Configuration.build("pc-q35-7.2"), records)


@pytest.mark.parametrize("state", ["shutdown", "paused"])
def test_a_stream_made_of_values_loads(state: str, tmp_path: Path) -> None:
    got, messages = load(["-machine", "pc-q35-7.2", *MACHINE], write(made(state.encode())), tmp_path)
    assert got == state, messages


def test_a_wrong_footer_does_not(tmp_path: Path) -> None:
    stream = made(b"paused")
    section = stream.sections[0]
    stream = stream.replace_record(0, replace(section, footer=7))
    got, messages = load(["-machine", "pc-q35-7.2", *MACHINE], write(stream), tmp_path)
    assert got is None
    assert "Mismatched section id in footer for timer - read 0x7 expected 0x0" in messages


def test_captured_streams_are_read_to_the_last_field(captured: tuple[list[str], bytes]) -> None:
    arguments, data = captured
    if "pc-i440fx-2.2" in arguments:
        pytest.skip("an old machine does not describe its devices")
    stream = read(data)
    assert write(stream) == data
    assert [section.kind for section in stream.sections[:1]] == [Kind.START]
    for section in stream.sections:
        if not section.is_ram:
            assert section.layout is not None
            assert [node.name for node in section.tree.children] != ["payload"]
            assert encode(section.layout, section.tree.values(), section.version) == section.payload
            assert all(node.type != "virtio" for _, node in section.tree.walk()), section


def test_a_description_made_of_the_sections_is_the_programs_own(captured: tuple[list[str], bytes]) -> None:
    arguments, data = captured
    if "pc-i440fx-2.2" in arguments:
        pytest.skip("an old machine does not describe its devices")
    stream = read(data)
    assert describe_itself(stream).vmdescription == stream.vmdescription


def test_captured_streams_made_again_of_values_load(captured: tuple[list[str], bytes], tmp_path: Path) -> None:
    arguments, data = captured
    if "pc-i440fx-2.2" in arguments:
        pytest.skip("an old machine does not describe its devices")
    stream = read(data)
    records = []
    for record in stream.records:
        again = record
        if isinstance(record, Section) and not record.is_ram:
            assert record.layout is not None
            again = Section.build(
                record.layout,
                record.tree.values(),
                name=record.name,
                section_id=record.section_id,
                instance=record.instance,
                version=record.version,
                kind=record.kind,
            )
        records.append(again)
    again_data = write(replace(stream, records=tuple(records)))
    assert again_data == data
    state, messages = load(arguments, again_data, tmp_path)
    assert state == "prelaunch", messages


def test_old_machines_have_neither_configuration_nor_footers(captured: tuple[list[str], bytes]) -> None:
    arguments, data = captured
    if "pc-i440fx-2.2" not in arguments:
        pytest.skip("a machine of today")
    stream = read(data)  # nothing tells how long a device is but the schemas of the store
    assert write(stream) == data
    assert stream.configuration is None
    assert {section.footer for section in stream.sections} == {None}
    assert {section.name for section in stream.sections} >= {"ram", "timer", "cpu", "0000:00:01.3/piix4_pm"}
    assert total(coverage(stream)).share > 0.995
