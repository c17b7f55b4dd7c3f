"""Which instances have copies that are many and far enough apart? One page of the fleet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.paginator import Page, Paginator

from backups.health.spread import SpreadAnswer
from backups.health.spread_rows import spread_of
from backups.models import Instance

PAGE_SIZE = 25


@dataclass(frozen=True, slots=True)
class SpreadRow:
    """One instance and its five answers."""

    instance: Instance
    answers: Sequence[SpreadAnswer]


@dataclass(frozen=True, slots=True)
class SpreadView:
    """One page of the instances that are backed up."""

    page: Page[Instance]
    rows: Sequence[SpreadRow]

    @property
    def wanted(self) -> Sequence[str]:
        """The headings of the five columns; none without an instance."""
        return [answer.wanted for answer in self.rows[0].answers] if self.rows else []


def load_spread(page: str | None, now: datetime) -> SpreadView:
    """Load one page, by name."""
    shown = Paginator(Instance.objects.filter(enabled=True).order_by("name"), PAGE_SIZE)
    instances = shown.get_page(page)
    answers = spread_of(list(instances), now)
    rows = [SpreadRow(instance, answers[instance.pk]) for instance in instances]
    return SpreadView(instances, rows)
