"""The form of an instance, in groups of related fields; passwords are never shown."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from backups.admin.instance import InstanceForm
from backups.admin.places import place_to_wait
from backups.engines import ENGINE_FOR
from backups.exceptions import InstanceUnreachable, Refused
from backups.instances.connection import connect, login_of
from backups.instances.facts import probe
from backups.models import Instance
from backups.models.instance import RunnerKind
from backups.models.pace import PACE_COLUMNS

ENGINE_WORDS = {
    "": "Choose by the server",
    "mariadb_backup": "mariadb-backup, for MariaDB",
    "clone": "clone, for MySQL: no agent on its host",
}
_SECTIONS = (
    ("Address", ("name", "host", "port", "socket")),
    ("Login", ("user", "new_password")),
    ("TLS", ("tls", "tls_ca_file", "tls_certificate_file", "tls_key_file")),
    ("Groups and tags", ("groups", "tags", "site", "enabled")),
    ("Engine", ("engine", "runner")),
    (
        "SSH login of the worker",
        ("ssh_host", "ssh_port", "ssh_user", "ssh_identity_file", "ssh_known_hosts_file"),
    ),
    ("Pace of backups", PACE_COLUMNS),
)


class InstanceSettingsForm(InstanceForm):
    """The form of the Django admin; the engine may stay open until the server is known."""

    def __init__(self, *args: Any, **words: Any) -> None:  # Any: passed through.
        super().__init__(*args, **words)
        self.fields["engine"] = forms.ChoiceField(
            required=bool(self.instance.pk),
            choices=[pair for pair in ENGINE_WORDS.items() if pair[0] or not self.instance.pk],
        )
        if not self.instance.pk:
            self.initial["engine"] = ""
        for name in ("groups", "tags"):
            self.fields[name].widget = forms.CheckboxSelectMultiple(
                choices=self.fields[name].widget.choices
            )
        if not self.instance.pk:
            self.fields["new_password"].help_text = "Stored encrypted, never shown again."

    @property
    def sections(self) -> list[tuple[str, list[forms.BoundField]]]:
        """Return the fields in sections; fields without a section come last."""
        named = {name for _, names in _SECTIONS for name in names}
        rest = tuple(name for name in self.fields if name not in named)
        return [(title, [self[name] for name in names]) for title, names in _SECTIONS] + [
            ("More", [self[name] for name in rest])
        ]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("runner") == RunnerKind.SSH:
            for name in ("ssh_host", "ssh_user"):
                if not cleaned.get(name):
                    self.add_error(name, "Required by the runner ssh.")
        return cleaned

    def proposed(self) -> Instance:
        """Return the instance of a valid form, unsaved, with its engine set."""
        instance: Instance = self.instance
        if password := self.cleaned_data["new_password"]:
            instance.set_password(password)
        if not instance.engine:
            instance.engine = self._engine_of_server(instance)
        return instance

    def _engine_of_server(self, instance: Instance) -> str:
        try:
            with place_to_wait(), closing(connect(login_of(instance))) as connection:
                return ENGINE_FOR[probe(connection).flavour]
        except (InstanceUnreachable, Refused) as exc:
            raise ValidationError(
                {"engine": f"{exc}. Choose the engine, or fix this first. {exc.hint}".strip()}
            ) from None
