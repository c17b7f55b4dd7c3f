"""What can go wrong with a clone? ``CloneError`` is the root; each error says what and why."""

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
    UNKNOWN_COMMAND: "The server knows no clone: MySQL 8.0.17 or newer is needed.",
    ACCESS_DENIED: "Run as an administrator of the server: GRANT BACKUP_ADMIN ON *.* TO the user.",
    PLUGIN_NOT_LOADED: (
        "Run as an administrator of the server: INSTALL PLUGIN clone SONAME 'mysql_clone.so'."
    ),
    TOO_MANY_CLONES: "Wait for the other clone of this server to end, then try again.",
    NEEDS_TLS: "Let the connection use TLS: the donor sends keys of encrypted tablespaces over it.",
}


class CloneError(EngineError):
    """No whole clone came of it."""


class ProtocolError(CloneError):
    """The donor said something this client does not understand, so nothing it says counts."""


class ConnectionLost(CloneError):
    """A connection ended or fell silent in the middle of a clone."""


class SpoolFull(CloneError):
    """Whoever takes the records stalled for longer than the spool could hold the donor off."""


class CloneStopped(CloneError):
    """Somebody asked for the end; not a failure."""


class DonorError(CloneError):
    """The donor refused or gave up; ``code`` is the server's own error number."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(
            f"the donor answered with error {code}: {message}", hint=_HINTS.get(code, "")
        )
        self.code = code
