"""A client for MySQL's clone protocol. It uses no Django, no jobs and no archive."""

from __future__ import annotations

from backups.clone_protocol.client import DonorFacts
from backups.clone_protocol.descriptors import FileFlag, State
from backups.clone_protocol.endpoint import Endpoint, Tls
from backups.clone_protocol.errors import (
    CloneError,
    CloneStopped,
    ConnectionLost,
    DonorError,
    ProtocolError,
    SpoolFull,
)
from backups.clone_protocol.records import (
    Block,
    CloneRecord,
    FileAnnounced,
    FileChanged,
    FileKey,
    StateEnded,
    StateStarted,
)
from backups.clone_protocol.spool import SpoolLimits
from backups.clone_protocol.stream import CloneStream, clone

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
