"""Which records does the stream of a clone yield?

All records of a state come before those of the next; within a state files and blocks of several
connections are mixed. Redo files have numbers of their own: ``file`` distinguishes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from backups.clone_protocol.descriptors import FileFlag, State


class FileKey(NamedTuple):
    """Identifies one file of a clone."""

    is_redo: bool
    number: int


@dataclass(frozen=True, slots=True)
class StateStarted:
    """A state begins. The donor's estimates are for the whole state."""

    state: State
    files: int
    estimated_bytes: int


@dataclass(frozen=True, slots=True)
class FileAnnounced:
    """A file of the copy. Its path is relative to the data directory unless it begins with "/".

    ``created_by_ddl``: created during the copy; not all of its pages are sent, so it must be
    started as an empty tablespace.
    """

    state: State
    index: int
    space_id: int
    path: str
    size: int
    allocated: int
    fsp_flags: int
    fs_block: int
    flags: FileFlag
    created_by_ddl: bool = False
    key: bytes = field(default=b"", repr=False)
    iv: bytes = field(default=b"", repr=False)

    @property
    def file(self) -> FileKey:
        return file_key(self.state, self.index)


@dataclass(frozen=True, slots=True)
class FileChanged:
    """A change of an announced file. Changes come in an order in which no path is used twice.

    A deleted file is not part of the copy, whatever blocks of it came before. ``renamed_to`` is
    "" where the path stays. The remaining facts replace those announced.
    """

    state: State
    index: int
    deleted: bool
    renamed_to: str
    size: int
    fsp_flags: int
    flags: FileFlag
    key: bytes = field(default=b"", repr=False)
    iv: bytes = field(default=b"", repr=False)

    @property
    def file(self) -> FileKey:
        return file_key(self.state, self.index)


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes of a file. The buffer is not written again.

    ``file_size`` is the size of the whole file at that moment, 0 if the donor does not send it.
    """

    state: State
    index: int
    offset: int
    payload: memoryview
    file_size: int

    @property
    def file(self) -> FileKey:
        return file_key(self.state, self.index)


@dataclass(frozen=True, slots=True)
class StateEnded:
    """All records of a state have arrived."""

    state: State


CloneRecord = StateStarted | FileAnnounced | FileChanged | Block | StateEnded


def file_key(state: State, index: int) -> FileKey:
    return FileKey(state is State.REDO_COPY, index)
