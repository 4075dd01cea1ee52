"""The file that shows it: its hash, and if it is small the bytes, to be made again by whoever reads the letter."""

from __future__ import annotations

import base64
import gzip
import hashlib
import shlex
import textwrap
from typing import Any, Final

from fuzz.letter.letter import Part, block, prose

MOST: Final = 4096
"""Characters of base64 that a letter may hold."""
_COLUMNS: Final = 76


def attachment_part(name: str, data: bytes, shipped: str = "") -> Part:
    """The part of the letter, for a file of that name. The same bytes give the same letter.

    `shipped`: what a stream is called that vmfuzz brings along; "" for none.
    """
    digest = hashlib.sha256(data).hexdigest()
    packed = base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()
    value: dict[str, Any] = {"name": name, "size": len(data), "sha256": digest, "gzip_base64": None}
    if len(packed) > MOST:
        where = f"vmfuzz ships it as `{shipped}`; " if shipped else ""
        text = f"It is {len(data)} bytes, too many to be put here; {where}the SHA-256 of `{name}` is"
        return Part("attachment", "The file", (*prose(text), "", *block([digest])), value)
    value["gzip_base64"] = packed
    quoted = shlex.quote(name)
    lines = [
        *prose(f"`{name}`, {len(data)} bytes, packed by gzip. This writes it, and looks at its SHA-256:"),
        "",
        *block(
            [
                f"base64 -d <<'END' | gunzip > {quoted}",
                *textwrap.wrap(packed, _COLUMNS),
                "END",
                f"echo '{digest}  {name}' | sha256sum -c",
            ],
            "sh",
        ),
    ]
    return Part("attachment", "The file", tuple(lines), value)
