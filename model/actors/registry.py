"""The actors by name. A new one is a line in its room's table."""

from __future__ import annotations

from typing import Final

from model.actors.threads import THREADS
from model.actors.vcpu import VCPU

ACTORS: Final = {actor.name: actor for actor in (*VCPU, *THREADS)}
