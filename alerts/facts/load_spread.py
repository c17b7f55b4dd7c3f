"""Are the copies of instances with backups many and far enough apart? In a few queries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from alerts.facts.columns import Belongings
from alerts.facts.instance import CopiesFacts
from alerts.facts.load_history import History
from backups.health.spread_rows import spread_of
from backups.models import Instance


def build_spread(now: datetime, belongings: Belongings, history: History) -> Iterator[CopiesFacts]:
    """Yield the answers of each instance that has a backup; what has none is another rule's."""
    backed_up = {pk for pk, _ in history}
    rows = Instance.objects.filter(pk__in=backed_up & set(belongings))
    for pk, answers in spread_of(list(rows), now).items():
        subject = belongings[pk].subject(
            f"instance:{pk}/copies", pk, name=f"{belongings[pk].name}, its copies"
        )
        yield CopiesFacts(now=now, subject=subject, answers=answers)
