"""A repository in a bucket, registered as a person does it."""

from __future__ import annotations

from pytest_django import Settings

from backups.catalog.new_repository import settle
from backups.models import Repository
from tests.backups.repositories.object_server import (
    KEY_ID,
    SECRET,
    new_locked_place,
    new_place,
)


def make_bucket(url: str, settings: Settings, *, lock_days: int | None = None) -> Repository:
    """Register a new bucket of the store at ``url``; with days, one that locks its objects."""
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    place = new_locked_place(url=url) if lock_days else new_place(url=url)
    row = Repository(name="offsite", kind="s3", path=place.address, endpoint=place.endpoint)
    row.lock_mode, row.lock_days = ("compliance" if lock_days else ""), lock_days
    row.access_key_id = KEY_ID
    row.set_secret_key(SECRET)
    settle(row)
    row.save()
    return row
