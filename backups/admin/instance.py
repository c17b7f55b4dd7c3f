"""Instances and their groups: admins configure them here."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from backups.admin.bases import ModelAdmin, ModelForm
from backups.admin.pace import OF_INSTANCE, PACE_HELP, PACE_LABELS, rate_field
from backups.engines import ENGINES
from backups.models import Instance, InstanceGroup, Tag
from backups.models.instance import ROUTE_OF_PASSWORD
from backups.models.pace import PACE_COLUMNS


class InstanceForm(ModelForm):
    """An instance with a write-only password."""

    engine = forms.ChoiceField(choices=[(name, name) for name in ENGINES])
    new_password = forms.CharField(
        label="Password",
        required=False,
        strip=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text="Stored encrypted and never shown. Leave blank to keep the present one.",
    )

    pace_bytes_per_s = rate_field()

    class Meta:
        model = Instance
        fields = [
            "name", "host", "port", "socket", "user", "tls", "tls_ca_file",
            "tls_certificate_file", "tls_key_file", "groups", "tags", "site", "enabled", "engine",
            "allow_plugin_install", "save_foreign_tables", "lock_wait_seconds", "history_tool",
            "runner",
            "ssh_host", "ssh_port", "ssh_user", "ssh_identity_file", "ssh_known_hosts_file",
            *PACE_COLUMNS,
        ]  # fmt: skip
        labels = PACE_LABELS
        help_texts = {name: f"{text} {OF_INSTANCE}" for name, text in PACE_HELP.items()}

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if moved := self._moved_with_password():
            names = ", ".join(str(self.fields[name].label) for name in moved)
            self.add_error(
                "new_password", f"The address changed ({names}): enter the password again."
            )
        return cleaned

    def _moved_with_password(self) -> list[str]:
        """Return the changed fields that would send the stored password elsewhere."""
        if not self.instance.password_token or self.cleaned_data.get("new_password"):
            return []
        # The form writes its values to the instance only after this.
        return [
            name
            for name in ROUTE_OF_PASSWORD
            if name in self.cleaned_data and self.cleaned_data[name] != getattr(self.instance, name)
        ]


@admin.register(Instance)
class InstanceAdmin(ModelAdmin):
    form = InstanceForm
    list_display = ["name", "address", "flavour", "version", "runner", "enabled", "seen_at"]
    list_filter = ["enabled", "flavour", "runner", "groups", "tags"]
    search_fields = ["name", "host", "version", "groups__name"]
    filter_horizontal = ["groups", "tags"]
    readonly_fields = [
        "uuid", "server_identity", "other_server", "other_server_since", "flavour", "version",
        "data_bytes", "data_folder", "data_device", "files_unproven", "files_confirmed",
        "files_confirmed_by", "files_confirmed_at", "seen_at", "unreachable_since",
        "unreachable_reason", "created_at",
    ]  # fmt: skip
    fieldsets = [
        (None, {"fields": ["name", "enabled", "groups", "tags", "site"]}),
        (
            "Connection",
            {
                "fields": [
                    "host", "port", "socket", "user", "new_password",
                    "tls", "tls_ca_file", "tls_certificate_file", "tls_key_file",
                ]
            },
        ),
        (
            "Backup method",
            {
                "fields": [
                    "engine", "allow_plugin_install", "save_foreign_tables",
                    "lock_wait_seconds", "runner", "ssh_host", "ssh_port", "ssh_user",
                    "ssh_identity_file", "ssh_known_hosts_file",
                ]
            },
        ),
        ("Pace of backups", {"fields": [*PACE_COLUMNS]}),
        ("Backups taken by other tools", {"fields": ["history_tool"]}),
        ("Reported by the instance", {"fields": [*readonly_fields]}),
    ]  # fmt: skip

    # Any: the types of Django's stubs have private names.
    def get_fieldsets(self, request: HttpRequest, obj: Instance | None = None) -> Any:
        # Before it is saved nothing is known of it, and the uuid shown would not be its own.
        return self.fieldsets if obj else self.fieldsets[:-1]

    # Any: the form is the one Django built from the class above.
    def save_model(self, request: HttpRequest, obj: Instance, form: Any, change: bool) -> None:
        if password := form.cleaned_data["new_password"]:
            obj.set_password(password)
        super().save_model(request, obj, form, change)


@admin.register(InstanceGroup)
class InstanceGroupAdmin(ModelAdmin):
    list_display = ["name", "description"]
    search_fields = ["name", "description"]


@admin.register(Tag)
class TagAdmin(ModelAdmin):
    list_display = ["name", "pk"]
    search_fields = ["name"]
