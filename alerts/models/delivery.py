"""Channels, routes, and the outbox of notifications."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from alerts.models.alert import Alert
from alerts.states import NotificationKind, NotificationStatus, Severity
from backups.models import InstanceGroup, Tag
from backups.models.instance import name_validator
from backups.secrets import decrypt, encrypt


class Channel(models.Model):
    """A way to notify people. The kinds are registered in ``alerts.delivery.channels``."""

    name = models.CharField(max_length=64, unique=True, validators=[name_validator])
    kind = models.CharField(max_length=20)
    # Public settings, such as addresses and host names. Secrets are stored encrypted.
    settings = models.JSONField(default=dict, blank=True)
    secrets_token = models.TextField(blank=True, editable=False)
    enabled = models.BooleanField(default=True)
    # Why Mooring disabled it; blank if it is enabled, or a person disabled it.
    disabled_reason = models.TextField(blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    # One sender at a time: notifications go out in order, and a slow receiver occupies one
    # sender, not all of them.
    sender_lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_delivered_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def set_secrets(self, text: str) -> None:
        """Encrypt ``text``, a JSON object, into the row; the caller saves it."""
        self.secrets_token = encrypt(text) if text else ""

    def secrets_text(self) -> str:
        """Return the secrets in plain text; for delivery only."""
        return decrypt(self.secrets_token) if self.secrets_token else ""


class Route(models.Model):
    """Which alerts a channel is notified of, and how."""

    channel = models.ForeignKey(Channel, models.CASCADE, related_name="routes")
    enabled = models.BooleanField(default=True)
    # An empty matcher matches everything; all of them have to match.
    min_severity = models.PositiveSmallIntegerField(
        choices=Severity.choices, default=Severity.WARNING
    )
    # Names of rules; empty: all except successes.
    rules = models.JSONField(default=list, blank=True)
    groups = models.ManyToManyField(InstanceGroup, blank=True, related_name="+")
    tags = models.ManyToManyField(Tag, blank=True, related_name="+")

    # Null: immediately. Else collected into a digest at this interval.
    digest_every = models.DurationField(null=True, blank=True)
    # Null: no reminders. Else a reminder at this interval until the alert is acknowledged.
    remind_every = models.DurationField(null=True, blank=True, default=timedelta(hours=12))
    notify_recovery = models.BooleanField(default=True)
    # In ``time_zone``; what is not an emergency is deferred until they end.
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_to = models.TimeField(null=True, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")

    class Meta:
        ordering = ["channel", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(quiet_from=None, quiet_to=None)
                | Q(quiet_from__isnull=False, quiet_to__isnull=False),
                name="alerts_route_quiet_has_both_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"{Severity(self.min_severity).label} and above to {self.channel}"


class NotificationState(models.Model):
    """What a channel was last notified of an alert: when, its severity, and its recovery."""

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="notification_states")
    channel = models.ForeignKey(Channel, models.CASCADE, related_name="notification_states")
    severity = models.PositiveSmallIntegerField(choices=Severity.choices)
    notified_at = models.DateTimeField()
    # When a reminder is due unless the alert is acknowledged; null: never.
    remind_at = models.DateTimeField(null=True, blank=True)
    recovery_sent = models.BooleanField(default=False)
    # The last notification was not delivered: the channel does not know of the alert.
    delivery_failed = models.BooleanField(default=False)

    class Meta:
        ordering = ["alert_id", "channel_id"]
        constraints = [
            models.UniqueConstraint(fields=["alert", "channel"], name="alerts_notified_once"),
        ]
        indexes = [models.Index(fields=["remind_at"], name="alerts_notified_remind")]

    def __str__(self) -> str:
        return f"{self.alert} on {self.channel}"


class Notification(models.Model):
    """One notification in the outbox, for one channel: sent at least once."""

    channel = models.ForeignKey(Channel, models.CASCADE, related_name="notifications")
    route = models.ForeignKey(Route, models.SET_NULL, null=True, blank=True, related_name="+")
    kind = models.CharField(max_length=20, choices=NotificationKind.choices)
    alerts = models.ManyToManyField(Alert, blank=True, related_name="notifications")
    # Unique per notification, and sent along: receivers drop duplicates by it.
    dedupe_key = models.CharField(max_length=200, unique=True)
    # Before the first attempt, alerts with the same key join it instead of creating another.
    group_key = models.CharField(max_length=200, blank=True)
    # What is sent: written before the first attempt, and the same in every attempt.
    content = models.JSONField(default=dict)

    status = models.CharField(
        max_length=10, choices=NotificationStatus.choices, default=NotificationStatus.PENDING
    )
    status_since = models.DateTimeField(default=now)
    created_at = models.DateTimeField(default=now)
    # When a sender has to act: the time to send, the next attempt, or the end of a lease.
    next_attempt_at = models.DateTimeField(null=True, blank=True, default=now)
    fencing_token = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    # Recipients that need no further attempt, as the others do.
    done_recipients = models.JSONField(default=list, blank=True)
    # Those of them that refused it for good, and the response of each.
    refused_recipients = models.JSONField(default=dict, blank=True)
    # The last response of the receiver, or the error. Never a secret.
    response = models.TextField(blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=NotificationStatus.values),
                name="alerts_notification_status_valid",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=NotificationKind.values), name="alerts_notification_kind_valid"
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], name="alerts_notification_due"),
            models.Index(fields=["channel", "-id"], name="alerts_notification_newest"),
            models.Index(fields=["group_key", "-id"], name="alerts_notification_group"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display().lower()} to {self.channel}"
