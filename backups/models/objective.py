"""Recovery objectives: what was promised, and what was judged of each instance."""

from __future__ import annotations

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from backups.models.instance import Instance, InstanceGroup, Tag
from backups.schedule import LONGEST
from backups.states import ObjectiveLevel

LEAST = timedelta(seconds=1)
_LEVELS = [(level.value, level.label) for level in ObjectiveLevel]


class RecoveryObjective(models.Model):
    """What may be lost, and how long a recovery may take, for all instances or a part of them.

    No scope: all. The narrowest that sets a value counts: instance, tag, group, all.
    """

    group = models.ForeignKey(InstanceGroup, models.CASCADE, null=True, blank=True)
    tag = models.ForeignKey(Tag, models.CASCADE, null=True, blank=True)
    instance = models.ForeignKey(
        Instance, models.CASCADE, null=True, blank=True, related_name="objectives"
    )
    # The recovery point and recovery time objectives. Null: inherited from the wider scope.
    rpo = models.DurationField("RPO", null=True, blank=True)
    rto = models.DurationField("RTO", null=True, blank=True)
    # Unique per scope: a database treats two nulls as different.
    scope_key = models.CharField(max_length=80, unique=True, editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(group=None, tag=None)
                | Q(group=None, instance=None)
                | Q(tag=None, instance=None),
                name="backups_objective_one_scope",
            ),
            models.CheckConstraint(
                condition=Q(rpo__isnull=False) | Q(rto__isnull=False),
                name="backups_objective_not_empty",
            ),
        ]

    def __str__(self) -> str:
        return f"recovery objective of {self.scope}"

    def save(self, *args: object, **kwargs: object) -> None:
        self.scope_key = f"{self.group_id or ''}/{self.tag_id or ''}/{self.instance_id or ''}"
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    def clean(self) -> None:
        if self.rpo is None and self.rto is None:
            raise ValidationError("Set an RPO, an RTO or both.")
        for name in ("rpo", "rto"):
            length = getattr(self, name)
            if length is not None and not LEAST <= length <= LONGEST:
                raise ValidationError({name: "Must be between 1 second and 100 years."})

    @property
    def scope(self) -> str:
        """Which instances it is for, in words."""
        for name in ("instance", "tag", "group"):
            if getattr(self, f"{name}_id") is not None:
                named = getattr(self, name)
                return str(named) if name == "instance" else f"{name} {named}"
        return "all instances"


class ObjectiveStanding(models.Model):
    """How an instance stood against its objectives at the last check by a tick.

    One row per instance, derived from other rows and never edited.
    """

    instance = models.OneToOneField(Instance, models.CASCADE, related_name="standing")
    # What applies, and from which scope, in words. Null and blank: no objective.
    rpo = models.DurationField(null=True, blank=True)
    rto = models.DurationField(null=True, blank=True)
    rpo_scope = models.CharField(max_length=80, blank=True)
    rto_scope = models.CharField(max_length=80, blank=True)
    rpo_level = models.CharField(max_length=10, choices=_LEVELS)
    rto_level = models.CharField(max_length=10, choices=_LEVELS)
    # Of both: met where each that is set is met.
    level = models.CharField(max_length=10, choices=_LEVELS)
    # One per line.
    reasons = models.TextField(blank=True)
    # The newest moment that a recovery reaches. Null: none.
    reached_at = models.DateTimeField(null=True, blank=True)
    # How long a recovery to it should take. Null: unknown; without ends: no interval.
    recovery_low = models.DurationField(null=True, blank=True)
    recovery = models.DurationField(null=True, blank=True)
    recovery_high = models.DurationField(null=True, blank=True)
    recovery_basis = models.CharField(max_length=300, blank=True)
    # When the trend crosses the objective; null: not within the time looked ahead.
    rpo_missed_from = models.DateField(null=True, blank=True)
    rto_missed_from = models.DateField(null=True, blank=True)
    # When a restore test of one of its backups last passed.
    proven_at = models.DateTimeField(null=True, blank=True)
    # The day that goes on, in UTC, and the oldest that the newest reached moment was in it.
    day = models.DateField()
    worst_age = models.DurationField(null=True, blank=True)
    judged_at = models.DateTimeField()
    next_check_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(level__in=ObjectiveLevel.values)
                & Q(rpo_level__in=ObjectiveLevel.values)
                & Q(rto_level__in=ObjectiveLevel.values),
                name="backups_standing_level_valid",
            ),
        ]
        indexes = [
            models.Index(fields=["next_check_at"], name="backups_standing_check"),
            models.Index(fields=["level", "instance"], name="backups_standing_level"),
            models.Index(fields=["proven_at"], name="backups_standing_proven"),
        ]

    def __str__(self) -> str:
        return f"{self.instance.name}: objectives {self.level}"


class ObjectiveDay(models.Model):
    """What was measured of an instance on a day that is over. Never edited."""

    instance = models.ForeignKey(Instance, models.CASCADE, related_name="objective_days")
    # In UTC.
    day = models.DateField()
    # How old the newest reached moment was at most; null: no moment was reached.
    worst_age = models.DurationField(null=True, blank=True)
    # How long a recovery was predicted to take at the end of the day, at most; null: unknown.
    recovery = models.DurationField(null=True, blank=True)
    recovery_high = models.DurationField(null=True, blank=True)

    class Meta:
        ordering = ["instance", "day"]
        constraints = [
            models.UniqueConstraint(fields=["instance", "day"], name="backups_objectiveday_once"),
        ]
        indexes = [models.Index(fields=["day"], name="backups_objectiveday_age")]

    def __str__(self) -> str:
        return f"{self.instance.name} on {self.day:%Y-%m-%d}"
