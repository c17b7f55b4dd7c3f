"""How is an exported file read as a repository? Nothing is ever written to it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, NoReturn

from backups.exceptions import RepositoryError
from backups.repositories.base import Identity, Upload
from backups.repositories.directory import REMOUNT_HINT, TRANSIENT
from backups.repositories.exported.members import Member, find_members
from backups.repositories.identity import IDENTITY_BYTES, no_repository, parse_identity
from backups.repositories.layout import IDENTITY_NAME, is_safe_path

READ_HINT = "Check that the file is there and that the workers' user may read it."


class ExportedStore:
    """The objects in one exported file. It is opened for each call, as it may be exchanged."""

    kind: ClassVar[str] = "file"

    def __init__(self, path: Path) -> None:
        self._path = path
        # Of the file with this device, inode, size and time of change.
        self._known: tuple[tuple[int, int, int, int], dict[str, Member]] | None = None

    def identity(self) -> Identity:
        with self._opened("read") as (file, members):
            if (member := members.get(IDENTITY_NAME)) is None:
                raise no_repository(str(self._path), "Name a file that exportbackup wrote")
            content = os.pread(file, min(member.size, IDENTITY_BYTES), member.offset)
        return parse_identity(content, str(self._path))

    def initialise(self, identity: Identity) -> None:
        self._refuse()

    def create(self, name: str) -> Upload:
        self._refuse()

    def try_writing(self) -> None:
        self._refuse()

    def replace(self, name: str, content: bytes) -> None:
        self._refuse()

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        with self._opened("read") as (file, members):
            member = self._member(members, name)
            there = max(0, member.size - offset)
            wanted = there if length is None else length
            if offset < 0 or not 0 <= wanted <= there:
                raise RepositoryError(
                    f"{self._path}: {name} ends early: {there} of {wanted} bytes at {offset}"
                )
            return self._read_all(file, member.offset + offset, wanted)

    def size(self, name: str) -> int:
        with self._opened("read") as (_, members):
            return self._member(members, name).size

    def exists(self, name: str) -> bool:
        _check_name(name)
        with self._opened("read") as (_, members):
            return name in members

    def holds(self, prefix: str) -> bool:
        return next(self.list(prefix), None) is not None

    def list(self, prefix: str) -> Iterator[str]:
        inside = f"{prefix.rstrip('/')}/" if prefix else ""
        with self._opened("listed") as (_, members):
            names = sorted(name for name in members if name.startswith(inside))
        yield from names

    def remove(self, name: str) -> int:
        self._refuse()

    def remove_tree(self, prefix: str) -> int:
        self._refuse()

    def free_bytes(self) -> int | None:
        return None

    def total_bytes(self) -> int | None:
        return None

    def clock(self) -> datetime:
        """Return the time of this host: nothing can be written there to ask another clock."""
        return datetime.now(UTC)

    def _refuse(self) -> NoReturn:
        raise RepositoryError(
            f"{self._path} is an exported backup: nothing is written to it or deleted from it",
            hint="Name another repository.",
        )

    def _member(self, members: dict[str, Member], name: str) -> Member:
        _check_name(name)
        if (member := members.get(name)) is None:
            raise RepositoryError(f"{self._path} could not be read: it has no {name}")
        return member

    def _read_all(self, file: int, offset: int, length: int) -> bytes:
        content = os.pread(file, length, offset)
        while len(content) < length:
            if not (more := os.pread(file, length - len(content), offset + len(content))):
                raise RepositoryError(f"{self._path} became shorter while it was read")
            content += more
        return content

    @contextmanager
    def _opened(self, what: str) -> Iterator[tuple[int, dict[str, Member]]]:
        """Open the file, which is regular and no link, and give its members."""
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            try:
                yield file, self._members(file)
            finally:
                os.close(file)
        except OSError as exc:
            raise RepositoryError(
                f"{self._path} could not be {what}: {exc.strerror}",
                hint=REMOUNT_HINT if exc.errno == errno.ESTALE else READ_HINT,
                transient=exc.errno in TRANSIENT,
            ) from None

    def _members(self, file: int) -> dict[str, Member]:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise RepositoryError(f"{self._path} is not a regular file")
        state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        if self._known is None or self._known[0] != state:
            members = find_members(
                str(self._path), lambda at, length: os.pread(file, length, at), found.st_size
            )
            self._known = (state, members)
        return self._known[1]


def _check_name(name: str) -> None:
    if not is_safe_path(name):
        raise RepositoryError(f"object name {name!r} leads out of the repository")
