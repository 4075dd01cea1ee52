"""Edits: fields, sections and records of a stream changed, and what depends on them.

    stream, changes = apply(stream, ["virtio-net*/queue[2].desc=0x1000", Drop("timer")])

Patterns are those of `vmformat.paths`. See `apply` for what follows of itself, and `edits` for what there is.
"""

from vmformat.edit.apply import apply
from vmformat.edit.changes import Change
from vmformat.edit.edits import (
    Add,
    Assign,
    Drop,
    Duplicate,
    Edit,
    Insert,
    Move,
    Remove,
    parse_edit,
    parse_move,
    split_target,
)

__all__ = [
    "Add",
    "Assign",
    "Change",
    "Drop",
    "Duplicate",
    "Edit",
    "Insert",
    "Move",
    "Remove",
    "apply",
    "parse_edit",
    "parse_move",
    "split_target",
]
