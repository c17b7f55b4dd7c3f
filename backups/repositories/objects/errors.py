"""What does an error of an object store mean, in words: what failed, on what, what to do?

Libraries report a code of the store, an HTTP status or a text of the network layer; none of their
text is repeated, because it may contain a whole response.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from backups.exceptions import RepositoryError

_CODE = re.compile(r"<Code>\s*([A-Za-z0-9.]+)\s*</Code>")
_STATUS = re.compile(r"(?:status code:|HTTP status|status:)\s*(\d{3})")
_REQUEST_TIME = re.compile(r"<RequestTime>\s*([0-9TZ:.-]+)\s*</RequestTime>")
_SERVER_TIME = re.compile(r"<ServerTime>\s*([0-9TZ:.-]+)\s*</ServerTime>")
_REQUEST = re.compile(r"https?://\S+|\b(?:max_retries|retry_timeout|elapsed): \S+")
SKEWED = "RequestTimeTooSkewed"


@dataclass(frozen=True, slots=True)
class Trouble:
    """The cause, what to do, and whether the same may succeed in a moment."""

    cause: str
    hint: str
    transient: bool = False


_KEY = "Check the credentials of the repository: the key may have been replaced or deleted."
_EXPIRED = Trouble(
    "the credentials have expired",
    "Renew them where they come from: temporary credentials end after some hours.",
)
_SLOW = Trouble(
    "the store asks to slow down",
    "Lower MOORING_COPY_THREADS or the number of concurrent jobs, or ask for a higher limit.",
    transient=True,
)
_FAULT = Trouble(
    "the store reports a fault of its own", "Try again later, or ask its operator.", transient=True
)
_REGION = Trouble(
    "the bucket is in another region or at another endpoint",
    "Correct the region or the endpoint of the repository.",
)
_DENIED = Trouble(
    "access is denied",
    "Allow the key to list the bucket, and to read, write and delete below the prefix; a wrong "
    "key is refused in the same words by some stores.",
)
_FULL = Trouble(
    "the quota of the bucket or account is used up",
    "Purge backups, or have the quota raised; nothing incomplete was kept.",
)
_SEALED = Trouble(
    "the store cannot encrypt it as requested",
    "Correct the encryption and the KMS key of the repository, and what the key may use.",
)
_CLASS = Trouble(
    "the store does not have this storage class",
    "Correct the storage class of the repository, or clear it.",
)
NO_BUCKET = Trouble("there is no such bucket", "Create the bucket, or correct its name.")

TROUBLES = {
    "InvalidAccessKeyId": Trouble("the store does not know the access key id", _KEY),
    "SignatureDoesNotMatch": Trouble("the secret key does not fit the access key id", _KEY),
    "AccessDenied": _DENIED,
    "AllAccessDisabled": _DENIED,
    "AccountProblem": _DENIED,
    "InvalidToken": _EXPIRED,
    "ExpiredToken": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "NoSuchBucket": NO_BUCKET,
    "InvalidBucketName": NO_BUCKET,
    "NoSuchKey": Trouble("No such object", "Find out who deleted it."),
    SKEWED: Trouble(
        "the clock of this host differs from the store's", "Correct this host's clock."
    ),
    "SlowDown": _SLOW,
    "Throttling": _SLOW,
    "ThrottlingException": _SLOW,
    "RequestLimitExceeded": _SLOW,
    "TooManyRequests": _SLOW,
    "ServiceUnavailable": _SLOW,
    "NoSuchUpload": Trouble(
        "the store has lost the parts of the upload",
        "Look for a lifecycle rule of the bucket that ends uploads too early.",
    ),
    "InternalError": _FAULT,
    "OperationAborted": _FAULT,
    "RequestTimeout": Trouble(
        "the store waited too long for bytes", "Check the network to the store.", transient=True
    ),
    "InvalidObjectState": Trouble(
        "the object is in an archive class and not restored from there",
        "Restore it in the object store first, as the lifecycle of the bucket has moved it.",
    ),
    "QuotaExceeded": _FULL,
    "ServiceQuotaExceeded": _FULL,
    "ServiceQuotaExceededException": _FULL,
    "XMinioAdminBucketQuotaExceeded": _FULL,
    "XMinioStorageFull": _FULL,
    "InsufficientStorage": _FULL,
    "PermanentRedirect": _REGION,
    "TemporaryRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "IncorrectEndpoint": _REGION,
    "InvalidStorageClass": _CLASS,
    "InvalidEncryptionAlgorithmError": _SEALED,
    "ServerSideEncryptionConfigurationNotFoundError": _SEALED,
    "KMS.NotFoundException": _SEALED,
    "KMS.DisabledException": _SEALED,
    "KMS.AccessDeniedException": _SEALED,
    "NotImplemented": Trouble(
        "the store does not know this request", "Use a store that speaks S3 completely."
    ),
    "BadDigest": Trouble(
        "the bytes changed on the way", "Check the network and its proxies.", transient=True
    ),
}
_STATUSES = {
    401: _DENIED,
    403: _DENIED,
    404: Trouble("No such object", "Find out who deleted it."),
    429: _SLOW,
    500: _FAULT,
    502: _FAULT,
    503: _SLOW,
    504: _FAULT,
    507: _FULL,
}
# Not worth further tries: each of those that were made has waited long.
NO_ANSWER = Trouble(
    "no answer", "Check the store and the network: a store that is full may not answer either."
)
# Texts of the network layer, in the order in which they are looked for.
_TEXTS = (
    (
        ("gave no credentials",),
        Trouble(
            "the role of this host gave no credentials",
            "Check the metadata service, or the role and token file of the pod.",
            transient=True,
        ),
    ),
    (
        ("Invalid endpoint",),
        Trouble(
            "the endpoint is not a URL of a host",
            "Correct the endpoint: its name has letters, digits, - and . only.",
        ),
    ),
    (
        ("ResponseParserError", "KeyError"),
        Trouble(
            "what answers there is no object store",
            "Check the endpoint and its port, and the proxies on the way.",
        ),
    ),
    (
        ("invalid path", "InvalidPath", "parsing Path"),
        Trouble(
            "an object there has a name that no repository has",
            "Delete it: a part of its name is empty, relative or not printable.",
        ),
    ),
    (
        ("certificate", "InvalidCertificate", "CERTIFICATE_VERIFY_FAILED", "tls handshake"),
        Trouble(
            "its TLS certificate is not trusted",
            "Name the CA of the store in the repository's CA file, and the host as in its "
            "certificate.",
        ),
    ),
    (
        ("dns error", "failed to lookup address", "Name or service not known", "resolve"),
        Trouble(
            "the name of the endpoint is not found",
            "Correct the endpoint or the region, or the name service of this host.",
            transient=True,
        ),
    ),
    (
        ("Connection refused", "connection refused"),
        Trouble(
            "nothing listens at the endpoint",
            "Check the endpoint and its port, and that the store runs.",
            transient=True,
        ),
    ),
    (
        ("No credentials", "NoCredentials", "Unable to locate credentials"),
        Trouble("there are no credentials", _KEY),
    ),
    (
        ("BareRedirect", "Received redirect", "redirect"),
        _REGION,
    ),
    (
        ("timed out", "TimedOut", "timeout", "Timeout"),
        NO_ANSWER,
    ),
    (
        ("connection", "Connection", "IncompleteMessage", "error sending request", "error decoding",
         "BrokenPipe", "reset"),
        Trouble(
            "the connection broke off", "Check the network to the store.", transient=True
        ),
    ),
)  # fmt: skip
_UNKNOWN = Trouble("the store refused the request", "Look into the log of the store.")


def code_in(text: str) -> str:
    """Return the code of the store in an error's text; blank if there is none."""
    found = _CODE.search(text)
    return found.group(1) if found else ""


