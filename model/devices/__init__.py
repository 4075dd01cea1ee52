"""What devices do while they load: turn loaded fields into calls of the memory API, and read guest memory."""

from model.devices.bridge import Bridge
from model.devices.effects import equip
from model.devices.handler import Effects, Handler
from model.devices.pci import Bar, PciFunction

__all__ = ["Bar", "Bridge", "Effects", "Handler", "PciFunction", "equip"]
