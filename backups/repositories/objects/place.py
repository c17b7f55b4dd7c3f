"""Where in which object store is a repository, and how are its requests made? Pure.

Of every store the place, and of one that speaks S3 how it is addressed.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

from backups.exceptions import BadInput
from backups.repositories.layout import is_safe_path

SCHEME = "s3://"
DEFAULT_REGION = "us-east-1"
# The encryption with a key that the customer sends with each request.
CUSTOMER = "sse-c"
CUSTOMER_KEY_BYTES = 32
# Objects of these classes cannot be read back at once, as every backup is.
ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
# No character that is written differently in a URL, in a signature or by another tool.
_PREFIX = re.compile(r"[A-Za-z0-9._/@=+-]*")
_CLASS = re.compile(r"[A-Za-z0-9_-]*")
# What can be one part of a host name.
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_REGION = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True)
class StorePlace:
    """A prefix of a bucket, and what every request to it needs."""

    # What an address begins with, and the kind of a repository there.
    scheme: ClassVar[str]
    kind: ClassVar[str]

    bucket: str
    # Without slashes at its ends; blank is the whole bucket.
    prefix: str = ""
    # ``https://host:port``; blank is that of the cloud.
    endpoint: str = ""
    # Whether what is in the path of other endpoints is part of the host name.
    virtual_host: bool = False
    # A PEM file of this host, trusted in addition to the public authorities.
    ca_file: str = ""
    storage_class: str = ""
    # Whether nothing is to be deleted there: the key may have no right to.
    write_only: bool = False

    @property
    def address(self) -> str:
        """The place as it is shown and stored."""
        return f"{self.scheme}{self.bucket}{f'/{self.prefix}' if self.prefix else ''}"

    @property
    def shown(self) -> str:
        return f"{self.address} at {self.endpoint}" if self.endpoint else self.address

    @property
    def url(self) -> str:
        """What the addresses of requests begin with."""
        raise NotImplementedError

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def server(self) -> tuple[str, int]:
        """The host and port that requests go to."""
        return self.host, urlsplit(self.url).port or (80 if self.plain else 443)

    @property
    def plain(self) -> bool:
        """Whether requests are made without TLS."""
        return self.url.startswith("http://")

    def key(self, name: str) -> str:
        """Return the key of an object of the repository."""
        return f"{self.prefix}/{name}" if self.prefix else name


@dataclass(frozen=True, slots=True)
class BucketPlace(StorePlace):
    """A bucket of a store that speaks S3; ``virtual_host`` is of the bucket."""

    scheme: ClassVar[str] = SCHEME
    kind: ClassVar[str] = "s3"

    region: str = DEFAULT_REGION
    # AES256, aws:kms, aws:kms:dsse; blank is what the bucket does by itself.
    encryption: str = ""
    kms_key: str = ""
    # The key that the store is to encrypt with and forgets, as base64; blank where it has its own.
    customer_key: str = field(default="", repr=False)
    # Whether each request that writes has a checksum: a bucket with locks of its own demands it.
    checksums: bool = False

    @property
    def host(self) -> str:
        host = urlsplit(self.url).hostname or ""
        return f"{self.bucket}.{host}" if self.bucket_in_host else host

    @property
    def url(self) -> str:
        """The endpoint without the bucket."""
        return self.endpoint or f"https://s3.{self.region}.amazonaws.com"

    @property
    def sealing(self) -> dict[str, str | bytes]:
        """What botocore sends with a request for an object that is encrypted by a customer key."""
        if not self.customer_key:
            return {}
        key = base64.b64decode(self.customer_key)
        return {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key}

    @property
    def bucket_in_host(self) -> bool:
        # A certificate of *.s3.amazonaws.com fits no bucket with a dot; Amazon's own always has it.
        return self.virtual_host if self.endpoint else _is_label(self.bucket)


def split_address(address: str) -> tuple[str, str]:
    """Return the bucket and the prefix of ``s3://bucket/prefix``, or raise BadInput."""
    bucket, _, prefix = address.removeprefix(SCHEME).partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise BadInput(
            f"{bucket or 'nothing'} is no name of a bucket",
            hint="Enter s3://BUCKET or s3://BUCKET/PREFIX.",
        )
    return bucket, normal_prefix(prefix)


