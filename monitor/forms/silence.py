"""The form of a silence: matchers, start, end and recurrence."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.timezone import now

from alerts.models import Silence
from backups.admin.bases import ModelForm
from backups.exceptions import BadInput
from backups.models import BackupSchedule, InstanceGroup, Tag
from backups.schedule import Rhythm, check_rhythm
from monitor.forms.fields import CheckboxesField, LengthField, NamesField, TimestampField
from monitor.selectors.rules import RULE_TITLES


# Any in this module: what Django hands to forms.
class SilenceForm(ModelForm):
    """A blank matcher matches everything; all of them have to match."""

    rule = forms.ChoiceField(
        required=False,
        choices=[
            ("", "All rules"),
            *RULE_TITLES,
        ],
    )
    instances = NamesField(required=False, help_text="Names; blank: all instances.")
    groups = CheckboxesField(InstanceGroup.objects.all(), required=False)
    tags = CheckboxesField(Tag.objects.all(), required=False)
    schedules = CheckboxesField(BackupSchedule.objects.all(), required=False)
    starts_at = TimestampField(label="From", help_text="In your own time zone.")
    ends_at = TimestampField(
        label="To", required=False, help_text="Blank: until it is ended manually."
    )
    duration = LengthField(label="Duration", required=False, help_text="Of each recurrence.")

    class Meta:
        model = Silence
        fields = [
            "comment", "rule", "max_severity", "instances", "groups", "tags", "schedules",
            "starts_at", "ends_at", "cron", "duration", "time_zone",
        ]  # fmt: skip
        labels = {"max_severity": "Maximum severity", "cron": "Repeat (cron)"}
        help_texts = {
            "comment": "The reason, shown to other users.",
            "max_severity": "Notifications of more severe alerts are still sent.",
            "cron": "For a recurring maintenance window: 0 2 * * 0 is Sundays at 02:00. "
            "Blank: once, from start to end.",
            "time_zone": "Time zone of the cron expression.",
        }

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        starts_at, ends_at = cleaned.get("starts_at"), cleaned.get("ends_at")
        if starts_at and ends_at and ends_at <= starts_at:
            self.add_error("ends_at", "The end must be after the start.")
        if cleaned.get("cron"):
            self._check_recurrence(cleaned)
        return cleaned

    def rhythm(self) -> Rhythm | None:
        """Return the recurrence; None without one, or if it is invalid."""
        given = getattr(self, "cleaned_data", {})
        if not given.get("cron"):
            return None
        return Rhythm(given["cron"], given.get("time_zone") or "", None, now())

    def _check_recurrence(self, cleaned: dict[str, Any]) -> None:
        if not cleaned.get("duration") and "duration" not in self.errors:
            self.add_error("duration", "A recurring silence needs a duration.")
        rhythm = self.rhythm()
        try:
            if rhythm is not None:
                check_rhythm(rhythm)
        except BadInput as exc:
            field = "time_zone" if "time zone" in str(exc) else "cron"
            self.add_error(field, f"{exc}. {exc.hint}".strip())
