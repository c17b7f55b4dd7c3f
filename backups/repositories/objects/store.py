"""A repository in a bucket of an object store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING

from backups.exceptions import RepositoryError
from backups.repositories.base import Identity
from backups.repositories.identity import (
    IDENTITY_BYTES,
    identity_line,
    no_repository,
    parse_identity,
)
from backups.repositories.layout import IDENTITY_NAME, MANIFEST_NAME, is_safe_path
from backups.repositories.objects import errors
from backups.repositories.objects.clients import PART_BYTES
from backups.repositories.objects.place import StorePlace
from backups.repositories.objects.providers import Credentials, connect
from backups.repositories.objects.upload import BucketUpload
from backups.repositories.usage import Asked, StoreUsage

if TYPE_CHECKING:
    from obstore import BytesStream

# Names in one page of a list, and in one request to delete: the most that S3 allows.
PAGE = 1000
# How long an identity that was read need not be read again before something is written.
IDENTIFIED_SECONDS = 60


class BucketStore:
    """Objects are objects of a bucket, below a prefix."""

    def __init__(
        self,
        place: StorePlace,
        credentials: Credentials,
        uuid: str = "",
        refuse_host: Callable[[str, int], None] = lambda host, port: None,
    ) -> None:
        """With ``uuid``, nothing is written if the place holds another repository.

        ``refuse_host`` raises OSError for a host that may not be connected to.
        """
        self.place = place
        self._connection = connect(place, credentials, refuse_host)
        self._uuid = uuid
        self._identified_until = float("-inf")

    def count_into(self, usage: StoreUsage | None) -> None:
        """Count every request from now on."""
        self._connection.usage = usage

    def identity(self) -> Identity:
        from obstore import get

        with self._naming(IDENTITY_NAME, "read"):
            self._connection.note(Asked.GET)
            try:
                found = get(self._connection.data(), self.place.key(IDENTITY_NAME))
            except FileNotFoundError as exc:
                if errors.code_in(str(exc)) in errors.BUCKET_CODES:
                    raise
                hint = "Check bucket, prefix and endpoint"
                raise no_repository(self.place.shown, hint) from None
            # One that is longer cannot be parsed.
            content = b"".join(_limited(found.stream(IDENTITY_BYTES), IDENTITY_BYTES))
        return parse_identity(content, self.place.shown)

    def initialise(self, identity: Identity) -> None:
        if any(True for _ in self._metas("")):
            raise RepositoryError(
                f"{self.place.shown} is neither empty nor a repository",
                hint="Give an empty bucket or a new prefix; nothing in it was changed.",
            )
        with BucketUpload(self._connection, IDENTITY_NAME, self._naming) as upload:
            upload.write(identity_line(identity))
            upload.commit()

    def create(self, name: str) -> BucketUpload:
        self._check(name)
        self._refuse_another()
        return BucketUpload(self._connection, name, self._naming)

    def try_writing(self) -> None:
        self._refuse_another()
        with self._naming("", "written"):
            self._connection.try_upload()

    def replace(self, name: str, content: bytes) -> None:
        from obstore import put

        self._check(name)
        self._refuse_another()
        attributes = self._connection.attributes()
        with self._naming(name, "replaced"):
            self._connection.note(Asked.PUT, sent=len(content))
            put(
                self._connection.data(),
                self.place.key(name),
                content,
                attributes=attributes,
                use_multipart=False,
            )

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        self._check(name)
        if not length or length < 0:
            there = max(0, self.size(name) - offset)
            length = there if length is None else length
            if offset < 0 or not 0 <= length <= there:
                raise self._ends_early(name, offset, length, there)
        pieces: list[bytes] = []
        for start in range(offset, offset + length, PART_BYTES):
            end = min(start + PART_BYTES, offset + length)
            # Of the first piece on it is known how much there is.
            pieces += self._read_range(name, start, end, offset, length)
        return b"".join(pieces)

    def size(self, name: str) -> int:
        size = self._find_size(name)
        if size is None:
            raise errors.store_error(self._named(name), "read", "", "NoSuchKey")
        return size

    def exists(self, name: str) -> bool:
        found = self._find_size(name) is not None
        if not found and name != IDENTITY_NAME:
            self._refuse_missing()
        return found

    def holds(self, prefix: str) -> bool:
        return any(True for _ in self.list(prefix))

    def list(self, prefix: str) -> Iterator[str]:
        folder = prefix.rstrip("/")
        self._check(folder)
        found = False
        for name, _size in self._metas(folder):
            found = True
            yield name
        if not found:
            self._refuse_missing()

    def remove(self, name: str) -> int:
        size = self._find_size(name)
        self._refuse_another()
        with self._naming(name, "deleted"):
            # Of an attempt that was killed.
            self._connection.drop_uploads(self.place.key(name), whole=True)
        if size is None:
            self._refuse_missing()
            return 0
        self._delete([name])
        return size

    def remove_tree(self, prefix: str) -> int:
        folder = prefix.rstrip("/")
        self._check(folder)
        self._refuse_another()
        with self._naming(folder, "deleted"):
            self._connection.drop_uploads(self.place.key(folder))
        # Manifests first: an interrupted removal leaves no apparent backup.
        manifests = {
            name: size for name, size in self._metas(folder) if name.endswith(f"/{MANIFEST_NAME}")
        }
        freed = sum(manifests.values())
        self._delete(list(manifests))
        batch: list[str] = []
        for name, size in self._metas(folder):
            # A list that lags shows what was just deleted.
            freed += 0 if name in manifests else size
            batch.append(name)
            if len(batch) == PAGE:
                self._delete(batch)
                batch = []
        self._delete(batch)
        if not freed:
            self._refuse_missing()
        return freed

    def free_bytes(self) -> int | None:
        return None

    def total_bytes(self) -> int | None:
        return None

    def clock(self) -> datetime:
        return self._connection.date()

    def _find_size(self, name: str) -> int | None:
        """Return the size of an object; None if there is none."""
        from obstore import head

        self._check(name)
        with self._naming(name, "read"):
            self._connection.note(Asked.HEAD)
            try:
                return head(self._connection.data(), self.place.key(name))["size"]
            except FileNotFoundError:
                return None

    def _check(self, name: str) -> None:
        if not is_safe_path(name):
            raise RepositoryError(f"object name {name!r} leads out of the repository")

    def _refuse_another(self) -> None:
        """Refuse a place that holds another repository: someone may have exchanged it."""
        if not self._uuid or time.monotonic() < self._identified_until:
            return
        if (uuid := self.identity().uuid) != self._uuid:
            raise RepositoryError(
                f"{self.place.shown} holds another repository, {uuid}",
                hint="Check bucket, prefix and endpoint.",
            )
        self._identified_until = time.monotonic() + IDENTIFIED_SECONDS

    def _refuse_missing(self) -> None:
        """Have a missing object be one only where the repository is there.

        To a request for an object, a store answers the same where the whole bucket is gone.
        """
        self._identified_until = float("-inf")
        self._refuse_another()

    def _metas(self, folder: str) -> Iterator[tuple[str, int]]:
        """Yield names and sizes below a folder, in order; a page at a time is in memory."""
        from obstore import list as list_objects

        prefix = self.place.key(folder) if folder else self.place.prefix
        inside, last = f"{prefix}/" if prefix else "", ""
        skipped = len(self.place.key(""))
        with self._naming(folder, "listed"):
            self._connection.note(Asked.LIST)
            for page in list_objects(self._connection.data(), prefix or None, chunk_size=PAGE):
                # A page that is not full is the last one.
                self._connection.note(Asked.LIST, int(len(page) == PAGE))
                for meta in page:
                    key = meta["path"]
                    if not meta["size"] and (key == prefix or key <= last):
                        # What a console makes of a folder: ``a/``, whose slash the library drops.
                        continue
                    if not key.startswith(inside) or key <= last:
                        raise RepositoryError(
                            f"{self.place.shown} listed {key!r} after {last!r} below {inside!r}",
                            hint="Use a store that lists objects in the order of their names.",
                        )
                    last = key
                    yield key[skipped:], meta["size"]

    def _read_range(
        self, name: str, start: int, end: int, offset: int, length: int
    ) -> Iterator[bytes]:
        """Yield the bytes of a part of what is read from ``offset`` on."""
        from obstore import get
        from obstore.exceptions import BaseError

        with self._naming(name, "read"):
            self._connection.note(Asked.GET)
            try:
                range_ = {"range": (start, end)}
                found = get(self._connection.data(), self.place.key(name), options=range_)  # type: ignore[arg-type]
            except BaseError as exc:
                if errors.is_beyond(str(exc)):
                    there = self.size(name)
                    if there < offset + length:
                        raise self._ends_early(name, offset, length, there) from None
                raise
            if found.meta["size"] < offset + length:
                # Before a byte is read: a damaged index can request any length.
                raise self._ends_early(name, offset, length, found.meta["size"])
            count = 0
            for chunk in _limited(found.stream(end - start), end - start):
                count += len(chunk)
                self._connection.note(Asked.GET, 0, received=len(chunk))
                yield chunk
            if count != end - start:
                raise RepositoryError(
                    f"{self._named(name)} ended while it was read", transient=True
                )

    def _delete(self, names: Sequence[str]) -> None:
        from obstore import delete

        if not names:
            return
        with self._naming(names[0], "deleted"):
            keys = [self.place.key(name) for name in names]
            self._connection.note(Asked.DELETE)
            try:
                delete(self._connection.data(), keys)
            except FileNotFoundError as exc:
                if errors.code_in(str(exc)) in errors.BUCKET_CODES:
                    raise
                # One was deleted meanwhile, and some stores end there.
                self._delete_each(keys)

    def _delete_each(self, keys: Sequence[str]) -> None:
        from obstore import delete

        for key in keys:
            self._connection.note(Asked.DELETE)
            with suppress(FileNotFoundError):
                delete(self._connection.data(), key)

    def _ends_early(self, name: str, offset: int, length: int, there: int) -> RepositoryError:
        left = max(0, there - offset)
        return RepositoryError(
            f"{self._named(name)} ends early: {left} of {length} bytes at offset {offset}"
        )

    def _named(self, name: str) -> str:
        return f"{self.place.address}/{name}" if name else self.place.shown

    @contextmanager
    def _naming(self, name: str, what: str) -> Iterator[None]:
        """Turn an error of a library into a RepositoryError with object, operation and cause."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as exc:
            text, skew = str(exc), None
            if errors.may_be_skew(text):
                skew = self._connection.skew()
            raise errors.store_error(self._named(name), what, text, skew=skew) from None


def _limited(chunks: BytesStream, most: int) -> Iterator[bytes]:
    """Pass chunks on; a store that sends more than was requested is not believed."""
    count = 0
    for chunk in chunks:
        content = bytes(chunk)
        count += len(content)
        if count > most:
            raise RepositoryError("it cannot be read: the store sent more bytes than requested")
        yield content
