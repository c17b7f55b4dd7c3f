"""Schedules, and each planned run of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from backups.exceptions import BadInput
from backups.models.catalog import Origin
from backups.models.instance import Instance, InstanceGroup, Tag, name_validator
from backups.models.job import Job
from backups.models.pace import PaceSettings
from backups.models.repository import Repository
from backups.models.retention import RetentionSettings
from backups.schedule import LONGEST, DueTime, Rhythm, check_cron, check_rhythm
from backups.states import (
    AUTO,
    LINK_KINDS,
    PLANNED_KINDS,
    BackupKind,
    DrillPoint,
    OccurrenceStatus,
    WaitReason,
)


class AtWindowEnd(models.TextChoices):
    """What happens to a run that has not ended when its window closes."""

    FINISH = "finish", "Let it finish, and report the overrun"
    CANCEL = "cancel", "Stop it"


class CatchUp(models.TextChoices):
    """What happens to occurrences whose window closed while no scheduler ran."""

    ONCE = "once", "Run once, for the newest"
    SKIP = "skip", "Wait for the next one"


class BackupSchedule(PaceSettings, RetentionSettings):
    """What to back up, when, where to, and how long to keep it."""

    name = models.CharField(max_length=64, unique=True, validators=[name_validator])
    # Managed: Mooring runs it. Observed: another scheduler does, and Mooring monitors it.
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.MANAGED)
    kind = models.CharField(max_length=20, choices=PLANNED_KINDS, default=BackupKind.FULL)

    # Either a cron expression, in the wall clock of a zone, or every N hours since ``anchor_at``.
    cron = models.CharField(max_length=120, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    every_hours = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(24 * 366)]
    )
    anchor_at = models.DateTimeField(default=now)
    # Full backups between those of ``kind``, in the same wall clock. Blank: no rule for them.
    full_cron = models.CharField(max_length=120, blank=True)
    make_up_full = models.BooleanField(
        default=True, help_text="After a full backup that was not taken, the next run takes it."
    )

    covers_all = models.BooleanField(default=False, help_text="Covers every instance.")
    instances = models.ManyToManyField(Instance, related_name="schedules", blank=True)
    groups = models.ManyToManyField(InstanceGroup, related_name="schedules", blank=True)
    tags = models.ManyToManyField(Tag, related_name="schedules", blank=True)

    window = models.DurationField(
        default=timedelta(hours=4), help_text="How long after its due time a run may still start."
    )
    grace = models.DurationField(
        default=timedelta(minutes=15), help_text="How long after its due time a run is late."
    )
    # Null: computed from past runs.
    expected_duration = models.DurationField(null=True, blank=True)
    at_window_end = models.CharField(
        max_length=10, choices=AtWindowEnd.choices, default=AtWindowEnd.FINISH
    )
    retries = models.PositiveSmallIntegerField(default=1, validators=[MaxValueValidator(20)])
    retry_delay = models.DurationField(default=timedelta(minutes=10))
    stagger = models.DurationField(
        default=timedelta(0),
        help_text="The period over which the starts of its instances are spread.",
    )
    catch_up = models.CharField(max_length=10, choices=CatchUp.choices, default=CatchUp.ONCE)
    max_jobs = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Maximum number of its jobs that are active at the same time.",
    )

    repositories = models.ManyToManyField(Repository, related_name="schedules", blank=True)
    # Where its backups are copied to later, without the server, and at which times of the day.
    copy_to = models.ManyToManyField(Repository, related_name="copied_to_by", blank=True)
    copy_opens_at = models.TimeField(null=True, blank=True)
    copy_closes_at = models.TimeField(null=True, blank=True)
    # Null: never. A chain with so many backups after its full one becomes a full one of its own.
    consolidate_after = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    # Where the restore tests that it starts go to; blank: it starts none.
    restore_tests = models.CharField(max_length=10, choices=DrillPoint.choices, blank=True)
    restore_test_days = models.PositiveSmallIntegerField(
        default=7, validators=[MinValueValidator(1), MaxValueValidator(366)]
    )
    # Options of the kind or the engine beyond the columns.
    options = models.JSONField(default=dict, blank=True)

    enabled = models.BooleanField(default=True)
    # Paused: its occurrences become due and do not start. No ``paused_until``: until resumed.
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    paused_reason = models.CharField(max_length=200, blank=True)

    # The next due time without occurrences. Null: disabled, or there is none.
    next_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(cron="", every_hours__isnull=False)
                | (~Q(cron="") & Q(every_hours__isnull=True)),
                name="backups_schedule_one_rhythm",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=[kind for kind, _ in PLANNED_KINDS]),
                name="backups_schedule_kind_valid",
            ),
            models.CheckConstraint(
                condition=Q(origin__in=Origin.values), name="backups_schedule_origin_valid"
            ),
        ]
        indexes = [
            models.Index(fields=["next_due_at"], name="backups_schedule_next_due"),
            models.Index(fields=["paused_until"], name="backups_schedule_paused_until"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def rhythm(self) -> Rhythm:
        """When it runs, as a value for ``backups.schedule``."""
        return Rhythm(self.cron, self.time_zone, self.every_hours, self.anchor_at, self.full_cron)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of backups that it plans."""
        usual = {BackupKind.FULL, BackupKind.INCREMENTAL} if self.kind == AUTO else {self.kind}
        return frozenset(map(str, usual | ({BackupKind.FULL} if self.full_cron else set())))

    def kind_of(self, due: DueTime) -> str:
        """Return the kind of the run at one of its due times."""
        return BackupKind.FULL if due.full else self.kind

    def paused(self, at: datetime) -> bool:
        """Whether it is paused at ``at``; a pause ends by itself at ``paused_until``."""
        return self.paused_at is not None and (self.paused_until is None or at < self.paused_until)

    def clean(self) -> None:
        """Refuse what could never run, with messages for the form or the command."""
        faults: dict[str, str] = {}
        if bool(self.cron) == (self.every_hours is not None):
            faults["cron"] = "Give either a cron expression or an interval in hours."
        else:
            try:
                check_rhythm(replace(self.rhythm, full_cron=""))
            except BadInput as exc:
                faults["cron" if self.cron else "every_hours"] = f"{exc}. {exc.hint}".strip()
        if self.full_cron and "cron" not in faults:
            faults |= self._faults_of_fulls()
        lengths = ("window", "grace", "retry_delay", "stagger", "expected_duration", "keep_for")
        for name in lengths:
            length = getattr(self, name)
            if length is not None and not timedelta(0) <= length <= LONGEST:
                faults[name] = "A duration must be between 0 and 100 years."
        if (self.copy_opens_at is None) != (self.copy_closes_at is None):
            faults["copy_closes_at"] = "Enter both times, or neither."
        elif self.copy_opens_at is not None and self.copy_opens_at == self.copy_closes_at:
            faults["copy_closes_at"] = "The times must differ; leave both blank for any time."
        if self.window <= timedelta(0):
            faults["window"] = "The window must be longer than zero."
        elif self.grace > self.window:
            faults["grace"] = (
                "The grace must not exceed the window: a run would be missed before it is late."
            )
        if faults:
            raise ValidationError(faults)

    def _faults_of_fulls(self) -> dict[str, str]:
        if self.kind not in (*LINK_KINDS, AUTO):
            only = "Only incremental, differential or automatic backups have full ones between."
            return {"full_cron": only}
        try:
            check_cron(self.full_cron, self.time_zone)
        except BadInput as exc:
            return {"full_cron": f"{exc}. {exc.hint}".strip()}
        return {}


