"""Campaigns: a folder that workers fill and a supervisor watches."""

from fuzz.campaign.findings import FindingStore, Origin, Record, cause_id, read_record, records
from fuzz.campaign.folder import Campaign, CampaignError, Settings
from fuzz.campaign.stats import CauseCount, Stats, read_stats
from fuzz.campaign.supervisor import Supervisor, all_stats

__all__ = [
    "Campaign",
    "CampaignError",
    "CauseCount",
    "FindingStore",
    "Origin",
    "Record",
    "Settings",
    "Stats",
    "Supervisor",
    "all_stats",
    "cause_id",
    "read_record",
    "read_stats",
    "records",
]
