"""The design of a finding: by its name, or as the campaign was asked for it where it is a user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz.campaign.folder import Campaign, CampaignError
from fuzz.designs import design_named, text_for

if TYPE_CHECKING:
    from pathlib import Path

    from model.designs import Design


def asked_design(name: str, place: Path) -> type[Design]:
    """The design of that name, for a finding in the folder `place`. Raises UsageError."""
    return design_named(text_for(name, designs_asked(Campaign(place.resolve().parent.parent))))


def designs_asked(campaign: Campaign) -> tuple[str, ...]:
    """The designs that a campaign was last asked for, as they are typed; none where there is no campaign."""
    try:
        return campaign.settings().designs
    except CampaignError:
        return ()
