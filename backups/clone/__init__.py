"""A client for MySQL's clone protocol. It knows no Django, no jobs and no archive."""

from __future__ import annotations

from backups.clone.client import DonorFacts
from backups.clone.descriptors import FileFlag, State
from backups.clone.endpoint import Endpoint, Tls
from backups.clone.errors import (
    CloneError,
    CloneStopped,
    ConnectionLost,
    DonorError,
    ProtocolError,
    SpoolFull,
)
from backups.clone.records import (
    Block,
    CloneRecord,
    FileAnnounced,
    FileChanged,
    FileKey,
    StateEnded,
    StateStarted,
)
from backups.clone.spool import SpoolLimits
from backups.clone.stream import CloneStream, clone

__all__ = [
    "Block",
    "CloneError",
    "CloneRecord",
    "CloneStopped",
    "CloneStream",
    "ConnectionLost",
    "DonorError",
    "DonorFacts",
    "Endpoint",
    "FileAnnounced",
    "FileChanged",
    "FileFlag",
    "FileKey",
    "ProtocolError",
    "SpoolFull",
    "SpoolLimits",
    "State",
    "StateEnded",
    "StateStarted",
    "Tls",
    "clone",
]
