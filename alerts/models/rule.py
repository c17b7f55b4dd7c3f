"""Rule settings: enabled or not, severity, thresholds, for all or part of the fleet."""

from __future__ import annotations

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from alerts.states import Severity
from backups.models import BackupSchedule, Instance, InstanceGroup
from backups.schedule import LONGEST


class RuleSetting(models.Model):
    """A change to the defaults of a rule, for the whole fleet or part of it.

    No scope: the whole fleet. The narrowest scope wins: instance, schedule, group, all.
    """

    # The name the rule has in ``alerts.rules``.
    rule = models.CharField(max_length=60)
    group = models.ForeignKey(InstanceGroup, models.CASCADE, null=True, blank=True)
    schedule = models.ForeignKey(BackupSchedule, models.CASCADE, null=True, blank=True)
    instance = models.ForeignKey(Instance, models.CASCADE, null=True, blank=True)

    # Null: inherited from the wider scope.
    enabled = models.BooleanField(null=True, blank=True)
    severity = models.PositiveSmallIntegerField(choices=Severity.choices, null=True, blank=True)
    # How long a finding must last before its alert fires.
    pending_for = models.DurationField(null=True, blank=True)
    # Names and units as the rule declares them; only those that are changed.
    thresholds = models.JSONField(default=dict, blank=True)
    # Unique per scope: a database treats two nulls as different.
    scope_key = models.CharField(max_length=120, unique=True, editable=False)

    class Meta:
        ordering = ["rule", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(group=None, schedule=None)
                | Q(group=None, instance=None)
                | Q(schedule=None, instance=None),
                name="alerts_rulesetting_one_scope",
            ),
        ]

    def __str__(self) -> str:
        scope = self.instance or self.schedule or self.group
        return f"{self.rule} for {scope or 'all'}"

    def save(self, *args: object, **kwargs: object) -> None:
        scope = f"{self.group_id or ''}/{self.schedule_id or ''}/{self.instance_id or ''}"
        self.scope_key = f"{self.rule}/{scope}"
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    def clean(self) -> None:
        if self.pending_for is not None and not timedelta(0) <= self.pending_for <= LONGEST:
            raise ValidationError({"pending_for": "Must be between 0 and 100 years."})
