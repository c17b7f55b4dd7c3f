"""How are requests to an object store made: limits, tries, TLS, signatures?

A request is not ended by a fixed time but by a rate: a part that takes so long has moved fewer
bytes per second than ``LEAST_RATE``, and counts as stalled.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backups.exceptions import RepositoryError
from backups.repositories.objects.credentials import CredentialSource
from backups.repositories.objects.place import BucketPlace
from backups.repositories.objects.sessions import SESSION_LOCK, naming_calls, session
from backups.repositories.objects.small_files import read_small

if TYPE_CHECKING:
    from obstore.store import S3Store

# A part of a large object, and the most of an object that one request reads.
PART_BYTES = 8 << 20
# Parts of one object that are on the way at the same time. So much memory an upload takes.
PARTS_AT_ONCE = 4
# Bytes per second below which a request has stalled; so long it waits without any.
LEAST_RATE = 64 << 10
SILENT_SECONDS = 60
REQUEST_SECONDS = SILENT_SECONDS + PART_BYTES // LEAST_RATE
CONNECT_SECONDS = 5
# Tries again of one request, with growing and random waits, by the library. Only it can send a part
# of an upload again, so that is what it is most patient with.
TRIES, TRIES_SECONDS = 3, 60
PART_TRIES, PART_TRIES_SECONDS = 10, 300
# How long an address that was allowed need not be looked up again.
ALLOWED_SECONDS = 60
# The most that a CA file has; the bundle of a whole system is smaller.
AUTHORITY_BYTES = 1 << 20
# Objects encrypted by such a key cannot be read without it, and it is nowhere in Mooring.
CUSTOMER_KEY = "AWS_SSE_CUSTOMER_KEY_BASE64"


class BucketConnection:
    """The clients of one place, made when they are first used; by any thread."""

    def __init__(
        self,
        place: BucketPlace,
        credentials: CredentialSource,
        refuse_host: Callable[[str, int], None],
    ) -> None:
        """``refuse_host`` raises OSError for a host that may not be connected to."""
        self.place = place
        self._credentials, self._refuse_host = credentials, refuse_host
        self._lock = threading.Lock()
        self._data: S3Store | None = None
        self._parts: S3Store | None = None
        self._calls: Any = None
        self._calls_until: datetime | None = None
        self._allowed_until = float("-inf")

    def data(self) -> S3Store:
        """Return the client for objects."""
        with self._lock:
            self._refuse_address()
            if self._data is None:
                self._data = self._open_data(TRIES, TRIES_SECONDS)
            return self._data

    def parts(self) -> S3Store:
        """Return the client for objects that are sent in parts."""
        with self._lock:
            self._refuse_address()
            if self._parts is None:
                self._parts = self._open_data(PART_TRIES, PART_TRIES_SECONDS)
            return self._parts

    def calls(self) -> Any:
        """Return the client for all other requests. Any: botocore has no types."""
        with self._lock:
            self._refuse_address()
            ended = self._calls_until is not None and datetime.now(UTC) >= self._calls_until
            if self._calls is None or ended:
                self._calls = self._open_calls()
            return self._calls

    def attributes(self) -> dict[str, str]:
        """Return what is sent with each new object."""
        storage_class = self.place.storage_class
        return {"Storage-Class": storage_class} if storage_class else {}

    def _refuse_address(self) -> None:
        if time.monotonic() < self._allowed_until:
            return
        host, port = self.place.server
        try:
            self._refuse_host(host, port)
        except (OSError, UnicodeError) as exc:
            # Of a name that is not found, the errno is one of the resolver's; what cannot be a
            # name is not looked up.
            refused = isinstance(exc, OSError) and exc.errno is None
            cause = str(exc) if refused else f"the name {host} is not found"
            hint = "" if refused else "Correct the endpoint or the region of the repository."
            raise RepositoryError(
                f"{self.place.shown} cannot be used: {cause}", hint=hint, transient=not refused
            ) from None
        self._allowed_until = time.monotonic() + ALLOWED_SECONDS

    def _open_data(self, tries: int, seconds: int) -> S3Store:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store

        _refuse_environment(self.place)
        # Now, so that a missing key is reported in its own words.
        self._credentials.load()
        place = self.place
        try:
            return S3Store(
                place.bucket,
                config=_config_of(place),  # type: ignore[arg-type]  # built piece by piece
                client_options=self._client_options(),  # type: ignore[arg-type]
                retry_config={
                    "max_retries": tries,
                    "retry_timeout": timedelta(seconds=seconds),
                },
                credential_provider=self._credential,  # type: ignore[arg-type]
            )
        except (BaseError, ValueError) as exc:
            raise RepositoryError(
                f"{place.shown} cannot be used: {_first_line(exc)}",
                hint="Correct the endpoint, the region and the CA file of the repository.",
            ) from None

    def _client_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "timeout": timedelta(seconds=REQUEST_SECONDS),
            "allow_http": self.place.plain,
            "user_agent": "mooring",
        }
        if self.place.ca_file:
            options["root_certificate"] = self._authority()
        return options

    def _authority(self) -> bytes:
        path = Path(self.place.ca_file)
        try:
            return read_small(path, AUTHORITY_BYTES)[0]
        except OSError as exc:
            raise RepositoryError(
                f"CA file {path} cannot be read: {exc.strerror}",
                hint="It must be on this host, and readable for the workers' user.",
            ) from None

    def _credential(self) -> dict[str, Any]:
        """Return the credentials as obstore wants them; it asks again when they have ended."""
        keys = self._credentials.load()
        return {
            "access_key_id": keys.access_key_id,
            "secret_access_key": keys.secret_access_key,
            "token": keys.token,
            "expires_at": keys.read_again_at,
        }

    def _open_calls(self) -> Any:
        from botocore.config import Config

        keys, place = self._credentials.load(), self.place
        self._calls_until = keys.read_again_at
        if place.ca_file:
            self._authority()
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=SILENT_SECONDS,
            retries={"total_max_attempts": TRIES + 1, "mode": "standard"},
            signature_version="s3v4",
            s3={"addressing_style": "virtual" if place.bucket_in_host else "path"},
            user_agent="mooring",
        )
        with naming_calls(place.shown, "used"), SESSION_LOCK:
            return session().create_client(
                "s3",
                region_name=place.region,
                endpoint_url=place.url,
                verify=place.ca_file or None,
                aws_access_key_id=keys.access_key_id,
                aws_secret_access_key=keys.secret_access_key,
                aws_session_token=keys.token,
                config=config,
            )


def _refuse_environment(place: BucketPlace) -> None:
    """Refuse what the library would take from the environment, and no setting can take back."""
    settings = {
        CUSTOMER_KEY: place.customer_key,
        "AWS_SERVER_SIDE_ENCRYPTION": place.encryption,
        "AWS_SSE_KMS_KEY_ID": place.kms_key,
    }
    for name, setting in settings.items():
        if os.environ.get(name) and not setting:
            raise RepositoryError(
                f"the environment has {name}: objects would be encrypted in another way",
                hint="Remove it from the environment of the site and of every worker.",
            )


def _config_of(place: BucketPlace) -> dict[str, Any]:
    """Return what obstore is to know of a place."""
    config: dict[str, Any] = {
        "region": place.region,
        "endpoint": _endpoint_of(place),
        "virtual_hosted_style_request": place.bucket_in_host,
        # What the environment says otherwise is meant for other programs.
        "aws_endpoint_url_s3": _endpoint_of(place),
        "conditional_put": "etag",
        "skip_signature": False,
        "unsigned_payload": False,
        "s3_express": False,
        "request_payer": False,
    }
    if place.encryption:
        config["server_side_encryption"] = place.encryption
    if place.kms_key:
        config["sse_kms_key_id"] = place.kms_key
    if place.customer_key:
        config["sse_customer_key_base64"] = place.customer_key
    if place.checksums:
        config["checksum_algorithm"] = "sha256"
    return config


def _endpoint_of(place: BucketPlace) -> str:
    """Return the endpoint as obstore wants it: with the bucket where that is in the host name."""
    if not place.bucket_in_host:
        return place.url
    scheme, _, rest = place.url.partition("://")
    return f"{scheme}://{place.bucket}.{rest}"


def _first_line(exc: Exception) -> str:
    return str(exc).partition("\n")[0][:300]
