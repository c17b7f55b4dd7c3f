"""The binlog archive: which instances have one, what was received, stored, and what is missing."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from backups.models.catalog import Backup
from backups.models.instance import Instance
from backups.models.repository import Repository
from backups.states import CopyFault


class ReceiverState(models.TextChoices):
    """What the receiver of an instance does."""

    STOPPED = "stopped", "Stopped"  # nobody receives: disabled, or no receiver process runs
    CONNECTING = "connecting", "Connecting"
    RECEIVING = "receiving", "Receiving"  # connected; what has arrived is checked and durable
    WAITING = "waiting", "Waiting"  # the last connection failed; it is tried again
    REFUSED = "refused", "Refused"  # it cannot go on until a person has acted


class BinlogArchive(models.Model):
    """The archive of one instance's binlogs: what was asked, and how far it is.

    The receiver that holds the lease is the only writer of what follows ``state``.
    """

    instance = models.OneToOneField(Instance, models.CASCADE, related_name="binlog_archive")
    enabled = models.BooleanField(default=True)
    repositories = models.ManyToManyField(Repository, related_name="binlog_archives", blank=True)
    acknowledge = models.BooleanField(
        "acknowledge (semi-synchronous)",
        default=False,
        help_text="The source confirms a commit only when it is on Mooring's disk: no confirmed "
        "transaction is lost. Needs semi-synchronous replication on the source.",
    )
    # How the receiver names itself to the source; no replica may have the same.
    server_id = models.PositiveBigIntegerField(unique=True)
    replica_uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)

    state = models.CharField(
        max_length=12, choices=ReceiverState.choices, default=ReceiverState.STOPPED
    )
    state_since = models.DateTimeField(default=now)
    # Why it waits or was refused, and what to do; blank while it receives.
    reason = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    # Which process receives, and until when the others must leave it alone.
    holder = models.CharField(max_length=120, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    token = models.PositiveBigIntegerField(default=0)

    # Up to where everything is on our disk: the end of an event.
    received_file = models.CharField(max_length=255, blank=True)
    received_position = models.BigIntegerField(null=True, blank=True)
    # When it was last made durable, and when the source last sent anything, by our clock.
    synced_at = models.DateTimeField(null=True, blank=True)
    contact_at = models.DateTimeField(null=True, blank=True)
    # The commit time of the last transaction received, by the source's clock.
    last_commit_at = models.DateTimeField(null=True, blank=True)
    # Where the source was, when it was last asked.
    source_file = models.CharField(max_length=255, blank=True)
    source_position = models.BigIntegerField(null=True, blank=True)
    source_asked_at = models.DateTimeField(null=True, blank=True)
    lag_bytes = models.BigIntegerField(null=True, blank=True)
    # Whether the source waits for our acknowledgement. Null is unknown.
    source_waits = models.BooleanField(null=True, blank=True)
    # Written by whoever stores pieces: received, but not in every repository yet; and why the
    # last attempt failed, one repository per line.
    backlog_bytes = models.BigIntegerField(null=True, blank=True)
    store_fault = models.TextField(blank=True)
    # Of the disk of the spool.
    spool_free_bytes = models.BigIntegerField(null=True, blank=True)
    spool_total_bytes = models.BigIntegerField(null=True, blank=True)
    stored_at = models.DateTimeField(null=True, blank=True)
    # When it was last computed from when to when the instance is recoverable, and why it is not
    # to the present; blank where it is.
    judged_at = models.DateTimeField(null=True, blank=True)
    not_recoverable = models.CharField(max_length=300, blank=True)
    # What the source's settings mean for the archive, one per line: binlog off, not ROW,
    # files purged too soon. Blank: nothing is wrong.
    warnings = models.TextField(blank=True)

    class Meta:
        ordering = ["instance"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=ReceiverState.values), name="backups_binlogarchive_state"
            ),
        ]
        indexes = [models.Index(fields=["lease_expires_at"], name="backups_binlog_lease")]

    def __str__(self) -> str:
        return f"binlog archive of {self.instance.name}"


class TimelineStart(models.TextChoices):
    """Why a history of its own begins."""

    FIRST = "first", "Archive enabled"
    RESET = "reset", "Binlogs were reset"  # the same server, other bytes under the same names
    SERVER = "server", "Another server"  # by its identity
    FAILOVER = "failover", "Failover"  # another server that has all that was received
    BEHIND = "behind", "Source lost its newest transactions"
    GAP = "gap", "Files between are missing"


class BinlogTimeline(models.Model):
    """One unbroken history of binlogs. What a source sends later that does not join begins one."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    instance = models.ForeignKey(Instance, models.PROTECT, related_name="binlog_timelines")
    start = models.CharField(max_length=10, choices=TimelineStart.choices)
    # As the server named itself.
    server_identity = models.CharField(max_length=120)
    server_version = models.CharField(max_length=80)
    began_at = models.DateTimeField(default=now)
    # Null: it is the instance's present one.
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["instance", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(start__in=TimelineStart.values), name="backups_timeline_start_valid"
            ),
            models.UniqueConstraint(
                fields=["instance"],
                condition=Q(ended_at__isnull=True),
                name="backups_timeline_one_present",
            ),
        ]

    def __str__(self) -> str:
        return f"timeline {self.pk} of {self.instance.name}"

    @property
    def names_again(self) -> bool:
        """Whether the same file names held other bytes in the history before it."""
        again = (TimelineStart.RESET, TimelineStart.SERVER, TimelineStart.FAILOVER)
        return self.start in again


