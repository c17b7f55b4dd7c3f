"""How are requests made to a store that speaks S3, and with which signatures?"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from backups.exceptions import RepositoryError
from backups.repositories.objects.clients import (
    CONNECT_SECONDS,
    SILENT_SECONDS,
    TRIES,
    Connection,
    retries,
)
from backups.repositories.objects.credentials import CredentialSource
from backups.repositories.objects.dates import store_date
from backups.repositories.objects.place import BucketPlace
from backups.repositories.objects.sessions import SESSION_LOCK, naming_calls, session
from backups.repositories.objects.unfinished import drop_uploads, try_upload
from backups.repositories.usage import Asked

if TYPE_CHECKING:
    from obstore.store import S3Store

# Objects encrypted by such a key cannot be read without it, and it is nowhere in Mooring.
CUSTOMER_KEY = "AWS_SSE_CUSTOMER_KEY_BASE64"


class BucketConnection(Connection):
    """The clients of a bucket: obstore's for its objects, botocore's for all other requests."""

    place: BucketPlace

    def __init__(
        self,
        place: BucketPlace,
        credentials: CredentialSource,
        refuse_host: Callable[[str, int], None],
    ) -> None:
        super().__init__(place, refuse_host)
        self._credentials = credentials
        self._calls: Any = None
        self._calls_until: datetime | None = None

    def calls(self) -> Any:
        """Return the client for all other requests. Any: botocore has no types."""
        with self._lock:
            self._refuse_address()
            ended = self._calls_until is not None and datetime.now(UTC) >= self._calls_until
            if self._calls is None or ended:
                self._calls = self._open_calls()
            return self._calls

    def drop_uploads(self, owner: str, *, whole: bool = False) -> int:
        return drop_uploads(self, owner, whole=whole)

    def try_upload(self) -> None:
        try_upload(self)

    def date(self) -> datetime:
        return store_date(self)

    def _open(self, tries: int, seconds: int) -> S3Store:
        from obstore.store import S3Store

        _refuse_environment(self.place)
        # Now, so that a missing key is reported in its own words.
        self._credentials.load()
        place = self.place
        with self._opening():
            return S3Store(
                place.bucket,
                config=_config_of(place),  # type: ignore[arg-type]  # built piece by piece
                client_options=self._client_options(),  # type: ignore[arg-type]
                retry_config=retries(tries, seconds),  # type: ignore[arg-type]
                credential_provider=self._credential,  # type: ignore[arg-type]
            )

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
            client = session().create_client(
                "s3",
                region_name=place.region,
                endpoint_url=place.url,
                verify=place.ca_file or None,
                aws_access_key_id=keys.access_key_id,
                aws_secret_access_key=keys.secret_access_key,
                aws_session_token=keys.token,
                config=config,
            )
        client.meta.events.register("before-send.s3", self._note_call)
        return client

    def _note_call(self, request: Any, event_name: str = "", **_: Any) -> None:
        """Count a request of the library, tries included. Any: botocore has no types."""
        operation = event_name.rpartition(".")[2]
        first = next((word for word in _CLASSES if operation.startswith(word)), "Get")
        self.note(_CLASSES[first])


# By what the names of the operations begin with.
_CLASSES = {
    "List": Asked.LIST,
    "Head": Asked.HEAD,
    "Delete": Asked.DELETE,
    "Abort": Asked.DELETE,
    "Put": Asked.PUT,
    "Create": Asked.PUT,
    "Copy": Asked.PUT,
    "Get": Asked.GET,
}


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
