"""What is asked about an instance, in the order in which people know it; nothing is echoed."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from backups.admin.instance import InstanceForm
from backups.engines import ENGINE_FOR
from backups.exceptions import InstanceUnreachable
from backups.instances.connection import connect, login_of
from backups.instances.facts import probe
from backups.models import Instance
from backups.models.instance import RunnerKind

ENGINE_WORDS = {
    "": "Whichever suits the server",
    "mariadb_backup": "mariadb-backup, for MariaDB",
    "clone": "clone, for MySQL: needs nothing on its host",
}
_SECTIONS = (
    ("Where it is", ("name", "host", "port", "socket")),
    ("How to log in", ("user", "new_password", "tls")),
    ("Where it belongs", ("groups", "tags", "enabled")),
    ("How to copy it", ("engine", "runner")),
    (
        "The worker's login by ssh",
        ("ssh_host", "ssh_port", "ssh_user", "ssh_identity_file", "ssh_known_hosts_file"),
    ),
)


class InstanceSettingsForm(InstanceForm):
    """The admin's own form, with the engine left open until the server has said whose it is."""

    def __init__(self, *args: Any, **words: Any) -> None:  # Any: passed on as it is.
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
            self.fields["new_password"].help_text = "Kept encrypted and never shown again."

    @property
    def sections(self) -> list[tuple[str, list[forms.BoundField]]]:
        """Return the fields as they belong together; what is new in the admin comes last."""
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
                    self.add_error(name, "The runner ssh needs it.")
        return cleaned

    def proposed(self) -> Instance:
        """Return the instance as a valid form describes it, not saved; its engine is chosen."""
        instance: Instance = self.instance
        if typed := self.cleaned_data["new_password"]:
            instance.set_password(typed)
        if not instance.engine:
            instance.engine = self._engine_of_server(instance)
        return instance

    def _engine_of_server(self, instance: Instance) -> str:
        try:
            with closing(connect(login_of(instance))) as connection:
                return ENGINE_FOR[probe(connection).flavour]
        except InstanceUnreachable as exc:
            raise ValidationError(
                {"engine": f"{exc}. Choose the engine, or mend that first. {exc.hint}".strip()}
            ) from None
