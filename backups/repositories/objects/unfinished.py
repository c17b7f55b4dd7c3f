"""Which uploads were begun and never finished, and how are they removed?

A killed process leaves parts behind that no listing shows and that are paid for. They are found by
the prefix of their owner: the folder of one backup, or one object; never those of anybody else.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from backups.exceptions import RepositoryError
from backups.repositories.layout import TRIAL_NAME
from backups.repositories.objects.sessions import Calling, call_errors, code_of, naming_calls

logger = logging.getLogger(__name__)

HINT = "Allow the key to list and abort uploads, or let a lifecycle rule of the bucket end them."


def drop_uploads(connection: Calling, owner: str, *, whole: bool = False) -> int:
    """Abort the uploads below the key ``owner``, or of that very key; return how many.

    A key of less rights may not: then a rule of the bucket has to, and this is only logged.
    """
    bucket, dropped = connection.place.bucket, 0
    prefix = owner if whole else f"{owner}/"
    try:
        calls = connection.calls()
    except RepositoryError as exc:
        _log_kept(prefix, str(exc))
        return 0
    try:
        for upload in list(_uploads(calls, bucket, prefix)):
            if whole and upload["Key"] != owner:
                continue
            calls.abort_multipart_upload(
                Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
            )
            dropped += 1
    except call_errors() as exc:
        _log_kept(prefix, code_of(exc) or type(exc).__name__)
    return dropped


def try_upload(connection: Calling) -> None:
    """Begin an upload and abort it: what a key may not, or a class is not, shows here."""
    place = connection.place
    options = {
        "StorageClass": place.storage_class,
        "ServerSideEncryption": "" if place.customer_key else place.encryption,
        "SSEKMSKeyId": place.kms_key,
    }
    where = {"Bucket": place.bucket, "Key": place.key(TRIAL_NAME)}
    with naming_calls(place.shown, "written"):
        calls = connection.calls()
        given = {name: value for name, value in options.items() if value}
        begun = calls.create_multipart_upload(**where, **given, **place.sealing)
        calls.abort_multipart_upload(**where, UploadId=begun["UploadId"])


def _log_kept(prefix: str, cause: str) -> None:
    logger.warning(
        "unfinished uploads below %s could not be removed: %s. %s",
        prefix,
        cause,
        HINT,
        extra={"action": "uploads_kept"},
    )


def _uploads(calls: Any, bucket: str, prefix: str) -> Iterator[Any]:
    """Any: botocore has no types."""
    pages = calls.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for upload in page.get("Uploads", ()):
            if not upload["Key"].startswith(prefix):
                raise RepositoryError(f"the store listed {upload['Key']!r} as below {prefix}")
            yield upload
