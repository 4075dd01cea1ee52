"""Files that QEMU's arguments name: a machine may be captured where they are, and started where they are not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FILE_OPTIONS: Final = frozenset({
    "kernel", "initrd", "dtb", "hda", "hdb", "hdc", "hdd", "fda", "fdb", "cdrom", "pflash", "sd", "mtdblock",
    "option-rom", "mem-path", "readconfig",
})  # fmt: skip
_FREE_TEXT: Final = frozenset({"append", "name"})
_KEYS: Final = re.compile(r"(?:^|,)(?:[\w-]+\.)*(file|filename|mem-path|romfile)=((?:[^,]|,,)*)")
_JSON: Final = re.compile(r'"(?:filename|mem-path|romfile)"\s*:\s*"([^"]*)"')
_PROTOCOL: Final = re.compile(r"^[a-z][a-z0-9+.-]*:")


def absent_files(arguments: Sequence[str]) -> tuple[str, ...]:
    """The files that the arguments name and that are not there, seen from the current folder, each once."""
    found = dict.fromkeys(name for name in _named(arguments) if name and not _PROTOCOL.match(name))
    return tuple(name for name in found if not Path(name).exists())


def _named(arguments: Sequence[str]) -> Iterator[str]:
    option = ""
    for word in arguments:
        if option in _FILE_OPTIONS:
            yield word
        elif option and option not in _FREE_TEXT:
            for key, value in _KEYS.findall(word):
                if key != "romfile" or "/" in value:  # a ROM is looked for in QEMU's own folders too
                    yield value.replace(",,", ",")
            yield from _JSON.findall(word)
        option = word.lstrip("-") if word.startswith("-") and len(word) > 1 else ""
