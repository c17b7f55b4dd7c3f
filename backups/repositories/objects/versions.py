"""Which versions of an object does a bucket keep, and how is one of them made the newest again?

Where versions are kept, whoever deletes an object only puts a delete marker on it, and whoever
overwrites it adds a version. The older version is still there, and a lock keeps it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backups.exceptions import RepositoryError
from backups.repositories.objects.connection import BucketConnection
from backups.repositories.objects.sessions import call_errors, naming_calls

# What one request of S3 copies at most.
COPIED_AT_ONCE = 5 << 30


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version of an object, or a marker that says that it was deleted."""

    version: str
    stored_at: datetime
    size: int = 0
    marker: bool = False
    newest: bool = False


Versions = Mapping[str, Sequence[StoredVersion]]


def list_versions(connection: BucketConnection, prefix: str) -> Versions:
    """Return the versions of each object whose name begins with ``prefix``, the newest first."""
    place = connection.place
    beginning, skipped = place.key(prefix), len(place.key(""))
    found: defaultdict[str, list[StoredVersion]] = defaultdict(list)
    with naming_calls(place.shown, "listed"):
        pages = connection.calls().get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=place.bucket, Prefix=beginning):
            for key, version in _versions_in(page):
                if not key.startswith(beginning):
                    raise RepositoryError(f"the store listed {key!r} as below {beginning}")
                found[key[skipped:]].append(version)
    # The list has markers apart from versions; its times are seconds.
    return {
        name: sorted(versions, key=lambda each: (each.newest, each.stored_at), reverse=True)
        for name, versions in found.items()
    }


def read_version(connection: BucketConnection, name: str, version: str, most: int) -> bytes:
    """Return the content of one version of a small object."""
    place = connection.place
    with naming_calls(f"{place.address}/{name}", "read"):
        found = connection.calls().get_object(
            Bucket=place.bucket, Key=place.key(name), VersionId=version, **place.sealing
        )
        content: bytes = found["Body"].read(most + 1)
    if len(content) > most:
        raise RepositoryError(f"{place.address}/{name} has more than {most} bytes")
    return content


def recover_version(
    connection: BucketConnection, name: str, versions: Sequence[StoredVersion], wanted: str
) -> None:
    """Make one version of an object the newest: without the markers on it, or by a copy of it."""
    place = connection.place
    where = {"Bucket": place.bucket, "Key": place.key(name)}
    position = [each.version for each in versions].index(wanted)
    newer, original = versions[:position], versions[position]
    if all(each.marker for each in newer) and _drop_markers(connection, where, newer):
        return
    if original.size > COPIED_AT_ONCE:
        raise RepositoryError(
            f"{place.address}/{name} is too large to be copied at once",
            hint="Remove what is newer than its oldest version in the store's own console.",
        )
    with naming_calls(f"{place.address}/{name}", "recovered"):
        connection.calls().copy_object(
            **where,
            CopySource={**where, "VersionId": wanted},
            **place.sealing,
            **{f"CopySource{word}": value for word, value in place.sealing.items()},
        )


def _drop_markers(
    connection: BucketConnection, where: Mapping[str, str], markers: Sequence[StoredVersion]
) -> bool:
    """Remove delete markers; False if the key may not, and a copy has to do."""
    try:
        for marker in markers:
            connection.calls().delete_object(**where, VersionId=marker.version)
    except call_errors():
        return False
    return True


def _versions_in(page: Mapping[str, Any]) -> Iterator[tuple[str, StoredVersion]]:
    kinds = [("Versions", False), ("DeleteMarkers", True)]
    for entry, marker in [
        (entry, marker) for kind, marker in kinds for entry in page.get(kind, ())
    ]:
        yield (
            entry["Key"],
            StoredVersion(
                entry["VersionId"],
                entry["LastModified"],
                entry.get("Size", 0),
                marker,
                entry["IsLatest"],
            ),
        )
