"""RAM, disks and side channels as the installed program sends them: read, told apart, written back, and right."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from captured import MACHINE, Listener, destination, fill, finish, incoming, memory, start, switch_on
from test_vmformat_qcow2 import make_image

from fuzz.capture.qtest import Accessible
from fuzz.qemu import Qemu
from vmformat import Cmd, Command, Section, Stream, describe, read, write
from vmformat.channels import channel as channels
from vmformat.channels import colo
from vmformat.channels.checkpoints import moments
from vmformat.iterable.payloads import decode_records, encode_records, records_fault
from vmformat.ram.pages import ram_blocks, ram_pages
from vmformat.strip import Wanted, stripped_pieces

if TYPE_CHECKING:
    from pathlib import Path

    from vmformat.node import Node

pytestmark = pytest.mark.qemu

SHADOWED = range(0xA0000, 0x100000)
"""Of pc.ram, what the guest sees something else in place of."""


def check(data: bytes) -> Stream:
    """A stream that comes back to its bytes, every ram, dirty-bitmap and block payload by its records too."""
    stream = read(data)
    assert write(stream) == data
    for section in stream.sections:
        if section.name in {"ram", "dirty-bitmap", "block"}:
            values = decode_records(section.name, section.payload, 0, section.context).values()
            assert encode_records(section.name, values, section.context) == section.payload
            assert records_fault(section.name, section.payload, 0, section.context) is None
    stripped = b"".join(stripped_pieces(stream, Wanted()))
    assert list(ram_pages(read(stripped))) == []
    return stream


def contents(stream: Stream, block: str = "pc.ram") -> dict[int, bytes]:
    """The pages of a block in the end."""
    found: dict[int, bytes] = {}
    for page in ram_pages(stream):
        if page.block == block:
            found[page.address] = page.content(found.get(page.address))
    return found


def same(pages: dict[int, bytes], ram: bytes) -> bool:
    return all(ram[at : at + 4096] == page for at, page in pages.items() if at not in SHADOWED)


def kinds(stream: Stream) -> dict[str, int]:
    return {
        kind: count for block in ram_blocks(stream) if block.name == "pc.ram" for kind, count in block.pages.items()
    }


def test_xbzrle(real_qemu: str, tmp_path: Path) -> None:
    with Accessible(MACHINE, binary=real_qemu) as guest:
        fill(guest, 0x100000, 64, 1)
        switch_on(guest.vm, "xbzrle", "pause-before-switchover")
        guest.vm.qmp("migrate-set-parameters", {"max-bandwidth": 500_000, "downtime-limit": 1})
        start(guest.vm, tmp_path / "stream")
        for value in range(1000):
            fill(guest, 0x100000, 64, value)
            state = guest.vm.qmp("query-migrate")
            if state.get("xbzrle-cache", {}).get("pages", 0) > 20 or state["status"] == "pre-switchover":
                break
        guest.vm.qmp("migrate-set-parameters", {"max-bandwidth": 1 << 30, "downtime-limit": 1000})
        finish(guest.vm, lambda state: state["status"] == "pre-switchover")
        guest.vm.qmp("migrate-continue", {"state": "pre-switchover"})
        finish(guest.vm)
        ram = memory(guest.vm, tmp_path)
    stream = check((tmp_path / "stream").read_bytes())
    assert kinds(stream)["XBZRLE"] > 4  # how many, the load of the computer decides
    pages = contents(stream)
    assert len(pages) == 2048
    assert same(pages, ram)
    kept = read(b"".join(stripped_pieces(stream, Wanted(keep={"pc.ram": [(0x105000, 4096)]}))))
    assert set(kinds(kept)) <= {"PAGE", "ZERO"}
    assert contents(kept)[0x105000] == ram[0x105000:0x106000]


def test_compressed(real_qemu: str, tmp_path: Path) -> None:
    with Accessible(MACHINE, binary=real_qemu) as guest:
        fill(guest, 0x100000, 64, 1)
        switch_on(guest.vm, "compress")
        start(guest.vm, tmp_path / "stream")
        finish(guest.vm)
        ram = memory(guest.vm, tmp_path)
    stream = check((tmp_path / "stream").read_bytes())
    assert kinds(stream)["COMPRESS"] >= 60
    pages = contents(stream)
    assert len(pages) == 2048
    assert same(pages, ram)


def test_what_strip_leaves_is_loaded(real_qemu: str, tmp_path: Path) -> None:
    with Accessible(MACHINE, binary=real_qemu) as guest:
        fill(guest, 0x100000, 64, 1)
        switch_on(guest.vm, "compress", "pause-before-switchover")
        start(guest.vm, tmp_path / "stream")
        finish(guest.vm, lambda state: state["status"] == "pre-switchover")
        fill(guest, 0x100000, 32, 7)  # these pages come twice
        guest.vm.qmp("migrate-continue", {"state": "pre-switchover"})
        finish(guest.vm)
        ram = memory(guest.vm, tmp_path)
    stream = read((tmp_path / "stream").read_bytes())
    plain = Wanted(keep={"pc.ram": [(0, 8 << 20)]}, drop_zero=True)
    (tmp_path / "plain").write_bytes(b"".join(stripped_pieces(stream, plain)))
    with destination(MACHINE, real_qemu) as other:
        assert other.load(tmp_path / "plain")
        loaded = memory(other, tmp_path)
    assert loaded[:0xA0000] == ram[:0xA0000]
    assert loaded[0x100000:] == ram[0x100000:]


def leaf(node: Node, path: str) -> object:
    found = node.find(path)
    return None if found is None else found.value


@pytest.mark.parametrize("method", ["none", "zlib", "zstd"])
def test_multifd(real_qemu: str, tmp_path: Path, method: str) -> None:
    with Accessible(MACHINE, binary=real_qemu) as guest, Listener(tmp_path / "socket") as listener:
        fill(guest, 0x100000, 300, 1)
        switch_on(guest.vm, "multifd")
        guest.vm.qmp("migrate-set-parameters", {"multifd-channels": 2, "multifd-compression": method})
        guest.vm.qmp("migrate", {"uri": f"unix:{listener.path}"})
        finish(guest.vm)
        ram = memory(guest.vm, tmp_path)
    found = [bytes(data) for data in listener.sent]
    (main,) = (data for data in found if data.startswith(b"QEVM"))
    check(main)
    others = [data for data in found if channels.is_channel(data)]
    assert len(others) == 2
    sent = 0
    for data in others:
        channel = channels.read_channel(data)
        assert channel.fault is None
        assert channels.write_channel(channel.kind, channel.tree.values()) == data
        hello, *packets = channel.tree.children
        assert channel.title(hello) == "hello"
        assert any("SYNC" in channel.title(packet) for packet in packets)
        for packet in packets:
            normal = leaf(packet, "normal_pages")
            assert isinstance(normal, int)
            sent += normal
            if method != "none" or not normal:
                assert normal == 0 or method in channel.title(packet)
                continue
            offsets, block = leaf(packet, "offsets"), leaf(packet, "ramblock")
            assert isinstance(offsets, tuple)
            assert isinstance(block, bytes)
            for i, offset in enumerate(offsets[:normal]):
                if block.rstrip(b"\0") == b"pc.ram" and offset not in SHADOWED:
                    assert isinstance(offset, int)
                    assert leaf(packet, f"pages[{i}]") == ram[offset : offset + 4096]
    assert sent >= 300


def test_shared_memory_and_uuid(real_qemu: str, tmp_path: Path) -> None:
    uuid = UUID("00112233-4455-6677-8899-aabbccddeeff")
    shared = f"memory-backend-file,id=ram0,size=8M,share=on,mem-path={tmp_path / 'ram'}"
    arguments = ["-machine", "pc,memory-backend=ram0", *MACHINE[2:], "-object", shared]
    arguments += ["-uuid", str(uuid)]
    with Qemu(arguments, binary=real_qemu) as qemu:
        switch_on(qemu, "x-ignore-shared", "validate-uuid")
        start(qemu, tmp_path / "stream")
        finish(qemu)
    stream = check((tmp_path / "stream").read_bytes())
    blocks = {block.name: block for block in ram_blocks(stream)}
    assert (blocks["ram0"].length, blocks["ram0"].address, blocks["ram0"].pages) == (8 << 20, 0, {})
    assert blocks["pc.bios"].address == 0xFFFC0000
    assert stream.configuration is not None
    assert leaf(stream.configuration.tree, "configuration/uuid.uuid") == bytes.fromhex(
        "00112233445566778899aabbccddeeff"
    )


def test_background_snapshot(real_qemu: str, tmp_path: Path) -> None:
    with Qemu(MACHINE, binary=real_qemu) as qemu:
        switch_on(qemu, "background-snapshot")
        qemu.qmp("cont")
        start(qemu, tmp_path / "stream")
        finish(qemu)
    stream = check((tmp_path / "stream").read_bytes())
    ram = [section.kind.name for section in stream.sections if section.is_ram]
    assert ram[0] == "START"
    assert set(ram[1:]) == {"PART"}
    assert len(contents(stream)) == 2048


def test_dirty_bitmaps(real_qemu: str, tmp_path: Path) -> None:
    with Qemu(MACHINE, binary=real_qemu) as qemu:
        make_image(qemu, tmp_path / "disk", {})
        bitmap = {"node": "disk", "name": "changed", "granularity": 65536}
        qemu.qmp("block-dirty-bitmap-add", bitmap)
        qemu.hmp('qemu-io disk "write 0x100000 128k"')
        switch_on(qemu, "dirty-bitmaps")
        start(qemu, tmp_path / "stream")
        finish(qemu)
    stream = check((tmp_path / "stream").read_bytes())
    sections = [section for section in stream.sections if section.name == "dirty-bitmap"]
    assert sections[0].kind.name == "START"
    first = sections[0].tree
    names = leaf(first, "[0].device"), leaf(first, "[0].bitmap"), leaf(first, "[0].granularity")
    assert names == (b"disk", b"changed", 65536)
    records = [record for section in sections for record in section.tree.children]
    assert any(leaf(record, "data") for record in records)


def test_disks(real_qemu: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(1 << 20) + b"\x5a" * (1 << 20) + bytes(1 << 20))
    drive = f"file={disk},if=none,id=d,format=raw"
    arguments = [*MACHINE, "-drive", drive, "-device", "virtio-blk-pci,drive=d"]
    with Qemu(arguments, binary=real_qemu) as qemu:
        start(qemu, tmp_path / "stream", blk=True)
        finish(qemu)
    stream = check((tmp_path / "stream").read_bytes())
    records = [record for section in stream.sections if section.name == "block" for record in section.tree.children]
    blocks = [leaf(record, "data") for record in records if record.find("device") is not None]
    assert sorted(block == b"\x5a" * (1 << 20) for block in blocks) == [False, False, True]
    assert blocks.count(None) == 0


WRITES = bytes.fromhex("31c9 b80010 8ec0 26ff060001 050001 3d0080 72f1 ebec")
"""A guest that writes to every page from 0x10000 to 0x80000, again and again."""


def running(folder: Path) -> list[str]:
    """A machine with that guest on a disk, which several processes may open."""
    disk = folder / "disk"
    disk.write_bytes(WRITES.ljust(510, b"\0") + b"\x55\xaa" + bytes(0xFE00))
    return [*MACHINE, "-drive", f"file={disk},if=ide,format=raw,file.locking=off"]


@pytest.mark.parametrize("preempt", [False, True], ids=["one channel", "two channels"])
def test_postcopy(real_qemu: str, tmp_path: Path, preempt: bool) -> None:
    behind = tmp_path / "behind"
    machine = running(tmp_path)
    with Accessible(machine, binary=real_qemu) as guest, destination(machine, real_qemu) as other:
        fill(guest, 0x100000, 900, 1)
        for one in (guest.vm, other):
            switch_on(one, "postcopy-ram", *(["postcopy-preempt"] if preempt else []))
        guest.vm.qmp("cont")
        time.sleep(1)
        incoming(other, behind)
        with Listener(tmp_path / "socket", behind) as listener:
            guest.vm.qmp("migrate-set-parameters", {"max-bandwidth": 500_000, "max-postcopy-bandwidth": 300_000})
            guest.vm.qmp("migrate", {"uri": f"unix:{listener.path}"})
            finish(guest.vm, lambda state: state.get("ram", {}).get("transferred", 0) > 200_000)
            guest.vm.qmp("migrate-start-postcopy")
            listener.wait(lambda: any(b"\0\3\0\x13" in answered for answered in listener.answered))
            guest.vm.qmp("migrate-set-parameters", {"max-postcopy-bandwidth": 1 << 30})
            finish(guest.vm)
            finish(other)
            ram = memory(guest.vm, tmp_path)
            other.stop()
    main = bytes(listener.sent[0])
    stream = check(main)
    commands = [record.name for record in stream.records if isinstance(record, Command)]
    assert commands[:3] == ["OPEN_RETURN_PATH", "PING", "POSTCOPY_ADVISE"]
    assert "PACKAGED" in commands
    assert "POSTCOPY_RAM_DISCARD" in commands
    assert stream.sections[0].context is not None
    assert stream.sections[0].context.advised == 4096
    assert len(listener.sent) == 1 + preempt
    for data in map(bytes, listener.sent[1:]):
        channel = channels.read_channel(data, "preempt", stream.sections[0].context)
        assert channel.fault is None
        assert channels.write_channel("preempt", channel.tree.values(), channel.context) == data
        assert [channel.title(record) for record in channel.tree.children][-1] == "EOS"
    pages = contents(stream)
    assert all(ram[at : at + 4096] == pages[at] for at in range(0x100000, 0x100000 + 900 * 4096, 4096))
    answers = bytes(listener.answered[0])
    channel = channels.read_channel(answers, "return-path")
    assert channel.fault is None
    assert channels.write_channel("return-path", channel.tree.values()) == answers
    titles = [channel.title(message) for message in channel.tree.children]
    assert titles.count("PONG") == commands.count("PING") + 1  # there is one in the package
    assert titles[-1] == "SHUT"


def test_postcopy_that_is_taken_up_again(real_qemu: str, tmp_path: Path) -> None:
    machine = running(tmp_path)
    behind, again = tmp_path / "behind", tmp_path / "again"
    with Accessible(machine, binary=real_qemu) as guest, destination(machine, real_qemu) as other:
        fill(guest, 0x200000, 1000, 1)
        for one in (guest.vm, other):
            switch_on(one, "postcopy-ram")
        incoming(other, behind)
        with Listener(tmp_path / "socket", behind) as listener, Listener(tmp_path / "socket2", again) as second:
            guest.vm.qmp("cont")
            time.sleep(1)
            guest.vm.qmp("migrate-set-parameters", {"max-bandwidth": 500_000, "max-postcopy-bandwidth": 300_000})
            guest.vm.qmp("migrate", {"uri": f"unix:{listener.path}"})
            finish(guest.vm, lambda state: state.get("ram", {}).get("transferred", 0) > 200_000)
            guest.vm.qmp("migrate-start-postcopy")
            for one in (guest.vm, other):
                finish(one, lambda state: state["status"] == "postcopy-active")
            listener.wait(lambda: b"\0\3\0\x13" in listener.answered[0])  # a page is asked for
            time.sleep(1)  # a channel that breaks before the guest runs ends the destination
            listener.cut()
            for one in (guest.vm, other):
                finish(one, lambda state: state["status"] == "postcopy-paused")
            other.qmp("migrate-recover", {"uri": f"unix:{again}"})
            guest.vm.qmp("migrate", {"uri": f"unix:{second.path}", "resume": True})
            guest.vm.qmp("migrate-set-parameters", {"max-postcopy-bandwidth": 1 << 30})
            for one in (guest.vm, other):
                finish(one)
            guest.vm.stop()
            other.stop()
    for data in (listener.answered[0], second.answered[0]):
        channel = channels.read_channel(bytes(data), "return-path")
        assert channel.fault is None
        assert channels.write_channel("return-path", channel.tree.values()) == data
    said = [channel.title(message) for message in channel.tree.children]
    assert said == ["RECV_BITMAP"] * 6 + ["RESUME_ACK", "SHUT"]
    bitmap = channel.tree.children[0]
    assert (leaf(bitmap, "block"), leaf(bitmap, "bitmap@length")) == (b"pc.ram", 2048 // 8)
    assert leaf(bitmap, "end_mark") == 0x0123456789ABCDEF
    first, rest = bytes(listener.sent[0]), bytes(second.sent[0])
    for part in (first, rest):  # neither is a whole stream
        assert write(read(part, tolerant=True)) == part
    commands = [record.name for record in read(rest, tolerant=True).records if isinstance(record, Command)]
    assert commands == ["RECV_BITMAP"] * 6 + ["POSTCOPY_RESUME"]


def test_colo(real_qemu: str, tmp_path: Path) -> None:
    behind = tmp_path / "behind"
    with Accessible(MACHINE, binary=real_qemu) as guest, destination(MACHINE, real_qemu) as other:
        for one in (guest.vm, other):
            switch_on(one, "x-colo")
        incoming(other, behind)
        with Listener(tmp_path / "socket", behind) as listener:
            guest.vm.qmp("migrate-set-parameters", {"x-checkpoint-delay": 200})
            guest.vm.qmp("cont")
            guest.vm.qmp("migrate", {"uri": f"unix:{listener.path}"})
            listener.wait(lambda: any(len(answered) >= 16 for answered in listener.answered))
            guest.vm.stop()
            other.stop()
    stream = check(bytes(listener.sent[0]))
    assert stream.records[0] == Command(Cmd.ENABLE_COLO)
    channel = channels.checkpoints(stream)
    assert channel is not None
    data = bytes(channel.data[:])
    assert channels.write_channel("colo", channel.tree.values(), channel.context) == data
    titles = [channel.title(record) for record in channel.tree.children]
    assert titles[:3] == ["CHECKPOINT_REQUEST", "VMSTATE_SEND", "VMSTATE_SIZE"]
    _, ram, devices, *_ = moments(stream)
    assert [record.name for record in ram.records if isinstance(record, Section)] == ["ram"]
    assert len(devices.records) > 10
    stripped = read(b"".join(stripped_pieces(stream, Wanted())))
    assert len(stripped.trailing) < len(stream.trailing) - 100_000
    _, ram, *_ = moments(stripped)
    assert [len(record.buffer) for record in ram.records if isinstance(record, Section)] == [8]
    (_, state), *_ = colo.vmstates(data, channel.context)
    inside = read(write(Stream()) + state, describe(stream.trailing))
    names = [(one.name, one.instance) for one in inside.sections]
    assert names == [(one.name, one.instance) for one in stream.sections if one.kind.name == "FULL"]
    assert inside.trailing == b""
    answers = channels.read_channel(bytes(listener.answered[0]), "colo")
    said = [answers.title(record) for record in answers.tree.children]
    assert said[:4] == ["CHECKPOINT_READY", "CHECKPOINT_REPLY", "VMSTATE_RECEIVED", "VMSTATE_LOADED"]


PAGE_SIZES = {
    "x86": ("qemu-system-x86_64", ["-machine", "q35"], 4096, None),
    "arm64 virt": ("qemu-system-aarch64", ["-machine", "virt", "-cpu", "cortex-a57"], 4096, 12),
    "old arm": ("qemu-system-aarch64", ["-machine", "versatilepb", "-cpu", "arm926"], 1024, None),
}


@pytest.mark.parametrize(("binary", "machine", "page_size", "bits"), PAGE_SIZES.values(), ids=PAGE_SIZES.keys())
@pytest.mark.parametrize("described", [True, False], ids=["described", "bare"])
def test_page_sizes(
    binary: str, machine: list[str], page_size: int, bits: int | None, described: bool, tmp_path: Path
) -> None:
    if shutil.which(binary) is None:
        pytest.skip(f"no {binary}")
    with Accessible([*machine, "-m", "16M", "-nodefaults"], binary=binary) as guest:
        base = 0x40000000 if "virt" in machine else 0x100000
        fill(guest, base, 16, 1)
        start(guest.vm, tmp_path / "stream")
        finish(guest.vm)
    data = (tmp_path / "stream").read_bytes()
    if not described:
        trailing = read(data).trailing
        data = data[: len(data) - len(trailing)]
    stream = check(data)
    assert stream.configuration is not None
    assert leaf(stream.configuration.tree, "configuration/target-page-bits.bits") == bits
    pages = list(ram_pages(stream))
    assert {page.page_size for page in pages} == {page_size}
    assert sum(page.kind == "PAGE" and page.content()[0x100:0x104] != bytes(4) for page in pages) >= 16
