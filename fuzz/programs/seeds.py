"""What the search begins with: programs that a load is known to be like."""

from __future__ import annotations

from typing import Final

from fuzz.programs.codec import encode
from fuzz.programs.program import from_text

SEEDS: Final = (
    # A BAR moves, a ring is mapped where it was and where it is.
    """world board
    load
    move bar 0x2000
    cache c0 memory 0x1000 0x800 r
    check c0
    section
    move bar 0x1800
    cache c1 memory 0x2800 0x10 w
    postload
    use c0
    """,
    # Bus master on, then the device reads through its own space.
    """world board
    load
    enable master
    read dev 0x1000 0x10
    map dev 0x4000 0x1000 w
    section
    disable master
    read dev 0x1000 0x10
    """,
    # A window of a bridge is made anew, as bridges do.
    """world board
    begin
    del window
    renew window 0x800 0x1000
    add window bridge 0x3000 1
    commit
    load
    begin
    del view
    renew view 0x0 0x2800
    add view card 0x2000 0
    read io 0x5000 0x1000
    commit
    find view 0x0 0x10
    """,
    # Shadow RAM becomes writable; an IOMMU leads where something moved.
    """world board
    load
    readonly shadow on
    write memory 0x2800 0x100
    move dimm 0x3000
    read io 0x8000 0x1800
    commit: read memory 0x2800 0x10
    """,
    # The regions of the argument.
    """world abcd
    add C A 0x1000 1
    load
    add D C 0x0 0
    read memory 0x1000 0x1
    """,
    # Others look, and listeners change the tree.
    """world board
    load
    disable card
    release
    vcpu: read io 0x2000 0x10
    bare: read io 0x2000 0x10
    commit: enable card
    section
    open x0 bridge
    read x0 0x0 0x100
    """,
)


def seed_inputs() -> tuple[bytes, ...]:
    """The seeds as bytes."""
    return tuple(encode(from_text(text)) for text in SEEDS)
