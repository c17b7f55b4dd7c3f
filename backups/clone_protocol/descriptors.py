"""Which descriptors does InnoDB send with its data? Each is a frozen value.

All integers in here are big-endian. Every descriptor begins with a header: u32 version, u32
length of the whole descriptor, u32 type. Anything unknown or of an unexpected length is refused:
a wrong guess would make a wrong backup.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from backups.clone_protocol.errors import ProtocolError

VERSION = 100
_HEADER = struct.Struct(">III")
KEY_BYTES = 32
# The longest path of any operating system.
LONGEST_NAME = 4096


class State(enum.IntEnum):
    """The states of a clone, in their order."""

    INIT = 1
    FILE_COPY = 2
    PAGE_COPY = 3
    REDO_COPY = 4
    DONE = 5


class StateFlag(enum.IntEnum):
    """The event of a state that a descriptor marks."""

    END = 0
    START = 1
    ACK = 2  # from us: the end is acknowledged; from the donor: a keep-alive while it waits
    START_ACK = 3  # from the donor to a worker: a keep-alive before it can start


class FileFlag(enum.IntFlag):
    """The properties of a file."""

    ZLIB = 1  # transparent page compression
    LZ4 = 2
    AES = 4  # its pages are encrypted
    RENAMED = 8
    DELETED = 16
    KEY = 32  # its key follows the name, in the clear


_KNOWN_FLAGS = int(FileFlag.ZLIB | FileFlag.LZ4 | FileFlag.AES) | int(
    FileFlag.RENAMED | FileFlag.DELETED | FileFlag.KEY
)


@dataclass(frozen=True, slots=True)
class LocatorDescriptor:
    """Identifies a clone. Bytes after the first 34 are for resuming, and kept unchanged."""

    TYPE: ClassVar[int] = 1
    BODY: ClassVar[struct.Struct] = struct.Struct(">QQIBB")

    clone_id: int
    snapshot_id: int
    index: int
    state: int
    metadata_sent: int
    progress: bytes = b""

    def build(self) -> bytes:
        body = self.BODY.pack(
            self.clone_id, self.snapshot_id, self.index, self.state, self.metadata_sent
        )
        return _with_header(self.TYPE, body + self.progress)

    @classmethod
    def parse_body(cls, body: memoryview) -> LocatorDescriptor:
        _need(len(body) >= cls.BODY.size, "a locator descriptor that is cut short")
        clone_id, snapshot_id, index, state, sent = cls.BODY.unpack_from(body)
        return cls(clone_id, snapshot_id, index, state, sent, bytes(body[cls.BODY.size :]))


@dataclass(frozen=True, slots=True)
class TaskDescriptor:
    """The donor's task that serves a connection, and its progress."""

    TYPE: ClassVar[int] = 2
    BODY: ClassVar[struct.Struct] = struct.Struct(">III")

    task: int
    chunk: int
    block: int

    def build(self) -> bytes:
        return _with_header(self.TYPE, self.BODY.pack(self.task, self.chunk, self.block))

    @classmethod
    def parse_body(cls, body: memoryview) -> TaskDescriptor:
        return cls(*_fields(cls.BODY, body, "task"))


@dataclass(frozen=True, slots=True)
class StateDescriptor:
    """The start or end of a state; sent back with ``ACK`` it lets the donor continue."""

    TYPE: ClassVar[int] = 3
    BODY: ClassVar[struct.Struct] = struct.Struct(">IIIIQQH")

    state: State
    task: int
    chunks: int
    files: int
    estimated_bytes: int
    estimated_disk_bytes: int
    flag: StateFlag

    def build(self) -> bytes:
        body = self.BODY.pack(
            self.state,
            self.task,
            self.chunks,
            self.files,
            self.estimated_bytes,
            self.estimated_disk_bytes,
            self.flag,
        )
        return _with_header(self.TYPE, body)

    @classmethod
    def parse_body(cls, body: memoryview) -> StateDescriptor:
        state, task, chunks, files, size, disk, flag = _fields(cls.BODY, body, "state")
        _need(flag <= StateFlag.START_ACK, f"a state descriptor with the unknown flags {flag}")
        return cls(_state(state), task, chunks, files, size, disk, StateFlag(flag))


