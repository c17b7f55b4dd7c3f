"""How long are backups kept? The columns that schedules and repositories share."""

from __future__ import annotations

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models

from backups.schedule import LONGEST

RETENTION_COLUMNS = (
    "keep_for", "keep_least", "keep_chains", "keep_hourly", "keep_daily", "keep_weekly",
    "keep_monthly", "keep_yearly", "keep_proven",
)  # fmt: skip


class RetentionSettings(models.Model):
    """What is kept; everything, unless a recovery window, chains or periods are set."""

    # The recovery window. Null: none. The newest ``keep_least`` are kept whatever their age.
    keep_for = models.DurationField(null=True, blank=True)
    keep_least = models.PositiveSmallIntegerField(default=3, validators=[MinValueValidator(1)])
    # The newest full backups with all that go on from them. Zero: not a reason to keep one.
    keep_chains = models.PositiveSmallIntegerField(default=0)
    # The newest backup of each of so many periods that have one. Zero: not a reason.
    keep_hourly = models.PositiveSmallIntegerField(default=0)
    keep_daily = models.PositiveSmallIntegerField(default=0)
    keep_weekly = models.PositiveSmallIntegerField(default=0)
    keep_monthly = models.PositiveSmallIntegerField(default=0)
    keep_yearly = models.PositiveSmallIntegerField(default=0)
    # Nothing is deleted unless so many backups remain that are proven and present.
    keep_proven = models.PositiveSmallIntegerField(default=1)

    class Meta:
        abstract = True

    def clean(self) -> None:
        """Refuse a recovery window whose beginning would be no date."""
        if self.keep_for is not None and not timedelta(0) <= self.keep_for <= LONGEST:
            raise ValidationError({"keep_for": "A duration must be between 0 and 100 years."})