class Occurrence(models.Model):
    """One planned run of a schedule for one instance."""

    # PROTECT: a schedule that has run is disabled, its record stays.
    schedule = models.ForeignKey(BackupSchedule, models.PROTECT, related_name="occurrences")
    instance = models.ForeignKey(Instance, models.PROTECT, related_name="occurrences")
    # As planned; of what its job took, the job has the kind and the reason.
    kind = models.CharField(max_length=20, choices=PLANNED_KINDS, default=BackupKind.FULL)
    # The schedule's due time, the same for all its instances ...
    due_at = models.DateTimeField()
    # ... and this instance's start time, after the stagger. Grace and window begin here.
    starts_at = models.DateTimeField()
    late_after = models.DateTimeField()
    missed_after = models.DateTimeField()

    status = models.CharField(
        max_length=10, choices=OccurrenceStatus.choices, default=OccurrenceStatus.DUE
    )
    status_since = models.DateTimeField(default=now)
    # Why it waits; once it is missed or skipped, why it did not run.
    reason = models.CharField(max_length=20, choices=WaitReason.choices, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    # The latest attempt; ``jobs`` has all of them.
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    attempts = models.PositiveSmallIntegerField(default=0)
    # After a failed attempt: when the next one may begin.
    retry_at = models.DateTimeField(null=True, blank=True)
    # While it runs: when it exceeds its expected duration or its window.
    overrun_after = models.DateTimeField(null=True, blank=True)
    # When it became late, and when it overran its expected duration or window.
    late_at = models.DateTimeField(null=True, blank=True)
    overran_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # When the tick checks it next; null once it has ended.
    next_check_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-due_at", "-id"]
        constraints = [
            # Ten schedulers racing for one due time create one occurrence, not ten.
            models.UniqueConstraint(
                fields=["schedule", "instance", "due_at"], name="backups_occurrence_once"
            ),
            models.CheckConstraint(
                condition=Q(status__in=OccurrenceStatus.values),
                name="backups_occurrence_status_valid",
            ),
            models.CheckConstraint(
                condition=Q(reason__in=WaitReason.values), name="backups_occurrence_reason_valid"
            ),
        ]
        indexes = [
            # Small whatever the length of the history: only open occurrences are indexed.
            models.Index(
                fields=["next_check_at"],
                name="backups_occurrence_next_check",
                condition=Q(next_check_at__isnull=False),
            ),
            models.Index(
                fields=["instance", "next_check_at"],
                name="backups_occurrence_of_instance",
                condition=Q(next_check_at__isnull=False),
            ),
            models.Index(
                fields=["schedule", "next_check_at"],
                name="backups_occurrence_of_schedule",
                condition=Q(next_check_at__isnull=False),
            ),
            # The calendar and an instance's punctuality.
            models.Index(fields=["instance", "-due_at"], name="backups_occurrence_newest"),
            models.Index(fields=["due_at"], name="backups_occurrence_due"),
            # A schedule's punctuality is counted from this index alone.
            models.Index(
                fields=["schedule", "due_at", "status", "late_at"],
                name="backups_occurrence_outcome",
            ),
            # For the rules: by status, and what changed since the last evaluation.
            models.Index(fields=["status", "due_at"], name="backups_occurrence_status"),
            models.Index(fields=["status_since"], name="backups_occurrence_changed"),
            models.Index(
                fields=["late_at"],
                name="backups_occurrence_late",
                condition=Q(late_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.schedule.name} for {self.instance.name} at {self.due_at:%Y-%m-%d %H:%M}Z"
