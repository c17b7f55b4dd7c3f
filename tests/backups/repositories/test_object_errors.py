"""Is each error of an object store said in words, with what to do?"""

from __future__ import annotations

import pytest

from backups.repositories.objects.errors import skew_in, store_error, trouble_of

BODY = (
    "Generic S3 error: Error performing GET http://127.0.0.1:1/b/k in 2.8s, after 5 retries - "
    "Server returned non-2xx status code: {status} X: <Error><Code>{code}</Code></Error>"
)


@pytest.mark.parametrize(
    ("status", "code", "words", "transient"),
    [
        (403, "InvalidAccessKeyId", "does not know the access key id", False),
        (403, "SignatureDoesNotMatch", "the secret key does not fit", False),
        (403, "AccessDenied", "access is denied", False),
        (400, "ExpiredToken", "the credentials have expired", False),
        (404, "NoSuchBucket", "there is no such bucket", False),
        (403, "RequestTimeTooSkewed", "the clock of this host differs", False),
        (503, "SlowDown", "asks to slow down", True),
        (500, "InternalError", "a fault of its own", True),
        (403, "InvalidObjectState", "in an archive class and not restored", False),
        (403, "QuotaExceeded", "the quota", False),
        (507, "XMinioStorageFull", "the quota", False),
        (301, "PermanentRedirect", "another region", False),
        (400, "InvalidStorageClass", "does not have this storage class", False),
        (400, "KMS.NotFoundException", "cannot encrypt it as requested", False),
        (400, "SomethingNew", "refused the request as SomethingNew", False),
        (500, "SomethingNew", "refused the request as SomethingNew", True),
    ],
)
def test_a_code_of_the_store(status: int, code: str, words: str, transient: bool) -> None:
    error = store_error("s3://b/k", "read", BODY.format(status=status, code=code))
    assert str(error).startswith("s3://b/k could not be read: ")
    assert words in str(error)
    assert error.transient is transient
    assert error.hint.endswith(".")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("error sending request: dns error: failed to lookup address", "name of the endpoint"),
        ("client error (Connect): tcp connect error: Connection refused", "nothing listens"),
        ("invalid peer certificate: UnknownIssuer", "TLS certificate is not trusted"),
        ("SSLError: [SSL: CERTIFICATE_VERIFY_FAILED]", "TLS certificate is not trusted"),
        ("operation timed out", "no answer"),
        ("ReadTimeoutError: Read timed out.", "no answer"),
        ("error decoding response body: connection reset by peer", "the connection broke off"),
        ("Server returned non-2xx status code: 403 Forbidden: ", "access is denied"),
        ("Server returned non-2xx status code: 429 X: ", "asks to slow down"),
        ("error sending request", "the connection broke off"),
        ("Server returned non-2xx status code: 400 Bad Request: ", "may have expired"),
        (
            "Error performing GET https://timeout/dns/redirect in 2ms, after 3 retries, "
            "max_retries: 3, retry_timeout: 60s - HTTP error: InvalidCertificate(Other)",
            "TLS certificate is not trusted",
        ),
        ("Error performing GET https://timeout/certificate, retry_timeout: 60s", "refused the"),
        ("anything else", "refused the request"),
    ],
)
def test_a_text_without_a_code(text: str, words: str) -> None:
    assert words in trouble_of(text).cause


def test_nothing_of_a_response_is_repeated() -> None:
    text = BODY.format(status=403, code="SignatureDoesNotMatch") + "<StringToSign>s3cret"
    error = store_error("s3://b/k", "read", text)
    assert "s3cret" not in f"{error} {error.hint}"


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        (("20261130T080000Z", "2026-11-30T07:40:00Z"), -1200),
        (("2026-11-30T08:00:00Z", "2026-11-30T08:20:00.000Z"), 1200),
        (("soon", "2026-11-30T08:20:00Z"), None),
    ],
)
def test_the_difference_of_clocks(times: tuple[str, str], seconds: float | None) -> None:
    request, server = times
    text = f"<RequestTime>{request}</RequestTime><ServerTime>{server}</ServerTime>"
    assert skew_in(text) == seconds
