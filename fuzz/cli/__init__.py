"""The `vmfuzz` command. Each command's options stand with those of its kind; importing these makes them known."""

from fuzz.cli import campaigns, findings, qemu, streams  # noqa: F401
from fuzz.cli.root import app, main

__all__ = ["app", "main"]
