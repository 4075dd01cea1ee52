"""What sound devices refuse (`checks` says how to read the table). Asked of QEMU 7.2.

Model: an HDA codec looks up a flag by the stream number that was loaded, without a bound; how far behind its own memory
it may read before it dies depends on the heap (2.6 to 4.2 million, seen). Which streams a codec has is not in a
description: those without have format 0 at reset.
"""

from __future__ import annotations

from typing import Final

from model.devices.checks.check import check

_FAR: Final = 0x300000
_STREAMS: Final = 16
_BEYOND: Final = "what it finds in memory by a stream number out of bounds"
_DIES: Final = "SIGSEGV: a stream number far out of bounds"

SOUND: Final = (
    check(
        "hda-audio",
        f"st[0].stream > {_FAR}",
        "st[0].stream < 0xfffffff0",
        "st[0].format != 0",
        says=_DIES,
        end="killed",
    ),
    check("hda-audio", f"st[1].stream > {_FAR}", "st[1].format != 0", says=_DIES, end="killed"),
    *(check("hda-audio", f"st[{index}].stream > {_STREAMS}", says=_BEYOND, end="unknown") for index in range(4)),
)
