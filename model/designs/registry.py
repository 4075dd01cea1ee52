"""The designs by name. A new one is a file beside the others and a line here; nothing else in the house names it."""

from __future__ import annotations

from model.designs.assert_depth import AssertDepth
from model.designs.per_device import PerDevice
from model.designs.v1_flag_eof import V1FlagEof
from model.designs.wrap_main import WrapMain

REFERENCE: type[PerDevice] = PerDevice
DESIGNS = {design.name: design for design in (PerDevice, V1FlagEof, WrapMain, AssertDepth)}
