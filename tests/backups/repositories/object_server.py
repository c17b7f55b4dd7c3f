"""An object store of this process, and empty places in it."""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import uuid4

from backups.repositories.objects.credentials import StoredKeys
from backups.repositories.objects.place import BucketPlace
from backups.repositories.objects.store import BucketStore

KEY_ID, SECRET = "AKIAMOORING", "s3cret/key+of/tests"
KEYS = StoredKeys(KEY_ID, lambda: SECRET)


@cache
def moto_address() -> tuple[str, int]:
    """Start the store, which ends with the process."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return str(host), int(port)


def moto_url() -> str:
    host, port = moto_address()
    return f"http://{host}:{port}"


@cache
def calls(url: str = "", key_id: str = KEY_ID) -> Any:
    """A client of botocore, for what a test looks at. Any: it has no types."""
    from botocore.config import Config
    from botocore.session import Session

    return Session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=url or moto_url(),
        aws_access_key_id=key_id,
        aws_secret_access_key=SECRET,
        config=Config(s3={"addressing_style": "path"}),
    )


def new_place(prefix: str = "backups/db", url: str = "") -> BucketPlace:
    """Return a place in a new bucket."""
    place = BucketPlace(f"mooring-{uuid4().hex[:12]}", prefix, url or moto_url())
    calls().create_bucket(Bucket=place.bucket)
    return place


def new_locked_place(prefix: str = "backups/db", url: str = "") -> BucketPlace:
    """Return a place in a new bucket with object lock."""
    place = BucketPlace(f"mooring-{uuid4().hex[:12]}", prefix, url or moto_url())
    calls(place.endpoint).create_bucket(Bucket=place.bucket, ObjectLockEnabledForBucket=True)
    return place


def new_store() -> BucketStore:
    return BucketStore(new_place(), KEYS)
