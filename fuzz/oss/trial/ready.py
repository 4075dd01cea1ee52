"""What lies beside a target, as a service reads it: options, dictionary, seed corpus. Each raises ValueError."""

from __future__ import annotations

import configparser
import re
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

MARK: Final = b"LLVMFuzzerTestOneInput"
"""What holds this text and can be executed is a fuzz target."""
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_WORD: Final = re.compile(
    rb'(?:[A-Za-z0-9_]+(?:@\d+)?[ \t]*=[ \t]*)?"((?:[^"\\\x00-\x1f\x7f-\xff]|\\\\|\\"|\\x[0-9A-Fa-f]{2})+)"'
)


def fuzz_targets(folder: Path) -> tuple[str, ...]:
    """The names of the fuzz targets in a folder, sorted."""
    found = (path for path in folder.iterdir() if path.is_file() and path.stat().st_mode & 0o111)
    return tuple(sorted(path.name for path in found if _NAME.fullmatch(path.name) and MARK in path.read_bytes()))


def options(path: Path) -> dict[str, str]:
    """libFuzzer's options in NAME.options, by name without the dash; none where there is no file."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path)
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name}: {' '.join(str(error).split())}") from None
    return dict(parser["libfuzzer"]) if parser.has_section("libfuzzer") else {}


def dictionary(path: Path) -> int:
    """How many words NAME.dict has."""
    words = 0
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        text = line.strip()
        if not text or text.startswith(b"#"):
            continue
        if not _WORD.fullmatch(text):
            raise ValueError(f'{path.name}:{number}: expected NAME="WORD", found {text[:60].decode(errors="replace")}')
        words += 1
    return words


def seed_corpus(path: Path) -> dict[str, bytes]:
    """The files in NAME_seed_corpus.zip by name."""
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(path) as packed:
            for entry in packed.infolist():
                if entry.is_dir() or PurePosixPath(entry.filename).name != entry.filename:
                    raise ValueError(f"{path.name}: expected flat files, found {entry.filename}")
                found[entry.filename] = packed.read(entry)
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name}: {error}") from None
    return found
