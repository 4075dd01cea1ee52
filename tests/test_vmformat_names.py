"""Names for every byte: streams given as bare files, without a machine and without a VMDESCRIPTION.

`tests/streams` holds streams of machines that are not shipped, made with QEMU 7.2 and stripped of RAM and
VMDESCRIPTION: x86 machine types old (without footers) and new, and `virt` of aarch64.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fuzz.corpus import root
from vmformat import read, write
from vmformat.coverage import coverage, total, unnamed
from vmformat.pci import config_node

STREAMS = sorted((Path(__file__).parent / "streams").glob("*.vmstate"))
SEEDS = sorted((root() / "seeds").glob("*/*.vmstate"))


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", [*STREAMS, *SEEDS], ids=name_of)
def test_every_byte_has_a_name(path: Path) -> None:
    data = path.read_bytes()
    stream = read(data)
    assert write(stream) == data
    assert stream.trailing == b""
    lost = [f"{s.name}: {where}" for s in stream.sections for where, _ in unnamed(s.tree) if not s.is_ram]
    parts = coverage(stream)
    assert total(parts).share >= 0.995, lost
    assert {part.name for part in parts if "virtio-" in part.name and part.share < 1} == set()
    assert [fault for section in stream.sections for fault in section.faults] == []


@pytest.mark.parametrize("path", STREAMS, ids=name_of)
def test_all_of_these(path: Path) -> None:
    assert total(coverage(read(path.read_bytes()))).share == 1.0


def test_machines_without_footers_are_among_them() -> None:
    bare = [path.stem for path in STREAMS if all(s.footer is None for s in read(path.read_bytes()).sections)]
    assert bare == ["pc-i440fx-1.4", "pc-i440fx-2.3"]


def test_the_chain_of_registers_in_real_config_spaces() -> None:
    """Of real config spaces nothing is `bytes_`."""
    for path in STREAMS:
        for section in read(path.read_bytes()).sections:
            if section.is_ram:
                continue
            for _, node in section.tree.walk():
                if node.type == "pci config" and isinstance(node.value, bytes):
                    assert [n.name for n in config_node(node.value) if n.name.startswith("bytes_")] == []


@pytest.mark.parametrize("path", STREAMS, ids=name_of)
def test_of_cut_off_sections_what_is_there_has_names(path: Path) -> None:
    for section in read(path.read_bytes()).sections:
        size = len(section.buffer)
        if section.is_ram or size < 64:
            continue
        for cut in (size // 3, size - 1):
            found = replace(section, payload=section.payload[:cut])
            lost = sum(node.size for _, node in unnamed(found.tree))
            # At most the field in which it was cut has none.
            widest = max(n.size for _, n in section.tree.walk() if n.value is not None)
            assert lost <= widest, (section.name, cut)
