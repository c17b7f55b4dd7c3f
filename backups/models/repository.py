"""Repositories: where packs are kept."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.timezone import now

from backups.models.instance import Instance, name_validator
from backups.models.object_lock import ObjectLockSettings
from backups.models.object_store import ObjectStoreSettings
from backups.models.prices import PriceSettings
from backups.models.retention import RetentionSettings
from backups.models.sftp import SftpSettings

# Over a weekend somebody notices what was marked on its eve.
PURGE_DELAY = timedelta(days=3)
LONGEST_PURGE_DELAY = timedelta(days=366)


class RepositoryKind(models.TextChoices):
    DIRECTORY = "directory", "Directory"  # a folder the workers can access
    S3 = "s3", "Bucket of an object store"  # that speaks S3
    AZURE = "azure", "Container of Azure Blob Storage"
    GCS = "gcs", "Bucket of Google Cloud Storage"
    SFTP = "sftp", "Folder of another host, by SFTP"
    MEDIA = "media", "Tape or pipe"  # sequential media, by an entry of the host's file of media
    FILE = "file", "Exported backup"  # of one file, which is only read


# Of which objects are reached by requests to an object store.
BUCKET_KINDS = (RepositoryKind.S3, RepositoryKind.AZURE, RepositoryKind.GCS)
# What it is, as the heading of its address.
ADDRESS_WORDS: Mapping[str, str] = {
    RepositoryKind.DIRECTORY: "Folder",
    RepositoryKind.S3: "Bucket",
    RepositoryKind.AZURE: "Container",
    RepositoryKind.GCS: "Bucket",
    RepositoryKind.SFTP: "SFTP folder",
    RepositoryKind.MEDIA: "Medium and prefix",
    RepositoryKind.FILE: "File",
}


class Repository(
    RetentionSettings, ObjectStoreSettings, ObjectLockSettings, SftpSettings, PriceSettings
):
    """One store for copies of backups. Its identity is also written into it.

    Its retention is that of the backups in it that no schedule has taken.
    """

    # Also in the repository's mooring.json, so that another disk at the path is detected.
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=64, unique=True, validators=[name_validator])
    kind = models.CharField(
        max_length=20, choices=RepositoryKind.choices, default=RepositoryKind.DIRECTORY
    )
    # An absolute path, or an address such as s3://bucket/prefix.
    path = models.CharField(max_length=400)
    encrypted = models.BooleanField(
        default=True,
        help_text="Encrypt new backups; unencrypted ones are readable by anyone there.",
    )
    differences = models.BooleanField(
        "store differences",
        default=True,
        help_text="Store a changed block of an incremental or differential backup as its "
        "difference from the full backup's, which is read from here meanwhile. Switch it off "
        "where reading is slow or costs money.",
    )
    enabled = models.BooleanField(default=True)
    site = models.CharField(
        max_length=64, blank=True, help_text="Building or region: what one fire would take."
    )
    undeletable_by = models.CharField(
        "protected from deletion by",
        max_length=120,
        blank=True,
        help_text="What keeps a thief of the workers' rights from deleting it, such as snapshots "
        "of the filer. As entered here: Mooring does not check it.",
    )
    max_jobs = models.PositiveSmallIntegerField(
        "max concurrent jobs",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Maximum number of jobs that use it at the same time; blank is no limit.",
    )
    purge_delay = models.DurationField(
        default=PURGE_DELAY,
        help_text="For how long a copy that is to be deleted stays restorable, and its deletion "
        "can be undone; 0s: it is deleted at once.",
    )
    two_admins = models.BooleanField(
        "deleting needs two admins",
        default=False,
        help_text="What a person deletes here and cannot be undone is carried out only once "
        "another admin has confirmed it.",
    )
    created_at = models.DateTimeField(default=now, editable=False)
    # Why it cannot be used, as a tick last found; blank where it was there and is the right one.
    fault = models.CharField(max_length=300, blank=True, editable=False)
    fault_since = models.DateTimeField(null=True, blank=True, editable=False)
    # The device its folder is on, as a tick last found; null is unknown.
    device = models.BigIntegerField(null=True, blank=True, editable=False)

    # What it is on, as "NFS 4.2 from nas:/export, hard", as a tick last found; blank is a disk of
    # this host, or nothing to be known.
    medium = models.CharField(max_length=300, blank=True, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "repositories"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=RepositoryKind.values),
                name="backups_repository_kind_valid",
            ),
            models.UniqueConstraint(
                fields=["path", "endpoint"],
                name="backups_repository_path_unique",
                violation_error_message="Repository with this Path already exists.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        if not timedelta(0) <= self.purge_delay <= LONGEST_PURGE_DELAY:
            raise ValidationError({"purge_delay": "A delay must be between 0 and 366 days."})
        if self.is_sequential:
            self._settle_media()
        elif self.is_bucket:
            self.check_object_store(self.path)
        elif self.endpoint:
            raise ValidationError({"endpoint": "Only an object store has an endpoint."})
        if self.kind == RepositoryKind.SFTP:
            self.check_sftp(self.path)
        self.check_object_lock(is_bucket=self.kind == RepositoryKind.S3)
        if self.read_only and self.enabled:
            raise ValidationError({"enabled": "Nothing is stored in an exported backup."})

    @property
    def is_folder(self) -> bool:
        """Whether its objects are files of this host, with a disk and free space."""
        return self.kind == RepositoryKind.DIRECTORY

    @property
    def is_bucket(self) -> bool:
        """Whether its objects are in an object store."""
        return self.kind in BUCKET_KINDS

    @property
    def is_sequential(self) -> bool:
        """Whether its media are read from the beginning: only whole backups are stored there."""
        return self.kind == RepositoryKind.MEDIA

    @property
    def why_undeletable(self) -> str:
        """Why nobody can delete what is there; blank if nothing is known that prevents it."""
        return f"{self.undeletable_by}, as entered" if self.undeletable_by else ""

    @property
    def address_word(self) -> str:
        """What its address is the address of, as a label."""
        return ADDRESS_WORDS[self.kind]

    @property
    def read_only(self) -> bool:
        """Whether nothing is ever stored or deleted there."""
        return self.kind == RepositoryKind.FILE

    @property
    def address(self) -> str:
        """Where it is, as displayed."""
        return f"{self.path} at {self.endpoint}" if self.endpoint else self.path

    def _settle_media(self) -> None:
        """Set what does not go on media that are only read from the beginning."""
        if self.endpoint:
            raise ValidationError({"endpoint": "Only a bucket, s3://…, has an endpoint."})
        self.differences = False
        if self.max_jobs is None:
            # Of one drive. Who has several raises it.
            self.max_jobs = 1

    def shares_disk_with(self, instance: Instance) -> bool:
        """Whether it is known to be on the disk that the instance's data is on."""
        return self.device is not None and self.device == instance.data_device


class RepositorySpace(models.Model):
    """Free and total space of a repository, as measured by a tick."""

    repository = models.ForeignKey(Repository, models.CASCADE, related_name="space")
    measured_at = models.DateTimeField(default=now)
    # Null is unknown.
    free_bytes = models.BigIntegerField(null=True, blank=True)
    total_bytes = models.BigIntegerField(null=True, blank=True)
    # Of that in use, what stored binlogs take.
    binlog_bytes = models.BigIntegerField(null=True, blank=True)
    # Why it could not be measured.
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-measured_at", "-id"]
        verbose_name_plural = "repository space"
        indexes = [
            models.Index(fields=["repository", "-measured_at"], name="backups_space_newest"),
        ]

    def __str__(self) -> str:
        return f"space in {self.repository.name} at {self.measured_at:%Y-%m-%d %H:%M}Z"
