"""Seeded bugs of virtio devices and rings: found within their budgets and made small, by executions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from seeded_search import MARKS, VIRTIO, finds, of_kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = MARKS


@pytest.mark.parametrize("name", of_kind(VIRTIO))
def test_finds(name: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    finds(name, tmp_path, record_property)
