"""Every object store that a test runs against, by the kind of its repositories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytest_django import Settings

from backups.catalog.new_repository import settle
from backups.models import Repository
from backups.repositories.objects.place import StorePlace
from backups.repositories.objects.store import BucketStore
from tests.backups.repositories import azure_server, google_server, object_server
from tests.backups.repositories.bad_proxy import Action, refuse


@dataclass(frozen=True)
class Cloud:
    """A store of this process: how it is reached, and how it refuses."""

    address: Callable[[], tuple[str, int]]
    new_place: Callable[..., StorePlace]
    # Any: the credentials are of the place.
    credentials: Callable[[], Any]
    secret: Callable[[], str]
    # What a request for a part of an upload has in its path.
    part: str
    expired: Action
    gone: Action
    busy: Action

    def store(self, url: str, uuid: str = "") -> BucketStore:
        """Return the store of a new and empty place."""
        return BucketStore(self.new_place(url=url), self.credentials(), uuid)

    def row(self, url: str, settings: Settings) -> Repository:
        """Register a new place as a person does it."""
        settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]
        place = self.new_place(url=url)
        row = Repository(name="offsite", path=place.address, endpoint=place.endpoint)
        row.kind = place.kind
        row.access_key_id = object_server.KEY_ID if place.kind == "s3" else ""
        row.set_secret_key(self.secret())
        row.full_clean(exclude=["uuid"])
        settle(row)
        row.save()
        return row


CLOUDS = {
    "s3": Cloud(
        object_server.moto_address,
        object_server.new_place,
        lambda: object_server.KEYS,
        lambda: object_server.SECRET,
        "partNumber",
        refuse(400, "ExpiredToken"),
        refuse(404, "NoSuchBucket"),
        refuse(503, "SlowDown"),
    ),
    "azure": Cloud(
        azure_server.azure_address,
        azure_server.new_azure_place,
        lambda: azure_server.AZURE_SECRET,
        lambda: azure_server.ACCOUNT_KEY,
        "comp=block&",
        refuse(403, "AuthenticationFailed"),
        refuse(404, "ContainerNotFound"),
        refuse(503, "ServerBusy"),
    ),
    "gcs": Cloud(
        google_server.google_address,
        google_server.new_google_place,
        google_server.account_tokens,
        google_server.service_account,
        "partNumber",
        refuse(401, "AuthenticationRequired"),
        refuse(404, "NoSuchBucket"),
        refuse(503, "SlowDown"),
    ),
}
