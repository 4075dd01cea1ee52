"""A transaction around each FULL section."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.designs.design import Design

if TYPE_CHECKING:
    from model.designs.design import Load
    from vmformat import Refusal


class PerSection(Design):
    """One transaction for each FULL section, and none between them.

    Readers inside a section get the view of before it, with all that earlier sections did.
    """

    name = "per-section"
    shows_on: ClassVar[tuple[str, ...]] = ("q35-iommu-platform",)

    def section_begins(self, load: Load) -> None:
        """Open it."""
        if load.full_section:
            load.memory.begin()

    def section_ends(self, load: Load, error: Refusal | None) -> None:
        """Close it, whatever happened."""
        if load.full_section:
            load.memory.commit()
