"""Rule settings and silences, for admins to configure."""

from __future__ import annotations

from typing import Any

from cronsim import CronSim, CronSimError
from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.timezone import now

from alerts.evaluation.thresholds import threshold_faults
from alerts.models import RuleSetting, Silence
from alerts.rules import RULES
from backups.admin.bases import ModelAdmin, ModelForm
from backups.exceptions import BadInput
from backups.wall_clock import zone

NAMES = [(name, f"{rule.title} ({name})") for name, rule in RULES.items()]


def clean_zone(name: str) -> str:
    """Return the name of an existing time zone."""
    try:
        zone(name)
    except BadInput:
        raise ValidationError(f"No time zone is named {name}.") from None
    return name


class RuleSettingAdminForm(ModelForm):
    """A rule setting whose thresholds exist in its rule."""

    rule = forms.ChoiceField(choices=NAMES)

    class Meta:
        model = RuleSetting
        fields = [
            "rule", "group", "schedule", "instance", "enabled", "severity", "pending_for",
            "thresholds",
        ]  # fmt: skip
        help_texts = {
            "group": "Set at most one of group, schedule and instance; none: the whole fleet.",
            "thresholds": 'Names and numbers, such as {"warning": 3}; null disables a threshold.',
        }

    def clean_thresholds(self) -> dict[str, Any]:
        thresholds = self.cleaned_data["thresholds"] or {}
        if faults := threshold_faults(self.cleaned_data.get("rule", ""), thresholds):
            raise ValidationError([*faults])
        # Any: JSON.
        checked: dict[str, Any] = thresholds
        return checked

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        scopes = [cleaned.get(name) for name in ("group", "schedule", "instance")]
        if sum(scope is not None for scope in scopes) > 1:
            raise ValidationError("Set at most one of group, schedule and instance.")
        if not self.errors:
            self._refuse_second(cleaned)
        return cleaned

    def _refuse_second(self, cleaned: dict[str, Any]) -> None:
        same = RuleSetting.objects.filter(
            rule=cleaned["rule"],
            group=cleaned["group"],
            schedule=cleaned["schedule"],
            instance=cleaned["instance"],
        )
        if same.exclude(pk=self.instance.pk).exists():
            raise ValidationError("A setting for this rule and scope already exists.")


@admin.register(RuleSetting)
class RuleSettingAdmin(ModelAdmin):
    form = RuleSettingAdminForm
    list_display = ["rule", "group", "schedule", "instance", "enabled", "severity", "thresholds"]
    list_filter = ["rule", "enabled"]
    list_select_related = ["group", "schedule", "instance"]
    search_fields = ["rule", "group__name", "schedule__name", "instance__name"]
    autocomplete_fields = ["group", "schedule", "instance"]


class SilenceAdminForm(ModelForm):
    """A silence with valid times."""

    rule = forms.ChoiceField(choices=[("", "Any rule"), *NAMES], required=False)

    class Meta:
        model = Silence
        fields = [
            "comment", "rule", "max_severity", "instances", "groups", "tags", "schedules",
            "starts_at", "ends_at", "cron", "time_zone", "duration",
        ]  # fmt: skip

    def clean_time_zone(self) -> str:
        return clean_zone(str(self.cleaned_data["time_zone"]))

    def clean_cron(self) -> str:
        expression = str(self.cleaned_data["cron"])
        try:
            if expression:
                next(CronSim(expression, now()))
        except (CronSimError, StopIteration):
            raise ValidationError("This cron expression never matches.") from None
        return expression

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        starts_at, ends_at = cleaned.get("starts_at"), cleaned.get("ends_at")
        if starts_at and ends_at and ends_at <= starts_at:
            raise ValidationError({"ends_at": "The end must be after the start."})
        if cleaned.get("cron") and not cleaned.get("duration"):
            raise ValidationError({"duration": "A recurring silence needs a duration."})
        return cleaned


@admin.register(Silence)
class SilenceAdmin(ModelAdmin):
    form = SilenceAdminForm
    list_display = ["comment", "rule", "max_severity", "starts_at", "ends_at", "cron", "created_by"]
    list_filter = ["rule", "max_severity"]
    list_select_related = ["created_by"]
    search_fields = ["comment", "rule", "instances__name", "groups__name", "tags__name"]
    filter_horizontal = ["instances", "groups", "tags", "schedules"]

    # Any: Django passes the form it made.
    def save_model(self, request: HttpRequest, obj: Silence, form: Any, change: bool) -> None:
        if not change and request.user.is_authenticated:
            obj.created_by = request.user
        super().save_model(request, obj, form, change)
