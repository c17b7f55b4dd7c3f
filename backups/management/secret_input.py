"""How does a command get a secret? From a file, pipe or prompt: arguments are visible to all."""

from __future__ import annotations

import sys
from getpass import getpass
from pathlib import Path

from backups.exceptions import BadInput


def read_secret(source: str | None, noun: str) -> str:
    """Return the secret in the file ``source``; ``-`` is a prompt or a pipe. Blank without one.

    ``noun`` is what it is, as ``password``.
    """
    if source is None:
        return ""
    if source == "-":
        asked = f"{noun.capitalize()}: "
        return getpass(asked) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    try:
        secret = Path(source).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        reason = getattr(exc, "strerror", None) or "it is not UTF-8 text"
        raise BadInput(f"{noun} file {source} cannot be read: {reason}") from None
    if not secret:
        raise BadInput(f"{noun} file {source} is empty")
    return secret
