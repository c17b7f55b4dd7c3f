"""How much may an instance notice of a copy? The columns that instances and schedules share."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from backups.exceptions import BadInput
from backups.pacing.hours import LONGEST_TEXT, MOST_BYTES_PER_S, parse_hours
from backups.pacing.target import LEAST_FACTOR, MOST_FACTOR

PACE_COLUMNS = ("pace_factor", "pace_lag_seconds", "pace_bytes_per_s", "pace_hours")


def validate_factor(value: float) -> None:
    """Accept 0, which is off, and factors that a server does not exceed by itself."""
    if value and not LEAST_FACTOR <= value <= MOST_FACTOR:
        raise ValidationError(f"Enter 0, or a factor from {LEAST_FACTOR:g} to {MOST_FACTOR:g}.")


def validate_hours(text: str) -> None:
    """Refuse limits by hours that cannot be read."""
    try:
        parse_hours(text)
    except BadInput as exc:
        raise ValidationError(f"{exc}. {exc.hint}".strip()) from None


class PaceSettings(models.Model):
    """How a copy is paced. Null and blank: as the instance says, then as the settings do."""

    pace_factor = models.FloatField(
        null=True,
        blank=True,
        validators=[validate_factor],
        help_text="How many times as long as before the backup statements may take. 0: any.",
    )
    pace_lag_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(86_400)],
        help_text="How far replication may be behind during a backup. 0: any.",
    )
    pace_bytes_per_s = models.BigIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(MOST_BYTES_PER_S)],
        help_text="Most bytes per second that a backup reads. 0: no limit.",
    )
    pace_hours = models.CharField(
        max_length=LONGEST_TEXT,
        blank=True,
        validators=[validate_hours],
        help_text="Other limits by hours of the day: 08:00-18:00 20M, 22:00-06:00 full.",
    )

    class Meta:
        abstract = True
