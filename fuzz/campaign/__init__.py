"""Campaigns: a folder that workers fill, and what is read in it. The processes are in `fuzz.work`."""

from fuzz.campaign.findings import FindingStore, Origin, Record, cause_id, read_record, records
from fuzz.campaign.folder import Campaign, CampaignError, Settings
from fuzz.campaign.stats import CauseCount, Stats, all_stats, read_stats

__all__ = [
    "Campaign",
    "CampaignError",
    "CauseCount",
    "FindingStore",
    "Origin",
    "Record",
    "Settings",
    "Stats",
    "all_stats",
    "cause_id",
    "read_record",
    "read_stats",
    "records",
]
