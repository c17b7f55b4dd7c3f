"""The form of a rule setting: only changed values are stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BoundField

from alerts.models import RuleSetting
from alerts.rules import AnyRule, Threshold
from alerts.states import Severity
from backups.admin.bases import ModelForm
from backups.models import BackupSchedule, InstanceGroup
from monitor.forms.fields import LengthField, NamesField

PREFIX = "limit_"
OFF = "off"
ON_OFF = [("", "Inherited"), ("yes", "On"), ("no", "Off")]


# Any in this module: what Django hands to forms.
class LimitField(forms.CharField):
    """A number; ``off`` for none; blank: inherited from the wider scope."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value).lower()
        if text in ("", OFF):
            return text
        try:
            number = float(text)
        except ValueError:
            raise ValidationError("Enter a number, or off.") from None
        if not 0 <= number < 1e12:
            raise ValidationError("Enter a number of 0 or more.")
        return int(number) if number == int(number) else number


class RuleSettingForm(ModelForm):
    """A setting for the whole fleet, or for part of it."""

    group = forms.ModelChoiceField(
        InstanceGroup.objects.all(), required=False, to_field_name="name", empty_label="None"
    )
    schedule = forms.ModelChoiceField(
        BackupSchedule.objects.all(), required=False, to_field_name="name", empty_label="None"
    )
    instance_names = NamesField(label="Instance", required=False, widget=forms.TextInput)
    switched = forms.ChoiceField(label="The rule is", choices=ON_OFF, required=False)
    severity = forms.TypedChoiceField(
        required=False, coerce=int, empty_value=None,
        choices=[("", "Severity of the finding"), *Severity.choices],
    )  # fmt: skip
    pending_for = LengthField(
        label="Fires after",
        required=False,
        help_text="How long a finding has to last. Blank: inherited.",
    )

    class Meta:
        model = RuleSetting
        fields = ["group", "schedule", "severity", "pending_for"]

    def __init__(self, rule: AnyRule, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.rule = rule
        row = self.instance
        self.initial["switched"] = {True: "yes", False: "no", None: ""}[row.enabled]
        self.initial["instance_names"] = [row.instance] if row.instance_id else None
        self.initial["group"] = row.group.name if row.group else None
        self.initial["schedule"] = row.schedule.name if row.schedule else None
        for threshold in rule.thresholds:
            self.fields[f"{PREFIX}{threshold.name}"] = _limit(threshold, row.thresholds)

    def scope(self) -> Iterator[BoundField]:
        for name in ("group", "schedule", "instance_names"):
            yield self[name]

    def settings(self) -> Iterator[BoundField]:
        for name in ("switched", "severity", "pending_for"):
            yield self[name]
        for threshold in self.rule.thresholds:
            yield self[f"{PREFIX}{threshold.name}"]

    def clean_instance_names(self) -> Any:
        instances = self.cleaned_data["instance_names"]
        if len(instances) > 1:
            raise ValidationError("Enter one instance; for several, use a group.")
        return instances[0] if instances else None

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        names = ("group", "schedule", "instance_names")
        scopes = [cleaned[name] for name in names if cleaned.get(name)]
        if len(scopes) > 1:
            raise ValidationError("Set at most one of group, schedule and instance.")
        if not self.errors:
            self._refuse_empty(cleaned)
            self._refuse_second(cleaned)
        return cleaned

    def store(self) -> RuleSetting:
        given, row = self.cleaned_data, self.instance
        row.rule, row.instance = self.rule.name, given["instance_names"]
        row.enabled = {"yes": True, "no": False}.get(given["switched"])
        limits = {t.name: given[f"{PREFIX}{t.name}"] for t in self.rule.thresholds}
        row.thresholds = {n: None if v == OFF else v for n, v in limits.items() if v != ""}
        saved: RuleSetting = self.save()
        return saved

    def _refuse_empty(self, cleaned: dict[str, Any]) -> None:
        limits = [cleaned[f"{PREFIX}{threshold.name}"] for threshold in self.rule.thresholds]
        values = [cleaned["switched"], cleaned["severity"], cleaned["pending_for"], *limits]
        if all(value in (None, "") for value in values):
            raise ValidationError("Change at least one value; to remove a setting, delete it.")

    def _refuse_second(self, cleaned: dict[str, Any]) -> None:
        same = RuleSetting.objects.filter(
            rule=self.rule.name, group=cleaned.get("group"), schedule=cleaned.get("schedule"),
            instance=cleaned.get("instance_names"),
        )  # fmt: skip
        if same.exclude(pk=self.instance.pk).exists():
            raise ValidationError(
                "A setting of this rule for this scope already exists: edit that one."
            )


def _limit(threshold: Threshold, own: dict[str, Any]) -> LimitField:
    default = OFF if threshold.default is None else f"{threshold.default:g}"
    unit = (
        f" {threshold.unit.value}" if threshold.unit.value and threshold.default is not None else ""
    )
    initial = own.get(threshold.name, "")
    return LimitField(
        label=f"{threshold.label}{f' ({threshold.unit.value})' if threshold.unit.value else ''}",
        required=False,
        initial=OFF if initial is None else initial,
        help_text=f"Default: {default}{unit}. A number, or off.",
    )
