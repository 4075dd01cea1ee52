"""`vmfuzz show` of what goes beside a stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from test_fuzz_cli import vmfuzz
from test_vmformat_channels import CHECKPOINTS, HELLO, MESSAGES, PACKETS

if TYPE_CHECKING:
    from pathlib import Path

LINES = {
    "multifd": (
        (),
        HELLO + b"".join(PACKETS),
        ["0x00000000 [0] hello, 64 bytes", "[2] packet SYNC", "normal_pages = 2", "offsets = 0x1000 0x2000"],
    ),
    "return path": (
        ("--as", "return-path"),
        b"".join(MESSAGES),
        ["0x00000000 [0] SHUT, 8 bytes", "0x00000010 [2] REQ_PAGES_ID", "start = 0x1000", "block = 'pc.ram'"],
    ),
    "colo": (("--as", "colo"), b"".join(CHECKPOINTS), ["[1] VMSTATE_SEND", "section_id = 2", "state = "]),
    "flat": (("--as", "return-path", "--flat"), b"".join(MESSAGES), ["return-path[1].cookie = 2"]),
    "the first ones": (("--as", "return-path", "--limit", "2"), b"".join(MESSAGES), ["and 7 records more"]),
    "heads": (("--as", "return-path", "--depth", "0"), b"".join(MESSAGES), ["[1] PONG, 8 bytes\n0x00000010 [2]"]),
}


@pytest.mark.parametrize(("words", "data", "lines"), LINES.values(), ids=LINES.keys())
def test_lines(
    words: tuple[str, ...],
    data: bytes,
    lines: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "channel"
    path.write_bytes(data)
    assert vmfuzz(monkeypatch, "show", str(path), *words) == 0
    said = capsys.readouterr()
    for line in lines:
        assert line in said.out
    assert not said.err


def test_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "channel"
    path.write_bytes(HELLO + b"".join(PACKETS))
    assert vmfuzz(monkeypatch, "show", str(path), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["kind"], said["faults"]) == ("multifd", [])
    assert [record["title"] for record in said["records"]][:2] == ["hello", "packet"]
    assert said["records"][0]["fields"][3] == {"name": "id", "type": "uint8", "offset": 24, "size": 1, "value": 3}


UNUSABLE = {
    "kind": (("--as", "morse"), HELLO, "--as: expected multifd, return-path, colo, preempt, found morse"),
    "view": (("--ram",), HELLO, "--ram: not for a multifd channel"),
    "path": (("--path", "x"), HELLO, "--path: not for a multifd channel"),
    "damage": ((), HELLO[:60], "expected a whole packet, found 60 bytes to the end"),
}


@pytest.mark.parametrize(("words", "data", "line"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_cannot_be_used(
    words: tuple[str, ...],
    data: bytes,
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "channel"
    path.write_bytes(data)
    assert vmfuzz(monkeypatch, "show", str(path), *words) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1
