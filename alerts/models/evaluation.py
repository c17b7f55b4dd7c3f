"""Up to where have changes been evaluated?"""

from __future__ import annotations

from django.db import models


class EvaluationCursor(models.Model):
    """Up to where changes have been evaluated. One row."""

    name = models.CharField(max_length=30, unique=True)
    # Ids and timestamps by kind of row; the next run starts a little before them.
    position = models.JSONField(default=dict)
    moved_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
