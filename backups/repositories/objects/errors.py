"""What does an error of an object store mean, in words: what failed, on what, what to do?

Libraries report a code of the store, an HTTP status or a text of the network layer; none of their
text is repeated, because it may contain a whole response.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from backups.exceptions import RepositoryError
from backups.repositories.objects.azure.codes import AZURE_TROUBLES
from backups.repositories.objects.google.codes import GOOGLE_TROUBLES
from backups.repositories.objects.troubles import (
    CHANGED,
    CHECK_KEY,
    DENIED,
    EXPIRED,
    FAULT,
    FULL,
    LOST_PARTS,
    NO_BUCKET,
    NO_CLASS,
    NO_OBJECT,
    REGION,
    SEALED,
    SLOW,
    Trouble,
)

_CODE = re.compile(r"<Code>\s*([A-Za-z0-9.]+)\s*</Code>")
_STATUS = re.compile(r"(?:status code:|HTTP status|status:|\(code:)\s*(\d{3})")
_REQUEST_TIME = re.compile(r"<RequestTime>\s*([0-9TZ:.-]+)\s*</RequestTime>")
_SERVER_TIME = re.compile(r"<ServerTime>\s*([0-9TZ:.-]+)\s*</ServerTime>")
_REQUEST = re.compile(r"https?://\S+|\b(?:max_retries|retry_timeout|elapsed): \S+")
SKEWED = "RequestTimeTooSkewed"
# Refusals of a signature that a wrong clock may be the cause of, from so many seconds on.
UNSIGNED = frozenset({"AuthenticationFailed", "AuthenticationRequired"})
MOST_SKEW = 600
# The store has joined the parts before, or lost them: the size of the object says which.
JOINED = frozenset({"NoSuchUpload", "InvalidBlockList"})
BUCKET_CODES = frozenset({"NoSuchBucket", "ContainerNotFound"})


TROUBLES = {
    "InvalidAccessKeyId": Trouble("the store does not know the access key id", CHECK_KEY),
    "SignatureDoesNotMatch": Trouble("the secret key does not fit the access key id", CHECK_KEY),
    "AccessDenied": DENIED,
    "AllAccessDisabled": DENIED,
    "AccountProblem": DENIED,
    "InvalidToken": EXPIRED,
    "ExpiredToken": EXPIRED,
    "TokenRefreshRequired": EXPIRED,
    "NoSuchBucket": NO_BUCKET,
    "InvalidBucketName": NO_BUCKET,
    "NoSuchKey": NO_OBJECT,
    SKEWED: Trouble(
        "the clock of this host differs from the store's", "Correct this host's clock."
    ),
    "SlowDown": SLOW,
    "Throttling": SLOW,
    "ThrottlingException": SLOW,
    "RequestLimitExceeded": SLOW,
    "TooManyRequests": SLOW,
    "ServiceUnavailable": SLOW,
    "NoSuchUpload": LOST_PARTS,
    "InternalError": FAULT,
    "OperationAborted": FAULT,
    "RequestTimeout": Trouble(
        "the store waited too long for bytes", "Check the network to the store.", transient=True
    ),
    "InvalidObjectState": Trouble(
        "the object is in an archive class and not restored from there",
        "Restore it in the object store first, as the lifecycle of the bucket has moved it.",
    ),
    "QuotaExceeded": FULL,
    "ServiceQuotaExceeded": FULL,
    "ServiceQuotaExceededException": FULL,
    "XMinioAdminBucketQuotaExceeded": FULL,
    "XMinioStorageFull": FULL,
    "InsufficientStorage": FULL,
    "PermanentRedirect": REGION,
    "TemporaryRedirect": REGION,
    "AuthorizationHeaderMalformed": REGION,
    "IllegalLocationConstraintException": REGION,
    "IncorrectEndpoint": REGION,
    "InvalidStorageClass": NO_CLASS,
    "InvalidEncryptionAlgorithmError": SEALED,
    "ServerSideEncryptionConfigurationNotFoundError": SEALED,
    "KMS.NotFoundException": SEALED,
    "KMS.DisabledException": SEALED,
    "KMS.AccessDeniedException": SEALED,
    "NotImplemented": Trouble(
        "the store does not know this request", "Use a store that speaks S3 completely."
    ),
    "BadDigest": CHANGED,
    **AZURE_TROUBLES,
    **GOOGLE_TROUBLES,
}
_STATUSES = {
    # To a question for the size, which is answered without a code.
    400: Trouble("the credentials may have expired, or the request is not accepted", CHECK_KEY),
    401: DENIED,
    403: DENIED,
    404: NO_OBJECT,
    429: SLOW,
    500: FAULT,
    502: FAULT,
    503: SLOW,
    504: FAULT,
    507: FULL,
}
# Not worth further tries: each of those that were made has waited long.
NO_ANSWER = Trouble(
    "no answer", "Check the store and the network: a store that is full may not answer either."
)
# Of the request for a token, whatever its status: it is not the store that answers.
_TOKEN_TEXTS = ("gave no credentials", "Error performing token request", "token response body")
_NO_TOKEN = Trouble(
    "the role of this host gave no credentials",
    "Check the metadata service, or the role and token file of the pod.",
    transient=True,
)
# Texts of the network layer, in the order in which they are looked for.
_TEXTS = (
    (
        ("the SAS token has expired",),
        EXPIRED,
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
        Trouble("there are no credentials", CHECK_KEY),
    ),
    (
        ("BareRedirect", "Received redirect", "redirect"),
        REGION,
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


def may_be_skew(text: str) -> bool:
    """Whether the clocks are the cause, or may be, and the error does not say by how much."""
    code = code_in(text)
    return code in UNSIGNED or (code == SKEWED and skew_in(text) is None)


def is_beyond(text: str) -> bool:
    """Whether the error says, or may, that a range begins after the end of its object.

    Some stores answer that with success, which the library does not accept.
    """
    refused = code_in(text) or _STATUS.search(text)
    return "status code: 416" in text or (
        code_in(text) == "InvalidRange" if refused else trouble_of(text) is _UNKNOWN
    )


def trouble_of(text: str, code: str = "") -> Trouble:
    """Return the words for an error, by its code, its HTTP status, or its text."""
    if any(fragment in text for fragment in _TOKEN_TEXTS):
        return _NO_TOKEN
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
    code = code or code_in(text)
    if code in UNSIGNED and abs(skew or 0) > MOST_SKEW:
        code = SKEWED
    trouble = trouble_of(text, code)
    cause = trouble.cause
    if code == SKEWED:
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
