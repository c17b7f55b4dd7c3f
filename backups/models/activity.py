"""Activity: who changed what, from where. The one place to read it."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now


class Verb(models.TextChoices):
    """What somebody did."""

    LOGGED_IN = "logged_in", "Logged in"
    LOGGED_OUT = "logged_out", "Logged out"
    LOGIN_FAILED = "login_failed", "Failed to log in"
    LOCKED_OUT = "locked_out", "Was locked out"
    REQUESTED = "requested", "Asked for"
    CANCELLED = "cancelled", "Asked to cancel"
    RESTORED = "restored", "Restore ended"
    PURGED = "purged", "Purge ended"
    ADDED = "added", "Added"
    CHANGED = "changed", "Changed"
    DELETED = "deleted", "Deleted"
    PINNED = "pinned", "Pinned"
    UNPINNED = "unpinned", "Unpinned"
    ROTATED = "rotated", "Rotated keys of"
    PAUSED = "paused", "Paused"
    RESUMED = "resumed", "Resumed"
    STARTED = "started", "Started"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    ENDED = "ended", "Ended"
    TESTED = "tested", "Tested"
    REBUILT = "rebuilt", "Rebuilt the catalog of"


class Activity(models.Model):
    """One thing somebody did. Never edited, and it outlives what it names."""

    at = models.DateTimeField(default=now)
    actor = models.CharField(max_length=150)
    # How they came in: the site, a command, or nobody (Mooring itself).
    via = models.CharField(max_length=20)
    address = models.CharField(max_length=45, blank=True)
    # One of Verb; not constrained here, so that a new verb needs no migration.
    verb = models.CharField(max_length=20)
    # What it was done to: names, because rows may go.
    kind = models.CharField(max_length=40, blank=True)
    name = models.CharField(max_length=200, blank=True)
    number = models.BigIntegerField(null=True, blank=True)
    instance_name = models.CharField(max_length=64, blank=True)
    # What else there is to know; never a secret.
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "activity"
        indexes = [
            models.Index(fields=["actor", "-id"], name="backups_activity_actor"),
            models.Index(fields=["verb", "-id"], name="backups_activity_verb"),
            models.Index(fields=["instance_name", "-id"], name="backups_activity_instance"),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.words.lower()} {self.kind} {self.name}".rstrip()

    @property
    def words(self) -> str:
        """What was done, in words for people."""
        return Verb(self.verb).label if self.verb in Verb.values else self.verb
