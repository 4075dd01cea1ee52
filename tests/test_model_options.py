"""Properties of devices from a machine's arguments."""

from __future__ import annotations

import pytest

from model.devices.options import device_options, is_on, number


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ((), {}),
        (("-device", "a,x=1"), {"driver": "a", "x": "1"}),
        (("-device", "b,x=1", "-device", "a,x=2,y"), {"driver": "a", "x": "2", "y": "on"}),
        (("-device", "driver=a,x=1"), {"driver": "a", "x": "1"}),
        (("-device", "a,x=1,,2"), {"driver": "a", "x": "1,2"}),
        (("-device", '{"driver": "a", "x": 48, "y": true}'), {"driver": "a", "x": "48", "y": "on"}),
        (("-device", "{nonsense"), {}),
        (("-device", "[1]", "--device", "a"), {"driver": "a"}),
        (("-device", "a,x=1", "-global", "a.x=2", "-global", "a.y=3"), {"driver": "a", "x": "1", "y": "3"}),
        (("-device",), {}),
    ],
)
def test_properties(arguments: tuple[str, ...], found: dict[str, str]) -> None:
    assert device_options(arguments, "a") == found


def test_by_id() -> None:
    arguments = ("-device", "a,id=one,x=1", "-device", "a,id=two,x=2")
    assert device_options(arguments, "a", "two")["x"] == "2"
    assert device_options(arguments, "a", "three") == {}


def test_values() -> None:
    options = {"n": "48", "h": "0x30", "bad": "?", "flag": "off", "other": "on"}
    assert [number(options, name, 39) for name in ("n", "h", "bad", "none")] == [48, 48, 39, 39]
    assert [is_on(options, name, default=True) for name in ("flag", "other", "none")] == [False, True, True]
