"""A repository in a bucket whose objects nobody can delete before a date.

Every object is locked as soon as it is complete, and an object that cannot be is an error: packs
first, the manifest last, so a backup whose lock failed has no manifest or fails with it.
"""

from __future__ import annotations

from collections.abc import Callable

from backups.repositories.base import Identity
from backups.repositories.layout import IDENTITY_NAME
from backups.repositories.objects.connection import BucketConnection
from backups.repositories.objects.credentials import CredentialSource
from backups.repositories.objects.locks import BucketLocks, ObjectLock
from backups.repositories.objects.place import BucketPlace
from backups.repositories.objects.store import BucketStore
from backups.repositories.objects.upload import BucketUpload, Naming


class LockedUpload(BucketUpload):
    """An object that is locked when it is complete."""

    def __init__(
        self, connection: BucketConnection, name: str, naming: Naming, locks: BucketLocks
    ) -> None:
        super().__init__(connection, name, naming)
        self._locks = locks

    def commit(self) -> None:
        super().commit()
        self._locks.lock(self._name)


class LockedBucketStore(BucketStore):
    """A bucket in which each new object is locked."""

    place: BucketPlace

    def __init__(
        self,
        place: BucketPlace,
        credentials: CredentialSource,
        lock: ObjectLock,
        uuid: str = "",
        refuse_host: Callable[[str, int], None] = lambda host, port: None,
    ) -> None:
        super().__init__(place, credentials, uuid, refuse_host)
        assert isinstance(self._connection, BucketConnection)
        self._bucket = self._connection
        self.locks = BucketLocks(self._bucket, lock)

    def initialise(self, identity: Identity) -> None:
        # First: of a bucket without locks nothing is made a repository.
        self.locks.check_bucket()
        super().initialise(identity)
        self.locks.lock(IDENTITY_NAME)

    def create(self, name: str) -> BucketUpload:
        self._check(name)
        self._refuse_another()
        return LockedUpload(self._bucket, name, self._naming, self.locks)

    def try_writing(self) -> None:
        super().try_writing()
        self.locks.check()

    def replace(self, name: str, content: bytes) -> None:
        super().replace(name, content)
        self.locks.lock(name)
