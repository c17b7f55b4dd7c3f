"""Tables of backups that are kept open for pages: who owns which private server, until when."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from backups.models.catalog import BackupCopy


class TableOpening(models.Model):
    """One table of a backup, opened in a private server for one admin. Holds no values of rows."""

    copy = models.ForeignKey(BackupCopy, models.CASCADE, related_name="openings")
    schema = models.CharField(max_length=64)
    name = models.CharField(max_length=64)
    # Its place among those that may be open at the same time, from 1; nobody else has it meanwhile.
    place = models.PositiveSmallIntegerField(null=True, blank=True)
    requested_by = models.CharField(max_length=150)
    requested_at = models.DateTimeField(default=now)
    # Of the process that has the server. Null until one has taken it, and kept afterwards.
    host = models.CharField(max_length=253, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    # Where the server answers; it is readable by Mooring's own user only.
    socket = models.CharField(max_length=200, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    read_bytes = models.BigIntegerField(null=True, blank=True)
    close_requested = models.BooleanField(default=False)
    closed_at = models.DateTimeField(null=True, blank=True)
    # Why it could not be opened, or was closed early; blank otherwise.
    problem = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["closed_at"], name="backups_opening_open")]
        constraints = [
            models.UniqueConstraint(
                fields=["place"],
                condition=models.Q(closed_at__isnull=True),
                name="backups_opening_place_held_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name} of {self.copy.backup.label}"

    @property
    def is_open(self) -> bool:
        """Whether its server was started and nobody has wanted it closed since."""
        return self.opened_at is not None and self.closed_at is None and not self.close_requested
