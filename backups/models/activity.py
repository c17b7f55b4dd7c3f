"""Activity: who changed what, from where. The one place to read it."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now


class Verb(models.TextChoices):
    """What was done."""

    LOGGED_IN = "logged_in", "Logged in"
    LOGGED_OUT = "logged_out", "Logged out"
    LOGIN_FAILED = "login_failed", "Login failed"
    LOCKED_OUT = "locked_out", "Locked out"
    REQUESTED = "requested", "Requested"
    CANCELLED = "cancelled", "Cancel requested"
    RESTORED = "restored", "Restore ended"
    PURGED = "purged", "Purge ended"
    ADDED = "added", "Added"
    CHANGED = "changed", "Changed"
    DELETED = "deleted", "Deleted"
    ACCEPTED = "accepted", "Accepted"
    CONFIRMED = "confirmed", "Confirmed"
    REJECTED = "rejected", "Rejected"
    PINNED = "pinned", "Pinned"
    UNPINNED = "unpinned", "Unpinned"
    MARKED = "marked", "Marked for deletion"
    KEPT = "kept", "Undid the deletion of"
    HELD = "held", "Held"
    RELEASED = "released", "Released"
    ROTATED = "rotated", "Rotated keys"
    PAUSED = "paused", "Paused"
    RESUMED = "resumed", "Resumed"
    STARTED = "started", "Started"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    ENDED = "ended", "Ended"
    TESTED = "tested", "Tested"
    VIEWED = "viewed", "Viewed row values of"
    RECOVERED = "recovered", "Recovered objects of"
    REBUILT = "rebuilt", "Rebuilt the catalog of"
    EXPORTED = "exported", "Exported evidence"


class Activity(models.Model):
    """One recorded action. Never edited; it outlives the objects it names."""

    at = models.DateTimeField(default=now)
    actor = models.CharField(max_length=150)
    # The interface: the site, a command, or Mooring itself.
    via = models.CharField(max_length=20)
    address = models.CharField(max_length=45, blank=True)
    # One of Verb; not constrained here, so that a new verb needs no migration.
    verb = models.CharField(max_length=20)
    # The object, by name, because its row may be deleted.
    kind = models.CharField(max_length=40, blank=True)
    name = models.CharField(max_length=200, blank=True)
    number = models.BigIntegerField(null=True, blank=True)
    instance_name = models.CharField(max_length=64, blank=True)
    # Further details; never a secret.
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
        return f"{self.actor} {self.verb_label.lower()} {self.kind} {self.name}".rstrip()

    @property
    def verb_label(self) -> str:
        """The action as shown to people."""
        return Verb(self.verb).label if self.verb in Verb.values else self.verb