class BinlogSegment(models.Model):
    """A stored piece of one binlog file, from one transaction boundary to another."""

    timeline = models.ForeignKey(BinlogTimeline, models.PROTECT, related_name="segments")
    file = models.CharField(max_length=255)
    # The order of its file in the timeline.
    file_number = models.PositiveBigIntegerField()
    start = models.BigIntegerField()
    end = models.BigIntegerField()
    # Whether it ends with the end of its file.
    last_of_file = models.BooleanField(default=False)
    # Whether it begins where the one before it in the timeline ends.
    joined = models.BooleanField(default=False)
    sha256 = models.CharField(max_length=64)
    transactions = models.PositiveBigIntegerField()
    # The earliest and the latest commit by the source's clock; null where it has no transaction.
    first_commit_at = models.DateTimeField(null=True, blank=True)
    last_commit_at = models.DateTimeField(null=True, blank=True)
    # GTID sets (MySQL) or positions (MariaDB) before its first and after its last transaction.
    gtids_before = models.TextField(blank=True)
    gtids_after = models.TextField(blank=True)
    created_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ["timeline", "file_number", "start"]
        constraints = [
            models.UniqueConstraint(
                fields=["timeline", "file_number", "start"], name="backups_segment_once"
            ),
            models.CheckConstraint(
                condition=Q(end__gt=models.F("start")), name="backups_segment_not_empty"
            ),
        ]
        indexes = [
            models.Index(fields=["timeline", "last_commit_at"], name="backups_segment_moment"),
            # Where a stretch without a gap begins: few rows of many.
            models.Index(
                fields=["timeline", "file_number", "start"],
                name="backups_segment_break",
                condition=Q(joined=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.file} from {self.start} to {self.end}"


class SegmentCopy(models.Model):
    """A segment's bytes, sealed, in one repository, with their index."""

    segment = models.ForeignKey(BinlogSegment, models.PROTECT, related_name="copies")
    repository = models.ForeignKey(Repository, models.PROTECT, related_name="segment_copies")
    # The object's name in the repository.
    path = models.CharField(max_length=400)
    stored_bytes = models.BigIntegerField()
    # Which key-encryption key wraps its data key; blank means that it is not encrypted.
    key_id = models.CharField(max_length=40, blank=True)
    # Identifies the sealed object as it was registered.
    digest = models.CharField(max_length=64)
    fault = models.CharField(max_length=10, choices=CopyFault.choices, blank=True)
    fault_detail = models.CharField(max_length=300, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    # When and why it was decided to delete it; its bytes and then its row follow.
    expired_at = models.DateTimeField(null=True, blank=True)
    expire_reason = models.CharField(max_length=300, blank=True)
    # Until when the store refuses to delete its objects, and when it last said so.
    locked_until = models.DateTimeField(null=True, blank=True)
    lock_checked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["segment", "id"]
        verbose_name_plural = "segment copies"
        constraints = [
            models.UniqueConstraint(
                fields=["segment", "repository"], name="backups_segmentcopy_once"
            ),
            models.CheckConstraint(
                condition=Q(fault__in=["", *CopyFault.values]),
                name="backups_segmentcopy_fault_valid",
            ),
        ]
        indexes = [
            models.Index(fields=["checked_at"], name="backups_segmentcopy_checked"),
            # What they take, from the index alone.
            models.Index(
                fields=["repository", "stored_bytes"],
                name="backups_segmentcopy_size",
                condition=Q(expired_at=None),
            ),
            models.Index(
                fields=["segment"], name="backups_segmentcopy_fault", condition=~Q(fault="")
            ),
            models.Index(
                fields=["expired_at"],
                name="backups_segmentcopy_expired",
                condition=Q(expired_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.segment} in {self.repository.name}"


class BinlogGap(models.Model):
    """Transactions that the archive does not have: no recovery leads across."""

    instance = models.ForeignKey(Instance, models.CASCADE, related_name="binlog_gaps")
    # The last transaction before it and the first after it, as far as known.
    after_file = models.CharField(max_length=255, blank=True)
    after_position = models.BigIntegerField(null=True, blank=True)
    after_commit_at = models.DateTimeField(null=True, blank=True)
    before_file = models.CharField(max_length=255, blank=True)
    before_position = models.BigIntegerField(null=True, blank=True)
    before_commit_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=300)
    noticed_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ["instance", "id"]

    def __str__(self) -> str:
        return f"gap in the binlogs of {self.instance.name}: {self.reason}"


class RecoverableRange(models.Model):
    """From when to when an instance is recoverable without a gap. Derived, never edited."""

    instance = models.ForeignKey(Instance, models.CASCADE, related_name="recoverable_ranges")
    timeline = models.ForeignKey(BinlogTimeline, models.CASCADE, related_name="ranges")
    # The oldest and the newest backup that it begins with.
    oldest_backup = models.ForeignKey(Backup, models.CASCADE, related_name="+")
    newest_backup = models.ForeignKey(Backup, models.CASCADE, related_name="+")
    # The moment of the oldest backup, and that of the last transaction stored.
    from_at = models.DateTimeField()
    to_at = models.DateTimeField()
    to_file = models.CharField(max_length=255)
    to_position = models.BigIntegerField()
    # Whether it goes on with whatever is received; else why it ends.
    open = models.BooleanField()
    ends_because = models.CharField(max_length=300, blank=True)
    judged_at = models.DateTimeField()

    class Meta:
        ordering = ["instance", "-to_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["instance"], condition=Q(open=True), name="backups_range_one_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instance.name} recoverable from {self.from_at:%Y-%m-%d %H:%M}Z"
