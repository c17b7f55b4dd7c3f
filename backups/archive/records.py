"""What an engine hands to the archive.

Files are numbered by the engine, so that a file may be renamed while it is copied. Extents
of one phase do not overlap; a later phase overrides an earlier one where they do.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileOpened:
    """A file begins. Its path is relative to the data directory, parts separated by ``/``."""

    file: int
    path: str


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of an open file. Who yields it gives the buffer away and never writes it again."""

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
    """A file has another path from now on; no file has that path."""

    file: int
    path: str


@dataclass(frozen=True, slots=True)
class FileRemoved:
    """A file is not part of the copy after all, ended or not; its path may be used again."""

    file: int


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """What follows overrides whatever came before it."""


Record = FileOpened | Data | FileClosed | FileRenamed | FileRemoved | PhaseStarted
