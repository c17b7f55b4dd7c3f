"""Pieces on sequential media: which object is where on a tape, and how long it is."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from backups.models.repository import Repository


class MediaPiece(models.Model):
    """A piece that was begun. The medium itself cannot say what is in it, nor list it always."""

    repository = models.ForeignKey(Repository, models.CASCADE, related_name="pieces")
    # The object, as in every repository.
    object = models.CharField(max_length=255)
    generation = models.PositiveIntegerField()
    # Its name on the medium.
    name = models.CharField(max_length=255)
    block_bytes = models.PositiveIntegerField()
    begun_at = models.DateTimeField(default=now)
    # Null: the medium has not confirmed it, and it does not count.
    size = models.BigIntegerField(null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    # The bytes of a manifest, sealed as on the medium, so that a look at a backup mounts no tape.
    content = models.BinaryField(null=True, blank=True)

    class Meta:
        ordering = ["object", "generation"]
        verbose_name = "piece on sequential media"
        verbose_name_plural = "pieces on sequential media"
        constraints = [
            models.UniqueConstraint(fields=["repository", "name"], name="backups_piece_name"),
        ]
        indexes = [
            models.Index(fields=["repository", "object", "generation"], name="backups_piece_object")
        ]

    def __str__(self) -> str:
        return self.name
