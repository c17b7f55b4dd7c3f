"""Which files does the copy consist of? Turns descriptors, in their order, into records.

Changes of files that the donor reports between two states are kept until the next state starts:
only then are all of them known, and can be sent in an order in which no path is used twice.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from backups.clone_protocol.deliveries import Delivery
from backups.clone_protocol.descriptors import (
    DataDescriptor,
    FileDescriptor,
    FileFlag,
    State,
    StateDescriptor,
    StateFlag,
)
from backups.clone_protocol.errors import ProtocolError
from backups.clone_protocol.records import (
    Block,
    CloneRecord,
    FileAnnounced,
    FileChanged,
    FileKey,
    StateEnded,
    StateStarted,
    file_key,
)

# A temporary suffix, for files that exchange their names.
ASIDE = ".#clone_ddl"


class ClonedFiles:
    """All files of a clone: their paths, and which are gone."""

    def __init__(self, redo_path: str = "#innodb_redo/#ib_redo") -> None:
        """``redo_path`` is the prefix of redo files' names, which donors do not send."""
        self._redo_path = redo_path
        self._state = State.INIT
        self._paths: dict[FileKey, str] = {}
        self._announced: dict[FileKey, FileDescriptor] = {}
        self._owners: dict[str, FileKey] = {}
        self._gone: set[FileKey] = set()
        self._changes: dict[int, FileDescriptor] = {}

    def take(self, delivery: Delivery) -> Iterator[CloneRecord]:
        """Yield the records of a delivery, or raise ProtocolError."""
        descriptor, payload = delivery
        match descriptor:
            case StateDescriptor():
                yield from self._take_state(descriptor)
            case FileDescriptor():
                yield from self._take_file(descriptor)
            case DataDescriptor():
                yield from self._take_data(descriptor, payload)

    def _take_state(self, state: StateDescriptor) -> Iterator[CloneRecord]:
        if state.flag is StateFlag.END:
            yield StateEnded(state.state)
            return
        yield from self._settle()
        self._state = state.state
        yield StateStarted(state.state, state.files, state.estimated_bytes)

    def _take_file(self, file: FileDescriptor) -> Iterator[CloneRecord]:
        if file.state == self._state + 1 and self._state in (State.FILE_COPY, State.PAGE_COPY):
            # The last change of a file counts; it is a data file, whatever the next state is.
            self._changes[file.index] = replace(file, state=State.PAGE_COPY)
            return
        key = _key(file)
        if file.state is not self._state:
            raise ProtocolError(f"the donor announced a file of {file.state.name} out of turn")
        if file.flags & FileFlag.DELETED:
            yield from self._delete(file)
        elif key in self._paths:
            yield from self._announce_again(key, file)
        else:
            yield self._announce(file)

    def _announce_again(self, key: FileKey, file: FileDescriptor) -> Iterator[CloneRecord]:
        """Yield a change if a repeated announcement, as of redo files, differs."""
        if self._path_of(file) != self._paths[key]:
            raise ProtocolError(f"the donor announced two files with the number {file.index}")
        if self._announced[key] != file:
            self._announced[key] = file
            yield _changed(file, "")

    def _take_data(self, data: DataDescriptor, payload: memoryview) -> Iterator[CloneRecord]:
        key = file_key(data.state, data.index)
        if data.state is not self._state:
            raise ProtocolError(f"the donor sent bytes of {data.state.name} out of turn")
        if key in self._gone:
            return
        if key not in self._paths:
            raise ProtocolError(f"the donor sent bytes of the unknown file {data.index}")
        if payload or data.file_size:
            yield Block(data.state, data.index, data.offset, payload, data.file_size)

    def _settle(self) -> Iterator[CloneRecord]:
        """Yield the effects of DDL since the last state: files deleted, renamed and created."""
        changes, self._changes = self._changes, {}
        for change in changes.values():
            if change.flags & FileFlag.DELETED:
                yield from self._delete(change)
        kept = [c for c in changes.values() if not c.flags & FileFlag.DELETED]
        yield from self._rename([change for change in kept if _key(change) in self._paths])
        for change in kept:
            if _key(change) not in self._paths:
                yield self._announce(change, created_by_ddl=True)

    def _delete(self, file: FileDescriptor) -> Iterator[CloneRecord]:
        key = _key(file)
        self._gone.add(key)
        if (path := self._paths.pop(key, None)) is not None:
            del self._owners[path]
            yield _changed(file, "")

    def _rename(self, changes: Iterable[FileDescriptor]) -> Iterator[CloneRecord]:
        """Rename files one after the other; in a cycle, one gets a temporary name."""
        waiting, in_vain = deque(changes), 0
        while waiting:
            change = waiting.popleft()
            owner = self._owners.get(self._path_of(change))
            if owner in (None, _key(change)):
                yield self._move(change, self._path_of(change))
                in_vain = 0
                continue
            if in_vain == len(waiting):
                if owner not in map(_key, waiting):
                    raise ProtocolError(f"the donor has two files named {self._path_of(change)}")
                yield self._move(change, self._paths[_key(change)] + ASIDE)
                in_vain = -1
            waiting.append(change)
            in_vain += 1

    def _move(self, change: FileDescriptor, path: str) -> FileChanged:
        key = _key(change)
        old = self._paths[key]
        del self._owners[old]
        self._owners[path], self._paths[key] = key, path
        return _changed(change, path if path != old else "")

    def _announce(self, file: FileDescriptor, *, created_by_ddl: bool = False) -> FileAnnounced:
        key, path = _key(file), self._path_of(file)
        if key in self._gone:
            raise ProtocolError(f"the donor announced file {file.index} after it was deleted")
        if not key.is_redo:
            if path in self._owners:
                raise ProtocolError(f"the donor has two files named {path}")
            self._owners[path] = key
        self._announced[key], self._paths[key] = file, path
        return FileAnnounced(
            state=file.state,
            index=file.index,
            space_id=file.space_id,
            path=path,
            size=file.size,
            allocated=file.allocated,
            fsp_flags=file.fsp_flags,
            fs_block=file.fs_block,
            flags=file.flags,
            created_by_ddl=created_by_ddl,
            key=file.key,
            iv=file.iv,
        )

    def _path_of(self, file: FileDescriptor) -> str:
        """Return a file's path without its leading "./"; refuse one that leads outside."""
        if file.state is State.REDO_COPY:
            return f"{self._redo_path}{file.index}"
        path = os.fsdecode(file.name)
        parts = path.removeprefix("/").split("/")
        if parts[0] == ".":
            parts = parts[1:]
        if not parts or any(part in ("", ".", "..") for part in parts):
            raise ProtocolError(f"the donor sent the invalid file name {path!r}")
        return ("/" if path.startswith("/") else "") + "/".join(parts)


def redo_path(server_version: str) -> str:
    """Return the prefix of redo files' names in a server of this version."""
    parsed = re.match(r"(\d+)\.(\d+)\.(\d+)", server_version)
    since_8_0_30 = parsed is not None and tuple(map(int, parsed.groups())) >= (8, 0, 30)
    return "#innodb_redo/#ib_redo" if since_8_0_30 else "ib_logfile"


def _key(file: FileDescriptor) -> FileKey:
    return file_key(file.state, file.index)


def _changed(file: FileDescriptor, renamed_to: str) -> FileChanged:
    return FileChanged(
        state=file.state,
        index=file.index,
        deleted=bool(file.flags & FileFlag.DELETED),
        renamed_to=renamed_to,
        size=file.size,
        fsp_flags=file.fsp_flags,
        flags=file.flags,
        key=file.key,
        iv=file.iv,
    )
