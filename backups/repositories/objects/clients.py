"""How are requests to any object store made: limits, tries, addresses, TLS?

A request is not ended by a fixed time but by a rate: a part that takes so long has moved fewer
bytes per second than ``LEAST_RATE``, and counts as stalled.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backups.exceptions import RepositoryError
from backups.repositories.objects.place import StorePlace
from backups.repositories.objects.small_files import read_small
from backups.repositories.usage import Asked, StoreUsage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import AzureStore, GCSStore, S3Store

    # What all of them have in common, obstore takes as any of them.
    Client = S3Store | AzureStore | GCSStore

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


class Connection(ABC):
    """The clients of one place, made when they are first used; by any thread."""

    def __init__(self, place: StorePlace, refuse_host: Callable[[str, int], None]) -> None:
        """``refuse_host`` raises OSError for a host that may not be connected to."""
        self.place = place
        self._refuse_host = refuse_host
        self._lock = threading.Lock()
        self._data: Client | None = None
        self._parts: Client | None = None
        self._allowed_until = float("-inf")
        # Whoever wants to know what was asked.
        self.usage: StoreUsage | None = None

    def note(self, asked: Asked, count: int = 1, *, sent: int = 0, received: int = 0) -> None:
        """Count requests that are made of the store, as its own price list does."""
        if self.usage is not None:
            self.usage.note(asked, count, sent=sent, received=received)

    def data(self) -> Client:
        """Return the client for objects."""
        with self._lock:
            self._refuse_address()
            if self._data is None:
                self._data = self._open(TRIES, TRIES_SECONDS)
            return self._data

    def parts(self) -> Client:
        """Return the client for objects that are sent in parts."""
        with self._lock:
            self._refuse_address()
            if self._parts is None:
                self._parts = self._open(PART_TRIES, PART_TRIES_SECONDS)
            return self._parts

    def attributes(self) -> dict[str, str]:
        """Return what is sent with each new object."""
        storage_class = self.place.storage_class
        return {"Storage-Class": storage_class} if storage_class else {}

    @abstractmethod
    def drop_uploads(self, owner: str, *, whole: bool = False) -> int:
        """Remove the unfinished uploads below the key ``owner``, or of that very key.

        Return how many; 0 where the store cannot show them.
        """

    @abstractmethod
    def try_upload(self) -> None:
        """Raise unless an object could be written now. Leaves none behind."""

    @abstractmethod
    def date(self) -> datetime:
        """Return the present time by the store's own clock."""

    def skew(self) -> float | None:
        """Return by how many seconds the store's clock is ahead; None if it does not say."""
        try:
            return (self.date() - datetime.now(UTC)).total_seconds()
        except RepositoryError:
            return None

    @abstractmethod
    def _open(self, tries: int, seconds: int) -> Client:
        """Return a client that tries so often; missing credentials are reported now."""

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

    @contextmanager
    def _opening(self) -> Iterator[None]:
        """Turn what the library does not accept into a RepositoryError."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, ValueError) as exc:
            raise RepositoryError(
                f"{self.place.shown} cannot be used: {_first_line(exc)}",
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


def retries(tries: int, seconds: int) -> dict[str, Any]:
    """Return how often, and for how long, the library tries a request again."""
    return {"max_retries": tries, "retry_timeout": timedelta(seconds=seconds)}


def _first_line(exc: Exception) -> str:
    return str(exc).partition("\n")[0][:300]
