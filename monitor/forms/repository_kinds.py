"""Which kinds of repositories are there, and which fields of the form has each?

Pure: names of fields and words for people. ``repository.py`` makes a form of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backups.models.prices import PRICE_COLUMNS
from backups.models.repository import RepositoryKind
from backups.models.retention import RETENTION_COLUMNS
from backups.models.sftp import SFTP_COLUMNS


@dataclass(frozen=True, slots=True)
class FieldGroup:
    """Fields under one legend; ``folded``: closed until opened, as few need them."""

    legend: str
    names: Sequence[str]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class RepositoryChoice:
    """One kind as people choose it."""

    # In the address of the page.
    key: str
    kind: str
    title: str
    # When it is the right one, in a sentence.
    sentence: str
    address_label: str = "Address"
    address_help: str = ""
    groups: Sequence[FieldGroup] = ()
    # Labels and help texts that are said differently of this kind.
    labels: Mapping[str, str] = field(default_factory=dict)
    help_texts: Mapping[str, str] = field(default_factory=dict)
    # Sequential media: added by a command, as a tape may take minutes.
    by_command: bool = False

    @property
    def names(self) -> frozenset[str]:
        """The fields of its form."""
        return frozenset(name for group in self.groups for name in group.names)


_PLACE = FieldGroup("", ("name", "path"))
_USE = FieldGroup("Backups in it", ("encrypted", "differences", "enabled", "max_jobs"))
_USE_OF_MEDIA = FieldGroup("Backups in it", ("encrypted", "enabled", "max_jobs"))
_WHERE = FieldGroup("Place and protection", ("site", "undeletable_by"))
_DELETION = FieldGroup("Deletion", ("purge_delay", "two_admins"))
_DELETION_OF_BUCKETS = FieldGroup("Deletion", ("purge_delay", "two_admins", "write_only"))
_LOCK = FieldGroup("Object lock", ("lock_mode", "lock_days"), folded=True)
_PRICES = FieldGroup("Prices, to estimate costs", PRICE_COLUMNS, folded=True)
_RETENTION = FieldGroup("Retention of backups without a schedule", RETENTION_COLUMNS, folded=True)
_LAST = (_WHERE, _DELETION, _PRICES, _RETENTION)
_LAST_OF_BUCKETS = (_USE, _WHERE, _DELETION_OF_BUCKETS, _PRICES, _RETENTION)
_CREDENTIALS = ("credentials", "credentials_name", "new_secret_key")
_OBJECT_STORE = (
    "endpoint", "region", "credentials", "credentials_name", "access_key_id", "new_secret_key",
)  # fmt: skip
KEPT = " Leave blank to keep the present one."
_STORED = f"Stored encrypted and never shown.{KEPT}"
_NAME_OF_VARIABLE = "Of the environment: the name of the variable. Of a file: its absolute path."

FOLDER = RepositoryChoice(
    "folder",
    RepositoryKind.DIRECTORY,
    "Folder",
    "On a disk, or on a network mount that every worker has.",
    "Folder",
    "Absolute path on the workers' hosts: a new or empty folder, or one that is a repository.",
    (_PLACE, _USE, *_LAST),
)
S3 = RepositoryChoice(
    "s3",
    RepositoryKind.S3,
    "S3 bucket",
    "In Amazon S3, or in any object store that speaks S3, such as Ceph.",
    "Bucket",
    "As s3://bucket/prefix; empty there, or one that is a repository.",
    (
        _PLACE,
        FieldGroup("Object store", _OBJECT_STORE),
        FieldGroup(
            "Certificate, storage class, encryption by the store",
            (
                "virtual_host", "ca_file", "storage_class", "server_encryption", "kms_key",
                "new_customer_key",
            ),
            folded=True,
        ),
        _LOCK,
        *_LAST_OF_BUCKETS,
    ),
    help_texts={
        "region": "Blank is us-east-1; most stores other than Amazon's ignore it.",
        "access_key_id": "",
        "credentials_name": "Of the environment: how the variables begin, as AWS or OFFSITE "
        "(…_ACCESS_KEY_ID, …_SECRET_ACCESS_KEY). Of a file: its absolute path.",
        "new_secret_key": _STORED,
        "storage_class": "As STANDARD_IA; blank is the bucket's.",
    },
)  # fmt: skip
AZURE = RepositoryChoice(
    "azure",
    RepositoryKind.AZURE,
    "Azure container",
    "In Azure Blob Storage.",
    "Container",
    "As az://account/container/prefix; empty there, or one that is a repository.",
    (
        _PLACE,
        FieldGroup("Credentials", _CREDENTIALS),
        FieldGroup(
            "Endpoint, certificate, tier",
            ("endpoint", "virtual_host", "ca_file", "storage_class"),
            folded=True,
        ),
        *_LAST_OF_BUCKETS,
    ),
    labels={"new_secret_key": "Account key or SAS token", "storage_class": "Tier"},  # nosec B105 - a label
    help_texts={
        "credentials_name": f"{_NAME_OF_VARIABLE} Of a managed identity: its client id.",
        "new_secret_key": _STORED,
        "storage_class": "As Cool; blank is the account's.",
    },
)
GOOGLE = RepositoryChoice(
    "google",
    RepositoryKind.GCS,
    "Google Cloud bucket",
    "In Google Cloud Storage.",
    "Bucket",
    "As gs://bucket/prefix; empty there, or one that is a repository.",
    (
        _PLACE,
        FieldGroup("Credentials", _CREDENTIALS),
        FieldGroup(
            "Endpoint, certificate, storage class",
            ("endpoint", "ca_file", "storage_class"),
            folded=True,
        ),
        *_LAST_OF_BUCKETS,
    ),
    labels={"new_secret_key": "JSON key"},  # nosec B105 - a label
    help_texts={
        "credentials_name": _NAME_OF_VARIABLE,
        "new_secret_key": f"The content of the JSON file. {_STORED}",
        "storage_class": "As NEARLINE; blank is the bucket's.",
    },
)
SFTP = RepositoryChoice(
    "sftp",
    RepositoryKind.SFTP,
    "SFTP folder",
    "On another host, over SSH with a key.",
    "Address",
    "As sftp://user@host:port/path: a new or empty folder, or one that is a repository.",
    (_PLACE, FieldGroup("SSH", SFTP_COLUMNS), _USE, *_LAST),
)
_OF_MEDIA = (_PLACE, _USE_OF_MEDIA, *_LAST)
PIPE = RepositoryChoice(
    "pipe",
    RepositoryKind.MEDIA,
    "Pipe",
    "Through commands that store and return a stream, such as age or mbuffer. Full backups only.",
    by_command=True,
)
TAPE = RepositoryChoice(
    "tape",
    RepositoryKind.MEDIA,
    "Tape (SBT)",
    "Through the library of a media manager, libobk.so. Full backups only.",
    by_command=True,
)
# Of a row: the file on the host says which of both it is.
MEDIA = RepositoryChoice(
    "media",
    RepositoryKind.MEDIA,
    "Tape or pipe",
    "By an entry of the file of media on the workers' hosts.",
    "Medium and prefix",
    "media:name/prefix",
    _OF_MEDIA,
)
EXPORTED = RepositoryChoice(
    "exported",
    RepositoryKind.FILE,
    "Exported backup",
    "One file that exportbackup has written, to restore from. It is only read.",
    "File",
    "Absolute path on the workers' hosts.",
    (_PLACE,),
)
CHOICES: Mapping[str, RepositoryChoice] = {
    choice.key: choice for choice in (FOLDER, S3, AZURE, GOOGLE, SFTP, PIPE, TAPE, EXPORTED)
}
_BY_KIND = {choice.kind: choice for choice in (FOLDER, S3, AZURE, GOOGLE, SFTP, MEDIA, EXPORTED)}
_BY_SCHEME = {"s3": S3, "az": AZURE, "gs": GOOGLE, "sftp": SFTP, "media": MEDIA}


def choice_of_kind(kind: str) -> RepositoryChoice:
    """Return the choice that a row of this kind was made by."""
    return _BY_KIND[kind]


def choice_of_address(address: str) -> RepositoryChoice:
    """Return the choice that an address looks like, where none was made: a folder at worst."""
    return _BY_SCHEME.get(address.partition(":")[0].strip().lower(), FOLDER)