@dataclass(frozen=True, slots=True)
class FileDescriptor:
    """Announces a file, or a change of one."""

    TYPE: ClassVar[int] = 4
    BODY: ClassVar[struct.Struct] = struct.Struct(">IQQIIHIIIII")

    state: State
    size: int
    allocated: int
    fsp_flags: int
    fs_block: int
    flags: FileFlag
    space_id: int
    index: int
    first_chunk: int
    last_chunk: int
    name: bytes
    # Unwrapped: neither may reach a log.
    key: bytes = field(default=b"", repr=False)
    iv: bytes = field(default=b"", repr=False)

    def build(self) -> bytes:
        body = self.BODY.pack(
            self.state,
            self.size,
            self.allocated,
            self.fsp_flags,
            self.fs_block,
            self.flags,
            self.space_id,
            self.index,
            self.first_chunk,
            self.last_chunk,
            len(self.name) + 1 if self.name else 0,
        )
        return _with_header(self.TYPE, body + _ended(self.name) + self.key + self.iv)

    @classmethod
    def parse_body(cls, body: memoryview) -> FileDescriptor:
        _need(len(body) >= cls.BODY.size, "a file descriptor that is cut short")
        (state, size, allocated, fsp, block, flags, space, index, first, last, name_bytes) = (
            cls.BODY.unpack_from(body)
        )
        _need(not flags & ~_KNOWN_FLAGS, f"a file descriptor with the unknown flags {flags}")
        # A redo file has no name, and then no terminating zero either.
        _need(name_bytes != 1 and name_bytes <= LONGEST_NAME, f"a name of {name_bytes} bytes")
        rest = bytes(body[cls.BODY.size :])
        key_bytes = 2 * KEY_BYTES if flags & FileFlag.KEY else 0
        _need(len(rest) == name_bytes + key_bytes, "a file descriptor of another length")
        name, secret = rest[:name_bytes].rstrip(b"\0"), rest[name_bytes:]
        ends = _ended(name) == rest[:name_bytes] and 0 not in name
        _need(ends, "a file name that does not end where it should")
        return cls(
            *(_state(state), size, allocated, fsp, block, FileFlag(flags), space, index),
            *(first, last, name, secret[:KEY_BYTES], secret[KEY_BYTES:]),
        )


@dataclass(frozen=True, slots=True)
class DataDescriptor:
    """The place of the bytes in the next message; with length 0 none follow."""

    TYPE: ClassVar[int] = 5
    BODY: ClassVar[struct.Struct] = struct.Struct(">IIIIIIQQ")

    state: State
    task: int
    chunk: int
    block: int
    index: int
    length: int
    offset: int
    file_size: int

    def build(self) -> bytes:
        body = self.BODY.pack(
            *(self.state, self.task, self.chunk, self.block),
            *(self.index, self.length, self.offset, self.file_size),
        )
        return _with_header(self.TYPE, body)

    @classmethod
    def parse_body(cls, body: memoryview) -> DataDescriptor:
        state, *rest = _fields(cls.BODY, body, "data")
        parsed = cls(_state(state), *rest)
        # File lengths are signed on every system: a larger value is invalid.
        _need(parsed.offset + parsed.length < 1 << 63, f"data for offset {parsed.offset}")
        return parsed


Descriptor = LocatorDescriptor | TaskDescriptor | StateDescriptor | FileDescriptor | DataDescriptor
_PARSERS: dict[int, Callable[[memoryview], Descriptor]] = {
    kind.TYPE: kind.parse_body
    for kind in (
        *(LocatorDescriptor, TaskDescriptor, StateDescriptor),
        *(FileDescriptor, DataDescriptor),
    )
}


def parse_descriptor(buffer: bytes | bytearray | memoryview) -> Descriptor:
    """Parse all the bytes into a descriptor, or raise ProtocolError."""
    view = memoryview(buffer)
    _need(len(view) >= _HEADER.size, "a descriptor that is cut short")
    version, length, kind = _HEADER.unpack_from(view)
    _need(version == VERSION, f"a descriptor of version {version}; {VERSION} is known")
    _need(length == len(view), f"a descriptor of {len(view)} bytes that says {length}")
    _need(kind in _PARSERS, f"a descriptor of the unknown type {kind}")
    return _PARSERS[kind](view[_HEADER.size :])


def _with_header(kind: int, body: bytes) -> bytes:
    return _HEADER.pack(VERSION, _HEADER.size + len(body), kind) + body


def _ended(name: bytes) -> bytes:
    return name + b"\0" if name else b""


def _fields(layout: struct.Struct, body: memoryview, kind: str) -> tuple[int, ...]:
    _need(len(body) == layout.size, f"a {kind} descriptor of another length")
    return layout.unpack(body)


def _state(number: int) -> State:
    _need(State.INIT <= number <= State.DONE, f"the unknown state {number}")
    return State(number)


def _need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ProtocolError(f"the donor sent {otherwise}")
