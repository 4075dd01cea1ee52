"""What a campaign says: while it runs (`live`), at its end (`final`), for programs (`as_json`)."""

from fuzz.report.as_json import campaign_json
from fuzz.report.causes import rank
from fuzz.report.final import final_report
from fuzz.report.live import status_line, status_table

__all__ = ["campaign_json", "final_report", "rank", "status_line", "status_table"]
