"""Which records does an engine pass to the archive?

Files are numbered by the engine, so that a file may be renamed while it is copied. Extents
of one phase do not overlap; a later phase overrides an earlier one where they do.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileOpened:
    """The start of a file. Its path is relative to the data directory, separated by ``/``."""

    file: int
    path: str


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of an open file. The sender gives up the buffer and never writes it again."""

    file: int
    offset: int
    payload: memoryview


@dataclass(frozen=True, slots=True)
class FileClosed:
    """A file is complete and this many bytes long, holes included."""

    file: int
    size: int


@dataclass(frozen=True, slots=True)
class FileRenamed:
    """A file gets another path, which no other file has."""

    file: int
    path: str


@dataclass(frozen=True, slots=True)
class FileRemoved:
    """A file is dropped from the copy, complete or not; its path may be used again."""

    file: int


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """The records that follow override earlier ones."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """So many bytes were read from the instance and are no part of the copy."""

    size: int


Record = FileOpened | Data | FileClosed | FileRenamed | FileRemoved | PhaseStarted | Dropped
