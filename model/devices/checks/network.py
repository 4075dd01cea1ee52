"""What network cards refuse (`checks` says how to read the table). Asked of QEMU 7.2.

Model: vmxnet3 allocates 16 bytes for each fragment that it is told of, twice; from where on that fails depends on the
host's memory (24 GiB where it was asked).
"""

from __future__ import annotations

from typing import Final

from model.devices.checks.check import check

_INTERRUPTS: Final = 25
_QUEUES: Final = 8


def _bad_interrupt(field: str) -> str:
    return f"hardware error: Bad interrupt index: {{{field}}}"


NETWORK: Final = (
    check("vmxnet3", "max_tx_frags > 0x5fffffff", says="failed to allocate", end="aborted"),
    check("vmxnet3", f"txq_num > {_QUEUES}", errno=1),
    check("vmxnet3", f"rxq_num > {_QUEUES}", errno=1),
    check("vmxnet3", f"event_int_idx >= {_INTERRUPTS}", says=_bad_interrupt("event_int_idx"), end="aborted"),
    *(
        check(
            "vmxnet3",
            f"{kind}_num > {index}",
            f"{kind}_descr[{index}].intr_idx >= {_INTERRUPTS}",
            says=_bad_interrupt(f"{kind}_descr[{index}].intr_idx"),
            end="aborted",
        )
        for kind in ("txq", "rxq")
        for index in range(_QUEUES)
    ),
)
