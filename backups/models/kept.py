"""Kept restores: prepared folders onto which a replay has begun, and has not come to its end."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from backups.models.job import Job


class KeptRestore(models.Model):
    """The folder of a restore to a moment, from the first replayed byte on until its hand-over.

    The row is there while the folder is: a tick removes no folder that has one.
    """

    # Whose folder it is: the job that made it, or the last one that has gone on with it.
    job = models.OneToOneField(Job, models.CASCADE, related_name="kept")
    # In the folder's mark: the number of the job that made it.
    mark = models.BigIntegerField()
    # A job that was requested to go on with it. It counts while that job has not ended.
    claimed_by = models.ForeignKey(
        Job, models.SET_NULL, null=True, blank=True, related_name="kept_claimed"
    )
    host = models.CharField(max_length=120)
    target = models.CharField(max_length=400)
    created_at = models.DateTimeField(default=now)
    # Of the host: another one means that it was started since.
    boot_id = models.CharField(max_length=40)
    # The account of its server by which replays log in.
    account = models.CharField(max_length=40)
    # Whether its server ended in order, and the files are on the disk. Otherwise it was killed, or
    # still runs.
    in_order = models.BooleanField(default=False)
    # Whether a transaction failed: it may have been applied in part.
    failed = models.BooleanField(default=False)
    # Nothing behind it was ever sent to the server; blank: nothing at all was.
    sent_file = models.CharField(max_length=255, blank=True)
    sent_position = models.BigIntegerField(null=True, blank=True)
    # How far it is known to be: transactions since the backup, and the last commit.
    transactions = models.BigIntegerField(default=0)
    last_commit_at = models.DateTimeField(null=True, blank=True)
    # The first transaction that it does not have; blank while that is not known.
    next_file = models.CharField(max_length=255, blank=True)
    next_position = models.BigIntegerField(null=True, blank=True)
    next_gtid = models.CharField(max_length=120, blank=True)
    next_commit_at = models.DateTimeField(null=True, blank=True)
    # GTIDs that were left out, with spaces between.
    skipped = models.TextField(blank=True)
    # What the folder takes on the disk; null until it was measured.
    bytes = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"kept folder {self.target} of job {self.job_id}"

    @property
    def how_to_continue(self) -> str:
        """What to do with it, for the job that has left it."""
        return how_to_continue(self.job_id, self.next_gtid if self.failed else "")


def how_to_continue(job: int, gtid: str = "") -> str:
    """Return the hint of a job that has left a folder; ``gtid``: the transaction that failed."""
    without = f", with --skip-gtid {gtid} without that transaction" if gtid else ""
    return (
        f"The folder is kept: restorebackup --continue {job} continues it{without}; "
        f"removerestore {job} removes it."
    )
