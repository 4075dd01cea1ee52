"""Which machine a stream belongs to: as named, by the JSON beside it, by its own name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fuzz.beside import DESCRIPTION, machine_beside
from fuzz.streams import machine_for

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["one.json", DESCRIPTION])
def test_a_kept_stream_has_it_beside_it(name: str, tmp_path: Path) -> None:
    stream = tmp_path / "one.vmstate"
    stream.write_bytes(b"")
    assert machine_for(str(stream)) is None
    (tmp_path / name).write_text(json.dumps({"machine": "pc-small", "schedule": None}))
    assert machine_beside(stream) == machine_for(str(stream)) == "pc-small"
    assert machine_for(str(stream), "q35-sata") == "q35-sata"


@pytest.mark.parametrize("text", ["", "[]", '{"machine": 3, "schedule": null}', '{"machine": "", "schedule": null}'])
def test_what_says_nothing_is_passed_over(text: str, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(text)
    assert machine_beside(tmp_path / "one.vmstate") is None


def test_a_shipped_stream_has_it_in_its_name() -> None:
    assert machine_for("linux-intel-iommu/again") == machine_for("linux-intel-iommu/after") == "linux-intel-iommu"
    assert machine_for("nosuch/after") is None
