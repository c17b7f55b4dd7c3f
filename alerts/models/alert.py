"""Alerts: what is wrong, since when, and what became of it."""

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
    """The standing state of one rule for one subject, from its first finding to its end."""

    rule = models.CharField(max_length=60)
    # What it is about, as ``kind:key``: instance:12, occurrence:88, repository:2, queue:copy.
    subject = models.CharField(max_length=120)
    subject_name = models.CharField(max_length=200)
    # ``rule|subject`` while it is open, null once it is resolved: one open alert, not two.
    open_key = models.CharField(max_length=200, null=True, blank=True, unique=True)
    # What it belongs to, so that it can be found, routed and silenced by it.
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
    # Alerts with the same cause are told in one message: repository:2, or the subject itself.
    cause = models.CharField(max_length=120)
    # What happened last, where it can happen again: a newer one is told anew.
    episode = models.CharField(max_length=120, blank=True)

    severity = models.PositiveSmallIntegerField(choices=Severity.choices)
    status = models.CharField(
        max_length=12, choices=AlertStatus.choices, default=AlertStatus.PENDING
    )
    status_since = models.DateTimeField(default=now)
    message = models.CharField(max_length=500)
    explanation = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    # What the rule saw when it first found it, and what it saw last.
    facts_at_first = models.JSONField(default=dict, blank=True)
    facts = models.JSONField(default=dict, blank=True)

    opened_at = models.DateTimeField()
    fires_at = models.DateTimeField()
    fired_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField()
    # Clear since; it is resolved once it has been clear for as long as flapping is damped.
    clear_since = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    comment = models.TextField(blank=True)
    # How often it came back while it was being damped.
    returns = models.PositiveIntegerField(default=0)

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
            # The history is read a page at a time: without this, all of it is sorted first.
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
    # When it was decided who hears of it, in one transaction with the messages; null: not yet.
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["alert", "id"]
        indexes = [models.Index(fields=["told_at", "id"], name="alerts_transition_untold")]

    def __str__(self) -> str:
        return f"alert {self.alert_id}: {self.old_status or 'new'} to {self.new_status}"


class Silence(models.Model):
    """From when to when matching alerts tell nobody. They stay visible."""

    comment = models.CharField(max_length=200)
    # An empty matcher matches everything; several all have to match.
    rule = models.CharField(max_length=60, blank=True)
    most_severe = models.PositiveSmallIntegerField(
        choices=Severity.choices, default=Severity.EMERGENCY
    )
    instances = models.ManyToManyField(Instance, blank=True, related_name="+")
    groups = models.ManyToManyField("backups.InstanceGroup", blank=True, related_name="+")
    tags = models.ManyToManyField("backups.Tag", blank=True, related_name="+")
    schedules = models.ManyToManyField(BackupSchedule, blank=True, related_name="+")

    starts_at = models.DateTimeField(default=now)
    # Null: until it is ended by hand.
    ends_at = models.DateTimeField(null=True, blank=True)
    # Recurring: from each moment of the cron expression for ``duration``, within the two above.
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
            raise ValidationError({"duration": "Some time, and not above 100 years."})
