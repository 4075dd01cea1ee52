"""Numbers that loaders stumble over, by the bytes of the field they stand in: one pool for whoever makes streams up.

Edges of the signed and of the unsigned range, sizes that arrays usually have and one more, markers.
"""

from __future__ import annotations

from typing import Final

_COMMON: Final = (0, 1, 2, 3, 4, 7, 8, 16, 31, 32, 63, 64, 65, 127, 128, 255)
_WIDE: Final = (256, 257, 1023, 1024, 1025, 0x1000, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
_LARGE: Final = (0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def _special(size: int) -> tuple[int, ...]:
    top = 1 << 8 * size
    edges = (top - 1, top - 2, top // 2, top // 2 - 1, top // 2 + 1)
    wide = _WIDE if size > 1 else ()
    large = _LARGE[: 4 if size > 4 else 2] if size > 2 else ()
    return tuple(sorted({value % top for value in (*_COMMON, *wide, *large, *edges)}))


SPECIAL: Final = {size: _special(size) for size in (1, 2, 4, 8)}
"""By the bytes of a field, unsigned and in order."""
