"""Limits by the name of a field: all that devices check, for every field that is called so."""

from __future__ import annotations

import pytest

from fuzz.mutate.limits import limits_of, masks_of
from model.devices.checks import CHECKS


def test_whatever_a_device_compares_with_a_number_is_known_under_the_name_of_its_field() -> None:
    seen = 0
    for checks in CHECKS.values():
        for check in checks:
            for term in check.terms:
                if isinstance(term.than, int):
                    name = term.field.rsplit(".", 1)[-1].split("[")[0]
                    seen += 1
                    if term.mask == -1:
                        assert term.than in limits_of(f"parent.{name}[]")
                        assert term.than not in masks_of(name) or term.than in {
                            other.mask for rows in CHECKS.values() for row in rows for other in row.terms
                        }
                    else:
                        assert term.mask in masks_of(name)
    assert seen > 20


@pytest.mark.parametrize(
    ("pattern", "limits", "masks"),
    [
        ("lsr", (), (0x40,)),
        ("other.lsr[]", (), (0x40,)),  # of another device, which may have forgotten the check
        ("ring.intr_idx", (25,), ()),
        ("virtio.queues.num", (1024,), ()),
        ("virtio.queues.queue[].num", (1024, 256, 128), ()),
        ("virtio.device.mac_table.in_use", (64,), ()),
        ("other.num", (), ()),  # a name that says too little: only where it is virtio's
        ("nobody.knows", (), ()),
    ],
)
def test_what_a_pattern_is_compared_with(pattern: str, limits: tuple[int, ...], masks: tuple[int, ...]) -> None:
    assert limits_of(pattern) == limits
    assert masks_of(pattern) == masks
