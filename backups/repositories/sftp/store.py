"""A repository in a folder of another host, reached by SFTP."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import ClassVar

from backups.exceptions import RepositoryError
from backups.repositories.base import Identity
from backups.repositories.directory import FOLDER_MODE, TEMPORARY_SUFFIX
from backups.repositories.identity import (
    IDENTITY_BYTES,
    identity_line,
    no_repository,
    parse_identity,
)
from backups.repositories.layout import IDENTITY_NAME, TRIAL_NAME, is_safe_path
from backups.repositories.sftp import errors, tree
from backups.repositories.sftp.connection import NOT_SFTP_HINT, SessionOver
from backups.repositories.sftp.errors import SftpStatus
from backups.repositories.sftp.line import Dialer
from backups.repositories.sftp.packets import FOR_READING, Attributes, Code, NotSftp
from backups.repositories.sftp.place import SftpPlace
from backups.repositories.sftp.pool import session
from backups.repositories.sftp.requests import (
    FSYNC,
    DiskSpace,
    SftpRequests,
    is_file,
    is_folder,
)
from backups.repositories.sftp.upload import SftpUpload

# How long an identity that was read need not be read again before something is written.
IDENTIFIED_SECONDS = 60
# What a new file system contains.
NEW_DISK = frozenset({".", "..", "lost+found"})


class SftpStore:
    """Objects are files of an account on another host."""

    kind: ClassVar[str] = "sftp"

    def __init__(self, place: SftpPlace, dialer: Dialer, uuid: str = "") -> None:
        """With ``uuid``, nothing is written if the folder holds another repository."""
        self.place = place
        self._dialer = dialer
        self._uuid = uuid
        self._identified_until = float("-inf")

    def identity(self) -> Identity:
        with self._asking(IDENTITY_NAME, "read") as requests:
            found = self._find(requests, IDENTITY_NAME, "read")
            if found is None:
                hint = "Check host and path, and that its disk is mounted there"
                raise no_repository(self.place.address, hint)
            self._refuse_no_file(IDENTITY_NAME, "read", found)
            content = self._read_open(requests, IDENTITY_NAME, 0, IDENTITY_BYTES)
        return parse_identity(content, self.place.address)

    def initialise(self, identity: Identity) -> None:
        with self._asking("", "made a repository") as requests:
            self._make_root(requests)
            entries = requests.entries(self.place.folder)
            if {entry.name for entry in entries} - NEW_DISK:
                raise RepositoryError(
                    f"{self.place.address} is neither empty nor a repository",
                    hint="Give an empty or new folder; nothing in it was changed.",
                )
        with self._upload(IDENTITY_NAME) as upload:
            upload.write(identity_line(identity))
            upload.commit()

    def create(self, name: str) -> SftpUpload:
        self._check(name)
        self._refuse_another()
        with self._asking(name, "created") as requests:
            self._make_folders(requests, name)
        return self._upload(name)

    def try_writing(self) -> None:
        with self.create(TRIAL_NAME) as upload:
            upload.write(b"?")
            upload.written_at()

    def replace(self, name: str, content: bytes) -> None:
        self._check(name)
        self._refuse_another()
        with self._asking(name, "replaced") as requests:
            self._find(requests, name, "replaced")
        with self._upload(name, replace=True) as upload:
            upload.write(content)
            upload.commit()

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        self._check(name)
        with self._asking(name, "read") as requests:
            there = max(0, self._size(requests, name) - offset)
            wanted = there if length is None else length
            if offset < 0 or not 0 <= wanted <= there:
                # Checked before memory is allocated: a damaged index can request any length.
                raise RepositoryError(
                    f"{self._named(name)} ends early: {there} of {wanted} bytes at offset {offset}"
                )
            content = self._read_open(requests, name, offset, wanted) if wanted else b""
        if len(content) < wanted:
            raise RepositoryError(f"{self._named(name)} became shorter while it was read")
        return content

    def size(self, name: str) -> int:
        self._check(name)
        with self._asking(name, "read") as requests:
            return self._size(requests, name)

    def exists(self, name: str) -> bool:
        self._check(name)
        with self._asking(name, "read") as requests:
            found = self._find(requests, name, "read") is not None
        if not found and name != IDENTITY_NAME:
            self._refuse_missing()
        return found

    def holds(self, prefix: str) -> bool:
        return self.exists(prefix)

    def list(self, prefix: str) -> Iterator[str]:
        top = prefix.rstrip("/")
        self._check(top)
        with self._asking(top, "listed") as requests:
            found = self._find(requests, top, "listed")
            if found is not None:
                self._refuse_no_folder(top, "listed", found)
                names = [name for name, _ in tree.walk(requests, self.place.path, top).files]
        if found is None:
            self._refuse_missing()
            return
        yield from (name for name in names if not name.endswith(TEMPORARY_SUFFIX))

    def remove(self, name: str) -> int:
        self._check(name)
        self._refuse_another()
        with self._asking(name, "deleted") as requests:
            found = self._find(requests, name, "deleted")
            path = self.place.path(name)
            # Of an attempt that was killed, too.
            requests.remove_all([path, path + TEMPORARY_SUFFIX])
        if found is None:
            self._refuse_missing()
            return 0
        return found.size or 0

    def remove_tree(self, prefix: str) -> int:
        top = prefix.rstrip("/")
        self._check(top)
        self._refuse_another()
        with self._asking(top, "deleted") as requests:
            found = self._find(requests, top, "deleted")
            if found is not None:
                self._refuse_no_folder(top, "deleted", found)
                everything = tree.walk(requests, self.place.path, top)
                return tree.remove(requests, self.place.path, everything)
        self._refuse_missing()
        return 0

    def free_bytes(self) -> int | None:
        space = self._space()
        return None if space is None else space.free_bytes

    def total_bytes(self) -> int | None:
        space = self._space()
        return None if space is None else space.total_bytes

    def clock(self) -> datetime:
        with self.create("clock") as upload:
            upload.write(b"?")
            return upload.written_at()

    def confirms_writes(self) -> bool:
        """Whether the server says when its disk has what was written."""
        with self._asking("", "measured") as requests:
            return requests.offers(FSYNC)

    def _upload(self, name: str, *, replace: bool = False) -> SftpUpload:
        with self._naming(name, "created"):
            return SftpUpload(self.place, self._dialer, name, self._naming, replace=replace)

    def _read_open(self, requests: SftpRequests, name: str, offset: int, length: int) -> bytes:
        handle = requests.open(self.place.path(name), FOR_READING)
        try:
            return requests.read(handle, offset, length)
        finally:
            if not requests.session.is_over:
                requests.forget(handle)

    def _find(self, requests: SftpRequests, name: str, what: str) -> Attributes | None:
        """Return what there is of this name; its folders are folders, and none of them a link."""
        parts = name.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts))]
        *folders, found = requests.look([self.place.path(one) for one in (*above, name)])
        for folder, attributes in zip(above, folders, strict=True):
            if attributes is None:
                return None
            self._refuse_no_folder(folder, what, attributes)
        return found

    def _size(self, requests: SftpRequests, name: str) -> int:
        found = self._find(requests, name, "read")
        if found is None:
            raise SftpStatus(Code.NO_SUCH_FILE)
        self._refuse_no_file(name, "read", found)
        if found.size is None:
            raise RepositoryError(f"{self._named(name)} could not be read: it has no size there")
        return found.size

    def _make_root(self, requests: SftpRequests) -> None:
        """Make the folder of the repository, and those above it that are missing."""
        parts = self.place.folder.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        # Of an absolute path the first part is empty.
        above = [folder for folder in above if folder]
        for folder, found in zip(above, requests.look(above), strict=True):
            if found is None:
                requests.make_folder(folder, FOLDER_MODE)

    def _make_folders(self, requests: SftpRequests, name: str) -> None:
        parts = name.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts))]
        for folder, found in zip(
            above, requests.look([self.place.path(one) for one in above]), strict=True
        ):
            if found is not None:
                self._refuse_no_folder(folder, "used", found)
                continue
            try:
                requests.make_folder(self.place.path(folder), FOLDER_MODE)
            except SftpStatus:
                # Another job may have made it meanwhile.
                again = requests.look([self.place.path(folder)])[0]
                if again is None or not is_folder(again):
                    raise

    def _space(self) -> DiskSpace | None:
        with self._asking("", "measured") as requests:
            return requests.space(self.place.folder)

    def _refuse_another(self) -> None:
        """Refuse a folder that holds another repository: a disk may be unmounted at any time."""
        if not self._uuid or time.monotonic() < self._identified_until:
            return
        if (uuid := self.identity().uuid) != self._uuid:
            raise RepositoryError(
                f"{self.place.address} holds another repository, {uuid}",
                hint="Check which disk is mounted there.",
            )
        self._identified_until = time.monotonic() + IDENTIFIED_SECONDS

    def _refuse_missing(self) -> None:
        """Have a missing object be one only where the repository is there: a disk may be gone."""
        with self._asking("", "read") as requests:
            if requests.look([self.place.folder]) == [None]:
                raise SftpStatus(Code.NO_SUCH_FILE)
        self._identified_until = float("-inf")
        self._refuse_another()

    def _refuse_no_folder(self, name: str, what: str, found: Attributes) -> None:
        if not is_folder(found):
            raise errors.not_ours(self._named(name), what, "it is a link, or no folder")

    def _refuse_no_file(self, name: str, what: str, found: Attributes) -> None:
        if not is_file(found):
            raise errors.not_ours(self._named(name), what, "it is not a regular file")

    def _check(self, name: str) -> None:
        if not is_safe_path(name):
            raise RepositoryError(f"object name {name!r} leads out of the repository")

    def _named(self, name: str) -> str:
        return posixpath.join(self.place.address, name) if name else self.place.address

    @contextmanager
    def _asking(self, name: str, what: str) -> Iterator[SftpRequests]:
        with self._naming(name, what), session(self._dialer) as requests:
            yield requests

    @contextmanager
    def _naming(self, name: str, what: str) -> Iterator[None]:
        """Turn what failed into a RepositoryError with object, operation and cause."""
        shown = self._named(name)
        try:
            yield
        except SftpStatus as exc:
            raise errors.store_error(shown, what, exc) from None
        except SessionOver as exc:
            raise RepositoryError(
                f"{shown} could not be {what}: {exc}", hint=exc.hint, transient=exc.transient
            ) from None
        except NotSftp as exc:
            raise RepositoryError(
                f"{shown} could not be {what}: the server answered what is no SFTP: {exc}",
                hint=NOT_SFTP_HINT,
            ) from None
