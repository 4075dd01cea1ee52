"""What devices refuse once their fields are loaded: conditions as data, in tables by family of devices."""

from model.devices.checks.check import Check, Watch, watch_for
from model.devices.checks.table import CHECKS

__all__ = ["CHECKS", "Check", "Watch", "watch_for"]
