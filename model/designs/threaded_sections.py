"""A load thread that takes the lock for each FULL section."""

from __future__ import annotations

from typing import ClassVar

from model.designs.design import Design


class ThreadedSections(Design):
    """The loop runs in a thread that takes the lock for each FULL section and releases it behind it (Peter Xu, 2025).

    Not merged. What else a stream holds (RAM, sections framed otherwise, commands) is loaded without the lock; whoever
    waits for it gets its turn behind any section; and no transaction can be kept open over several sections.
    """

    name = "threaded-sections"
    takes_turns: ClassVar[bool] = True
