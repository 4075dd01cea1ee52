"""libFuzzer's own merge with features that are already known: `python set_cover.py TABLE -set_cover_merge=1 OUT IN`.

TABLE is a JSON object: by SHA-1 of an input the numbers of its counters. So libFuzzer chooses among the same files with
the same features, equal in each of its processes.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from fuzz.engine import FeatureMap


def main(table: str, options: list[str]) -> None:
    """Does not return: libFuzzer ends the process."""
    import atheris

    known: dict[str, list[int]] = json.loads(Path(table).read_text())
    features = FeatureMap()

    def one_input(data: bytes) -> None:
        if not features.registered:
            features.register()
        for number in known.get(hashlib.sha1(data, usedforsecurity=False).hexdigest(), ()):
            features.counters[number] = 1

    # libFuzzer starts this program again for the work, with its first argument as a shell's command and options behind.
    myself = f"{sys.executable} {__file__} {table}"
    atheris.Setup([myself, *options], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
