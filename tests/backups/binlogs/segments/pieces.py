"""Pieces of binlogs, stored in a moment."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from uuid import UUID

from backups.binlogs.segments.facts import SegmentFacts, SourceInstance, SourceTimeline
from tests.backups.archive.stores import INSTANCE

TIMELINE = UUID("00000000-0000-4000-8000-000000000002")
BEGAN = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
INDEX = b"packed index"


def facts_of(content: bytes, *, start: int = 4, file: str = "binlog.000007") -> SegmentFacts:
    """What is known of a piece with these bytes."""
    return SegmentFacts(
        SourceInstance(INSTANCE, "orders-1", "db.example", 3306, "mysql", "clone"),
        SourceTimeline(TIMELINE, "first", "3e11fa47", "9.7.0", BEGAN),
        file,
        start,
        start + len(content),
        True,
        hashlib.sha256(content).hexdigest(),
        2,
        BEGAN,
        BEGAN,
        "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5",
        "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-7",
    )
