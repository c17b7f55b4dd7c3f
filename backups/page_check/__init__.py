"""Is every page of every tablespace in a backup whole, as a restore would write it?

Frames in, a report out, while ``archive.verify`` reads them: nothing is written anywhere and
memory is bounded. Only bytes that no later phase overrides are checked.
"""

from __future__ import annotations

from backups.page_check.check import PageCheck
from backups.page_check.report import DamagedPage, PageReport

__all__ = ["DamagedPage", "PageCheck", "PageReport"]
