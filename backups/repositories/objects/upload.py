"""How does an object get into a bucket? Straight from memory, in parts where it is large.

An object of one part is put at once, only if there is none of its name. A larger one goes in
parts, several at a time, which become an object when the last has arrived.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING

from backups.exceptions import RepositoryError
from backups.repositories.objects.clients import PART_BYTES, PARTS_AT_ONCE, Connection
from backups.repositories.objects.errors import JOINED, NO_ANSWER, code_in, trouble_of
from backups.repositories.usage import Asked

if TYPE_CHECKING:
    from obstore import WritableFile

logger = logging.getLogger(__name__)

# Seconds before each further try of an object that is put at once.
PUT_WAITS: tuple[float, ...] = (1.0, 4.0, 15.0)

Naming = Callable[[str, str], AbstractContextManager[None]]


class BucketUpload:
    """An object being written; nothing of it is on a disk of this host."""

    def __init__(self, connection: Connection, name: str, naming: Naming) -> None:
        self._connection, self._name, self._naming = connection, name, naming
        self._key = connection.place.key(name)
        # What has not been passed on.
        self._waiting = bytearray()
        self._written_bytes = 0
        self._parts: WritableFile | None = None
        self._committed = False

    def write(self, chunk: bytes) -> None:
        self._written_bytes += len(chunk)
        with self._naming(self._name, "written"):
            if self._parts is not None:
                self._parts.write(chunk)
                return
            self._waiting += chunk
            if len(self._waiting) > PART_BYTES:
                self._begin_parts()

    def commit(self) -> None:
        with self._naming(self._name, "committed"):
            if self._parts is None:
                self._put_whole(bytes(self._waiting))
            else:
                self._join_parts()
        self._committed = True

    def _begin_parts(self) -> None:
        from obstore import open_writer

        self._parts = open_writer(
            self._connection.parts(),
            self._key,
            attributes=self._connection.attributes(),
            buffer_size=PART_BYTES,
            max_concurrency=PARTS_AT_ONCE,
        )
        self._parts.write(bytes(self._waiting))
        self._waiting.clear()

    def _put_whole(self, content: bytes) -> None:
        from obstore import get
        from obstore.exceptions import AlreadyExistsError

        data = self._connection.data()
        try:
            self._put_patiently(content)
        except AlreadyExistsError:
            # A try whose response was lost has stored these very bytes.
            self._connection.note(Asked.GET, received=len(content))
            there = get(data, self._key)
            same = there.meta["size"] == len(content) and bytes(there.bytes()) == content
            if not (content and same):
                raise self._exists() from None

    def _put_patiently(self, content: bytes) -> None:
        """Put an object, again where the connection broke: the library does so of others only."""
        from obstore import put
        from obstore.exceptions import AlreadyExistsError, BaseError

        attributes = self._connection.attributes()
        for seconds in (*PUT_WAITS, None):
            data = self._connection.data()
            self._connection.note(Asked.PUT, sent=len(content))
            try:
                put(data, self._key, content, attributes=attributes, mode="create")
            except AlreadyExistsError:
                raise
            except (BaseError, OSError) as exc:
                trouble = trouble_of(str(exc))
                if seconds is None or not (trouble.transient or trouble is NO_ANSWER):
                    raise
                logger.warning(
                    "%s could not be committed: %s; trying again in %.0f s",
                    self._name,
                    trouble.cause,
                    seconds,
                    extra={"action": "repository_retried"},
                )
                time.sleep(seconds)
            else:
                return

    def _join_parts(self) -> None:
        from obstore import head

        data = self._connection.data()
        # Begun, sent in parts, joined; and both questions.
        parts = -(-self._written_bytes // PART_BYTES)
        self._connection.note(Asked.PUT, parts + 2, sent=self._written_bytes)
        self._connection.note(Asked.HEAD, 2)
        # The library cannot make this a condition of the last request.
        try:
            head(data, self._key)
        except FileNotFoundError:
            pass
        else:
            raise self._exists()
        self._close_parts()
        stored = head(data, self._key)["size"]
        if stored != self._written_bytes:
            raise RepositoryError(
                f"{self._connection.place.address}/{self._name} has {stored} bytes in the store, "
                f"{self._written_bytes} were sent",
                hint="Look into the log of the store; the object is not used.",
            )

    def _close_parts(self) -> None:
        """Have the store join the parts."""
        assert self._parts is not None
        parts, self._parts = self._parts, None
        try:
            parts.close()
        except OSError as exc:
            # A try whose response was lost may have joined them; the size decides.
            if code_in(str(exc)) not in JOINED:
                self._connection.drop_uploads(self._key, whole=True)
                raise

    def _exists(self) -> RepositoryError:
        return RepositoryError(
            f"{self._connection.place.address}/{self._name} could not be committed: it exists",
            hint="Find out who put it there; nothing was overwritten.",
        )

    def __enter__(self) -> BucketUpload:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        parts, self._parts = self._parts, None
        self._waiting.clear()
        if parts is not None and not self._committed:
            self._drop(parts)

    def _drop(self, parts: WritableFile) -> None:
        """Have the store forget the parts. If it cannot, they go with the folder of the object."""
        dropped = RepositoryError("dropped")
        try:
            with self._naming(self._name, "dropped"):
                # The library aborts an upload whose block ends with an error.
                parts.__exit__(type(dropped), dropped, None)
        except RepositoryError as exc:
            logger.warning(
                "%s; its parts are removed later", exc, extra={"action": "upload_not_dropped"}
            )
