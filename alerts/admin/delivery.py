"""Channels and routes: admins configure them here. What was sent is history."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from alerts.models import Channel, Notification, Route
from alerts.rules import RULES
from backups.admin.bases import ModelAdmin, ModelForm
from backups.admin.history import HistoryAdmin


class ChannelForm(ModelForm):
    """A channel with secrets that go in and never come out."""

    new_secrets = forms.CharField(
        label="Secrets",
        required=False,
        strip=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text="A JSON object. Kept encrypted, never shown. Left blank, the present ones stay.",
    )

    class Meta:
        model = Channel
        fields = ["name", "kind", "settings", "enabled"]

    def clean_new_secrets(self) -> str:
        text = str(self.cleaned_data["new_secrets"])
        try:
            if text and not isinstance(json.loads(text), dict):
                raise ValidationError("Give a JSON object.")
        except ValueError:
            # Never with the text in it: a message ends up on pages and in logs.
            raise ValidationError("This is not JSON.") from None
        return text


@admin.register(Channel)
class ChannelAdmin(ModelAdmin):
    form = ChannelForm
    list_display = ["name", "kind", "enabled", "disabled_reason", "last_delivered_at"]
    list_filter = ["enabled", "kind"]
    search_fields = ["name", "kind"]
    readonly_fields = ["disabled_reason", "disabled_at", "last_delivered_at", "created_at"]

    # Any: Django passes the form it made.
    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        if text := form.cleaned_data["new_secrets"]:
            obj.set_secrets(text)
        super().save_model(request, obj, form, change)


class RouteForm(ModelForm):
    """A route to rules that exist."""

    rules = forms.MultipleChoiceField(
        choices=[(name, rule.title) for name, rule in RULES.items()],
        required=False,
        help_text="None chosen: all of them but successes.",
    )

    class Meta:
        model = Route
        fields = [
            "channel", "enabled", "least_severe", "rules", "groups", "tags", "digest_every",
            "remind_every", "tell_recovery", "quiet_from", "quiet_to", "time_zone",
        ]  # fmt: skip


@admin.register(Route)
class RouteAdmin(ModelAdmin):
    form = RouteForm
    list_display = ["channel", "least_severe", "rules", "digest_every", "remind_every", "enabled"]
    list_filter = ["enabled", "channel", "least_severe"]
    list_select_related = ["channel"]
    search_fields = ["channel__name", "groups__name", "tags__name"]
    filter_horizontal = ["groups", "tags"]


@admin.register(Notification)
class NotificationAdmin(HistoryAdmin):
    list_display = ["channel", "kind", "status", "attempts", "created_at", "delivered_at"]
    list_filter = ["status", "kind", "channel"]
    list_select_related = ["channel"]
    search_fields = ["dedupe_key", "answer", "channel__name"]
    autocomplete_fields = ["channel", "alerts"]
