"""The form of a restore: target and options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

from backups.binlog_archive.recovery.goals import RecoveryGoal
from backups.binlogs.moments import parse_moment
from backups.exceptions import BadInput
from backups.models import BackupCopy, BinlogArchive
from backups.programs.compatibility import CLONE
from backups.restores.plan import PlannedRestore

# Only for instances whose binlogs are archived.
REPLAY_FIELDS = ("until", "before_gtid", "until_gtid", "skip_gtids")
_PLAIN = {"spellcheck": "false", "autocapitalize": "none", "autocomplete": "off"}
_ACCOUNT = r"[A-Za-z_][A-Za-z0-9_.-]*"
owner_validator = RegexValidator(
    rf"\A{_ACCOUNT}(:{_ACCOUNT})?\Z", "Enter user or user:group, for example mysql."
)


class RestoreForm(forms.Form):
    """Sent in the query string, so that a plan can be reloaded and shared."""

    target = forms.CharField(
        label="Target folder",
        max_length=400,
        help_text="A new or empty folder on the worker's host.",
        widget=forms.TextInput(attrs={"placeholder": "/srv/restored/shop-1", **_PLAIN}),
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

    until = forms.CharField(
        label="Replay binlogs to the state at",
        required=False,
        max_length=80,
        help_text="A moment with its zone, as 2026-03-02 14:05:00 Europe/Berlin; UTC without one. "
        "Blank: the backup as it is.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    before_gtid = forms.CharField(
        label="Or before a transaction",
        required=False,
        max_length=120,
        help_text="Its GTID: the mistake, for example, and nothing after it.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    until_gtid = forms.CharField(
        label="Or with a transaction",
        required=False,
        max_length=120,
        help_text="The GTID of the last one that is replayed.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    skip_gtids = forms.CharField(
        label="Transactions to leave out",
        required=False,
        max_length=2000,
        help_text="GTIDs with spaces between. What follows them is replayed all the same.",
        widget=forms.TextInput(attrs=_PLAIN),
    )

    def __init__(self, *args: object, copy: BackupCopy, any_program: bool, **words: object) -> None:
        super().__init__(*args, **words)  # type: ignore[arg-type]
        self.copy = copy
        # The worker executes this path: equivalent to a shell on its host, so for admins only.
        if not any_program or copy.backup.engine != CLONE:
            del self.fields["mysqld"]
        if not BinlogArchive.objects.filter(instance=copy.backup.instance_id).exists():
            for name in REPLAY_FIELDS:
                del self.fields[name]

    def clean(self) -> dict[str, Any]:
        """Check where the replay ends. Any: a form's own values."""
        given = self.cleaned_data
        try:
            given["goal"] = _goal(given)
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
        )


def _goal(given: Mapping[str, Any]) -> RecoveryGoal | None:
    """Return up to where binlogs are replayed; None: not at all. Any: a form's own values."""
    if not any(given.get(name) for name in REPLAY_FIELDS):
        return None
    moment = given.get("until")
    return RecoveryGoal(
        until=parse_moment(moment, "UTC") if moment else None,
        until_gtid=given.get("until_gtid", "").lower(),
        before_gtid=given.get("before_gtid", "").lower(),
        skipped=frozenset(given.get("skip_gtids", "").lower().split()),
    )


def _absolute(path: str) -> str:
    if not Path(path).is_absolute():
        raise ValidationError("Enter an absolute path.")
    return str(Path(path))
