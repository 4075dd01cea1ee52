"""Machines of any number of virtio devices and queues, and a stream for each: what costs are measured against."""

from fuzz.generated.machine import describe
from fuzz.generated.shape import MAX_PORTS, Shape, ShapeError, smallest_per_port
from fuzz.generated.stream import stream
from fuzz.generated.template import Template

__all__ = ["MAX_PORTS", "Shape", "ShapeError", "Template", "describe", "smallest_per_port", "stream"]
