"""The steps that a compiled schema is made of (`plan` puts them together).

Every step can `run`: QEMU's own way, element by element, looking at the error latch where QEMU does. A step of fixed
size can also go `fast` over bytes that are known to be there. A `Run` joins neighbours of fixed size: when all their
bytes follow, and no nested struct among them is followed by what may be a subsection, only those do anything that
someone looks at (a check, a count needed later, a value a visitor wants); else each runs the slow way. Both ways must
give the same: that is the law which the tests hold them to.
"""

from vmformat._steps.base import HUNG_STEPS, Context, Op, Place, Refusal, Visitor
from vmformat._steps.leaf import If, Leaf, MustExist, Opaque, Text
from vmformat._steps.nested import List, Nested, Scan
from vmformat._steps.program import Program, Run, Vmsd

__all__ = [
    "HUNG_STEPS",
    "Context",
    "If",
    "Leaf",
    "List",
    "MustExist",
    "Nested",
    "Op",
    "Opaque",
    "Place",
    "Program",
    "Refusal",
    "Run",
    "Scan",
    "Text",
    "Visitor",
    "Vmsd",
]
