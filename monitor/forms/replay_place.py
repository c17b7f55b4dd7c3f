"""Up to where are archived binlogs replayed, and what is left out: asked by two forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from backups.binlog_archive.recovery.goals import RecoveryGoal
from backups.binlogs.moments import parse_moment
from backups.exceptions import MooringError
from backups.models import KeptRestore
from backups.restores.kept import goal_to_continue

# Of a restore only for instances whose binlogs are archived.
REPLAY_FIELDS = ("until", "before_gtid", "until_gtid", "skip_gtids")
PLAIN = {"spellcheck": "false", "autocapitalize": "none", "autocomplete": "off"}


class PlaceForm(forms.Form):
    """The fields of a place, and of what is left out."""

    until = forms.CharField(
        label="Replay binlogs to the state at",
        required=False,
        max_length=80,
        help_text="A moment with its zone, as 2026-03-02 14:05:00 Europe/Berlin; UTC without one. "
        "Blank: the backup as it is.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    before_gtid = forms.CharField(
        label="Or before a transaction",
        required=False,
        max_length=120,
        help_text="Its GTID: the mistake, for example, and nothing after it.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    until_gtid = forms.CharField(
        label="Or with a transaction",
        required=False,
        max_length=120,
        help_text="The GTID of the last one that is replayed.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    skip_gtids = forms.CharField(
        label="Transactions to leave out",
        required=False,
        max_length=2000,
        help_text="GTIDs with spaces between. What follows them is replayed all the same.",
        widget=forms.TextInput(attrs=PLAIN),
    )


class ContinueForm(PlaceForm):
    """Where a kept folder is to end; blank: where it was to."""

    def __init__(self, *args: object, kept: KeptRestore, **words: object) -> None:
        super().__init__(*args, **words)  # type: ignore[arg-type]
        self.kept = kept
        self.fields["until"].label = "Another moment to end at"
        self.fields[
            "until"
        ].help_text = (
            "With its zone, as 2026-03-02 14:05:00 Europe/Berlin. Blank: where it was to end."
        )

    def clean(self) -> dict[str, Any]:
        """Find where it ends. Any: a form's own values."""
        given = self.cleaned_data
        skipped = frozenset(given.get("skip_gtids", "").lower().split())
        try:
            place = goal_given({**given, "skip_gtids": ""})
            given["goal"] = goal_to_continue(self.kept, place, skipped)
        except MooringError as exc:
            raise ValidationError(f"{exc}. {exc.hint}".strip()) from None
        return given


def goal_given(given: Mapping[str, Any]) -> RecoveryGoal | None:
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
