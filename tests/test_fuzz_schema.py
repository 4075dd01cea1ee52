"""`vmfuzz schema`: list, show, import, export."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fuzz.cli import main
from fuzz.schemas.folder import activate, default
from vmformat import Eof, Field, Header, Schema, Section, Stream, describe_itself, read, store, write

if TYPE_CHECKING:
    from collections.abc import Iterator

GADGET = Schema(
    "gadget",
    2,
    2,
    (Field("a", "uint32"), Field("b", "buffer", 3)),
    (Schema("gadget/more", 1, 1, (Field("c", "bool"),)),),
)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("VMFUZZ_STORE", "")
    store.use()
    yield
    monkeypatch.undo()
    store.use()


@pytest.fixture
def described(tmp_path: Path) -> str:
    """A stream with a device that nobody knows, and its VMDESCRIPTION."""
    values = {"a": 1, "b": b"xyz", "gadget/more": {"@version": 1, "c": 1}}
    stream = Stream(Header(), None, (Section.build(GADGET, values), Eof()))
    path = tmp_path / "described.vmstate"
    path.write_bytes(write(describe_itself(stream)))
    return str(path)


def vmfuzz(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    sys.argv = ["vmfuzz", *words]
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_what_is_shipped_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = vmfuzz(capsys, "schema")
    assert (status, err) == (0, "")
    head, *rows = out.splitlines()
    assert head.split() == ["NAME", "VERSION", "FIELDS", "SUBSECTIONS", "BYTES", "SEEN", "SOURCE"]
    assert {"timer", "cpu", "pl011", "virtio-net"} <= {row.split()[0] for row in rows}


@pytest.mark.parametrize("options", [("-m", "pc-small"), ("--from", "q35-modern.json")], ids=["machine", "file"])
def test_those_of_a_machine(capsys: pytest.CaptureFixture[str], tmp_path: Path, options: tuple[str, str]) -> None:
    if options[0] == "--from":
        from fuzz.corpus import find_machine

        path = tmp_path / options[1]
        path.write_bytes(find_machine("q35-modern").description.read_bytes())
        options = ("--from", str(path))
    status, out, _ = vmfuzz(capsys, "schema", "list", "timer", *options, "--json")
    assert status == 0
    (found,) = [item for item in json.loads(out) if item["name"] == "timer"]
    assert (found["version"], found["minimum"], found["fields"], found["size"]) == (2, 1, 3, 24)


def test_one_is_shown(capsys: pytest.CaptureFixture[str], described: str) -> None:
    status, out, _ = vmfuzz(capsys, "schema", "show", "gadget", "-f", described)
    assert status == 0
    assert out.splitlines()[1:] == [
        "gadget version 2: 7 bytes",
        "  a uint32",
        "  b buffer of 3 bytes",
        "  subsection gadget/more version 1: 1 bytes",
        "    c bool",
    ]
    status, out, _ = vmfuzz(capsys, "schema", "show", "gadget", "-f", described, "--json")
    assert [Schema.from_json(item).name for item in json.loads(out)] == ["gadget"]


def bare(described: str, tmp_path: Path) -> str:
    """The same stream twice over, with neither VMDESCRIPTION nor footers."""
    (section,) = read(Path(described).read_bytes()).sections
    path = tmp_path / "bare.vmstate"
    plain = Section(section.kind, 1, section.name, 0, section.version, section.payload)
    path.write_bytes(write(Stream(Header(), None, (plain, plain, Eof()))))
    return str(path)


@pytest.mark.parametrize("own", [True, False], ids=["the user's folder", "--store"])
def test_what_is_imported_is_used(
    capsys: pytest.CaptureFixture[str], described: str, tmp_path: Path, own: bool
) -> None:
    stream = bare(described, tmp_path)
    folder = default() if own else tmp_path / "mine"
    target = () if own else ("--store", str(folder))
    status, out, err = vmfuzz(capsys, "schema", "import", described, *target)
    assert (status, err) == (0, "")
    assert out == f"{folder}: 1 schemas taken, 1 of them new\n"
    status, out, _ = vmfuzz(capsys, "schema", "import", described, *target)
    assert out == f"{folder}: 1 schemas taken, 0 of them new\n"
    store.use()
    status, out, err = vmfuzz(capsys, *target, "show", stream)
    assert status == 0, err
    assert "gadget/more" in out
    status, out, _ = vmfuzz(capsys, *target, "schema", "list", "gadget")
    assert str(folder) in out


def test_what_is_exported_is_imported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for output in (tmp_path / "some.zip", tmp_path / "some"):
        status, out, _ = vmfuzz(capsys, "schema", "export", str(output), "timer", "hpet")
        assert status == 0
        assert "of 2 names" in out
    status, out, _ = vmfuzz(capsys, "schema", "import", str(tmp_path / "some.zip"), "--store", str(tmp_path / "other"))
    assert status == 0
    for name in ("timer.json", "hpet.json"):
        assert (tmp_path / "other" / name).read_bytes() == (tmp_path / "some" / name).read_bytes()
        status, out, _ = vmfuzz(capsys, "schema", "import", str(tmp_path / "some" / name))
        assert status == 0


def test_what_a_dump_tells(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    field = {"field": "level", "version_id": 0, "field_exists": False, "size": 4}
    vmsd = {"name": "gizmo", "version_id": 1, "minimum_version_id": 1, "Fields": [field]}
    dump = {"vmschkmachine": {"Name": "pc"}, "gizmo": {"Name": "gizmo", "Description": vmsd}}
    path = tmp_path / "dump"
    path.write_text(json.dumps(dump))
    status, out, _ = vmfuzz(capsys, "schema", "show", "gizmo", "-f", str(path))
    assert status == 0
    assert out.splitlines()[1:] == ["gizmo version 1: 4 bytes", "  level uint32"]


UNUSABLE: dict[str, tuple[str, ...]] = {
    "no such file": ("schema", "import", "nothing.vmstate"),
    "no such machine": ("schema", "list", "-m", "nothing"),
    "no such schema": ("schema", "show", "nothing"),
    "no such version": ("schema", "show", "timer", "--version", "99"),
    "no such name to export": ("schema", "export", "out", "nothing"),
    "no description": ("schema", "list", "-f", "pc-small/after"),
    "no such store": ("--store", "/nothing/there", "schema"),
    "no such qemu": ("schema", "capture", "out.zip", "--qemu", "qemu-of-nobody"),
}


@pytest.mark.parametrize("case", UNUSABLE, ids=str)
def test_what_cannot_be_used_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = vmfuzz(capsys, *UNUSABLE[case])
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "[1]", "{}", '{"sections": 1, "schemas": 2}', '{"vmschkmachine": 1, "x": {"Description": 1}}'],
)
def test_files_that_are_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    status, _, err = vmfuzz(capsys, "schema", "import", str(path))
    assert status == 2
    assert len(err.splitlines()) == 1


def test_a_folder_that_is_not_there_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    activate(None)
    import os

    assert os.environ["VMFUZZ_STORE"] == ""
    activate(tmp_path)
    assert os.environ["VMFUZZ_STORE"] == str(tmp_path)
    monkeypatch.setenv("VMFUZZ_STORE", "")
