"""What can be said of a schedule, in the groups people think in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.forms import BoundField
from django.utils.timezone import now

from backups.admin.bases import ModelForm
from backups.models import BackupSchedule, InstanceGroup, Repository, Tag
from backups.schedule import Rhythm
from backups.schedules.pauses import pause_schedule, recheck_occurrences
from backups.schedules.save import save_schedule
from monitor.forms.fields import LengthField, MomentField, NamesField, TicksField

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("What", ("name", "origin", "kind", "enabled")),
    ("When", ("cron", "time_zone", "every_hours", "anchor_at")),
    ("Of what", ("covers_all", "groups", "tags", "instances")),
    ("Window", ("window", "grace", "stagger", "expected_duration", "at_window_end", "catch_up")),
    ("Retries and limits", ("retries", "retry_delay", "max_jobs")),
    ("Where to, and for how long", ("repositories", "keep_for", "keep_least", "options")),
)


class ScheduleForm(ModelForm):
    """A schedule with everything it can be told."""

    instances = NamesField(
        required=False, help_text="Names, between spaces, commas or lines; beside groups and tags."
    )
    groups = TicksField(InstanceGroup.objects.all(), required=False)
    tags = TicksField(Tag.objects.all(), required=False)
    repositories = TicksField(
        Repository.objects.all(), required=False,
        help_text="None ticked: the only enabled one there is.",
    )  # fmt: skip
    anchor_at = MomentField(
        label="Counted from", required=False, help_text="For every N hours, in your own time zone."
    )
    window = LengthField(help_text="How long after its due time a run may still start.")
    grace = LengthField(help_text="How long after its due time a run is late.")
    stagger = LengthField(help_text="The period over which the starts of its instances are spread.")
    expected_duration = LengthField(
        required=False, help_text="Longer is delayed. Blank: learnt from the runs there were."
    )
    retry_delay = LengthField(help_text="How far retries are apart; all inside the window.")
    keep_for = LengthField(required=False, help_text="Blank: for ever.")
    options = forms.JSONField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text="What the kind or the engine can be told beyond this, as a JSON object.",
    )

    class Meta:
        model = BackupSchedule
        fields = [name for _, names in GROUPS for name in names]
        labels = {
            "origin": "Who runs it",
            "cron": "Cron expression",
            "every_hours": "Or every N hours",
            "covers_all": "Every instance there is",
            "at_window_end": "A run still going at the window's end",
            "catch_up": "After Mooring was down",
            "max_jobs": "Jobs at once",
            "keep_least": "Keep at least",
        }
        help_texts = {
            "origin": "Observed: somebody else's cron does, and Mooring watches for it.",
            "cron": "Minute, hour, day of the month, month, day of the week: 30 2 * * 1-5.",
            "time_zone": "The clock the cron expression is read by: Europe/Berlin, or UTC.",
            "covers_all": "",
            "keep_least": "So many of each instance stay, however old they are.",
            "enabled": "Off: nothing is planned.",
        }

    def groups_of_fields(self) -> Iterator[tuple[str, list[BoundField]]]:
        for legend, names in GROUPS:
            yield legend, [self[name] for name in names]

    def clean_options(self) -> dict[str, Any]:
        options = self.cleaned_data["options"] or {}
        if not isinstance(options, dict):
            raise ValidationError("Give a JSON object.")
        return options

    def clean_anchor_at(self) -> datetime:
        """Blank leaves it as it is: of a new schedule, the moment it is made."""
        given: datetime | None = self.cleaned_data["anchor_at"]
        return given or self.instance.anchor_at

    def rhythm(self) -> Rhythm:
        """What is typed so far, for the preview, right or wrong; only after validation."""
        given = self.cleaned_data
        return Rhythm(
            str(self["cron"].value() or "").strip(),
            str(self["time_zone"].value() or "").strip(),
            given.get("every_hours"),
            given.get("anchor_at") or now(),
        )

    def store(self) -> BackupSchedule:
        """Save through the one function there is for it, and let the tick look at once."""
        with transaction.atomic():
            schedule: BackupSchedule = self.save(commit=False)
            save_schedule(schedule, now())
            self.save_m2m()
            recheck_occurrences(schedule, now())
        return schedule


class PauseForm(forms.Form):
    """Why a schedule is held up, and until when."""

    reason = forms.CharField(max_length=200, help_text="Others will ask why nothing runs.")
    until = MomentField(required=False, help_text="Blank: until somebody resumes it.")

    def clean_until(self) -> datetime | None:
        until: datetime | None = self.cleaned_data["until"]
        if until is not None and until <= now():
            raise ValidationError("This is over already.")
        return until

    def store(self, schedule: BackupSchedule, by: Any) -> None:
        given = self.cleaned_data
        pause_schedule(schedule, reason=given["reason"], until=given["until"], by=by, now=now())
