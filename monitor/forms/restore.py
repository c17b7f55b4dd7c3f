"""The form of a restore: target and options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

from backups.exceptions import BadInput
from backups.models import BackupCopy, BinlogArchive
from backups.parameters import RELAY_LOGS
from backups.programs.compatibility import CLONE
from backups.restores.plan import PlannedRestore
from monitor.forms.replay_place import PLAIN, REPLAY_FIELDS, PlaceForm, goal_given

_ACCOUNT = r"[A-Za-z_][A-Za-z0-9_.-]*"
owner_validator = RegexValidator(
    rf"\A{_ACCOUNT}(:{_ACCOUNT})?\Z", "Enter user or user:group, for example mysql."
)


class RestoreForm(PlaceForm):
    """Sent in the query string, so that a plan can be reloaded and shared."""

    field_order = ("target", "owner", "mysqld", "raw", "no_start", *REPLAY_FIELDS, "replay_by")

    target = forms.CharField(
        label="Target folder",
        max_length=400,
        help_text="A new or empty folder on the worker's host.",
        widget=forms.TextInput(attrs={"placeholder": "/srv/restored/shop-1", **PLAIN}),
    )
    owner = forms.CharField(
        required=False,
        max_length=64,
        validators=[owner_validator],
        help_text="Owner of the files, as user or user:group; blank: the user of the worker.",
    )
    mysqld = forms.CharField(
        label="Server program",
        required=False,
        max_length=400,
        help_text="Path of the mysqld that prepares the files; blank: the configured one.",
    )
    raw = forms.BooleanField(
        label="Stop before prepare",
        required=False,
        help_text="The files stay as copied, unprepared.",
    )
    no_start = forms.BooleanField(
        label="Do not start a server on the files",
        required=False,
        help_text="Otherwise one is started and shut down once, to prove that the files are ready.",
    )

    replay_by = forms.ChoiceField(
        label="How it is replayed",
        required=False,
        choices=[("", "From Mooring, as a replica"), (RELAY_LOGS, "By relay logs in the folder")],
        help_text="Relay logs: for a server that cannot connect to Mooring; they need room too.",
    )

    def __init__(self, *args: object, copy: BackupCopy, any_program: bool, **words: object) -> None:
        super().__init__(*args, **words)  # type: ignore[arg-type]
        self.copy = copy
        # The worker executes this path: equivalent to a shell on its host, so for admins only.
        if not any_program or copy.backup.engine != CLONE:
            del self.fields["mysqld"]
        if not BinlogArchive.objects.filter(instance=copy.backup.instance_id).exists():
            for name in (*REPLAY_FIELDS, "replay_by"):
                del self.fields[name]
        elif copy.backup.engine != CLONE:
            del self.fields["replay_by"]

    def clean(self) -> dict[str, Any]:
        """Check where the replay ends. Any: a form's own values."""
        given = self.cleaned_data
        try:
            given["goal"] = goal_given(given)
        except BadInput as exc:
            raise ValidationError(f"{exc}. {exc.hint}".strip()) from None
        if given["goal"] is not None and given.get("raw"):
            raise ValidationError("Binlogs cannot be replayed onto files that are not prepared.")
        return given

    def clean_target(self) -> str:
        return _absolute(self.cleaned_data["target"])

    def clean_mysqld(self) -> str:
        path = self.cleaned_data["mysqld"]
        return _absolute(path) if path else ""

    def planned_restore(self) -> PlannedRestore:
        """Return the restore that a valid form requests."""
        requested = self.cleaned_data
        return PlannedRestore(
            self.copy,
            Path(requested["target"]),
            raw=requested["raw"],
            no_start=requested["no_start"],
            owner=requested["owner"],
            mysqld=requested.get("mysqld", ""),
            goal=requested["goal"],
            replay_by=requested.get("replay_by", "") if requested["goal"] else "",
        )


def _absolute(path: str) -> str:
    if not Path(path).is_absolute():
        raise ValidationError("Enter an absolute path.")
    return str(Path(path))
