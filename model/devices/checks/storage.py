"""What storage controllers and their disks refuse (`checks` says how to read the table). Asked of QEMU 7.2."""

from __future__ import annotations

from typing import Final

from model.devices.checks.check import check

_FULL: Final = "fifo8_push: Assertion `fifo->num < fifo->capacity' failed."

STORAGE: Final = (
    check("esp", "mig_ti_wptr - mig_ti_rptr > 16", says=_FULL, end="aborted"),
    check("esp", "mig_cmdlen > 32", says=_FULL, end="aborted"),
    check("lsiscsi", "msg_len < 0"),
    check("lsiscsi", "msg_len > 8"),
    check("mptsas", "doorbell_idx > doorbell_cnt"),
    check("mptsas", "doorbell_cnt < 0"),
    check("mptsas", "doorbell_cnt > 256"),
    check("mptsas", "doorbell_reply_idx > doorbell_reply_size"),
    check("mptsas", "doorbell_reply_size < 0"),
    check("mptsas", "doorbell_reply_size > 256"),
    check("mptsas", "diagnostic_idx > 4"),
    check("mptsas", "request_post_head > 129"),
    check("mptsas", "request_post_tail > 129"),
    check("mptsas", "reply_post_head > 129"),
    check("mptsas", "reply_post_tail > 129"),
    check("mptsas", "reply_free_head > 129"),
    check("mptsas", "reply_free_tail > 129"),
)
