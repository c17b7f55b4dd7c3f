"""Until when can nobody delete an object? Asks the store, and has it lock versions for longer.

Object Lock: a version of an object has a date, before which the store refuses to delete it. The
data's library cannot set that date while it writes, so it is set when the object is complete, and
then read back: what counts is what the store says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from backups.exceptions import RepositoryError
from backups.repositories.layout import IDENTITY_NAME
from backups.repositories.objects.connection import BucketConnection
from backups.repositories.objects.errors import store_error
from backups.repositories.objects.sessions import call_errors, code_of, text_of

COMPLIANCE = "COMPLIANCE"
# A date far in the future can never be taken back: a clock that is wrong must not make one.
MOST_SKEW = timedelta(hours=1)
DENIED = frozenset({"AccessDenied", "403"})
RIGHTS = (
    "Allow the key to read the versioning and the object lock of the bucket, to list versions, and "
    "to read and set the retention of objects (s3:GetObjectRetention, s3:PutObjectRetention)."
)


@dataclass(frozen=True, slots=True)
class ObjectLock:
    """How new objects are locked: ``governance`` or ``compliance``, and for how long."""

    mode: str
    length: timedelta

    @property
    def renewed_below(self) -> timedelta:
        """A lock with less than this left is renewed, while the backup is kept."""
        return self.length / 2


@dataclass(frozen=True, slots=True)
class HeldLock:
    """What the store says of one version of an object."""

    version: str
    mode: str
    # None: it is not locked.
    until: datetime | None
    # The store's own clock.
    asked_at: datetime


class BucketLocks:
    """The locks of a repository in a bucket."""

    def __init__(self, connection: BucketConnection, lock: ObjectLock) -> None:
        self.connection, self.wanted = connection, lock
        self._place = connection.place

    def check(self) -> None:
        """Raise RepositoryError unless objects can be locked: tried on the identity."""
        self.check_bucket()
        self.lock(IDENTITY_NAME)

    def check_bucket(self) -> None:
        """Raise RepositoryError unless the bucket keeps versions and can lock them."""
        bucket = self._place.bucket
        with self._naming("", "checked"):
            versioning = self.connection.calls().get_bucket_versioning(Bucket=bucket)
        if versioning.get("Status") != "Enabled":
            raise RepositoryError(
                f"bucket {bucket} keeps no versions of its objects: nothing in it can be locked",
                hint="Enable versioning, which object lock needs.",
            )
        if not self._has_lock(bucket):
            raise RepositoryError(
                f"bucket {bucket} has no object lock",
                hint="Use a bucket that was created with object lock.",
            )

    def lock(self, name: str, version: str = "", least: timedelta | None = None) -> datetime:
        """Have an object locked for the whole length; return until when the store says it is.

        With ``least`` only if less than that is left. Without ``version`` the newest one.
        """
        held = self.read(name, version)
        wanted = held.asked_at + self.wanted.length
        sufficient = wanted if least is None else held.asked_at + least
        if held.until is not None and held.until >= sufficient:
            return held.until
        # What is locked keeps its mode: a store refuses to change it for a key of few rights.
        mode = held.mode or self.wanted.mode.upper()
        with self._naming(name, "locked"):
            self.connection.calls().put_object_retention(
                Bucket=self._place.bucket,
                Key=self._place.key(name),
                **_version(held.version),
                Retention={"Mode": mode, "RetainUntilDate": wanted},
            )
        found = self.read(name, held.version)
        if found.until is None or found.until < wanted or found.mode != mode:
            raise RepositoryError(
                f"{self._place.address}/{name} was locked until {wanted:%Y-%m-%d %H:%M}Z, and the "
                f"store says {_written(found)}",
                hint=RIGHTS,
            )
        return found.until

    def read(self, name: str, version: str = "") -> HeldLock:
        """Return the lock of a version of an object, without one of the newest."""
        with self._naming(name, "read"):
            found = self.connection.calls().head_object(
                Bucket=self._place.bucket,
                Key=self._place.key(name),
                **_version(version),
                **self._place.sealing,
            )
        until = found.get("ObjectLockRetainUntilDate")
        return HeldLock(
            found.get("VersionId", "") or version,
            found.get("ObjectLockMode", "") if until else "",
            until,
            self._asked_at(found),
        )

    def _asked_at(self, response: Mapping[str, Any]) -> datetime:
        """Return the whole second of a response, by the store; refused if our clock is another."""
        date = response["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        try:
            moment = parsedate_to_datetime(date).astimezone(UTC)
        except ValueError:
            raise RepositoryError(
                f"{self._place.shown} does not say what time it is",
                hint="Use a store whose responses have a Date.",
            ) from None
        skew = moment - datetime.now(UTC)
        if abs(skew) > MOST_SKEW:
            raise RepositoryError(
                f"nothing is locked in {self._place.shown}: its clock differs from this host's by "
                f"{abs(skew.total_seconds()):.0f} s",
                hint="Set the wrong one: a lock cannot be shortened.",
            )
        return moment

    def _has_lock(self, bucket: str) -> bool:
        calls = self.connection.calls()
        with self._naming("", "checked"):
            try:
                found = calls.get_object_lock_configuration(Bucket=bucket)
            except call_errors() as exc:
                if code_of(exc).startswith("ObjectLockConfigurationNotFound"):
                    return False
                raise
        configuration = found.get("ObjectLockConfiguration") or {}
        return configuration.get("ObjectLockEnabled") == "Enabled"

    @contextmanager
    def _naming(self, name: str, what: str) -> Iterator[None]:
        """Turn an error into words; a refusal names the rights that locks need."""
        shown = f"{self._place.address}/{name}" if name else self._place.shown
        try:
            yield
        except call_errors() as exc:
            code = code_of(exc)
            if code in DENIED:
                message = f"{shown} could not be {what}: access is denied"
                raise RepositoryError(message, hint=RIGHTS) from None
            # A HEAD has no body: of it there is but a status.
            code = "NoSuchKey" if code == "404" else code
            raise store_error(shown, what, text_of(exc), code) from None


def _version(version: str) -> dict[str, str]:
    return {"VersionId": version} if version else {}


def _written(held: HeldLock) -> str:
    if held.until is None:
        return "that it is not locked"
    return f"{held.until:%Y-%m-%d %H:%M}Z in mode {held.mode.lower()}"
