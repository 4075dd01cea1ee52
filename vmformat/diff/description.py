"""What two VMDESCRIPTIONs say otherwise, in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from vmformat.diff.difference import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_FIELDS: Final = 16
_DEEPEST: Final = 64


def compare_descriptions(one: bytes | None, other: bytes | None) -> Iterator[Difference]:
    """The differences of two texts; None is no description."""
    if one == other:
        return
    if one is None or other is None:
        size = len(one or other or b"")
        yield _said("added" if one is None else "dropped", "", f"{size} bytes")
        return
    a, b = _read(one), _read(other)
    if a is None or b is None:
        yield _said("changed", "", "its text differs, and is no JSON")
        return
    before = list(_compare(a, b))
    yield from before or [_said("changed", "", "its text differs, and says the same")]


def _said(what: str, path: str, text: str) -> Difference:
    match what:
        case "added":
            return Difference("vmdescription", "added", "VMDESCRIPTION", path, text=text)
        case "dropped":
            return Difference("vmdescription", "dropped", "VMDESCRIPTION", path, text=text)
        case _:
            return Difference("vmdescription", "changed", "VMDESCRIPTION", path, text=text)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object; keys may repeat."""

    def get(self, key: str) -> Any:
        return next((value for name, value in self if name == key), None)


def _read(text: bytes) -> _Pairs | None:
    try:
        top = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None
    return top if isinstance(top, _Pairs) else None


def _compare(a: _Pairs, b: _Pairs) -> Iterator[Difference]:
    for key in dict.fromkeys(name for name, _ in [*a, *b] if name != "devices"):
        one, other = a.get(key), b.get(key)
        if one != other:
            plain = not isinstance(one, list) and not isinstance(other, list)
            yield _said("changed", key, f"{_word(one)} -> {_word(other)}" if plain else "differs")
    mine, theirs = _devices(a), _devices(b)
    for name in dict.fromkeys([*mine, *theirs]):
        one, other = mine.get(name), theirs.get(name)
        if one is None or other is None:
            yield _said("added" if one is None else "dropped", name, "a device")
        elif one != other:
            yield from _device(name, one, other)
    if [name for name in mine if name in theirs] != [name for name in theirs if name in mine]:
        yield _said("moved", "devices", "devices in another order")


def _word(value: object) -> str:
    return "nothing" if value is None else json.dumps(value)


def _devices(top: _Pairs) -> dict[str, _Pairs]:
    """Devices by name and instance; of those that repeat `#1` is the second."""
    found: dict[str, _Pairs] = {}
    devices = top.get("devices")
    for device in devices if isinstance(devices, list) else ():
        if not isinstance(device, _Pairs):
            continue
        instance = device.get("instance_id")
        name = f"{device.get('name')}@{instance}" if instance else str(device.get("name"))
        again = 0
        while (unique := f"{name}#{again}" if again else name) in found:
            again += 1
        found[unique] = device
    return found


def _device(name: str, a: _Pairs, b: _Pairs) -> Iterator[Difference]:
    mine, theirs = dict(_flat(a)), dict(_flat(b))
    told = 0
    for path in dict.fromkeys([*mine, *theirs]):
        one, other = mine.get(path), theirs.get(path)
        if one == other:
            continue
        if told == _MOST_FIELDS:
            yield _said("changed", name, "and more")
            return
        told += 1
        where = f"{name}/{path}" if path else name
        if one is None or other is None:
            yield _said("added" if one is None else "dropped", where, one or other or "")
        else:
            yield _said("changed", where, f"{one} -> {other}")


def _flat(value: _Pairs) -> Iterator[tuple[str, str]]:
    """What is said of a device and all that is in it, by path."""
    stack: list[tuple[_Pairs, str, int]] = [(value, "", 0)]
    seen: dict[str, int] = {}
    while stack:
        obj, path, depth = stack.pop()
        count = seen[path] = seen.get(path, -1) + 1
        unique = f"{path}#{count}" if count else path
        plain = [f"{key} {_word(item)}" for key, item in obj if not isinstance(item, list) and key not in _NAMES]
        yield unique, ", ".join(plain)
        for _key, item in reversed(obj):
            inner = [item] if isinstance(item, _Pairs) else item if isinstance(item, list) else []
            for part in reversed(inner):
                if isinstance(part, _Pairs) and depth < _DEEPEST:
                    own = part.get("name") or part.get("vmsd_name") or ""
                    index = part.get("index")
                    step = f"{own}[{index}]" if index is not None else str(own)
                    # A struct's object says again what its field is called: it has no name of its own.
                    stack.append((part, path if item is part else f"{path}.{step}" if path else step, depth + 1))


_NAMES: Final = frozenset({"name", "index"})
