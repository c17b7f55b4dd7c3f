"""The filters of lists. An unknown value in the query string filters nothing."""

from __future__ import annotations

from typing import Any

from django import forms

from alerts.states import Severity
from backups.models import BackupSchedule, InstanceGroup, Tag
from monitor.selectors.rules import RULE_TITLES


class FilterForm(forms.Form):
    """A form in the query string: an invalid value counts as blank."""

    # Any: forms are untyped inside.
    def chosen(self) -> dict[str, Any]:
        self.is_valid()
        return {name: self.cleaned_data.get(name) for name in self.fields}


class CalendarFilter(FilterForm):
    q = forms.CharField(label="Instance", required=False, max_length=64)
    group = forms.ModelChoiceField(
        InstanceGroup.objects.all(), required=False, to_field_name="name", empty_label="All"
    )
    tag = forms.ModelChoiceField(
        Tag.objects.all(), required=False, to_field_name="name", empty_label="All"
    )
    schedule = forms.ModelChoiceField(
        BackupSchedule.objects.all(), required=False, to_field_name="name", empty_label="All"
    )


class AlertFilter(FilterForm):
    severity = forms.TypedChoiceField(
        label="Severity at least", required=False, coerce=int, empty_value=None,
        choices=[("", "All"), *((s.value, s.label) for s in sorted(Severity, reverse=True))],
    )  # fmt: skip
    status = forms.ChoiceField(
        label="Status", required=False,
        choices=[("", "All"), ("pending", "Pending"), ("firing", "Firing"),
                 ("acknowledged", "Acknowledged")],
    )  # fmt: skip
    rule = forms.ChoiceField(
        required=False,
        choices=[("", "All"), *RULE_TITLES],
    )  # fmt: skip
    group = forms.ModelChoiceField(
        InstanceGroup.objects.all(), required=False, to_field_name="name", empty_label="All"
    )
    tag = forms.ModelChoiceField(
        Tag.objects.all(), required=False, to_field_name="name", empty_label="All"
    )
    instance = forms.CharField(required=False, max_length=64)
    silenced = forms.ChoiceField(
        required=False, choices=[("", "All"), ("no", "Not silenced"), ("yes", "Silenced")]
    )
