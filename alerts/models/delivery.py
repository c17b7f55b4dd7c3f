"""Channels, who gets what on them, and the outbox."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from alerts.models.alert import Alert
from alerts.states import NotificationStatus, Severity
from backups.models import InstanceGroup, Tag
from backups.models.instance import name_validator
from backups.secrets import decrypt, encrypt


class Channel(models.Model):
    """One way to reach people. What kinds there are, ``alerts.delivery.channels`` says."""

    name = models.CharField(max_length=64, unique=True, validators=[name_validator])
    kind = models.CharField(max_length=20)
    # What may be seen: addresses, host names. Secrets are apart, and encrypted.
    settings = models.JSONField(default=dict, blank=True)
    secrets_token = models.TextField(blank=True, editable=False)
    enabled = models.BooleanField(default=True)
    # Why Mooring itself switched it off; blank where a person did, or it is on.
    disabled_reason = models.TextField(blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    # Until then a sender has it to itself: messages go out in order, and a slow receiver
    # occupies one sender and not all of them.
    sender_until = models.DateTimeField(null=True, blank=True, editable=False)
    last_delivered_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def set_secrets(self, text: str) -> None:
        """Keep ``text``, a JSON object, encrypted; the caller saves the row."""
        self.secrets_token = encrypt(text) if text else ""

    def secrets_text(self) -> str:
        """Return the secrets in the clear, for a delivery and for nothing else."""
        return decrypt(self.secrets_token) if self.secrets_token else ""


class Route(models.Model):
    """Which alerts go to a channel, and how."""

    channel = models.ForeignKey(Channel, models.CASCADE, related_name="routes")
    enabled = models.BooleanField(default=True)
    # An empty matcher matches everything; several all have to match.
    least_severe = models.PositiveSmallIntegerField(
        choices=Severity.choices, default=Severity.WARNING
    )
    # Names of rules; empty is all of them but successes.
    rules = models.JSONField(default=list, blank=True)
    groups = models.ManyToManyField(InstanceGroup, blank=True, related_name="+")
    tags = models.ManyToManyField(Tag, blank=True, related_name="+")

    # Null: at once. Else collected, and sent this often.
    digest_every = models.DurationField(null=True, blank=True)
    # Null: told once. Else told again this often until somebody acknowledges.
    remind_every = models.DurationField(null=True, blank=True, default=timedelta(hours=12))
    tell_recovery = models.BooleanField(default=True)
    # Wall clock of ``time_zone``; what is not an emergency waits for the end.
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
        return f"{Severity(self.least_severe).label} and worse to {self.channel}"


class Telling(models.Model):
    """What a channel has been told of an alert: how often, how bad, and that it is over."""

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="tellings")
    channel = models.ForeignKey(Channel, models.CASCADE, related_name="tellings")
    severity = models.PositiveSmallIntegerField(choices=Severity.choices)
    told_at = models.DateTimeField()
    # When it is told again unless somebody acknowledges; null: never.
    remind_at = models.DateTimeField(null=True, blank=True)
    recovery_told = models.BooleanField(default=False)

    class Meta:
        ordering = ["alert_id", "channel_id"]
        constraints = [
            models.UniqueConstraint(fields=["alert", "channel"], name="alerts_telling_once"),
        ]
        indexes = [models.Index(fields=["remind_at"], name="alerts_telling_remind")]

    def __str__(self) -> str:
        return f"{self.alert} on {self.channel}"


class MessageKind(models.TextChoices):
    """What a message is about."""

    FIRING = "firing", "Alert"
    WORSE = "worse", "Alert got worse"
    REMINDER = "reminder", "Reminder"
    RECOVERY = "recovery", "Recovery"
    DIGEST = "digest", "Digest"
    SUCCESS = "success", "Success"
    CHANNEL_LOST = "channel_lost", "Channel switched off"
    TEST = "test", "Test"


class Notification(models.Model):
    """One message in the outbox, for one channel: sent at least once."""

    channel = models.ForeignKey(Channel, models.CASCADE, related_name="notifications")
    route = models.ForeignKey(Route, models.SET_NULL, null=True, blank=True, related_name="+")
    kind = models.CharField(max_length=12, choices=MessageKind.choices)
    alerts = models.ManyToManyField(Alert, blank=True, related_name="notifications")
    # The same message is made once, however often somebody tries to; receivers get it as well.
    dedupe_key = models.CharField(max_length=200, unique=True)
    # Until its first try, alerts with the same key join it instead of making another one.
    group_key = models.CharField(max_length=200, blank=True)
    # What is sent: written before the first try, and the same in every try.
    content = models.JSONField(default=dict)

    status = models.CharField(
        max_length=10, choices=NotificationStatus.choices, default=NotificationStatus.PENDING
    )
    status_since = models.DateTimeField(default=now)
    created_at = models.DateTimeField(default=now)
    # When a sender has to look at it: its moment, the next try, or the end of a lease.
    next_look_at = models.DateTimeField(null=True, blank=True, default=now)
    fencing_token = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    # What the other side said last, or what went wrong. Never a secret.
    answer = models.TextField(blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=NotificationStatus.values),
                name="alerts_notification_status_valid",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=MessageKind.values), name="alerts_notification_kind_valid"
            ),
        ]
        indexes = [
            models.Index(fields=["next_look_at"], name="alerts_notification_next_look"),
            models.Index(fields=["channel", "-id"], name="alerts_notification_newest"),
            models.Index(fields=["group_key", "-id"], name="alerts_notification_group"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display().lower()} to {self.channel}"