def normal_prefix(prefix: str) -> str:
    """Return a prefix without slashes at its ends, or raise BadInput."""
    prefix = prefix.strip("/")
    if prefix and not (_PREFIX.fullmatch(prefix) and is_safe_path(prefix)):
        raise BadInput(
            f"{prefix} cannot be a prefix",
            hint="Use letters, digits and . _ - @ = +, with single slashes between.",
        )
    return prefix


def normal_endpoint(endpoint: str) -> str:
    """Return an endpoint without a slash at its end, or raise BadInput."""
    endpoint = endpoint.strip().rstrip("/")
    if not endpoint:
        return ""
    try:
        url = urlsplit(endpoint)
        host, _port = url.hostname, url.port
    except ValueError as exc:
        raise BadInput(f"the endpoint is not a URL: {exc}") from None
    if url.scheme not in {"https", "http"} or not host:
        raise BadInput("the endpoint must begin with https:// and name a host")
    if url.username or url.password:
        raise BadInput("the endpoint contains a user or password: they are credentials")
    if url.path or url.query or url.fragment:
        raise BadInput(
            "the endpoint has a path", hint="Name the bucket in the repository's path instead."
        )
    if url.scheme == "http" and not is_loopback(host):
        raise BadInput(
            "the endpoint is not https", hint="Without TLS only a store on this host is used."
        )
    return endpoint


def refuse_odd_settings(place: StorePlace) -> None:
    """Raise BadInput for settings that no store accepts."""
    if not _CLASS.fullmatch(place.storage_class):
        raise BadInput(f"{place.storage_class} is no storage class")
    if place.ca_file and not place.ca_file.startswith("/"):
        raise BadInput(f"{place.ca_file} is not an absolute path")


def normal_customer_key(text: str) -> str:
    """Return a customer key as it is stored, or raise BadInput without repeating it."""
    text = "".join(text.split())
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if text and len(key) != CUSTOMER_KEY_BYTES:
        raise BadInput(
            "the customer key is not 32 bytes in base64", hint="Make one: openssl rand -base64 32"
        )
    return text


def refuse_odd(place: BucketPlace) -> None:
    """Raise BadInput for settings that no store accepts, or that no backup survives."""
    refuse_odd_settings(place)
    if place.storage_class.upper() in ARCHIVE_CLASSES:
        raise BadInput(
            f"objects of the storage class {place.storage_class} cannot be read back at once",
            hint="Use GLACIER_IR, or have the bucket's lifecycle move old backups.",
        )
    if not _REGION.fullmatch(place.region):
        raise BadInput(f"{place.region or 'nothing'} is no region")
    if place.bucket_in_host and place.plain:
        raise BadInput(
            "the bucket is in the host name, and the endpoint is not https",
            hint="Without TLS only a store on this host is used, with the bucket in the path.",
        )
    if place.bucket_in_host and not _is_label(place.bucket):
        raise BadInput(
            f"{place.bucket} cannot be part of a host name",
            hint="Use a bucket of small letters, digits and -, or have the bucket in the path.",
        )
    if place.kms_key and not place.encryption.startswith("aws:kms"):
        raise BadInput("a KMS key is used by the encryption aws:kms only")
    if (place.encryption == CUSTOMER) != bool(place.customer_key):
        raise BadInput(
            f"the encryption {CUSTOMER} needs a customer key, and no other uses one",
            hint="Enter the key, 32 bytes as base64, or choose another encryption.",
        )


def _is_label(bucket: str) -> bool:
    return _LABEL.fullmatch(bucket) is not None


def is_loopback(host: str) -> bool:
    """Whether a host is this one, by its name or address alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
