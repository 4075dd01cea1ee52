"""Facts of outcomes that the engine collects beside code coverage: small, composable, and few (docs/situations.md)."""

from fuzz.targets.situations.ends import of_end, of_life
from fuzz.targets.situations.groups import GROUPS, group_of
from fuzz.targets.situations.situations import Situations
from fuzz.targets.situations.words import bucket, message_kind

__all__ = ["GROUPS", "Situations", "bucket", "group_of", "message_kind", "of_end", "of_life"]
