"""How far the evaluation has come."""

from __future__ import annotations

from django.db import models


class EvaluationCursor(models.Model):
    """Up to where what changed has been looked at. One row."""

    name = models.CharField(max_length=30, unique=True)
    # Ids and moments by what they are of; the next look begins a little before them.
    position = models.JSONField(default=dict)
    moved_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
