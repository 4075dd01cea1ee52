"""A real QEMU: a process spoken to through QMP, what its traces tell, a stream loaded into a fresh one."""

from fuzz.qemu.load import PATIENCE, Loaded, load, virtio_state
from fuzz.qemu.process import (
    DEFAULT_BINARY,
    Qemu,
    QemuError,
    accelerator,
    complete_arguments,
    find_binary,
    option_names,
)
from fuzz.qemu.trace import SectionTrace, parse_trace

__all__ = [
    "DEFAULT_BINARY",
    "PATIENCE",
    "Loaded",
    "Qemu",
    "QemuError",
    "SectionTrace",
    "accelerator",
    "complete_arguments",
    "find_binary",
    "load",
    "option_names",
    "parse_trace",
    "virtio_state",
]