def is_beyond(text: str) -> bool:
    """Whether the error says that a range begins after the end of its object."""
    return code_in(text) == "InvalidRange" or "status code: 416" in text


def trouble_of(text: str, code: str = "") -> Trouble:
    """Return the words for an error, by its code, its HTTP status, or its text."""
    code = code or code_in(text)
    if code in TROUBLES:
        return TROUBLES[code]
    if code:
        words = f"the store refused the request as {code}"
        status = _STATUS.search(text)
        return Trouble(words, _UNKNOWN.hint, bool(status and status.group(1) >= "500"))
    status = _STATUS.search(text)
    if status and int(status.group(1)) in _STATUSES:
        return _STATUSES[int(status.group(1))]
    # The address and the settings of the request say nothing of its fault.
    said = _REQUEST.sub("", text)
    for fragments, trouble in _TEXTS:
        if any(fragment in said for fragment in fragments):
            return trouble
    return _UNKNOWN


def store_error(
    path: str, what: str, text: str, code: str = "", skew: float | None = None
) -> RepositoryError:
    """Return the error of an operation on an object or a place."""
    trouble = trouble_of(text, code)
    cause = trouble.cause
    if (code or code_in(text)) == SKEWED:
        seconds = skew_in(text) if skew is None else skew
        cause += f" by {abs(seconds):.0f} s" if seconds is not None else ""
    return RepositoryError(
        f"{path} could not be {what}: {cause}", hint=trouble.hint, transient=trouble.transient
    )


def skew_in(text: str) -> float | None:
    """Return by how many seconds the store's clock is ahead, as its response says; or None."""
    request, server = _REQUEST_TIME.search(text), _SERVER_TIME.search(text)
    if request is None or server is None:
        return None
    try:
        sent, seen = _moment(request.group(1)), _moment(server.group(1))
    except ValueError:
        return None
    return (seen - sent).total_seconds()


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
