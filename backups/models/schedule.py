"""Schedules: what to back up, when, where to."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.timezone import now

from backups.exceptions import BadInput
from backups.models.catalog import Origin
from backups.models.instance import Instance, InstanceGroup, Tag, name_validator
from backups.models.pace import PaceSettings
from backups.models.proof_settings import ProofSettings
from backups.models.repository import Repository
from backups.models.retention import RetentionSettings
from backups.pacing.hours import MOST_BYTES_PER_S
from backups.schedule import (
    LONGEST,
    MOST_PREDECESSORS,
    DueTime,
    Rhythm,
    check_cron,
    check_rhythm,
    fault_of_chain,
)
from backups.states import (
    AUTO,
    LINK_KINDS,
    PLANNED_KINDS,
    PLANNED_OPERATIONS,
    BackupKind,
    ProofChoice,
    ProofTarget,
)
from backups.table_names.choice import read_choice


class AtWindowEnd(models.TextChoices):
    """What happens to a run that has not ended when its window closes."""

    FINISH = "finish", "Let it finish, and report the overrun"
    SLOW = "slow", "Limit its rate"
    CANCEL = "cancel", "Stop it"


class CatchUp(models.TextChoices):
    """What happens to occurrences whose window closed while no scheduler ran."""

    ONCE = "once", "Run once, for the newest"
    SKIP = "skip", "Wait for the next one"


class WhenUnfit(models.TextChoices):
    """What happens to a run that will probably not end within its window, by earlier runs."""

    START = "start", "Start it anyway"
    SKIP = "skip", "Do not start it"


# What a copy may read after its window, unless the schedule says otherwise.
SLOW_BYTES_PER_S = 20 * 1024**2


class AfterRun(models.TextChoices):
    """After which end of a run of another schedule a chained one is due."""

    SUCCEEDED = "succeeded", "That succeeded"
    ENDED = "ended", "However they ended"


# For ``select_related``: a schedule is read with all that it follows, in one query.
PREDECESSORS = "__".join(["after"] * MOST_PREDECESSORS)


class BackupSchedule(ProofSettings, PaceSettings, RetentionSettings):
    """What to back up, when, where to, and how long to keep it; or which backups to prove, when."""

    name = models.CharField(max_length=64, unique=True, validators=[name_validator])
    # Managed: Mooring runs it. Observed: another scheduler does, and Mooring monitors it.
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.MANAGED)
    kind = models.CharField(max_length=20, choices=PLANNED_KINDS, default=BackupKind.FULL)

    # A cron expression, in the wall clock of a zone; every N hours since ``anchor_at``; or
    # ``after`` each run of another schedule, for the instance of that run.
    cron = models.CharField(max_length=120, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    every_hours = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(24 * 366)]
    )
    anchor_at = models.DateTimeField(default=now)
    # Full backups between those of ``kind``, in the same wall clock. Blank: no rule for them.
    full_cron = models.CharField(max_length=120, blank=True)
    # PROTECT: without it this schedule would never run again.
    after = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="followers"
    )
    after_run = models.CharField(
        max_length=10, choices=AfterRun.choices, default=AfterRun.SUCCEEDED
    )
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
    # From the end of the window on, if it is slowed then.
    slow_bytes_per_s = models.BigIntegerField(
        default=SLOW_BYTES_PER_S,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_BYTES_PER_S)],
        help_text="Most bytes per second that a copy reads after the end of the window.",
    )
    when_unfit = models.CharField(max_length=10, choices=WhenUnfit.choices, default=WhenUnfit.START)
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
                condition=Q(cron="", every_hours__isnull=False, after__isnull=True)
                | (~Q(cron="") & Q(every_hours__isnull=True, after__isnull=True))
                | Q(cron="", every_hours__isnull=True, after__isnull=False, full_cron=""),
                name="backups_schedule_one_rhythm",
            ),
            # Longer circles are refused by ``backups.schedules.save``, under a lock.
            models.CheckConstraint(
                condition=Q(after__isnull=True) | ~Q(after=F("id")),
                name="backups_schedule_not_after_itself",
            ),
            models.CheckConstraint(
                condition=Q(when_unfit__in=WhenUnfit.values),
                name="backups_schedule_when_unfit_valid",
            ),
            models.CheckConstraint(
                condition=Q(after_run__in=AfterRun.values),
                name="backups_schedule_after_run_valid",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=[kind for kind, _ in PLANNED_KINDS]),
                name="backups_schedule_kind_valid",
            ),
            models.CheckConstraint(
                condition=Q(origin__in=Origin.values), name="backups_schedule_origin_valid"
            ),
            # One: each costs the form a query.
            models.CheckConstraint(
                condition=Q(
                    operation__in=[name for name, _ in PLANNED_OPERATIONS],
                    proof_target__in=ProofTarget.values,
                    proof_choice__in=ProofChoice.values,
                ),
                name="backups_schedule_proof_valid",
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
        """When it runs, as a value for ``backups.schedule``.

        That of a chained schedule is the rhythm of the first of its chain: the runs it follows.
        """
        own = [self, *self.predecessors][-1]
        return Rhythm(own.cron, own.time_zone, own.every_hours, own.anchor_at, own.full_cron)

    @property
    def predecessors(self) -> list[BackupSchedule]:
        """The schedules it follows, the nearest first: one query each unless read with it."""
        # Bounded: whatever the rows hold, this ends.
        found: list[BackupSchedule] = []
        before = self.after
        while before is not None and before not in found:
            found.append(before)
            before = before.after
        return found

    @property
    def chain_words(self) -> str:
        """After which runs it starts; blank if it has times of its own."""
        if self.after is None:
            return ""
        ends = ", however it ended" if self.after_run == AfterRun.ENDED else ""
        return f"after {self.after.name}{ends}"

    @property
    def stopped_by(self) -> BackupSchedule | None:
        """The disabled schedule that it follows: it has no runs until that is enabled."""
        return next((before for before in self.predecessors if not before.enabled), None)

    @property
    def planned_words(self) -> str:
        """The kind of its backups, or what it does instead of backups."""
        words = self.get_operation_display() if self.proves else self.get_kind_display()
        return str(words).lower()

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of backups that it plans."""
        if self.proves:
            return frozenset()
        usual = {BackupKind.FULL, BackupKind.INCREMENTAL} if self.kind == AUTO else {self.kind}
        return frozenset(map(str, usual | ({BackupKind.FULL} if self.full_cron else set())))

    def kind_of(self, due: DueTime) -> str:
        """Return the kind of the run at one of its due times."""
        return BackupKind.FULL if due.full and self.full_cron else self.kind

    def paused(self, at: datetime) -> bool:
        """Whether it is paused at ``at``; a pause ends by itself at ``paused_until``."""
        return self.paused_at is not None and (self.paused_until is None or at < self.paused_until)

    def clean(self) -> None:
        """Refuse what could never run, with messages for the form or the command."""
        faults: dict[str, str] = {}
        given = bool(self.cron) + (self.every_hours is not None) + (self.after is not None)
        if given != 1:
            faults["cron"] = (
                "Give either a cron expression or an interval in hours, or the schedule that it "
                "runs after."
            )
        elif self.after is not None:
            faults |= self._faults_of_chain(self.after)
        else:
            try:
                check_rhythm(replace(self.rhythm, full_cron=""))
            except BadInput as exc:
                faults["cron" if self.cron else "every_hours"] = f"{exc}. {exc.hint}".strip()
        if self.full_cron and self.after is None and "cron" not in faults:
            faults |= self._faults_of_fulls()
        faults |= self._faults_of_operation()
        lengths = ("window", "grace", "retry_delay", "stagger", "expected_duration", "keep_for")
        for name in lengths:
            length = getattr(self, name)
            if length is not None and not timedelta(0) <= length <= LONGEST:
                faults[name] = "A duration must be between 0 and 100 years."
        if (self.copy_opens_at is None) != (self.copy_closes_at is None):
            faults["copy_closes_at"] = "Enter both times, or neither."
        elif self.copy_opens_at is not None and self.copy_opens_at == self.copy_closes_at:
            faults["copy_closes_at"] = "The times must differ; leave both blank for any time."
        if self.origin == Origin.OBSERVED and self.at_window_end == AtWindowEnd.SLOW:
            faults["at_window_end"] = "An observed run cannot be limited: another tool makes it."
        if self.origin == Origin.OBSERVED and self.when_unfit == WhenUnfit.SKIP:
            faults["when_unfit"] = "An observed run cannot be held back: another tool starts it."
        if self.window <= timedelta(0):
            faults["window"] = "The window must be longer than zero."
        elif self.grace > self.window:
            faults["grace"] = (
                "The grace must not exceed the window: a run would be missed before it is late."
            )
        if faults:
            raise ValidationError(faults)

    def _faults_of_chain(self, after: BackupSchedule) -> dict[str, str]:
        if self.full_cron:
            return {"full_cron": "A schedule that runs after another has no times of its own."}
        if after.proves and not self.proves:
            return {"after": "A backup cannot run after a verify or a restore test."}
        if self.origin == Origin.OBSERVED:
            return {"after": "An observed schedule is started by its own tool, not after another."}
        rows = list(BackupSchedule.objects.values_list("pk", "name", "after"))
        links = {pk: follows for pk, _, follows in rows}
        if fault := fault_of_chain(self.pk, after.pk, links, {pk: name for pk, name, _ in rows}):
            return {"after": fault}
        return {}

    def _faults_of_operation(self) -> dict[str, str]:
        faults = self.faults_of_proof(self.origin, follows=self.after_id is not None)
        if not self.proves:
            return faults | self._faults_of_choice()
        if self.at_window_end == AtWindowEnd.SLOW:
            faults["at_window_end"] = "Only backups are limited to a rate."
        return faults

    def _faults_of_choice(self) -> dict[str, str]:
        """Refuse a partial backup without tables, and tables for another kind."""
        try:
            choice = read_choice(self.options)
        except BadInput as exc:
            return {"options": f"{exc}. {exc.hint}".strip()}
        managed = self.origin == Origin.MANAGED
        if self.kind == BackupKind.PARTIAL and managed and choice is None:
            return {"kind": "A partial backup needs the tables that it includes or excludes."}
        if self.kind != BackupKind.PARTIAL and choice is not None:
            return {"kind": "Only partial backups include or exclude tables."}
        return self._faults_of_increments()

    def _faults_of_increments(self) -> dict[str, str]:
        """Refuse increments of partial backups where there are none, and anything but a yes."""
        incremental = self.options.get("incremental")
        if incremental is not None and not isinstance(incremental, bool):
            return {"options": "Option incremental must be true or false."}
        if incremental and self.kind != BackupKind.PARTIAL:
            return {"kind": "Only partial backups store increments: for others there is a kind."}
        return {}

    @property
    def stores_increments(self) -> bool:
        """Whether its partial backups store what changed since the ones before."""
        return bool(self.options.get("incremental"))

    def _faults_of_fulls(self) -> dict[str, str]:
        if self.kind not in (*LINK_KINDS, AUTO):
            only = "Only incremental, differential or automatic backups have full ones between."
            return {"full_cron": only}
        try:
            check_cron(self.full_cron, self.time_zone)
        except BadInput as exc:
            return {"full_cron": f"{exc}. {exc.hint}".strip()}
        return {}
