"""Alerts: what is wrong, since when, and their history."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from alerts.states import AlertStatus, Severity
from backups.models import BackupSchedule, Instance, Job, Repository
from backups.schedule import LONGEST


class Alert(models.Model):
    """The state of one rule for one subject, from its first finding until it is resolved."""

    rule = models.CharField(max_length=60)
    # What it is about, as ``kind:key``: instance:12, occurrence:88, repository:2, queue:copy.
    subject = models.CharField(max_length=120)
    subject_name = models.CharField(max_length=200)
    # ``rule|subject`` while it is open, null once it is resolved: one open alert, not two.
    open_key = models.CharField(max_length=200, null=True, blank=True, unique=True)
    # What it belongs to: it is searched, routed and silenced by these.
    instance = models.ForeignKey(
        Instance, models.CASCADE, null=True, blank=True, related_name="alerts"
    )
    schedule = models.ForeignKey(
        BackupSchedule, models.CASCADE, null=True, blank=True, related_name="alerts"
    )
    repository = models.ForeignKey(
        Repository, models.CASCADE, null=True, blank=True, related_name="alerts"
    )
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="alerts")
    # Alerts with the same cause share a notification: repository:2, or the subject itself.
    cause = models.CharField(max_length=120)
    # The event it is about, such as job:88; another event fires an acknowledged alert again.
    episode = models.CharField(max_length=120, blank=True)

    severity = models.PositiveSmallIntegerField(choices=Severity.choices)
    status = models.CharField(
        max_length=12, choices=AlertStatus.choices, default=AlertStatus.PENDING
    )
    status_since = models.DateTimeField(default=now)
    message = models.CharField(max_length=500)
    explanation = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    # The facts of the first and of the newest finding.
    first_facts = models.JSONField(default=dict, blank=True)
    facts = models.JSONField(default=dict, blank=True)

    opened_at = models.DateTimeField()
    fires_at = models.DateTimeField()
    fired_at = models.DateTimeField(null=True, blank=True)
    last_found_at = models.DateTimeField()
    # When the finding was gone; the alert is resolved after the damping time of its rule.
    clear_since = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    comment = models.TextField(blank=True)
    # How often the finding came back within the damping time.
    recurrences = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-severity", "opened_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=AlertStatus.values), name="alerts_alert_status_valid"
            ),
            models.CheckConstraint(
                condition=Q(severity__in=Severity.values), name="alerts_alert_severity_valid"
            ),
            models.CheckConstraint(
                condition=Q(status=AlertStatus.RESOLVED, open_key=None)
                | (~Q(status=AlertStatus.RESOLVED) & Q(open_key__isnull=False)),
                name="alerts_alert_open_has_key",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "-severity", "opened_at"], name="alerts_alert_open"),
            models.Index(fields=["instance", "-opened_at"], name="alerts_alert_of_instance"),
            models.Index(fields=["-opened_at"], name="alerts_alert_newest"),
            # The history is read in pages: without this index, all of it would be sorted.
            models.Index(fields=["status", "-opened_at", "-id"], name="alerts_alert_history"),
            models.Index(fields=["rule", "subject", "-id"], name="alerts_alert_of_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.rule} of {self.subject_name}"


class AlertTransition(models.Model):
    """An alert changed its status or severity. Never edited."""

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="transitions")
    created_at = models.DateTimeField(default=now)
    old_status = models.CharField(max_length=12, blank=True)
    new_status = models.CharField(max_length=12)
    severity = models.PositiveSmallIntegerField(choices=Severity.choices)
    actor = models.CharField(max_length=150, blank=True)
    reason = models.TextField(blank=True)
    # When its notifications were queued, in the same transaction; null: not yet.
    routed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["alert", "id"]
        indexes = [models.Index(fields=["routed_at", "id"], name="alerts_transition_unrouted")]

    def __str__(self) -> str:
        return f"alert {self.alert_id}: {self.old_status or 'new'} to {self.new_status}"


class Silence(models.Model):
    """The time in which matching alerts send no notifications. They stay visible."""

    comment = models.CharField(max_length=200)
    # An empty matcher matches everything; all of them have to match.
    rule = models.CharField(max_length=60, blank=True)
    max_severity = models.PositiveSmallIntegerField(
        choices=Severity.choices, default=Severity.EMERGENCY
    )
    instances = models.ManyToManyField(Instance, blank=True, related_name="+")
    groups = models.ManyToManyField("backups.InstanceGroup", blank=True, related_name="+")
    tags = models.ManyToManyField("backups.Tag", blank=True, related_name="+")
    schedules = models.ManyToManyField(BackupSchedule, blank=True, related_name="+")

    starts_at = models.DateTimeField(default=now)
    # Null: until a person ends it.
    ends_at = models.DateTimeField(null=True, blank=True)
    # Recurring: from each time of the cron expression, for ``duration``, within the two above.
    cron = models.CharField(max_length=120, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    duration = models.DurationField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ["-starts_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(cron="") | Q(duration__isnull=False),
                name="alerts_silence_recurring_has_duration",
            ),
        ]

    def __str__(self) -> str:
        return self.comment

    def clean(self) -> None:
        if self.duration is not None and not timedelta(0) < self.duration <= LONGEST:
            raise ValidationError({"duration": "Must be more than 0 and at most 100 years."})
