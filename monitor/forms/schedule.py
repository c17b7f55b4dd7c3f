"""The forms of schedules: the schedule itself, and a pause."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.forms import BoundField
from django.utils.timezone import now

from backups.admin.bases import ModelForm
from backups.admin.pace import OF_SCHEDULE, PACE_HELP, PACE_LABELS, RateField, rate_field
from backups.instances.data_folder import HINT, find_nested
from backups.models import BackupSchedule, Instance, InstanceGroup, Repository, Tag
from backups.models.pace import PACE_COLUMNS
from backups.models.retention import RETENTION_COLUMNS
from backups.models.schedule import (
    PREDECESSORS,
    SLOW_BYTES_PER_S,
    AfterRun,
    AtWindowEnd,
    WhenUnfit,
)
from backups.schedule import Rhythm
from backups.schedules.pauses import pause_schedule, recheck_occurrences
from backups.schedules.save import save_schedule
from backups.states import MOMENTS, PLANNED_OPERATIONS, Operation, ProofChoice, ProofTarget
from monitor.forms.fields import (
    CheckboxesField,
    LengthField,
    NamesField,
    PatternsField,
    TimestampField,
)
from monitor.forms.retention import RETENTION_HELP, RETENTION_LABELS, keep_for_field

PROOF_COLUMNS = (
    "proof_target", "check_pages", "proof_choice", "proven_within_days", "budget_bytes",
    "important_tags",
)  # fmt: skip
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Backup", ("name", "operation", "origin", "kind", "enabled")),
    ("Proof", PROOF_COLUMNS),
    ("Tables of partial backups", ("include", "exclude", "incremental")),
    ("Times", ("cron", "time_zone", "every_hours", "anchor_at", "full_cron", "make_up_full")),
    ("Or after another schedule", ("after", "after_run")),
    ("Instances", ("covers_all", "groups", "tags", "instances")),
    (
        "Window",
        (
            "window",
            "grace",
            "stagger",
            "expected_duration",
            "at_window_end",
            "slow_bytes_per_s",
            "when_unfit",
            "catch_up",
        ),
    ),
    ("Retries and limits", ("retries", "retry_delay", "max_jobs")),
    ("Pace", PACE_COLUMNS),
    ("Repositories", ("repositories", "consolidate_after", "options")),
    ("Later copies", ("copy_to", "copy_opens_at", "copy_closes_at")),
    ("Retention", RETENTION_COLUMNS),
)

# Of the other columns, those that a schedule of verifies or restore tests has as well.
SHARED_COLUMNS = (
    "name", "operation", "enabled", "cron", "time_zone", "every_hours", "anchor_at", "after",
    "after_run", "covers_all", "groups", "tags", "instances", "window", "grace", "stagger",
    "expected_duration", "at_window_end", "catch_up", "retries", "retry_delay", "max_jobs",
)  # fmt: skip

# Stored among the options of the schedule.
CHOICE = ("include", "exclude")
OF_PARTIAL = (*CHOICE, "incremental")


class ScheduleForm(ModelForm):
    """All settings of a schedule."""

    instances = NamesField(
        required=False,
        help_text="Names, separated by spaces, commas or lines; in addition to groups and tags.",
    )
    groups = CheckboxesField(InstanceGroup.objects.all(), required=False)
    tags = CheckboxesField(Tag.objects.all(), required=False)
    repositories = CheckboxesField(
        Repository.objects.all(), required=False,
        help_text="None selected: the only enabled repository.",
    )  # fmt: skip
    copy_to = CheckboxesField(
        Repository.objects.all(), label="Copied to", required=False,
        help_text="Where its backups are copied to afterwards, without the server.",
    )  # fmt: skip
    anchor_at = TimestampField(
        label="Counted from",
        required=False,
        help_text="Start of the intervals, in your own time zone.",
    )
    window = LengthField(help_text="How long after its due time a run may still start.")
    grace = LengthField(help_text="How long a run may wait before it is late.")
    stagger = LengthField(help_text="Period over which the starts of the instances are spread.")
    expected_duration = LengthField(
        required=False, help_text="A longer run is reported. Blank: estimated from earlier runs."
    )
    slow_bytes_per_s = RateField(
        label="Limited to",
        required=False,
        help_text="Bytes per second from the end of the window on, if it is limited then: 20M.",
    )
    retry_delay = LengthField(help_text="Time between retries; all within the window.")
    pace_bytes_per_s = rate_field()
    keep_for = keep_for_field()
    operation = forms.ChoiceField(
        choices=PLANNED_OPERATIONS, required=False, widget=forms.HiddenInput
    )
    proof_target = forms.ChoiceField(
        label="Of", choices=ProofTarget.choices, required=False,
        help_text="After another schedule: the backup of that run.",
    )  # fmt: skip
    proof_choice = forms.ChoiceField(
        label="Whom", choices=ProofChoice.choices, required=False,
        help_text="At each due time. Each backup once: of each instance the newest that has no "
        "such proof yet.",
    )  # fmt: skip
    budget_bytes = RateField(
        label="Budget of a sample",
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "for example 500G"}),
        help_text="Most bytes that the proofs of one due time read: 500G. Blank: no limit.",
    )  # fmt: skip
    important_tags = CheckboxesField(
        Tag.objects.all(), required=False,
        help_text="Of a sample: instances with one of these come more often.",
    )  # fmt: skip
    after_run = forms.ChoiceField(
        label="After which runs",
        choices=AfterRun.choices,
        required=False,
        help_text="Without such a run it is missed, and the reason names what it waited for.",
    )
    when_unfit = forms.ChoiceField(
        label="If a run will not fit",
        choices=WhenUnfit.choices,
        required=False,
        help_text="By the length of the last 10 runs of its kind. Before it is due there is an "
        "alert, either way.",
    )
    include = PatternsField(
        label="Included tables",
        help_text="Of partial backups: schema.table with * and ?, one in each line. Blank: all.",
    )
    exclude = PatternsField(
        label="Excluded tables", help_text="What is not in after all: shop.log_*, for example."
    )
    incremental = forms.BooleanField(
        label="Store increments",
        required=False,
        help_text="MariaDB: what changed since the newest one of the same tables. One that stands "
        "alone is taken where automatic backups would take a full one.",
    )
    options = forms.JSONField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text="Further options of the kind or the engine, as a JSON object.",
    )

    class Meta:
        model = BackupSchedule
        fields = [name for _, names in GROUPS for name in names if name not in OF_PARTIAL]
        labels = {
            "origin": "Run by",
            "cron": "Cron expression",
            "every_hours": "Or every N hours",
            "after": "Runs after",
            "full_cron": "Full backups at",
            "make_up_full": "Make up for full backups",
            "covers_all": "All instances",
            "at_window_end": "Running at the end of the window",
            "catch_up": "After a downtime of Mooring",
            "max_jobs": "Concurrent jobs",
            "consolidate_after": "Consolidate after",
            "check_pages": "Check pages",
            "proven_within_days": "Days of a sample",
            "copy_opens_at": "Copied from",
            "copy_closes_at": "Until",
            **PACE_LABELS,
            **RETENTION_LABELS,
        }
        help_texts = {
            "kind": "Automatic: incremental, and full when one is due.",
            "origin": "Observed: an external tool takes the backup, and Mooring monitors it.",
            "cron": "Minute, hour, day of the month, month, day of the week: 30 2 * * 1-5.",
            "time_zone": "Time zone of the cron expression, such as Europe/Berlin or UTC.",
            "after": "Instead of times: due when a planned run of that schedule has ended, for the "
            "same instance. Leave the cron expression and the interval blank.",
            "full_cron": "Cron expression, in the same time zone: 30 1 * * 0. Where both are due, "
            "the run is a full backup. Blank: no times for full backups.",
            "make_up_full": "After a missed or failed full backup the next run is a full one.",
            "covers_all": "",
            "consolidate_after": "Number of backups after a full one, from which a new full one is "
            "then made without the server. Blank: never.",
            "copy_opens_at": "Time of the day, in the time zone above: 00:30. Blank: at once.",
            "copy_closes_at": "No copy is begun after it.",
            "proven_within_days": "Within so many days each instance has had its turn.",
            "check_pages": "Every InnoDB page, besides the stored bytes.",
            **{name: f"{text} {OF_SCHEDULE}" for name, text in PACE_HELP.items()},
            **RETENTION_HELP,
            "enabled": "Off: no runs are planned.",
        }

    # Any: as Django's.
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._narrow()
        others = BackupSchedule.objects.exclude(pk=self.instance.pk).order_by("name")
        after = self.fields["after"]
        assert isinstance(after, forms.ModelChoiceField)
        after.queryset = others.select_related(PREDECESSORS)
        after.empty_label = "None: it has its own times"
        stored = self.instance.options or {}
        for name in CHOICE:
            self.initial.setdefault(name, "\n".join(stored.get(name) or ()))
        self.initial.setdefault("incremental", bool(stored.get("incremental")))
        self.initial["options"] = {key: stored[key] for key in stored if key not in OF_PARTIAL}

    def groups_of_fields(self) -> Iterator[tuple[str, list[BoundField]]]:
        for legend, names in GROUPS:
            shown = [name for name in names if name in self.fields and name != "operation"]
            if fields := [self[name] for name in shown]:
                yield legend, fields

    def _narrow(self) -> None:
        """Leave the fields that the operation has; that of a new schedule comes with the form."""
        if self.instance.pk is None and self.is_bound:
            self.instance.operation = self.data.get("operation") or self.instance.operation
        proves, verifies = self.instance.proves, self.instance.operation == Operation.VERIFY
        kept = {*SHARED_COLUMNS, *PROOF_COLUMNS} if proves else {*self.fields} - {*PROOF_COLUMNS}
        if not verifies:
            kept.discard("check_pages")
        for name in [name for name in self.fields if name not in kept]:
            del self.fields[name]
        if proves:
            self._offer_proofs(moments=not verifies)

    def _offer_proofs(self, *, moments: bool) -> None:
        targets, ends = self.fields["proof_target"], self.fields["at_window_end"]
        assert isinstance(targets, forms.ChoiceField)
        assert isinstance(ends, forms.ChoiceField)
        if not moments:
            targets.choices = [each for each in ProofTarget.choices if each[0] not in MOMENTS]
        ends.choices = [each for each in AtWindowEnd.choices if each[0] != AtWindowEnd.SLOW]

    def clean_operation(self) -> str:
        return str(self.cleaned_data["operation"] or self.instance.operation)

    def clean_proof_choice(self) -> str:
        return self.cleaned_data["proof_choice"] or ProofChoice.EACH

    def clean_budget_bytes(self) -> int | None:
        """Nothing could be proven within a budget of nothing."""
        return self.cleaned_data["budget_bytes"] or None

    def clean_proof_target(self) -> str:
        return self.cleaned_data["proof_target"] or ProofTarget.BACKUP

    def clean_options(self) -> dict[str, Any]:
        options = self.cleaned_data["options"] or {}
        if not isinstance(options, dict):
            raise ValidationError("Enter a JSON object.")
        return options

    def clean_slow_bytes_per_s(self) -> int:
        """Blank is the default; full speed would be no limit."""
        rate: int | None = self.cleaned_data["slow_bytes_per_s"]
        if rate == 0:
            raise ValidationError("Enter a number of bytes per second, such as 20M.")
        return rate or SLOW_BYTES_PER_S

    def clean_when_unfit(self) -> str:
        return self.cleaned_data["when_unfit"] or WhenUnfit.START

    def clean_after_run(self) -> str:
        return self.cleaned_data["after_run"] or AfterRun.SUCCEEDED

    def clean_anchor_at(self) -> datetime:
        """Blank keeps the present value; for a new schedule, the time of its creation."""
        given: datetime | None = self.cleaned_data["anchor_at"]
        return given or self.instance.anchor_at

    def clean(self) -> dict[str, Any] | None:
        """Refuse a repository in the data folder of a covered instance, as far as rows show it."""
        given = super().clean() or self.cleaned_data
        chosen = {name: given[name] for name in OF_PARTIAL if given.get(name)}
        if "options" in self.fields:
            given["options"] = {**(given.get("options") or {}), **chosen}
        here = Instance.objects.exclude(data_folder="")
        if not given.get("covers_all"):
            here = here.filter(
                Q(pk__in=[instance.pk for instance in given.get("instances") or ()])
                | Q(groups__in=given.get("groups") or ())
                | Q(tags__in=given.get("tags") or ())
            ).distinct()
        if fault := find_nested(given.get("repositories") or (), here):
            self.add_error("repositories", f"{fault}. {HINT}")
        if fault := find_nested(given.get("copy_to") or (), here):
            self.add_error("copy_to", f"{fault}. {HINT}")
        both = set(given.get("copy_to") or ()) & set(given.get("repositories") or ())
        if both:
            names = ", ".join(sorted(repository.name for repository in both))
            self.add_error("copy_to", f"Its backups go there anyway: {names}.")
        return given

    def rhythm(self) -> Rhythm:
        """Return the rhythm as entered, valid or not, for the preview; after validation."""
        given = self.cleaned_data
        return Rhythm(
            str(self["cron"].value() or "").strip(),
            str(self["time_zone"].value() or "").strip(),
            given.get("every_hours"),
            given.get("anchor_at") or now(),
            "" if self.instance.proves else str(self["full_cron"].value() or "").strip(),
        )

    def store(self) -> BackupSchedule:
        """Save through ``save_schedule``, and have the scheduler check it at once."""
        with transaction.atomic():
            schedule: BackupSchedule = self.save(commit=False)
            save_schedule(schedule, now())
            self.save_m2m()
            recheck_occurrences(schedule, now())
        return schedule


class PauseForm(forms.Form):
    """The reason for a pause, and its end."""

    reason = forms.CharField(max_length=200, help_text="Shown to other users.")
    until = TimestampField(required=False, help_text="Blank: until it is resumed.")

    def clean_until(self) -> datetime | None:
        until: datetime | None = self.cleaned_data["until"]
        if until is not None and until <= now():
            raise ValidationError("This time is in the past.")
        return until

    def store(self, schedule: BackupSchedule, by: Any) -> None:
        given = self.cleaned_data
        pause_schedule(schedule, reason=given["reason"], until=given["until"], by=by, now=now())
