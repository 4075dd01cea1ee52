"""What a machine's arguments say of a device, where nothing else tells: properties that no section carries."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def device_options(arguments: Sequence[str], driver: str, name: str = "") -> dict[str, str]:
    """The properties given to the first device of a driver with `-device` (by id, if `name` is given) and `-global`.

    Values are as typed; "on" where only the name of a property stands, and for true in JSON.
    """
    found: dict[str, str] = {}
    for option, value in pairwise(arguments):
        if option in {"-global", "--global"}:
            driven, _, rest = value.partition(".")
            if driven == driver:
                found |= dict(_pairs(rest))
    for option, value in pairwise(arguments):
        if option in {"-device", "--device"}:
            given = _device(value)
            if given.get("driver") == driver and (not name or given.get("id", "") == name):
                return found | given
    return found


def is_on(options: dict[str, str], name: str, *, default: bool) -> bool:
    """A flag, in any of the spellings that the program takes."""
    value = options.get(name)
    return default if value is None else value in {"on", "yes", "true", "y"}


def number(options: dict[str, str], name: str, default: int) -> int:
    """A number in C's notation; the default for one that is none."""
    try:
        return int(options.get(name, default))
    except ValueError:
        try:
            return int(options[name], 0)
        except ValueError:
            return default


def _device(text: str) -> dict[str, str]:
    if text.startswith("{"):
        try:
            document = json.loads(text)
        except ValueError:
            return {}
        values = document.items() if isinstance(document, dict) else ()
        return {str(key): {True: "on", False: "off"}.get(value, str(value)) for key, value in values}
    driver, _, rest = text.partition(",")
    return {"driver": driver.removeprefix("driver="), **dict(_pairs(rest))}


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in text.replace(",,", "\0").split(","):
        key, equals, value = part.replace("\0", ",").partition("=")
        if key:
            yield key, value if equals else "on"
