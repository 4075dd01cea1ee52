"""VM states in qcow2 images: those that the program makes, and ones put together here cluster by cluster."""

from __future__ import annotations

import random
import struct
import time
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.qemu import Qemu
from vmformat import Stream, StreamError, qcow2, read, write

if TYPE_CHECKING:
    from pathlib import Path

COMPRESSION, EXTENDED = 1 << 3, 1 << 4


class Image:
    """An image of one snapshot whose VM state is `state`; clusters of the state are shuffled over the file."""

    def __init__(
        self,
        state: bytes,
        *,
        bits: int = 9,
        version: int = 3,
        features: int = 0,
        kinds: str = "p",
        disk: int = 1000,
        extra: int = 24,
        **others: int,
    ) -> None:
        self.bits, self.size, self.features = bits, 1 << bits, features
        self.file = bytearray(self.size)
        entry = 16 if features & EXTENDED else 8
        per_table = self.size // entry
        first = -(-disk // (per_table * self.size)) * per_table
        count = -(-len(state) // self.size)
        chunks = [state[i * self.size : (i + 1) * self.size].ljust(self.size, b"\0") for i in range(count)]
        entries = [b""] * count
        for i in random.Random(1).sample(range(count), count):
            entries[i] = self.place(chunks[i], kinds[i % len(kinds)])
        tables = []
        for i in range(0, count, per_table):
            table = b"".join(entries[i : i + per_table])
            tables.append(self.add(table.ljust(self.size, b"\0")) | 1 << 63 if any(table) else 0)
        l1 = struct.pack(f">{first // per_table + len(tables)}Q", *[0] * (first // per_table), *tables)
        l1_at = self.add(l1)
        more = struct.pack(">QQQ", len(state), disk, 0)[:extra] + bytes(max(extra - 24, 0))
        small = 0 if extra >= 8 else len(state)
        table = struct.pack(">QIHHIIQII", l1_at, len(l1) // 8, 1, 4, 7, 8, 9, small, len(more)) + more + b"1name"
        table += bytes(-len(table) % 8)
        table += struct.pack(">QIHHIIQII", l1_at, 1, 1, 4, 0, 0, 0, 0, 0) + b"2disk"
        at = self.add(table)
        head = {"magic": 0x514649FB, "version": version, "backing": 0, "backing_size": 0, "bits": bits}
        head |= {"disk": disk, "crypt": 0, "l1_entries": 0, "l1_at": 0, "refcounts": 0, "refcount_clusters": 0}
        head |= {"snapshots": 2, "snapshots_at": at, "features": features, "compatible": 0, "autoclear": 0}
        head |= {"order": 4, "length": 112, "compression": 0, **others}
        struct.pack_into(">IIQIIQIIQQIIQQQQIIB", self.file, 0, *head.values())

    def add(self, data: bytes) -> int:
        at = len(self.file)
        self.file += data + bytes(-len(data) % self.size)
        return at

    def place(self, chunk: bytes, kind: str) -> bytes:
        bitmap = 0xFFFFFFFF
        if kind == "u":
            entry, bitmap = 0, 0
        elif kind == "z":
            entry, bitmap = 1, 0xFFFFFFFF << 32
        elif kind == "c":
            packer = zlib.compressobj(9, zlib.DEFLATED, -12)
            packed = packer.compress(chunk) + packer.flush()
            at = self.add(bytes(5) + packed) + 5  # compressed clusters begin anywhere
            entry = 1 << 62 | ((at % 512 + len(packed) - 1) // 512) << 62 - (self.bits - 8) | at
        elif kind == "h":  # every second part of it
            entry, bitmap = self.add(chunk) | 1 << 63, 0xAAAAAAAA | 0xFF << 32
        else:
            entry = self.add(chunk) | 1 << 63
        return struct.pack(">QQ", entry, bitmap) if self.features & EXTENDED else struct.pack(">Q", entry)


STATE = random.Random(2).randbytes(90_000) + bytes(3000) + b"end"


def zeroed(kinds: str, size: int) -> bytes:
    """`STATE` with zeros where clusters of kind "u" and "z" are, and where parts of an "h" are not there."""
    out = bytearray(STATE)
    for i in range(0, len(STATE), size):
        kind = kinds[i // size % len(kinds)]
        if kind in "uz":
            out[i : i + size] = bytes(len(out[i : i + size]))
        for part in range(32) if kind == "h" else ():
            at, length = i + part * size // 32, size // 32
            if not part % 2 or part < 8:
                out[at : at + length] = bytes(len(out[at : at + length]))
    return bytes(out)


IMAGES: dict[str, tuple[dict[str, Any], bytes]] = {
    "plain": ({}, STATE),
    "version 2": ({"version": 2, "extra": 0}, STATE),
    "a size in 64 bits": ({"extra": 8}, STATE),
    "extra data of the future": ({"extra": 100}, STATE),
    "no disk": ({"disk": 0}, STATE),
    "a disk that ends with a table": ({"disk": 1 << 15}, STATE),
    "zeros": ({"kinds": "puz"}, zeroed("puz", 512)),
    "compressed": ({"kinds": "cpc"}, STATE),
    "compressed, large": ({"kinds": "cp", "bits": 16}, STATE),
    "extended": ({"kinds": "pchuz", "bits": 14, "features": EXTENDED}, zeroed("pchuz", 1 << 14)),
    "a kind of compression that is not used": ({"features": COMPRESSION, "compression": 1}, STATE),
    "dirty": ({"features": 3}, STATE),
}


@pytest.mark.parametrize(("how", "state"), IMAGES.values(), ids=IMAGES.keys())
def test_reads(how: dict[str, Any], state: bytes) -> None:
    image = bytes(Image(STATE, **how).file)
    got = qcow2.vm_state(image, "name")
    assert len(got) == len(state)
    assert got[:] == state
    assert got[511:70_000] == state[511:70_000]
    assert got[90_000:1_000_000] == state[90_000:]
    assert got[5] == state[5]
    assert got[100:10:-7] == state[100:10:-7]
    assert qcow2.vm_state(image)[:] == qcow2.vm_state(image, "1")[:] == state
    assert (got.find(b"end"), got.rfind(b"end")) == (state.find(b"end"), state.rfind(b"end"))
    assert got.find(state[80_000:80_004], 10, 80_003) == state.find(state[80_000:80_004], 10, 80_003)
    assert got.rfind(state[30:34]) == state.rfind(state[30:34])
    assert got.rfind(state[30:34], 31) == state.rfind(state[30:34], 31)


def test_lists() -> None:
    one, two = qcow2.snapshots(bytes(Image(STATE).file))
    assert (one.id, one.name, one.seconds, one.nanoseconds, one.clock) == ("1", "name", 7, 8, 9)
    assert (one.size, one.disk_size) == (len(STATE), 1000)
    assert (two.id, two.name, two.size, two.disk_size) == ("2", "disk", 0, 1000)


@pytest.mark.parametrize(
    ("how", "name", "message"),
    [
        pytest.param({"magic": 7}, None, "(qcow2.magic): expected 51 46 49 fb, found 00 00 00 07", id="magic"),
        pytest.param({"version": 4}, None, "(qcow2.version): expected 2 or 3, found 4", id="version"),
        pytest.param({"crypt": 2}, None, "expected an image that is not encrypted, found method 2", id="encrypted"),
        pytest.param(
            {"features": 4}, None, "expected an image in one file, found an external data file", id="external"
        ),
        pytest.param({"features": 96}, None, "expected features known here, found bits 0x60", id="features"),
        pytest.param(
            {"features": EXTENDED, "bits": 13}, None, "expected 14 or more with extended tables", id="extended"
        ),
        pytest.param({"snapshots": 0}, None, "expected one snapshot with VM state, found none", id="no snapshot"),
        pytest.param({}, "nam", "expected a snapshot 'nam', found 'name', 'disk'", id="another name"),
        pytest.param({}, "disk", "expected VM state, found a snapshot of the disk alone", id="disk alone"),
        pytest.param({"snapshots": 99}, None, "expected a snapshot's entry, found the end of the file", id="too many"),
        pytest.param({"snapshots": 65537}, None, "expected at most 65536, found 65537", id="far too many"),
        pytest.param({"snapshots_at": 1 << 60}, None, "(qcow2.snapshots[0])", id="snapshots elsewhere"),
        pytest.param(
            {"kinds": "c", "features": COMPRESSION, "compression": 1},
            None,
            "expected clusters stored plainly or by zlib, found a cluster compressed by zstd",
            id="zstd",
        ),
    ],
)
def test_refuses(how: dict[str, Any], name: str | None, message: str) -> None:
    with pytest.raises(StreamError) as error:
        qcow2.vm_state(bytes(Image(STATE, **how).file), name)[:]
    assert message in str(error.value)


def test_a_state_that_the_file_has_no_room_for() -> None:
    image = Image(STATE)
    at = image.file.index(struct.pack(">QQ", len(STATE), 1000))
    struct.pack_into(">Q", image.file, at, 1 << 50)
    with pytest.raises(StreamError, match="expected VM state that the file has room for"):
        qcow2.vm_state(bytes(image.file))


GOOD = {
    name: bytes(Image(STATE[:5000] if "bits" not in how else STATE, **how).file) for name, (how, _) in IMAGES.items()
}


@settings(deadline=None)
@given(
    st.sampled_from(sorted(GOOD)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=9)), max_size=5),
    st.lists(st.tuples(st.integers(0, 111), st.binary(min_size=1, max_size=4)), max_size=3),
    st.floats(0, 1),
)
def test_any_image(name: str, anywhere: list[tuple[float, bytes]], header: list[tuple[int, bytes]], end: float) -> None:
    image = bytearray(GOOD[name])
    for at, data in [*header, *((int(part * len(image)), data) for part, data in anywhere)]:
        image[at : at + len(data)] = data
    cut = bytes(image[: max(int(len(image) * end), 0)])
    for source in (bytes(image), cut):
        try:
            state = qcow2.vm_state(source)
            assert len(state) <= 64 * len(source)
            state[: 1 << 20]
        except StreamError as error:
            assert "\n" not in str(error)  # noqa: PT017 - it need not be raised


def make_image(qemu: Qemu, path: Path, options: dict[str, object]) -> None:
    """An empty image of 64 MiB, made by the program itself and opened as node `disk`."""

    def job(**how: object) -> None:
        qemu.qmp("blockdev-create", {"job-id": "job", "options": how})
        wait(qemu, "job")

    job(driver="file", filename=str(path), size=0)
    qemu.qmp("blockdev-add", {"driver": "file", "node-name": "file", "filename": str(path)})
    job(driver="qcow2", file="file", size=64 << 20, **options)
    qemu.qmp("blockdev-add", {"driver": "qcow2", "node-name": "disk", "file": "file"})


def wait(qemu: Qemu, job: str) -> None:
    """Until that job has ended well."""
    for _ in range(2000):
        (state,) = (one for one in qemu.qmp("query-jobs") if one["id"] == job)
        if state["status"] == "concluded":
            assert "error" not in state, state
            qemu.qmp("job-dismiss", {"id": job})
            return
        time.sleep(0.01)
    pytest.fail("the job does not end")


REAL: dict[str, dict[str, object]] = {
    "version 2": {"version": "v2"},
    "version 3": {"version": "v3"},
    "small clusters": {"cluster-size": 512},
    "large clusters": {"cluster-size": 2 << 20},
    "extended": {"extended-l2": True, "cluster-size": 16384},
}


@pytest.mark.qemu
@pytest.mark.parametrize("options", REAL.values(), ids=REAL.keys())
def test_what_the_program_saves(real_qemu: str, tmp_path: Path, options: dict[str, object]) -> None:
    path = tmp_path / "disk.qcow2"
    names = ["one", "two words", "drei ü"]
    with Qemu(["-machine", "q35", "-m", "16M", "-nodefaults"], binary=real_qemu) as qemu:
        make_image(qemu, path, options)
        for name in names:
            saving = {"job-id": "save", "tag": name, "vmstate": "disk", "devices": ["disk"]}
            qemu.qmp("snapshot-save", saving)
            wait(qemu, "save")
            qemu.qmp("cont")
            time.sleep(0.2)
            qemu.qmp("stop")
        (node,) = (one for one in qemu.qmp("query-named-block-nodes") if one["node-name"] == "disk")
        told = node["image"]["snapshots"]
        qemu.migrate(tmp_path / "stream")
    image = path.read_bytes()
    found = qcow2.snapshots(image)
    assert [one.name for one in found] == names
    for one, other in zip(found, told, strict=True):
        clock = other["vm-clock-sec"] * 10**9 + other["vm-clock-nsec"]
        assert (one.id, one.name, one.size, one.clock) == (other["id"], other["name"], other["vm-state-size"], clock)
        assert (one.seconds, one.nanoseconds) == (other["date-sec"], other["date-nsec"])
        state = qcow2.vm_state(image, one.name)[:]
        stream = read(state)
        assert write(stream) == state
        assert stream.vmdescription is not None
        assert stream.sections[-1].name == "globalstate"
    migrated = read((tmp_path / "stream").read_bytes())
    assert devices(migrated) == devices(stream)


def devices(stream: Stream) -> list[tuple[str, int]]:
    return [(one.name, one.instance) for one in stream.sections if not one.is_ram]
