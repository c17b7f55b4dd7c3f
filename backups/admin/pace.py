"""The fields of a pace, in the forms of instances and of schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from backups.exceptions import BadInput
from backups.pacing.entered import format_rate, parse_limit

PACE_LABELS: Mapping[str, str] = {
    "pace_factor": "Statements at most … times as long",
    "pace_lag_seconds": "Replication lag, seconds",
    "pace_bytes_per_s": "Limit",
    "pace_hours": "Limits by hours",
}
PACE_HELP: Mapping[str, str] = {
    "pace_factor": "A backup reads more slowly while the p99 of the instance's statements is more "
    "than so many times that of the time before it. 0: not watched.",
    "pace_lag_seconds": "It also does while replication is that much further behind than "
    "before it. 0: not watched.",
    "pace_hours": "Other limits at some hours: 08:00-18:00 20M, 22:00-06:00 full. A time zone may "
    "come first: Europe/Berlin 08:00-18:00 20M.",
}
OF_INSTANCE = "Blank: the setting of Mooring."
OF_SCHEDULE = "Blank: as the instance says."


# Any: what Django hands to fields.
class PaceLimitField(forms.CharField):
    """A rate such as 20M; full is 0, blank is None."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.widget.attrs.setdefault("placeholder", "for example 20M, or full")
        self.widget.attrs.setdefault("autocomplete", "off")

    def prepare_value(self, value: Any) -> Any:
        return format_rate(value) if isinstance(value, int) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, int):
            return value
        text = super().to_python(value)
        if not text:
            return None
        try:
            return parse_limit(text)
        except BadInput as exc:
            raise ValidationError(f"This is not a rate. {exc.hint}") from None

    # The checks of a text are of no use on its number.
    def run_validators(self, value: Any) -> None:
        return None


def limit_field() -> PaceLimitField:
    return PaceLimitField(
        label=PACE_LABELS["pace_bytes_per_s"],
        required=False,
        help_text="Most bytes per second that a backup reads, at any hour: 20M. full: no limit.",
    )
