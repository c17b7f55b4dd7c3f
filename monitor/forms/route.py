"""The form of a route: which alerts go to a channel, and how."""

from __future__ import annotations

from typing import Any

from django import forms

from alerts.models import Route
from backups.admin.bases import ModelForm
from backups.exceptions import BadInput
from backups.models import InstanceGroup, Tag
from backups.wall_clock import zone
from monitor.forms.fields import CheckboxesField, LengthField
from monitor.selectors.rules import RULE_TITLES

TIME = {"type": "time"}


# Any in this module: what Django hands to forms.
class RouteForm(ModelForm):
    """Matchers, and how notifications are sent."""

    rules = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=RULE_TITLES,
        help_text="None selected: all rules except successes.",
    )
    groups = CheckboxesField(
        InstanceGroup.objects.all(), required=False, help_text="None selected: all groups."
    )
    tags = CheckboxesField(Tag.objects.all(), required=False, help_text="None selected: all tags.")
    digest_every = LengthField(
        label="Digest every",
        required=False,
        help_text="Blank: sent immediately. Else collected into one digest.",
    )
    remind_every = LengthField(
        label="Remind every", required=False, help_text="Until acknowledged. Blank: never."
    )

    class Meta:
        model = Route
        fields = [
            "enabled", "min_severity", "rules", "groups", "tags", "digest_every", "remind_every",
            "notify_recovery", "quiet_from", "quiet_to", "time_zone",
        ]  # fmt: skip
        labels = {
            "min_severity": "Minimum severity",
            "notify_recovery": "Send recovery notifications",
            "quiet_from": "Quiet from",
            "quiet_to": "Quiet to",
        }
        help_texts = {
            "quiet_from": "Everything below emergency is deferred until they end.",
            "time_zone": "Time zone of the quiet hours.",
        }
        widgets = {
            "quiet_from": forms.TimeInput(attrs=TIME, format="%H:%M"),
            "quiet_to": forms.TimeInput(attrs=TIME, format="%H:%M"),
        }

    def clean_time_zone(self) -> str:
        name = str(self.cleaned_data["time_zone"])
        try:
            zone(name)
        except BadInput as exc:
            raise forms.ValidationError(f"Unknown time zone. {exc.hint}") from None
        return name

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        if (cleaned.get("quiet_from") is None) != (cleaned.get("quiet_to") is None):
            self.add_error("quiet_to", "Quiet hours need a start and an end.")
        for name in ("digest_every", "remind_every"):
            length = cleaned.get(name)
            if length is not None and length.total_seconds() < 60:
                self.add_error(name, "Must be at least one minute.")
        return cleaned
