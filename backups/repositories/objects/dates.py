"""What time is it by an object store's own clock?"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from backups.exceptions import RepositoryError
from backups.repositories.layout import IDENTITY_NAME
from backups.repositories.objects.sessions import Calling, naming_calls


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
