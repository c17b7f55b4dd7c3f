"""The form of a silence: what it matches, from when to when, and again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.timezone import now

from alerts.models import Silence
from backups.admin.bases import ModelForm
from backups.exceptions import BadInput
from backups.models import BackupSchedule, InstanceGroup, Tag
from backups.schedule import Rhythm, check_rhythm
from monitor.forms.fields import LengthField, MomentField, NamesField, TicksField
from monitor.selectors.rules import RULE_TITLES


# Any in this module: what Django hands to forms.
class SilenceForm(ModelForm):
    """A matcher that is blank matches everything; several all have to match."""

    rule = forms.ChoiceField(
        required=False,
        choices=[
            ("", "Every rule"),
            *RULE_TITLES,
        ],
    )
    instances = NamesField(required=False, help_text="Names; blank: every one.")
    groups = TicksField(InstanceGroup.objects.all(), required=False)
    tags = TicksField(Tag.objects.all(), required=False)
    schedules = TicksField(BackupSchedule.objects.all(), required=False)
    starts_at = MomentField(label="From", help_text="In your own time zone.")
    ends_at = MomentField(label="To", required=False, help_text="Blank: until it is ended by hand.")
    duration = LengthField(
        label="For how long each time", required=False, help_text="Of a silence that recurs."
    )

    class Meta:
        model = Silence
        fields = [
            "comment", "rule", "max_severity", "instances", "groups", "tags", "schedules",
            "starts_at", "ends_at", "cron", "duration", "time_zone",
        ]  # fmt: skip
        labels = {"max_severity": "Severity at most", "cron": "Again and again (cron)"}
        help_texts = {
            "comment": "Why: others will ask.",
            "max_severity": "What is worse is told all the same.",
            "cron": "A maintenance window that recurs: 0 2 * * 0 is Sundays at 02:00. "
            "Blank: once, from–to.",
            "time_zone": "The clock the cron expression is read by.",
        }

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        starts_at, ends_at = cleaned.get("starts_at"), cleaned.get("ends_at")
        if starts_at and ends_at and ends_at <= starts_at:
            self.add_error("ends_at", "It would be over before it begins.")
        if cleaned.get("cron"):
            self._check_recurrence(cleaned)
        return cleaned

    def rhythm(self) -> Rhythm | None:
        """When it begins each time; None where it does not recur, or cannot be read."""
        given = getattr(self, "cleaned_data", {})
        if not given.get("cron"):
            return None
        return Rhythm(given["cron"], given.get("time_zone") or "", None, now())

    def _check_recurrence(self, cleaned: dict[str, Any]) -> None:
        if not cleaned.get("duration") and "duration" not in self.errors:
            self.add_error("duration", "A silence that recurs lasts for some time.")
        rhythm = self.rhythm()
        try:
            if rhythm is not None:
                check_rhythm(rhythm)
        except BadInput as exc:
            field = "time_zone" if "time zone" in str(exc) else "cron"
            self.add_error(field, f"{exc}. {exc.hint}".strip())
