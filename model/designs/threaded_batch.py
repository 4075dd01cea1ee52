"""The last version's batch, in a load thread that takes turns."""

from __future__ import annotations

from typing import ClassVar

from model.designs.v8_rcu_getref import V8RcuGetref


class ThreadedBatch(V8RcuGetref):
    """`v8-rcu-getref` inside `threaded-sections`: what one would get by merging both.

    The transaction stays open where the lock is released. Whoever takes it then works inside the loader's transaction:
    his own commit commits nothing.
    """

    name = "threaded-batch"
    takes_turns: ClassVar[bool] = True
