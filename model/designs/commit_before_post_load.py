"""The batch, committed before each post-load function."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.designs.wrap_main import WrapMain

if TYPE_CHECKING:
    from model.designs.design import Load


class CommitBeforePostLoad(WrapMain):
    """`wrap-main`, with a commit before each post-load function runs.

    Post-load is where devices are said to use memory. But virtio's section is one field with a loader of its own:
    its reads come from inside the field, before any post-load.
    """

    name = "commit-before-post-load"
    shows_on: ClassVar[tuple[str, ...]] = ("q35-iommu-platform",)

    def before_post_load(self, load: Load) -> None:
        """Do what is pending."""
        if load.memory.update_pending:
            load.forced_commit()
