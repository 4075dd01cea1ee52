"""The load designs of the thread, and what it takes to write one."""

from model.designs.design import Design, Load, Rings
from model.designs.registry import DESIGNS, HELD, REFERENCE

__all__ = ["DESIGNS", "HELD", "REFERENCE", "Design", "Load", "Rings"]
