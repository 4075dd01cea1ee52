"""The file of states, as it is rewritten: what a person wrote there stays, to the last comment and blank.

Invariant: nothing that a person saved is lost. A lock on the folder orders those who come from here. Editors know of no
lock, so the file is looked at once more right before it is replaced; if it is not what was read, all is done again on
what is there now. What is about to be written is read back first, and must say what was meant and nothing else.
"""

from __future__ import annotations

import fcntl
import os
import re
import tomllib
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Comment, Item, Trivia, Whitespace

from fuzz.atomic import replace_atomic
from fuzz.triage.entries import TABLE, Entry, TriageError, is_list, read_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tomlkit.items import Table

HEADER: Final = """\
# States of causes: new, known, fixed, back again. Kept by `vmfuzz triage`; change what you like, comments stay.
# A cause whose design is * speaks for those under any design that are new.
"""
TRIES: Final = 20
"""How often the file may change under our hands before that is given up."""

_ALWAYS: Final = ("cause", "state", "note")
"""Keys that an entry of ours has even when they say nothing."""


def read_file(path: Path) -> tuple[bytes, tuple[Entry, ...]]:
    """The file and its entries; nothing for one that is not there. Raises TriageError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return b"", ()
    except OSError as error:
        raise TriageError(f"{path}: {error.strerror or error}") from None
    found = read_entries(data, str(path))
    if found and is_list(data):
        raise TriageError(f"{path}:1: expected [[{TABLE}]] tables, found a plain list of causes, which is kept by hand")
    return data, found


def update(path: Path, change: Callable[[tuple[Entry, ...]], Sequence[Entry]]) -> bool:
    """Write what `change` makes of the entries: those that there are in their order, then new ones.

    `change` may be called more than once. Returns whether there was something to write. Raises TriageError.
    """
    path = path.resolve()  # a link stays one
    try:
        with _locked(path.parent):
            for _ in range(TRIES):
                data, before = read_file(path)
                after = tuple(change(before))
                if after == before:
                    return False
                written = rewritten(data, before, after, str(path))
                if replace_atomic(path, written, data if data or path.exists() else None):
                    return True
    except OSError as error:
        raise TriageError(f"{path}: {error.strerror or error}") from None
    raise TriageError(f"{path}: changes all the time; left as it is")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Alone among those who rewrite files there. The folder itself is locked, so nothing is left lying about."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def rewritten(data: bytes, before: Sequence[Entry], after: Sequence[Entry], name: str) -> bytes:
    """A file that says `before`, so that it says `after`, which begins with the same causes. Raises TriageError."""
    old = data.decode()
    text = old
    if tuple(after[: len(before)]) != tuple(before):
        text = _changed(text, before, after, name)
    added = after[len(before) :]
    if added:
        text = _ended(text) if text.strip() else f"{text}{HEADER}"
        text += "".join(f"\n{_text_of(entry)}" for entry in added)
    if "\r\n" in old:
        text = re.sub(r"(?<!\r)\n", "\r\n", text)
    _check(old, text, after, name)
    return text.encode()


def _ended(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def _text_of(entry: Entry) -> str:
    values = ((field.name, getattr(entry, field.name)) for field in fields(Entry))
    said = [f"{key} = {tomlkit.item(value).as_string()}" for key, value in values if key in _ALWAYS or _says(value)]
    return "\n".join([f"[[{TABLE}]]", *said, ""])


def _says(value: object) -> bool:
    return value is not None and value != ""


def _changed(text: str, before: Sequence[Entry], after: Sequence[Entry], name: str) -> str:
    """The text with other values in the entries that it has."""
    try:
        document = tomlkit.parse(text)
        tables = document[TABLE]
        if not isinstance(tables, AoT):
            raise TriageError(f"{name}: expected [[{TABLE}]] tables, found {TABLE} = [...]: left as it is")
        for table, old, new in zip(tables, before, after, strict=False):
            for field in fields(Entry) if old != new else ():
                value = getattr(new, field.name)
                if value != getattr(old, field.name):
                    _set(table, field.name, value)
        return document.as_string()
    except TOMLKitError as error:
        raise TriageError(f"{name}: cannot be rewritten: {error}; left as it is") from None


def _set(table: Table, key: str, value: object) -> None:
    """Give a table a value; what a person wrote beside the old one, and behind the last, stays there."""
    body = table.value.body
    if key in table and _says(value):
        table[key] = value
    elif key in table:
        item = table.item(key)
        comment = item.trivia.comment if isinstance(item, Item) else ""
        place = next(index for index, (known, _) in enumerate(body) if known is not None and known.key == key)
        table.remove(key)
        if comment:
            body[place] = (None, Comment(Trivia(comment_ws="", comment=comment)))
    else:
        end = len(body)
        while end and isinstance(body[end - 1][1], Comment | Whitespace):
            end -= 1
        behind = body[end:]
        del body[end:]
        table[key] = value
        body.extend(behind)


def _check(old: str, text: str, after: Sequence[Entry], name: str) -> None:
    """Whether that text says those entries, and all else that the old one says. Raises TriageError."""
    ours = {field.name for field in fields(Entry)}

    def others(said: str) -> list[dict[str, Any]]:
        tables = tomllib.loads(said).get(TABLE, [])
        return [{key: value for key, value in table.items() if key not in ours} for table in tables]

    try:
        kept = others(old)
        good = read_entries(text.encode(), name) == tuple(after) and others(text)[: len(kept)] == kept
    except (TriageError, tomllib.TOMLDecodeError):
        good = False
    if not good:
        raise TriageError(f"{name}: written in a way that cannot be rewritten without loss; left as it is")
