"""Which moment does a text on the command line mean?"""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils.dateparse import parse_date, parse_datetime

from backups.exceptions import BadInput


def moment_of(text: str, option: str) -> datetime:
    """Parse ISO 8601, UTC unless it has an offset; a day alone is its beginning."""
    try:
        moment = parse_datetime(text)
        if moment is None and (day := parse_date(text)):
            moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    except ValueError:
        moment = None
    if moment is None:
        raise BadInput(
            f"{option} {text} is not a date and time", hint="Write it as in 2026-12-24T18:00+01:00."
        )
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
