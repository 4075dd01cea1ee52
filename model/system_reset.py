"""What `system_reset` does to a machine that has been loaded: not a way back, but more calls of the memory API.

Each mutator call is a transaction of its own, as the program's are, and is made in whatever transaction is open: where
a design has left one open, the tree changes and no view ever shows it (stream.md 2.9, row 9). The final layout is *not*
that of a machine just started. Asked of QEMU 7.2 with every shipped machine: BARs are unmapped; shadow RAM (PAM), the
writable option ROM of `kvm-tpr-opt`, the ports of SMBus and processor hot-plug, bus masters and the windows of bridges
stay until the next load or the guest's firmware changes them.

Order: the functions' config spaces, those behind a bridge before it, then what each device does beyond. The program
resets bus by bus; since every call ends in the same tree, only how often views are rebuilt can tell the difference.

Model: RAM keeps its contents, ROM blobs among them, as in the program (which frees a ROM's image once it was loaded).
Interrupt lines are not followed: the program asserts that none of a PCI bus is up any more, which it does not survive
where a stream's PCIBUS section counts otherwise than its functions do.
Cost: the devices that a stream has touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.devices.handler import Handler
from model.devices.kept import KEPT

if TYPE_CHECKING:
    from model.machine import Machine


def system_reset(machine: Machine) -> None:
    """Reset the machine. Raises Abort where the program dies of it."""
    touched = machine.touched
    handlers = [handler for handler in machine.handlers if handler in touched and isinstance(handler, Handler)]
    owners = {handler.function: handler for handler in handlers if handler.function is not None}
    for function in reversed(machine.functions.values()):
        if function in owners or function in machine.touched_functions:
            owner = owners.get(function)
            function.system_reset(KEPT.get(owner.kind, ()) if owner is not None else ())
    for handler in handlers:
        handler.system_reset()
    machine.bounce_in_use = False
