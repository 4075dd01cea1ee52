"""Sealing: what becomes of a process's arguments, and what stays writable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fuzz.qemu.confine import Seal


@pytest.mark.parametrize(
    ("given", "sealed"),
    [
        pytest.param(("-m", "64M"), ("-m", "64M"), id="nothing to do"),
        pytest.param(("-hda", "disk.img"), ("-hda", "disk.img", "-snapshot"), id="image by a short option"),
        pytest.param(
            ("-drive", "file=x,if=none", "-snapshot"), ("-drive", "file=x,if=none", "-snapshot"), id="already"
        ),
        pytest.param(
            ("-blockdev", "driver=file,node-name=a,filename=x"),
            ("-blockdev", "driver=file,node-name=a,filename=x,locking=off"),
            id="block node",
        ),
        pytest.param(
            ("-blockdev", "driver=qcow2,node-name=a,file.driver=file,file.filename=x"),
            ("-blockdev", "driver=qcow2,node-name=a,file.driver=file,file.filename=x,file.locking=off"),
            id="block node in a block node",
        ),
        pytest.param(
            ("-blockdev", "driver=file,filename=x,locking=on"),
            ("-blockdev", "driver=file,filename=x,locking=on"),
            id="said by the user",
        ),
        pytest.param(("-blockdev", "{nonsense"), ("-blockdev", "{nonsense"), id="not JSON"),
    ],
)
def test_arguments(given: tuple[str, ...], sealed: tuple[str, ...]) -> None:
    assert Seal(given, Path("/tmp")).arguments == sealed


def test_a_block_node_in_json() -> None:
    node = {"driver": "qcow2", "node-name": "a", "file": {"driver": "file", "filename": "x"}}
    arguments = Seal(("-blockdev", json.dumps(node)), Path("/tmp")).arguments
    assert json.loads(arguments[1]) == {**node, "file": {"driver": "file", "filename": "x", "locking": "off"}}
