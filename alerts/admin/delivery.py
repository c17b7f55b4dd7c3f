"""Channels and routes, for admins to configure; notifications are read-only history."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from alerts.admin.rule import clean_zone
from alerts.delivery.channels import CHANNELS, configure
from alerts.models import Channel, Notification, NotificationState, Route
from alerts.rules import RULES
from backups.admin.bases import ModelAdmin, ModelForm
from backups.admin.history import HistoryAdmin
from backups.exceptions import BadInput


class ChannelAdminForm(ModelForm):
    """A channel of a known kind; its secrets can be set but are never shown."""

    kind = forms.ChoiceField(choices=[(name, kind.label) for name, kind in CHANNELS.items()])
    new_secrets = forms.CharField(
        label="Secrets",
        required=False,
        strip=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text="A JSON object. Stored encrypted, never shown. Blank keeps the present secrets.",
    )

    class Meta:
        model = Channel
        fields = ["name", "kind", "settings", "enabled"]

    def clean_new_secrets(self) -> dict[str, str]:
        try:
            secrets = json.loads(str(self.cleaned_data["new_secrets"]) or "{}")
        except ValueError:
            # Without the text: errors appear on pages and in logs.
            raise ValidationError("This is not valid JSON.") from None
        if not isinstance(secrets, dict):
            raise ValidationError("Enter a JSON object.")
        return {str(name): str(value) for name, value in secrets.items()}

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                configure(self._channel(), self.values())
            except BadInput as exc:
                raise ValidationError(f"{exc}".capitalize() + ".") from None
        return cleaned

    def values(self) -> dict[str, str]:
        """Return all values entered, secrets in plain text."""
        settings = self.cleaned_data["settings"] or {}
        entered = {str(name): str(value) for name, value in settings.items()}
        return {**entered, **self.cleaned_data["new_secrets"]}

    def _channel(self) -> Channel:
        """Return an unsaved channel to check the values on."""
        return Channel(kind=self.cleaned_data["kind"], secrets_token=self.instance.secrets_token)


@admin.register(Channel)
class ChannelAdmin(ModelAdmin):
    form = ChannelAdminForm
    list_display = ["name", "kind", "enabled", "disabled_reason", "last_delivered_at"]
    list_filter = ["enabled", "kind"]
    search_fields = ["name", "kind"]
    readonly_fields = ["disabled_reason", "disabled_at", "last_delivered_at", "created_at"]

    # Any: Django passes the form it made.
    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        configure(obj, form.values())
        if obj.enabled:
            # A person enabled it again: the fault counts as fixed.
            obj.disabled_reason, obj.disabled_at = "", None
        super().save_model(request, obj, form, change)


class RouteAdminForm(ModelForm):
    """A route that names existing rules."""

    rules = forms.MultipleChoiceField(
        choices=[(name, rule.title) for name, rule in RULES.items()],
        required=False,
        help_text="None selected: all rules except successes.",
    )

    class Meta:
        model = Route
        fields = [
            "channel", "enabled", "min_severity", "rules", "groups", "tags", "digest_every",
            "remind_every", "notify_recovery", "quiet_from", "quiet_to", "time_zone",
        ]  # fmt: skip

    def clean_time_zone(self) -> str:
        return clean_zone(str(self.cleaned_data["time_zone"]))


@admin.register(Route)
class RouteAdmin(ModelAdmin):
    form = RouteAdminForm
    list_display = ["channel", "min_severity", "rules", "digest_every", "remind_every", "enabled"]
    list_filter = ["enabled", "channel", "min_severity"]
    list_select_related = ["channel"]
    search_fields = ["channel__name", "groups__name", "tags__name"]
    filter_horizontal = ["groups", "tags"]


@admin.register(Notification)
class NotificationAdmin(HistoryAdmin):
    list_display = ["channel", "kind", "status", "attempts", "created_at", "delivered_at"]
    list_filter = ["status", "kind", "channel"]
    list_select_related = ["channel"]
    search_fields = ["dedupe_key", "response", "channel__name"]
    autocomplete_fields = ["channel", "alerts"]


@admin.register(NotificationState)
class NotificationStateAdmin(HistoryAdmin):
    list_display = [
        "alert", "channel", "severity", "notified_at", "remind_at", "recovery_sent",
        "delivery_failed",
    ]  # fmt: skip
    list_filter = ["channel", "severity", "delivery_failed"]
    list_select_related = ["alert", "channel"]
    search_fields = ["alert__subject_name", "alert__rule", "channel__name"]
    autocomplete_fields = ["alert", "channel"]
