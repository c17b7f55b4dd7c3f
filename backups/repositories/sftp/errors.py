"""What does a status of an SFTP server mean, and what can be done about it?

A server has few codes: a full disk, a quota and a name that is taken are all a failure. What can
be found out besides is added by whoever asked.
"""

from __future__ import annotations

from backups.exceptions import RepositoryError
from backups.repositories.sftp.packets import Code, Fields
from backups.visible import visible

MESSAGE_LENGTH = 200

_CAUSES = {
    Code.EOF: "the file ended",
    Code.NO_SUCH_FILE: "No such file or folder",
    Code.PERMISSION_DENIED: "permission denied",
    Code.UNSUPPORTED: "the server cannot do that",
}
_HINTS = {
    Code.NO_SUCH_FILE: "Check the path, and that its disk is mounted on the server.",
    Code.PERMISSION_DENIED: "Give that account of the server read and write access there.",
    Code.UNSUPPORTED: "Use a server with the requests of SFTP version 3, such as OpenSSH.",
}
_UNKNOWN_HINT = "Look at disk, quota and log of the server."


class SftpStatus(Exception):
    """A request failed: the server's code, and its own words."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code, self.message = code, message

    @property
    def cause(self) -> str:
        known = _CAUSES.get(Code(self.code)) if self.code in _CODES else None
        return known or f"the server answered {self.message or f'code {self.code}'}"


_CODES = frozenset(Code)


def status_of(fields: Fields) -> SftpStatus | None:
    """Return what a status says; None if it is success."""
    code = fields.number()
    if code == Code.OK:
        return None
    message = fields.text().decode("utf-8", "replace")[:MESSAGE_LENGTH]
    return SftpStatus(code, visible("".join(c for c in message if c.isprintable())))


def store_error(shown: str, what: str, status: SftpStatus) -> RepositoryError:
    hint = _HINTS.get(Code(status.code), _UNKNOWN_HINT) if status.code in _CODES else _UNKNOWN_HINT
    return RepositoryError(f"{shown} could not be {what}: {status.cause}", hint=hint)


def no_space(shown: str, what: str) -> RepositoryError:
    return RepositoryError(
        f"{shown} could not be {what}: no space left on the server's disk",
        hint="Free space in the repository or purge backups; nothing incomplete was kept.",
    )


def not_ours(shown: str, what: str, kind: str) -> RepositoryError:
    """Of something that no repository contains: a link, a pipe, a device."""
    return RepositoryError(
        f"{shown} could not be {what}: {kind}",
        hint="Find out who put it there; Mooring makes folders and regular files only, and "
        "follows no links.",
    )
