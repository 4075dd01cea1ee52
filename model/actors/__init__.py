"""Who else runs during a load, where a schedule says so: vCPUs, the RCU thread, the monitor, other loaders."""

from model.actors.actor import Actor, check
from model.actors.registry import ACTORS

__all__ = ["ACTORS", "Actor", "check"]
