"""Which errors can a clone have? ``CloneError`` is the root; each has a cause."""

from __future__ import annotations

from backups.exceptions import EngineError

# The donor's error numbers that a person can do something about.
UNKNOWN_COMMAND = 1047
ACCESS_DENIED = 1227
INTERRUPTED = 1317
PLUGIN_NOT_LOADED = 1524
TOO_MANY_CLONES = 3634
NEEDS_TLS = 3872

_HINTS = {
    UNKNOWN_COMMAND: "The server does not support clone: MySQL 8.0.17 or newer is needed.",
    ACCESS_DENIED: "Run as an administrator of the server: GRANT BACKUP_ADMIN ON *.* TO the user.",
    PLUGIN_NOT_LOADED: (
        "Run as an administrator of the server: INSTALL PLUGIN clone SONAME 'mysql_clone.so'."
    ),
    TOO_MANY_CLONES: "Wait for the other clone of this server to end, then try again.",
    NEEDS_TLS: "Let the connection use TLS: the donor sends keys of encrypted tablespaces over it.",
}


class CloneError(EngineError):
    """The clone is incomplete."""


class ProtocolError(CloneError):
    """The donor violated the protocol as this client knows it."""


class ConnectionLost(CloneError):
    """A connection ended or timed out during a clone."""


class SpoolFull(CloneError):
    """The consumer stalled for longer than the spool could buffer the donor's data."""


class CloneStopped(CloneError):
    """The clone was stopped on request; not a failure."""


class DonorError(CloneError):
    """The donor refused or aborted; ``code`` is the server's own error number."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"the donor returned error {code}: {message}", hint=_HINTS.get(code, ""))
        self.code = code
