"""All checks in one table."""

from __future__ import annotations

from typing import Final

from model.devices.checks.check import by_vmsd
from model.devices.checks.network import NETWORK
from model.devices.checks.platform import PLATFORM
from model.devices.checks.sound import SOUND
from model.devices.checks.storage import STORAGE

CHECKS: Final = by_vmsd((*NETWORK, *PLATFORM, *SOUND, *STORAGE))
"""What devices refuse, by vmsd."""
