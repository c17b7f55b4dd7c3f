"""Where in Google Cloud Storage is a repository? Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from backups.exceptions import BadInput
from backups.repositories.objects.place import StorePlace, normal_prefix, refuse_odd_settings

GOOGLE_SCHEME = "gs://"
DEFAULT_URL = "https://storage.googleapis.com"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class GooglePlace(StorePlace):
    """A prefix of a bucket, which is in the path of requests."""

    scheme: ClassVar[str] = GOOGLE_SCHEME
    kind: ClassVar[str] = "gcs"

    @property
    def url(self) -> str:
        return self.endpoint or DEFAULT_URL


def google_place(address: str) -> GooglePlace:
    """Return the place ``gs://bucket/prefix``, or raise BadInput."""
    bucket, _, prefix = address.removeprefix(GOOGLE_SCHEME).partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise BadInput(
            f"{bucket or 'nothing'} is no name of a bucket",
            hint="Enter gs://BUCKET or gs://BUCKET/PREFIX.",
        )
    return GooglePlace(bucket, normal_prefix(prefix))


def refuse_odd_google(place: GooglePlace) -> None:
    """Raise BadInput for settings that Google does not accept."""
    refuse_odd_settings(place)
    if place.virtual_host:
        raise BadInput("the bucket of gs://… is in the path of requests, not in the host name")
