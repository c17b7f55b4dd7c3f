"""What is asked about a restore besides which backup: where to, and how."""

from __future__ import annotations

from pathlib import Path

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

from backups.models import BackupCopy
from backups.programs.compatibility import CLONE
from backups.restores.plan import PlannedRestore

_ACCOUNT = r"[A-Za-z_][A-Za-z0-9_.-]*"
owner_validator = RegexValidator(
    rf"\A{_ACCOUNT}(:{_ACCOUNT})?\Z", "Write user or user:group, for example mysql."
)


class RestoreForm(forms.Form):
    """Sent in the address: a plan can be looked at again, and shown to somebody else."""

    target = forms.CharField(
        label="Target folder",
        max_length=400,
        help_text="On the worker's host: a new or an empty folder.",
        widget=forms.TextInput(
            attrs={
                "placeholder": "/srv/restored/shop-1",
                "spellcheck": "false",
                "autocapitalize": "none",
                "autocomplete": "off",
            }
        ),
    )
    owner = forms.CharField(
        required=False,
        max_length=64,
        validators=[owner_validator],
        help_text="user or user:group that gets the files; blank leaves them to the worker's.",
    )
    mysqld = forms.CharField(
        label="Server program",
        required=False,
        max_length=400,
        help_text="Path of the mysqld that prepares the files; blank takes the configured one.",
    )
    raw = forms.BooleanField(
        label="Stop before prepare",
        required=False,
        help_text="Leaves the files as copied.",
    )

    def __init__(self, *args: object, copy: BackupCopy, any_program: bool, **words: object) -> None:
        super().__init__(*args, **words)  # type: ignore[arg-type]
        self.copy = copy
        # A path that the worker will start: as good as a shell on its host, so for admins only.
        if not any_program or copy.backup.engine != CLONE:
            del self.fields["mysqld"]

    def clean_target(self) -> str:
        return _absolute(self.cleaned_data["target"])

    def clean_mysqld(self) -> str:
        path = self.cleaned_data["mysqld"]
        return _absolute(path) if path else ""

    def planned_restore(self) -> PlannedRestore:
        """Return what a valid form asks for."""
        asked = self.cleaned_data
        return PlannedRestore(
            self.copy,
            Path(asked["target"]),
            raw=asked["raw"],
            owner=asked["owner"],
            mysqld=asked.get("mysqld", ""),
        )


def _absolute(path: str) -> str:
    if not Path(path).is_absolute():
        raise ValidationError("Write the whole path, from the first slash on.")
    return str(Path(path))
