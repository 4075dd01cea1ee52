"""What can go wrong while capturing."""

from __future__ import annotations


class CaptureError(Exception):
    """A machine that cannot be captured: one line that says what, where and why."""
