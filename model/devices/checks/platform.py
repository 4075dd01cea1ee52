"""What processors and board devices refuse (`checks` says how to read the table). Asked of QEMU 7.2."""

from __future__ import annotations

from typing import Final

from model.devices.checks.check import EPERM, check

PLATFORM: Final = (
    check("cpu", "env.fpregs_format_vmstate != 0", says="Unsupported old non-softfloat CPU state"),
    check(
        "cpu",
        "env.hflags & 0x200000 != 0",
        says="vCPU set in guest-mode inconsistent with migrated kernel nested state",
    ),
    check(
        "serial",
        "serial/tsr.tsr_retry > 0",
        "lsr & 0x40 != 0",
        says="inconsistent state in serial device (tsr empty, tsr_retry={serial/tsr.tsr_retry}",
        errno=EPERM,
    ),
    check(
        "serial",
        "serial/tsr.tsr_retry <= 0",
        "lsr & 0x40 == 0",
        says="inconsistent state in serial device (tsr not empty, tsr_retry=0",
        errno=EPERM,
    ),
)
