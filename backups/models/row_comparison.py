"""Tables whose rows were compared between two backups: how many differ. Holds no values of rows."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from backups.models.catalog import Backup


class RowComparison(models.Model):
    """How many rows of one table differ between two backups, as it was last compared."""

    before = models.ForeignKey(Backup, models.CASCADE, related_name="row_comparisons")
    after = models.ForeignKey(Backup, models.CASCADE, related_name="+")
    schema = models.CharField(max_length=64)
    name = models.CharField(max_length=64)
    only_before = models.BigIntegerField()
    only_after = models.BigIntegerField()
    changed = models.BigIntegerField()
    equal = models.BigIntegerField()
    # Whether all rows were compared; else the time ended before.
    complete = models.BooleanField()
    compared_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ["-compared_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["before", "after", "schema", "name"], name="backups_rowcomparison_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name} of {self.before.label} and {self.after.label}"

    @property
    def different(self) -> int:
        return self.only_before + self.only_after + self.changed

    @property
    def compared(self) -> int:
        return self.different + self.equal
