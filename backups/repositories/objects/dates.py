"""What time is it by an object store's own clock?"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from backups.exceptions import RepositoryError
from backups.repositories.layout import IDENTITY_NAME
from backups.repositories.objects.errors import store_error
from backups.repositories.objects.place import StorePlace
from backups.repositories.objects.sessions import Calling, naming_calls

DATE_SECONDS = 20


def store_date(connection: Calling) -> datetime:
    """Return the date of a response, whatever else it says: a refusal has one too."""
    from botocore.exceptions import ClientError

    place = connection.place
    with naming_calls(place.shown, "listed"):
        try:
            response = connection.calls().list_objects_v2(
                Bucket=place.bucket, Prefix=place.key(IDENTITY_NAME), MaxKeys=1
            )
        except ClientError as exc:
            response = exc.response
            if not _date_in(response):
                raise
    date = _date_in(response)
    return _moment(date, place)


def server_date(place: StorePlace) -> datetime:
    """Return the date of a response to a request without a signature, which may be a refusal."""
    import httpx

    # What the environment names as a proxy applies, as to every other request.
    trusted = ssl.create_default_context(cafile=place.ca_file or None)
    try:
        with httpx.Client(verify=trusted, timeout=DATE_SECONDS) as client:
            date = client.head(place.url).headers.get("date", "")
    except (httpx.HTTPError, OSError) as exc:
        raise store_error(place.shown, "listed", f"{type(exc).__name__}: {exc}") from None
    return _moment(date, place)


def _moment(date: str, place: StorePlace) -> datetime:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        raise RepositoryError(
            f"{place.shown} does not say what time it is",
            hint="Use a store whose responses have a Date.",
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _date_in(response: Any) -> str:
    """Any: botocore has no types."""
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(headers.get("date", ""))
