"""The memory API: regions, flat views, transactions, listeners, caches (memory.md)."""

from model.memory import access, cache
from model.memory.access import (
    Mapping,
    Translation,
    address_space_map,
    difference,
    explain,
    memory_region_find,
    read,
    translate,
    try_read,
    write,
)
from model.memory.cache import Cache, cache_init
from model.memory.errors import MemoryAbort, TransactionError
from model.memory.listener import Listener
from model.memory.memory import Memory
from model.memory.mtree import format_flat, layout, parse_flat, parse_tree
from model.memory.pieces import map_length
from model.memory.ram import Block, Ram, nobody
from model.memory.region import T64, Kind, Region
from model.memory.space import AddressSpace
from model.memory.use import Getter, Remapped, Use, current_view
from model.memory.view import EMPTY, FlatRange, FlatView
from model.memory.work import NO_WORK, Counts, Work

__all__ = [
    "EMPTY",
    "NO_WORK",
    "T64",
    "AddressSpace",
    "Block",
    "Cache",
    "Counts",
    "FlatRange",
    "FlatView",
    "Getter",
    "Kind",
    "Listener",
    "Mapping",
    "Memory",
    "MemoryAbort",
    "Ram",
    "Region",
    "Remapped",
    "TransactionError",
    "Translation",
    "Use",
    "Work",
    "access",
    "address_space_map",
    "cache",
    "cache_init",
    "current_view",
    "difference",
    "explain",
    "format_flat",
    "layout",
    "map_length",
    "memory_region_find",
    "nobody",
    "parse_flat",
    "parse_tree",
    "read",
    "translate",
    "try_read",
    "write",
]
